//! Runs `kcm logs`.

use super::exit::{Exit, Failure};
use super::{Invocation, Masters, with_fleet};
use crate::cli::args::LogsArguments;
use crate::cli::report::{LogReport, Report};
use crate::context::{Consent, Run};
use crate::ops::logs::{LogsOutcome, logs};

pub(super) async fn run(
    arguments: LogsArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    let masters = Masters::over_ssh(&arguments.select, Consent::default());
    let show = async |run: Run<'_>, _: &Report| {
        let question = arguments.question(run.now);
        let names = run.fleet.masters().map(|(name, _)| name);
        let mut report = LogReport::new(invocation.common.output, names);
        let outcome = logs(run, &question, &mut report).await?;
        report.end()?;
        Ok(exit(&outcome, question.follow))
    };
    with_fleet(invocation, masters, show).await
}

/// Returns the exit code. Ctrl-C is the normal end of `--follow`.
fn exit(outcome: &LogsOutcome, follow: bool) -> Exit {
    match (outcome.interrupted && !follow, outcome.unread.len()) {
        (true, _) => Exit::Interrupted,
        (false, 0) => Exit::Done,
        (false, unread) if unread < outcome.asked => Exit::Partly,
        (false, _) => Exit::Failed,
    }
}
