//! Runs `kcm rotate`: shows the stages of rotations, and carries out the next one.

use super::exit::{Exit, Failure};
use super::{Invocation, Masters, confirm, finish, with_fleet};
use crate::cli::args::{RotateArguments, RotateServiceAccountKeyArguments, RotateVerb};
use crate::cli::report::{End, Report};
use crate::context::{Consent, Run};
use crate::ops::rotate::{
    TokenKeyRotation, execute_stage, plan_stage, service_account_key_rotation,
};

pub(super) async fn run(
    arguments: RotateArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    match arguments.what {
        None => show(invocation).await,
        Some(RotateVerb::ServiceAccountKey(arguments)) => {
            service_account_key(&arguments, invocation).await
        }
    }
}

async fn show(invocation: Invocation<'_>) -> Result<Exit, Failure> {
    let masters = Masters { root: None, only: &[], skip: &[], consent: Consent::default() };
    let show = async |run: Run<'_>, report: &Report| {
        let rotation = service_account_key_rotation(run).await?;
        report.rotation(&rotation)?;
        Ok(exit(&rotation))
    };
    with_fleet(invocation, masters, show).await
}

async fn service_account_key(
    arguments: &RotateServiceAccountKeyArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    let masters = Masters::over_ssh(&arguments.select, Consent::default());
    let rotate = async |run: Run<'_>, report: &Report| {
        let stage = Box::pin(plan_stage(run, arguments.new)).await?;
        if let Some(prepared) = &stage.prepared {
            confirm::ask(report, prepared, arguments.confirm).await?;
        }
        if let Some(outcome) = Box::pin(execute_stage(run, stage)).await? {
            let exit = finish(run, report, &outcome, End::Rotated)?;
            if exit != Exit::Done {
                return Ok(exit);
            }
        }
        let rotation = Box::pin(service_account_key_rotation(run)).await?;
        report.rotation(&rotation)?;
        Ok(exit(&rotation))
    };
    with_fleet(invocation, masters, rotate).await
}

fn exit(rotation: &TokenKeyRotation) -> Exit {
    if rotation.is_done() { Exit::Done } else { Exit::ToDo }
}
