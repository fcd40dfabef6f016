//! `drill`: the failover that a cluster lives by, tried before it is needed. The leader is ended, another takes over, the
//! time in between is measured, and everything is put back.
//!
//! At most one master is down at a time. Before one is stopped, its master's own timer is armed that starts it again, so
//! that nothing stays down whatever becomes of kcm.

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
use crate::finding::{Finding, FindingCode, Severity};
use crate::fleet::Network;
use crate::kube::Credentials;
use crate::observed::{ObserveError, ObservedMaster};
use crate::ops::smoke::{self, Seat};
use crate::preflight::{self, PreflightError};
use crate::rollout::{self, Holding, Lead, is_healthy, lead_as_deployed};
use crate::util::tasks::at_once;

#[cfg(feature = "cli")]
pub(crate) use picture::time;
pub use report::{
    DrillReport, EndOfLead, HealthAnswer, HealthSpan, HolderSpan, MasterTimeline, NotPutBack,
    Reconciliation, Succession, Timeline,
};

/// How long the timer waits that starts a master whose kcm is gone: with its start, it runs again within 20 s.
const BACK_AFTER: Duration = Duration::from_secs(17);

/// What a drill is to do.
#[derive(Clone, Debug)]
pub struct DrillRequest {
    /// How a leader is ended.
    pub method: DrillMethod,
    /// How long it goes on.
    pub extent: DrillExtent,
    /// Whether a master is ended although no other is healthy, so that nobody leads until it is back.
    pub even_the_last: bool,
    /// Who may make the probe that shows that a leader works; without, that somebody leads is all there is to see.
    pub probe: Option<ProbeRequest>,
}

/// How long a drill goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrillExtent {
    /// Until one leader has been succeeded.
    Once,
    /// Until every master that is healthy has taken over once.
    All,
}

/// Who may make a namespace with a Deployment for each leader.
#[derive(Clone, Debug)]
pub struct ProbeRequest {
    /// An administrator.
    pub credentials: Credentials,
    /// How long a leader may take to reconcile it.
    pub timeout: Duration,
}

/// Ends the leader, sees another process take over, measures how long nobody led, and puts everything back; with
/// [`DrillExtent::All`] again and again until every healthy master has taken over once. Holds every master's lock.
///
/// # Errors
/// When it does not begin: masters that are folders or cannot be asked, fewer than two that are healthy, a leader that is
/// none of them, or somebody else at work. Nothing was stopped then. What happens from then on is in the [`DrillReport`].
pub async fn drill(run: Run<'_>, request: &DrillRequest) -> Result<DrillReport, Error> {
    if run.fleet.network() == Network::Forbidden {
        let reason = "nobody leads in masters that are folders; leave out --root";
        return Err(Error::Request { reason: reason.to_owned() });
    }
    let layout = Layout::of(&run.cluster.install).map_err(DesiredError::of_layout)?;
    if let Some(probe) = &request.probe {
        smoke::usable(&probe.credentials).await?;
    }
    // There is nothing to put back yet: whoever interrupts it wants it to end.
    let begun = tokio::select! {
        biased;
        () = run.interrupt.asked() => return Err(Error::Interrupted),
        begun = begin(run, request, &layout) => begun?,
    };
    // Kept until everything is put back.
    let _locks = rollout::lock_all(run.fleet).await?;
    let lead = tokio::select! {
        biased;
        () = run.interrupt.asked() => return Err(Error::Interrupted),
        lead = see_leader(run, &layout, &begun) => lead?,
    };
    let report = show::Show::begin(run, request, &layout, &begun, lead).carry_out().await;
    Ok(report)
}

/// The masters as they are when a drill begins.
struct Begun {
    seats: Vec<Seat>,
    observed: Vec<ObservedMaster>,
    /// The places of those that are healthy, in order.
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
        found.push(Finding {
            code: FindingCode::Unhealthy,
            severity: Severity::Warning,
            master: None,
            problem: format!("not healthy, so left out of the drill: {}", ill.join(", ")),
            mend: "`kcm status` says why".to_owned(),
        });
    }
    preflight::settle(found, run.cluster, run.events)?;
    Ok(Begun { seats, observed, healthy })
}

/// Which of the masters at these places are healthy now.
async fn healthy(seats: &[Seat], layout: &Layout, places: &[usize]) -> Vec<usize> {
    let asked = seats.iter().enumerate().filter(|(place, _)| places.contains(place));
    let asked = at_once(asked.map(|(place, seat)| async move {
        is_healthy(&*seat.transport, layout).await.then_some(place)
    }));
    asked.await.into_iter().filter_map(|asked| asked.ok().flatten()).collect()
}

fn too_few(seats: &[Seat], healthy: &[usize]) -> Finding {
    let names: Vec<_> = healthy.iter().filter_map(|at| seats.get(*at)).collect();
    let problem = match names[..] {
        [one] => format!("only {} is healthy, so nobody could take over from it", one.name),
        _ => "none of the masters is healthy".to_owned(),
    };
    let mend = match names[..] {
        [_] => {
            "`kcm status` says what is wrong with the others; --even-the-last ends it all the same, and nobody leads until it is back"
        }
        _ => "`kcm status` says what is wrong",
    };
    refusal(FindingCode::LastHealthy, problem, mend)
}

fn refusal(code: FindingCode, problem: impl Into<String>, mend: impl Into<String>) -> Finding {
    let (problem, mend) = (problem.into(), mend.into());
    Finding { code, severity: Severity::Error, master: None, problem, mend }
}

/// Opens the ways to the Lease, and sees one of the healthy masters hold and renew it.
async fn see_leader(run: Run<'_>, layout: &Layout, begun: &Begun) -> Result<Arc<Lead>, Error> {
    let lead = lead_as_deployed(run, layout, &begun.observed).await?;
    match leader_trouble(&lead, begun).await {
        None => Ok(Arc::new(lead)),
        Some(finding) => Err(PreflightError::Findings { findings: vec![finding] }.into()),
    }
}

/// What keeps the present leader from being ended.
async fn leader_trouble(lead: &Lead, begun: &Begun) -> Option<Finding> {
    if !lead.is_seen() {
        let problem = "who leads cannot be seen from here, so there is nobody to end";
        let mend = "run kcm where pki.directory holds kube-controller-manager's key, and see to the warnings above";
        return Some(refusal(FindingCode::LeadUnknown, problem, mend));
    }
    if let Some(finding) = not_to_be_ended(lead.holding().await, begun) {
        return Some(finding);
    }
    // Whoever has only just ended still holds it.
    if let Err(why) = lead.settled().await {
        return Some(refusal(FindingCode::NobodyLeads, why, "`kcm status` says what is wrong"));
    }
    not_to_be_ended(lead.holding().await, begun)
}

/// Why whoever holds the Lease is not to be ended; nothing where nobody does, who may yet.
fn not_to_be_ended(holding: Holding, begun: &Begun) -> Option<Finding> {
    match holding {
        Holding::Ours(place, _) if begun.healthy.contains(&place) => None,
        Holding::Ours(place, _) => {
            let name = begun.seats.get(place).map(|seat| seat.name.as_str()).unwrap_or_default();
            let problem = format!("{name} leads and is not healthy");
            Some(refusal(FindingCode::Unhealthy, problem, "`kcm status` says why"))
        }
        Holding::LeftOut(lease) => {
            let holder = lease.holder().map(ToString::to_string).unwrap_or_default();
            let problem = format!("{holder} leads, and is none of the masters that were chosen");
            Some(refusal(FindingCode::StrangerLeads, problem, "do not leave the leader out"))
        }
        Holding::Stranger(holder) => {
            let (problem, mend) = rollout::stranger(&holder);
            Some(refusal(FindingCode::StrangerLeads, problem, mend))
        }
        Holding::Unknown(why) => {
            let problem = format!("who leads cannot be seen: {why}");
            Some(refusal(FindingCode::LeadUnknown, problem, "see to the API server first"))
        }
        Holding::Away => None,
    }
}
