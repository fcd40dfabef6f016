//! Runs `kcm rotate`: shows the stages of rotations, and carries out the next one.

use super::exit::{Exit, Failure};
use super::{Invocation, Masters, confirm, finish, with_fleet};
use crate::cli::args::{
    RotateArguments, RotateCaArguments, RotateServiceAccountKeyArguments, RotateVerb,
};
use crate::cli::report::{End, Report};
use crate::context::{Consent, Run};
use crate::ops::rotate::{Rotations, ca, rotations, service_account_key as token_key};
use crate::rollout::Outcome;

pub(super) async fn run(
    arguments: RotateArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    match arguments.what {
        None => show(invocation).await,
        Some(RotateVerb::ServiceAccountKey(arguments)) => {
            service_account_key(&arguments, invocation).await
        }
        Some(RotateVerb::Ca(arguments)) => certificate_authority(&arguments, invocation).await,
    }
}

async fn show(invocation: Invocation<'_>) -> Result<Exit, Failure> {
    let masters = Masters { root: None, only: &[], skip: &[], consent: Consent::default() };
    let show = async |run: Run<'_>, report: &Report| tell(report, &rotations(run).await?);
    with_fleet(invocation, masters, show).await
}

async fn service_account_key(
    arguments: &RotateServiceAccountKeyArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    let masters = Masters::over_ssh(&arguments.select, Consent::default());
    let rotate = async |run: Run<'_>, report: &Report| {
        let stage = Box::pin(token_key::plan_stage(run, arguments.new)).await?;
        if let Some(prepared) = &stage.prepared {
            confirm::ask(report, prepared, arguments.confirm).await?;
        }
        let outcome = Box::pin(token_key::execute_stage(run, stage)).await?;
        if let Some(exit) = unfinished(run, report, outcome)? {
            return Ok(exit);
        }
        tell(report, &Box::pin(token_key::rotation(run)).await?.into())
    };
    with_fleet(invocation, masters, rotate).await
}

async fn certificate_authority(
    arguments: &RotateCaArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    let masters = Masters::over_ssh(&arguments.select, Consent::default());
    let rotate = async |run: Run<'_>, report: &Report| {
        let stage = Box::pin(ca::plan_stage(run, arguments.new)).await?;
        if arguments.dry_run {
            let plan = stage.prepared.map(|prepared| prepared.plan);
            return tell(report, &Rotations { plan, ..stage.rotation.into() });
        }
        if let Some(prepared) = &stage.prepared {
            confirm::ask(report, prepared, arguments.confirm).await?;
        }
        let outcome = Box::pin(ca::execute_stage(run, stage)).await?;
        if let Some(exit) = unfinished(run, report, outcome)? {
            return Ok(exit);
        }
        tell(report, &Box::pin(ca::rotation(run)).await?.into())
    };
    with_fleet(invocation, masters, rotate).await
}

/// Reports the outcome of a stage. Returns the exit code if the stage was not completed.
fn unfinished(
    run: Run<'_>,
    report: &Report,
    outcome: Option<Outcome>,
) -> Result<Option<Exit>, Failure> {
    let Some(outcome) = outcome else { return Ok(None) };
    let exit = finish(run, report, &outcome, End::Rotated)?;
    Ok((exit != Exit::Done).then_some(exit))
}

fn tell(report: &Report, rotations: &Rotations) -> Result<Exit, Failure> {
    report.rotations(rotations)?;
    Ok(if rotations.is_done() { Exit::Done } else { Exit::ToDo })
}
