//! `plan` and `apply`: the masters become what the cluster file says.

use super::sources::{Sources, checked};
use crate::context::Run;
use crate::error::Error;
use crate::finding::Severity;
use crate::kube::Credentials;
use crate::observed::ObservedMaster;
use crate::pki;
use crate::pki::identity::Decision;
use crate::plan::Plan;
use crate::preflight::{self, lint};
use crate::rollout::{Lead, Outcome, PlanInputs, Prepared, execute};
use crate::transport::Activity;

/// Plans what [`apply`] would do. Writes nothing anywhere.
///
/// # Errors
/// When the plan cannot be made, or could not be executed.
pub async fn plan(run: Run<'_>) -> Result<Prepared, Error> {
    let mut prepared = prepare(run).await?;
    ask_api_servers(run, &mut prepared).await?;
    Ok(prepared)
}

/// Makes every master what the cluster file says: plans, and executes the plan.
///
/// The second run changes nothing. Interrupted anywhere, the next run goes on from what it finds.
///
/// # Errors
/// When it stopped before any master changed. What happens from then on is in the [`Outcome`].
pub async fn apply(run: Run<'_>) -> Result<Outcome, Error> {
    pki::recover(&run.cluster.pki)?;
    // It is long: callers should not have to carry it on their stack.
    let prepared = Box::pin(prepare(run)).await?;
    Box::pin(execute(run, prepared)).await
}

async fn prepare(run: Run<'_>) -> Result<Prepared, Error> {
    lint::refuse(run)?;
    checked(run, compare(run).await?).await
}

/// Plans, whether or not the plan could be executed.
pub(crate) async fn compare(run: Run<'_>) -> Result<Prepared, Error> {
    let sources = Sources::read(run, None).await?;
    let (decisions, desired) = sources.choose(run, sources.decisions())?;
    let masters = Plan::masters(&desired, sources.observed());
    Ok(sources.prepared(decisions, desired, masters, false))
}

/// Asks the API servers what an execution asks before it changes a master. Whether they accept a new identity is not known
/// before it is issued.
async fn ask_api_servers(run: Run<'_>, prepared: &mut Prepared) -> Result<(), Error> {
    let Prepared { plan, observed, findings, inputs, .. } = prepared;
    let PlanInputs::ClusterFile(from) = inputs else { return Ok(()) };
    let (observed, examined) = (&observed.masters[..], &from.examined[..]);
    let credentials = Credentials::of_cluster(run.cluster, from.inputs.pair.clone())?;
    let (lead, mut found) =
        Lead::of_plan(run, plan, observed, examined, credentials.as_ref()).await;
    if matches!(plan.identity, Some(Decision::Issue { .. })) {
        found.clear();
    }
    found.extend(lead.findings(examined).await);
    findings.extend(found.iter().filter(|it| it.severity == Severity::Warning).cloned());
    preflight::settle(found, run.cluster, run.events)?;
    let runs =
        |master: &ObservedMaster| matches!(master.probe.unit.activity, Activity::Active { .. });
    let masters = plan.masters.iter().zip(observed).enumerate();
    let restarted = masters.filter(|(_, (planned, master))| planned.starts() && runs(master));
    let restarted: Vec<_> = restarted.map(|(place, _)| place).collect();
    // At most once, because the leader comes last.
    plan.lead_changes = match &restarted[..] {
        [] => None,
        _ => Some(lead.forecast(&restarted).await),
    };
    Ok(())
}
