//! Runs `kcm logs`.

use super::exit::{Exit, Failure};
use super::{Masters, with_fleet};
use crate::cli::args::LogsArguments;
use crate::cli::report::{LogReport, Report};
use crate::context::{Consent, Run};
use crate::ops::logs::{LogsOutcome, logs};
use crate::util::interrupt::Interrupt;

pub(super) async fn run(arguments: LogsArguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let fleet = &arguments.select.fleet;
    if fleet.root.is_some() {
        let message =
            "a folder has no journal, so `kcm logs` has no --root; leave it out to ask the masters";
        return Err(Failure::new(Exit::Usage, message));
    }
    let masters = Masters::of(&arguments.select, Consent::default());
    let show = async |run: Run<'_>, _: &Report| {
        let question = arguments.question(run.now);
        let names = run.fleet.masters().map(|(name, _)| name);
        let mut report = LogReport::new(fleet.output, names);
        let outcome = logs(run, &question, &mut report).await?;
        report.end()?;
        Ok(exit(&outcome, question.follow))
    };
    with_fleet(masters, interrupt, show).await
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
