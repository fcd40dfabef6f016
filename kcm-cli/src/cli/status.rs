//! Runs `kcm status`.

use std::time::Duration;

use time::OffsetDateTime;

use super::exit::{Exit, Failure};
use super::{Invocation, Masters, with_fleet};
use crate::cli::args::StatusArguments;
use crate::cli::report::{self, Report};
use crate::context::{Consent, Run};
use crate::error::Error;
use crate::finding::Severity;
use crate::ops::status::{Status, status};

pub(super) async fn run(
    arguments: StatusArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    let masters = Masters::of(&arguments.fleet, Consent::default());
    let observe = async |run: Run<'_>, report: &Report| match arguments.watch {
        None => once(run, report, &arguments).await,
        Some(pause) => watch(run, report, &arguments, pause.into()).await,
    };
    with_fleet(invocation, masters, observe).await
}

async fn once(run: Run<'_>, report: &Report, arguments: &StatusArguments) -> Result<Exit, Failure> {
    // An observation leaves nothing to clean up, so the first interrupt ends it.
    let status = tokio::select! {
        biased;
        () = run.interrupt.asked() => return Err(Error::Interrupted.into()),
        status = status(run) => status?,
    };
    report.status(&status, arguments.keys)?;
    leave_metrics(&status, arguments)?;
    Ok(exit(&status))
}

/// Repeats the status until interrupted. The exit code is that of the last report.
async fn watch(
    run: Run<'_>,
    report: &Report,
    arguments: &StatusArguments,
    pause: Duration,
) -> Result<Exit, Failure> {
    let mut last = Exit::Interrupted;
    loop {
        let run = Run { now: OffsetDateTime::now_utc(), ..run };
        let observe = async {
            let status = status(run).await?;
            report.status_again(&status)?;
            leave_metrics(&status, arguments)?;
            Ok::<_, Failure>(exit(&status))
        };
        tokio::select! {
            biased;
            () = run.interrupt.asked() => return Ok(last),
            observed = observe => last = observed?,
        }
        tokio::select! {
            biased;
            () = run.interrupt.asked() => return Ok(last),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn leave_metrics(status: &Status, arguments: &StatusArguments) -> Result<(), Failure> {
    let Some(file) = arguments.textfile.as_deref() else { return Ok(()) };
    report::status_metrics(status, file).map_err(|error| Failure::of_metrics(file, &error))
}

fn exit(status: &Status) -> Exit {
    match status.worst() {
        Some(Severity::Error) => Exit::Failed,
        Some(Severity::Warning) => Exit::ToDo,
        None => Exit::Done,
    }
}
