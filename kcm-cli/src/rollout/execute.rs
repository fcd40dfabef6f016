//! Execution of a plan, shared by all operations that change masters.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::gate;
use super::issue::{self, Fresh};
use super::leader_election::{LeaderElection, leader_election_as_deployed, unmanaged_leader};
use super::leader_handover::LeaderHandover;
use super::lock::lock_all;
use super::master::MasterRollout;
use super::order::next_masters;
use super::outcome::{LeadershipOutcome, MasterResult, Outcome};
use super::prepared::{PlanInputs, Prepared};
use super::stage::{self, stage_files};
use crate::cluster::layout::Role;
use crate::context::Run;
use crate::error::Error;
use crate::event::Event;
use crate::kube::{Credentials, Holding};
use crate::pki;
use crate::plan::choose::{Site, choose};
use crate::preflight;
use crate::util::tasks::at_once;

/// Executes a prepared plan.
///
/// The commit of a master that no longer has its observed state is refused. After an interruption,
/// the same operation run again continues from the state that it observes.
///
/// # Errors
///
/// An error that stopped the rollout before any master changed. Later failures are part of the
/// [`Outcome`].
pub async fn execute(run: Run<'_>, prepared: Prepared) -> Result<Outcome, Error> {
    if let PlanInputs::ClusterFile(_) = prepared.inputs {
        // A pair that an interrupted run stored is put in place first.
        pki::recover(&run.cluster.pki)?;
    }
    if prepared.plan.is_empty() {
        return Ok(Outcome::unchanged(run, &prepared.plan));
    }
    let locks = lock_all(run.fleet).await?;
    store_service_account_key(run, &prepared)?;
    for (master, replaced_at) in prepared.restores.iter().cloned() {
        run.events.event(&Event::Restores { master, replaced_at });
    }
    let issued = issue_credentials(run, &prepared).await?;
    let prepared = refresh_plan(run, prepared, issued)?;
    let election = connect_leader_election(run, &prepared).await?;
    let mut masters = MasterRollout::all(run, &prepared);
    if stage_all(run, &prepared, &election, &mut masters).await {
        commit_in_order(run, &prepared, &election, &mut masters).await;
    }
    unstage_untouched(&masters).await;
    let leader = verify_leader(&election, &masters).await;
    drop(locks);
    Ok(Outcome::of(run, &prepared.plan, masters, leader))
}

/// Stores a new service account key on this machine before a master receives it.
fn store_service_account_key(run: Run<'_>, prepared: &Prepared) -> Result<(), Error> {
    let PlanInputs::ClusterFile(from) = &prepared.inputs else { return Ok(()) };
    if !prepared.plan.writes(Role::ServiceAccountKey) {
        return Ok(());
    }
    let place = run.cluster.pki.service_account_key.as_ref();
    Ok(pki::token_key::store_token_key(place, from.inputs.token_key.as_ref())?)
}

/// Issues and stores the CA and the certificates that the plan requires.
async fn issue_credentials(run: Run<'_>, prepared: &Prepared) -> Result<Option<Fresh>, Error> {
    match &prepared.inputs {
        PlanInputs::ClusterFile(from) => {
            issue::issue(run, &prepared.plan, &from.inputs, from.same_key).await
        }
        PlanInputs::Masters(_) => Ok(None),
    }
}

/// Puts the issued certificates into the steps that were planned for them. No other step changes.
fn refresh_plan(
    run: Run<'_>,
    mut prepared: Prepared,
    issued: Option<Fresh>,
) -> Result<Prepared, Error> {
    let Prepared { observed, desired, plan, layout, inputs, .. } = &mut prepared;
    let PlanInputs::ClusterFile(from) = inputs else { return Ok(prepared) };
    if let Some(issued) = issued {
        let decisions = issued.into_inputs(&mut from.inputs, plan);
        let (cluster, owners, inputs) = (run.cluster, &from.owners[..], &from.inputs);
        let (_, known) = choose(Site { cluster, layout, owners, inputs, observed }, decisions)?;
        plan.refresh(&known, observed);
        *desired = Some(known);
    }
    if let Some(binary) = from.inputs.binary.as_ref().filter(|_| plan.writes(Role::Binary)) {
        run.events.event(&Event::UploadsBinary {
            path: layout.executable.clone(),
            machine: binary.machine,
            size: binary.bytes.expose().len() as u64,
            digest: binary.bytes.digest(),
        });
    }
    Ok(prepared)
}

/// Opens connections for reading the Lease. Every API server that answers must accept the identity
/// with which masters will start.
async fn connect_leader_election(
    run: Run<'_>,
    prepared: &Prepared,
) -> Result<Arc<LeaderElection>, Error> {
    let Prepared { observed, plan, layout, inputs, .. } = prepared;
    let PlanInputs::ClusterFile(from) = inputs else {
        return Ok(Arc::new(leader_election_as_deployed(run, layout, &observed.masters).await?));
    };
    let credentials = Credentials::of_cluster(run.cluster, from.inputs.pair.clone())?;
    let (observed, examined) = (&observed.masters[..], &from.examined[..]);
    let (election, mut found) =
        LeaderElection::of_plan(run, plan, observed, examined, credentials.as_ref()).await;
    found.extend(election.findings(examined).await);
    preflight::settle(found, run.cluster, run.events)?;
    Ok(Arc::new(election))
}

/// Stages all files, and at the same time probes which masters reach their API server. Returns true
/// if commits may begin.
async fn stage_all(
    run: Run<'_>,
    prepared: &Prepared,
    election: &LeaderElection,
    masters: &mut [MasterRollout],
) -> bool {
    if run.interrupt.is_requested() {
        return false;
    }
    let is_proven = |it: &&MasterRollout| it.task.as_ref().is_some_and(|it| it.gate.is_some());
    let proven = masters.iter().filter(is_proven);
    let asked: Vec<_> =
        proven.map(|it| (it.place, Arc::clone(&it.transport), it.server.clone())).collect();
    let reaching = at_once(asked.iter().map(async |(place, transport, server)| {
        (*place, gate::reaches_api_server(&**transport, server).await)
    }));
    let staging = stage_files(run, &prepared.layout, masters, election.server_version());
    let (reached, ()) = tokio::join!(reaching, staging);
    // The result of a task that panicked stays unknown.
    for (place, reached) in reached.into_iter().flatten() {
        if let Some(master) = masters.get_mut(place) {
            master.reached_api_server = reached;
        }
    }
    masters.iter().all(|master| !master.staged.has_failed()) && !run.interrupt.is_requested()
}

/// Commits group by group, in the order of [`next_masters`]. Stops after the first group with a
/// failure.
async fn commit_in_order(
    run: Run<'_>,
    prepared: &Prepared,
    election: &Arc<LeaderElection>,
    masters: &mut [MasterRollout],
) {
    let has_task = |master: &&MasterRollout| master.task.is_some();
    let mut waiting: Vec<_> =
        masters.iter().filter(has_task).map(|it| (it.place, it.condition)).collect();
    while !waiting.is_empty() && !run.interrupt.is_requested() {
        let holding = election.holding_if_it_matters(&waiting).await;
        let holder = match &holding {
            Holding::Ours(place, _) => Some(*place),
            Holding::Unmanaged(holder) => {
                let (problem, help) = unmanaged_leader(holder);
                let first = waiting.first().and_then(|(place, _)| masters.get_mut(*place));
                if let Some(first) = first {
                    let error = Some(format!("{problem}; {help}"));
                    first.result = MasterResult::Untouched { error };
                }
                return;
            }
            Holding::Excluded(_) | Holding::Nobody | Holding::Unknown(_) => None,
        };
        let group = next_masters(&waiting, holder);
        let begun = commit_group(run, prepared, masters, &group, |masters, place| {
            LeaderHandover::of(election, masters, place, &holding)
        });
        let begun = begun.await;
        waiting.retain(|(place, _)| !begun.contains(place));
        let is_good = |place: &usize| masters.get(*place).is_some_and(|it| it.result.is_good());
        if !begun.iter().all(is_good) {
            return;
        }
    }
}

/// Commits a group at once. Returns the positions of the masters whose commit began.
async fn commit_group(
    run: Run<'_>,
    prepared: &Prepared,
    masters: &mut [MasterRollout],
    group: &[usize],
    leader_handover: impl Fn(&[MasterRollout], usize) -> Option<LeaderHandover>,
) -> Vec<usize> {
    let (mut begun, mut committing) = (Vec::new(), JoinSet::new());
    for place in group.iter().copied() {
        if run.interrupt.is_requested() {
            break;
        }
        let leader_handover = leader_handover(masters, place);
        let Some(master) = masters.get_mut(place) else { continue };
        let Some(task) = master.task.clone() else { continue };
        let site = master.site(&prepared.layout);
        let error = "the transport ended without a reply; run the same command again".to_owned();
        master.result = MasterResult::Failed { error };
        run.events.event(&Event::Committing { master: master.name.clone() });
        begun.push(place);
        committing.spawn(async move { (place, site.carry_out(task, leader_handover).await) });
        // A transport may never wait. Yielding lets an interrupt be noticed between commits.
        tokio::task::yield_now().await;
    }
    while let Some(ended) = committing.join_next().await {
        // The task panicked: its result already reports a missing answer.
        let Ok((place, (result, change))) = ended else { continue };
        let Some(master) = masters.get_mut(place) else { continue };
        master.result = result;
        master.tell(run);
        if let Some(change) = change {
            run.events.event(&Event::LeaderChanged { change: change.clone() });
            master.leader_change = Some(change);
        }
    }
    begun
}

/// Removes files that were staged for a commit that did not happen, so that no secret stays behind.
async fn unstage_untouched(masters: &[MasterRollout]) {
    let is_untouched = |it: &&MasterRollout| matches!(it.result, MasterResult::Untouched { .. });
    stage::unstage(masters.iter().filter(is_untouched)).await;
}

/// Waits until a master leads, if all commits succeeded and at least one master changed.
async fn verify_leader(
    election: &LeaderElection,
    masters: &[MasterRollout],
) -> Option<LeadershipOutcome> {
    let is_unproven = |it: &MasterRollout| matches!(it.result, MasterResult::Unverified { .. });
    let is_expected = masters.iter().all(|it| it.result.is_good() && !is_unproven(it))
        && masters.iter().any(|it| it.result != MasterResult::Unchanged)
        && masters.iter().any(MasterRollout::runs_afterwards);
    let changes: Vec<_> = masters.iter().filter_map(|it| it.leader_change.clone()).collect();
    if !election.is_seen() || !is_expected {
        let outcome = LeadershipOutcome { changes, leader: None, trouble: None };
        return (!outcome.changes.is_empty()).then_some(outcome);
    }
    let (leader, trouble) = match election.settled().await {
        Ok(leader) => (Some(leader), None),
        Err(trouble) => (None, Some(trouble)),
    };
    Some(LeadershipOutcome { changes, leader, trouble })
}
