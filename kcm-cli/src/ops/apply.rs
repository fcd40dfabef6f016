//! `plan` and `apply`: bring the masters to the state in the cluster file.

use super::sources::{Sources, checked};
use crate::context::Run;
use crate::desired::DesiredError;
use crate::error::Error;
use crate::finding::Severity;
use crate::kube::Credentials;
use crate::observed::ObservedMaster;
use crate::pki::identity::Decision;
use crate::plan::Plan;
use crate::preflight::{self, lint};
use crate::rollout::{LeaderElection, Outcome, PlanInputs, Prepared, execute};
use crate::transport::Activity;

/// Plans the changes that [`apply`] would make. Writes nothing.
///
/// # Errors
/// If the plan cannot be made, or a check shows that it could not be executed.
pub async fn plan(run: Run<'_>) -> Result<Prepared, Error> {
    let mut prepared = prepare(run).await?;
    ask_api_servers(run, &mut prepared).await?;
    Ok(prepared)
}

/// Brings every master to the state in the cluster file: plans, then executes the plan.
///
/// A second run changes nothing. After an interruption at any point, the next run continues from
/// the observed state.
///
/// # Errors
/// If it stopped before any master changed. Later failures are in the [`Outcome`].
pub async fn apply(run: Run<'_>) -> Result<Outcome, Error> {
    // The futures are large, so they are boxed to keep them off the callers' stacks.
    let prepared = Box::pin(prepare(run)).await?;
    Box::pin(execute(run, prepared)).await
}

/// Plans as [`apply`] does, without queries that an execution sends anyway.
pub(crate) async fn prepare(run: Run<'_>) -> Result<Prepared, Error> {
    lint::refuse(run)?;
    checked(run, compare(run).await?).await
}

/// Makes the plan, whether or not it could be executed.
pub(crate) async fn compare(run: Run<'_>) -> Result<Prepared, Error> {
    Ok(compared(run, Sources::read(run, None).await?)?)
}

/// Makes the plan from inputs that were read before.
pub(super) fn compared(run: Run<'_>, sources: Sources) -> Result<Prepared, DesiredError> {
    let (decisions, desired) = sources.choose(run, sources.decisions())?;
    let mut masters = Plan::masters(&desired, sources.observed());
    if run.consent.remove_ca_key {
        Plan::remove_ca_key(&mut masters, &desired, sources.observed(), sources.layout());
    }
    Ok(sources.prepared(decisions, desired, masters, false))
}

/// Queries the API servers as an execution does before it changes a master.
///
/// If the plan issues a new identity, findings about the identity are dropped: they would concern
/// the old one.
async fn ask_api_servers(run: Run<'_>, prepared: &mut Prepared) -> Result<(), Error> {
    let Prepared { plan, observed, findings, inputs, .. } = prepared;
    let PlanInputs::ClusterFile(from) = inputs else { return Ok(()) };
    let (observed, examined) = (&observed.masters[..], &from.examined[..]);
    let credentials = Credentials::of_cluster(run.cluster, from.inputs.pair.clone())?;
    let (election, mut found) =
        LeaderElection::of_plan(run, plan, observed, examined, credentials.as_ref()).await;
    if plan.identity.as_ref().is_some_and(Decision::issues) {
        found.clear();
    }
    found.extend(election.findings(examined).await);
    findings.extend(found.iter().filter(|it| it.severity == Severity::Warning).cloned());
    preflight::settle(found, run.cluster, run.events)?;
    let runs =
        |master: &ObservedMaster| matches!(master.probe.unit.activity, Activity::Active { .. });
    let masters = plan.masters.iter().zip(observed).enumerate();
    let restarted = masters.filter(|(_, (planned, master))| planned.starts() && runs(master));
    let restarted: Vec<_> = restarted.map(|(place, _)| place).collect();
    // Leadership changes at most once, because the leader is restarted last.
    plan.leader_changes = match &restarted[..] {
        [] => None,
        _ => Some(election.forecast(&restarted).await),
    };
    Ok(())
}
