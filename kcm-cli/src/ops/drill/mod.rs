//! `drill`: a rehearsal of a failover. Ends the leader, waits for a successor, measures the
//! leaderless gap, and restores the service.
//!
//! At most one master is down at a time. Before kcm stops a service, it arms a timer on the master,
//! which starts the service again even if kcm dies.

mod back;
mod pace;
mod picture;
mod probe;
mod report;
mod show;
mod succession;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::desired::DesiredError;
use crate::error::Error;
use crate::event::DrillMethod;
use crate::finding::{Finding, FindingCode};
use crate::fleet::Network;
use crate::kube::{Credentials, Holding};
use crate::observed::{ObserveError, ObservedMaster};
use crate::ops::smoke::{self, Seat};
use crate::preflight::{self, PreflightError};
use crate::rollout::{self, LeaderElection, is_healthy, leader_election_as_deployed};
use crate::util::tasks::at_once;

#[cfg(feature = "cli")]
pub(crate) use picture::time;
pub use report::{
    DrillReport, EndOfLeadership, HealthAnswer, HealthSpan, HolderSpan, MasterTimeline, NotPutBack,
    Reconciliation, Succession, Timeline,
};

/// Delay of the timer that starts a service again if kcm dies. With the start itself, the service
/// runs again within 20 s.
const BACK_AFTER: Duration = Duration::from_secs(17);
const SHOW_CAUSE: &str = "run `kcm status` to show the cause";

/// Options of a drill.
#[derive(Clone, Debug)]
pub struct DrillRequest {
    /// Method of ending a leader.
    pub method: DrillMethod,
    /// Extent of the drill.
    pub extent: DrillExtent,
    /// End a leader even if no other master is healthy. The cluster is leaderless until its service
    /// runs again.
    pub even_the_last: bool,
    /// Probe that verifies that a leader works. Without it, only leadership is verified.
    pub probe: Option<ProbeRequest>,
}

/// Extent of a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrillExtent {
    /// Ends after the first succession.
    Once,
    /// Ends after every healthy master has taken over once.
    All,
}

/// Inputs of the probe, which creates a namespace with a Deployment for each leader.
#[derive(Clone, Debug)]
pub struct ProbeRequest {
    /// Credentials of an administrator.
    pub credentials: Credentials,
    /// Time limit for a leader to reconcile its Deployment.
    pub timeout: Duration,
}

/// Ends the leader, waits for another process to take over, measures the leaderless gap, and
/// restores the service. Holds every master's lock.
///
/// With [`DrillExtent::All`], repeats this until every healthy master has taken over once.
///
/// # Errors
/// If the drill does not begin; nothing was stopped then. Possible causes are masters that are
/// folders or unreachable, fewer than two healthy masters, an unsuitable leader, or a lock of
/// another process. Later failures are in the [`DrillReport`].
pub async fn drill(run: Run<'_>, request: &DrillRequest) -> Result<DrillReport, Error> {
    if run.fleet.network() == Network::Forbidden {
        let reason =
            "a drill does not support --root, because folders have no leader; leave out --root";
        return Err(Error::Request(reason.into()));
    }
    let layout = Layout::of(&run.cluster.install).map_err(DesiredError::of_layout)?;
    if let Some(probe) = &request.probe {
        smoke::usable(&probe.credentials).await?;
    }
    // Nothing needs to be restored yet, so an interrupt ends the run at once.
    let begun = tokio::select! {
        biased;
        () = run.interrupt.asked() => return Err(Error::Interrupted),
        begun = begin(run, request, &layout) => begun?,
    };
    // The locks are held until everything is restored.
    let _locks = rollout::lock_all(run.fleet).await?;
    let election = tokio::select! {
        biased;
        () = run.interrupt.asked() => return Err(Error::Interrupted),
        election = see_leader(run, &layout, &begun) => election?,
    };
    let report = show::Show::begin(run, request, &layout, &begun, election).carry_out().await;
    Ok(report)
}

/// State of the masters at the start of a drill.
struct Begun {
    seats: Vec<Seat>,
    observed: Vec<ObservedMaster>,
    /// Indexes of the healthy masters, in order.
    healthy: Vec<usize>,
}

async fn begin(run: Run<'_>, request: &DrillRequest, layout: &Layout) -> Result<Begun, Error> {
    let mut seats = smoke::look(run, layout).await;
    let observed: Vec<_> =
        seats.iter().filter_map(|seat| Some(seat.seen.as_ref().ok()?.master.clone())).collect();
    if observed.len() < seats.len() {
        let masters = seats.drain(..).map(|seat| (seat.name, seat.seen.err()));
        return Err(ObserveError { masters: masters.collect() }.into());
    }
    let all: Vec<_> = (0..seats.len()).collect();
    let healthy = healthy(&seats, layout, &all).await;
    let mut found = Vec::new();
    let ill = seats.iter().enumerate().filter(|(place, _)| !healthy.contains(place));
    let ill: Vec<_> = ill.map(|(_, seat)| seat.name.as_str()).collect();
    if healthy.len() < 2 && !(request.even_the_last && healthy.len() == 1) {
        found.push(too_few(&seats, &healthy));
    } else if !ill.is_empty() {
        let problem = format!("unhealthy masters are excluded from the drill: {}", ill.join(", "));
        found.push(Finding::general(FindingCode::Unhealthy, problem, SHOW_CAUSE));
    }
    preflight::settle(found, run.cluster, run.events)?;
    Ok(Begun { seats, observed, healthy })
}

/// Returns which of the masters at these indexes are healthy now.
async fn healthy(seats: &[Seat], layout: &Layout, places: &[usize]) -> Vec<usize> {
    let asked = seats.iter().enumerate().filter(|(place, _)| places.contains(place));
    let asked = at_once(asked.map(|(place, seat)| async move {
        is_healthy(&*seat.transport, layout).await.then_some(place)
    }));
    asked.await.into_iter().filter_map(|asked| asked.ok().flatten()).collect()
}

fn too_few(seats: &[Seat], healthy: &[usize]) -> Finding {
    let names: Vec<_> = healthy.iter().filter_map(|at| seats.get(*at)).collect();
    let (problem, help) = match names[..] {
        [one] => (
            format!("{} is the only healthy master, so no other master can take over", one.name),
            "run `kcm status` to show the cause on the other masters, or pass --even-the-last; the cluster then has no leader until this master runs again",
        ),
        _ => ("none of the masters is healthy".to_owned(), SHOW_CAUSE),
    };
    refusal(FindingCode::LastHealthy, problem, help)
}

fn refusal(code: FindingCode, problem: impl Into<String>, help: impl Into<String>) -> Finding {
    Finding::general(code, problem, help).into_error()
}

/// Connects to the Lease, and waits until one of the healthy masters holds and renews it.
async fn see_leader(
    run: Run<'_>,
    layout: &Layout,
    begun: &Begun,
) -> Result<Arc<LeaderElection>, Error> {
    let election = leader_election_as_deployed(run, layout, &begun.observed).await?;
    match leader_trouble(&election, begun).await {
        None => Ok(Arc::new(election)),
        Some(finding) => Err(PreflightError::Findings { findings: vec![finding] }.into()),
    }
}

/// Returns the reason that the current leader must not be ended, if any.
async fn leader_trouble(election: &LeaderElection, begun: &Begun) -> Option<Finding> {
    if !election.is_seen() {
        let problem = "cannot determine the leader from this machine, so the drill cannot stop it";
        let help = "run kcm on the machine whose `pki.directory` holds kube-controller-manager's key, and resolve the warnings above";
        return Some(refusal(FindingCode::LeaderUnknown, problem, help));
    }
    if let Some(finding) = not_to_be_ended(election.holding().await, begun) {
        return Some(finding);
    }
    // A process that has just ended still holds the Lease.
    if let Err(why) = election.settled().await {
        return Some(refusal(FindingCode::NoLeader, why, SHOW_CAUSE));
    }
    not_to_be_ended(election.holding().await, begun)
}

/// Returns the reason that the holder of the Lease must not be ended, if any. A Lease without a
/// holder passes, because a candidate may still take it.
fn not_to_be_ended(holding: Holding, begun: &Begun) -> Option<Finding> {
    match holding {
        Holding::Ours(place, _) if begun.healthy.contains(&place) => None,
        Holding::Ours(place, _) => {
            let name = begun.seats.get(place).map(|seat| seat.name.as_str()).unwrap_or_default();
            let problem = format!("the leader {name} is unhealthy");
            Some(refusal(FindingCode::Unhealthy, problem, SHOW_CAUSE))
        }
        Holding::Excluded(lease) => {
            let holder = lease.holder().map(ToString::to_string).unwrap_or_default();
            let problem = format!("the leader {holder} is not one of the selected masters");
            Some(refusal(FindingCode::LeaderExcluded, problem, "do not exclude the leader"))
        }
        Holding::Unmanaged(holder) => {
            let (problem, help) = rollout::unmanaged_leader(&holder);
            Some(refusal(FindingCode::LeaderUnmanaged, problem, help))
        }
        Holding::Unknown(why) => {
            let problem = format!("cannot determine the leader: {why}");
            Some(refusal(FindingCode::LeaderUnknown, problem, "check the API server first"))
        }
        Holding::Nobody => None,
    }
}
