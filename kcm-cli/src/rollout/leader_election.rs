//! Leader election during a rollout: reads the Lease before each commit, releases it after a stop,
//! and verifies the leader at the end.

mod release;
mod succession;

use std::sync::Arc;

use kcm_systemd::KubernetesVersion;
use time::OffsetDateTime;

use super::order::Condition;
use crate::cluster::MasterName;
use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::finding::{Finding, FindingCode};
use crate::kube::{
    Accepted, Api, ApiError, Candidates, ClockOffset, Credentials, Holding, LeaderForecast, Lease,
    Problem, Via,
};
use crate::observed::ObservedMaster;
use crate::pki;
use crate::plan::{MasterPlan, Plan};
use crate::preflight::{self, Examination, PreflightError};
use crate::util::tasks::{Panicked, at_once};

pub(crate) use release::LeaseAfterStop;
pub(super) use succession::SUCCESSION;

/// Connections to the API server for reading the Lease, at most one through each master.
#[derive(Debug)]
pub(crate) struct LeaderElection {
    seats: Vec<Seat>,
    excluded: Vec<MasterName>,
}

#[derive(Debug)]
struct Seat {
    name: String,
    hostname: Option<String>,
    api: Option<Arc<dyn Api>>,
    /// Clock offsets of this master and of the API server as observed through it.
    clocks: Vec<ClockOffset>,
    /// The API server's version as reported through this master.
    version: Option<KubernetesVersion>,
}

/// Opens connections for reading the Lease where no identity is issued, through every running
/// master. Uses the identity on this machine, if there is one.
pub(crate) async fn leader_election_as_deployed(
    run: Run<'_>,
    layout: &Layout,
    observed: &[ObservedMaster],
) -> Result<LeaderElection, PreflightError> {
    let pair = pki::pair(run.cluster)?;
    let credentials = Credentials::of_cluster(run.cluster, pair)?;
    let runs = |place: usize| observed.get(place).map(Condition::of) == Some(Condition::Running);
    let can_ask = credentials.is_some() && run.fleet.control_plane().is_some();
    // A Lease is released only if the clock offsets are known.
    let clocks = preflight::clocks(run, layout, |place| can_ask && runs(place)).await;
    let (election, found) =
        LeaderElection::open(run, observed, &clocks, credentials.as_ref(), runs).await;
    let warnings = found.into_iter().map(Finding::into_warning).collect();
    preflight::settle(warnings, run.cluster, run.events)?;
    Ok(election)
}

impl LeaderElection {
    /// Opens a connection with `credentials` through every master for which `is_requested` returns
    /// true. Checks through each whether the API server accepts the identity, and returns the
    /// findings.
    ///
    /// Opens none if the control plane is not available or `credentials` is `None`.
    pub(crate) async fn open(
        run: Run<'_>,
        observed: &[ObservedMaster],
        clocks: &[Option<ClockOffset>],
        credentials: Option<&Credentials>,
        is_requested: impl Fn(usize) -> bool,
    ) -> (Self, Vec<Finding>) {
        let seat = |(place, observed): (usize, &ObservedMaster)| Seat {
            name: observed.name.clone(),
            hostname: observed.probe.hostname.clone(),
            api: None,
            clocks: clocks.get(place).copied().flatten().into_iter().collect(),
            version: None,
        };
        let seats = observed.iter().enumerate().map(seat).collect();
        let mut election = Self { seats, excluded: run.cluster.left_out.clone() };
        let mut found = Vec::new();
        let Some(control_plane) = run.fleet.control_plane() else { return (election, found) };
        let asked: Vec<_> = (0..observed.len()).filter(|place| is_requested(*place)).collect();
        let Some(credentials) = credentials else {
            if !asked.is_empty() {
                found.push(no_key());
            }
            return (election, found);
        };
        let masters = run.fleet.masters().enumerate();
        let masters = masters.filter(|(place, _)| asked.contains(place));
        let opening = at_once(masters.map(async |(_, (name, transport))| {
            let via = Via::of_master(run.cluster.api_via, name, transport);
            let credentials = credentials.at(run.cluster.server_of(name));
            match control_plane.open(&credentials, via).await {
                Ok(api) => (Some(Arc::clone(&api)), api.check_identity().await),
                Err(error) => (None, Err(error)),
            }
        }));
        for (place, opened) in asked.iter().zip(opening.await) {
            let Some(seat) = election.seats.get_mut(*place) else { continue };
            let (api, accepted) = match opened {
                Ok(opened) => opened,
                Err(panicked) => {
                    found.push(not_asked(&seat.name, &panicked));
                    continue;
                }
            };
            match accepted {
                Ok(Accepted { version, clock, .. }) => {
                    seat.api = api;
                    seat.clocks.extend(clock);
                    seat.version = KubernetesVersion::parse(&version).ok();
                }
                Err(error) => {
                    // A clock offset is not a refusal. Steps that depend on clocks evaluate it
                    // themselves.
                    if let Problem::Clock { offset, .. } = error.problem {
                        seat.api = api;
                        seat.clocks.push(offset);
                    }
                    found.push(refused(&seat.name, &error));
                }
            }
        }
        (election, found)
    }

    /// Opens a connection through every master whose service will start with the identity or reload
    /// it.
    pub(crate) async fn of_plan(
        run: Run<'_>,
        plan: &Plan,
        observed: &[ObservedMaster],
        examined: &[Examination],
        credentials: Option<&Credentials>,
    ) -> (Self, Vec<Finding>) {
        let clocks: Vec<_> = examined.iter().map(|examination| examination.clock).collect();
        let takes_it = |it: &MasterPlan| it.starts() || it.replaces_named_credentials();
        let starts = |place: usize| plan.masters.get(place).is_some_and(takes_it);
        Self::open(run, observed, &clocks, credentials, starts).await
    }

    /// Returns the holder of the Lease if a service that is not idle may be restarted. Returns
    /// [`Holding::Nobody`] without a query if all are idle or no connection is open.
    pub(super) async fn holding_if_it_matters(&self, waiting: &[(usize, Condition)]) -> Holding {
        if self.is_seen() && waiting.iter().any(|(_, condition)| *condition != Condition::Idle) {
            self.holding().await
        } else {
            Holding::Nobody
        }
    }

    /// Forecasts how often leadership changes if the services at these positions are restarted.
    pub(crate) async fn forecast(&self, restarted: &[usize]) -> LeaderForecast {
        match self.holding().await {
            Holding::Ours(place, _) => LeaderForecast {
                at_most: u8::from(restarted.contains(&place)),
                leader: self.seats.get(place).map(|seat| seat.name.clone()),
            },
            _ => LeaderForecast { at_most: 1, leader: None },
        }
    }

    /// Returns preflight findings: an unknown leader, and programs newer than the API server.
    pub(crate) async fn findings(&self, examined: &[Examination]) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.is_seen()
            && let Holding::Unmanaged(holder) = self.holding().await
        {
            let (problem, help) = unmanaged_leader(&holder);
            let finding = Finding::general(FindingCode::LeaderUnmanaged, problem, help);
            found.push(finding.into_error());
        }
        let server = self.server_version();
        for (seat, examination) in self.seats.iter().zip(examined) {
            found.extend(preflight::too_new(&seat.name, examination.version, server));
        }
        found
    }

    /// Returns the API server's version; of several servers, the oldest version reported.
    pub(super) fn server_version(&self) -> Option<KubernetesVersion> {
        self.seats.iter().filter_map(|seat| seat.version).min()
    }

    /// Reports whether at least one connection for reading the Lease is open.
    pub(crate) fn is_seen(&self) -> bool {
        self.seats.iter().any(|seat| seat.api.is_some())
    }

    /// Reads the Lease through the first master whose connection answers.
    pub(crate) async fn lease(&self) -> Result<Option<Lease>, String> {
        let mut error = "no connection to the API server".to_owned();
        for api in self.seats.iter().filter_map(|seat| seat.api.as_ref()) {
            match api.lease().await {
                Ok(lease) => return Ok(lease),
                Err(why) => error = why.to_string(),
            }
        }
        Err(error)
    }

    /// Returns the current holder of the Lease.
    pub(crate) async fn holding(&self) -> Holding {
        match self.lease().await {
            Ok(lease) => self.candidates().holding(lease, OffsetDateTime::now_utc()),
            Err(why) => Holding::Unknown(why),
        }
    }

    /// Returns the masters that may hold the Lease.
    pub(crate) fn candidates(&self) -> Candidates<'_> {
        let masters = self.seats.iter().map(|seat| (&*seat.name, seat.hostname.as_deref()));
        Candidates::new(masters, &self.excluded)
    }
}

/// Returns the problem and the help text for an unknown leader.
pub(crate) fn unmanaged_leader(holder: &str) -> (String, &'static str) {
    let help = "identify that process (an old master, a static Pod, another cluster file) before kcm restarts a service";
    (format!("the leader {holder} is not one of the masters"), help)
}

fn no_key() -> Finding {
    Finding::general(
        FindingCode::LeaderUnknown,
        "cannot determine the leader: the key of kube-controller-manager is not on this machine",
        "run kcm on the machine that has the key in `pki.directory`, for a handover without a leaderless gap",
    )
}

fn not_asked(master: &str, panicked: &Panicked) -> Finding {
    let help = "run the same command again, or exclude this master with --skip";
    Finding::error(FindingCode::LeaderUnknown, master, panicked.to_string(), help).into_warning()
}

fn refused(master: &str, error: &ApiError) -> Finding {
    let (said, help) = error.with_help();
    let finding = |code| Finding::error(code, master, said, help);
    match &error.problem {
        _ if error.is_unreachable() => finding(FindingCode::ApiUnreachable).into_warning(),
        Problem::ForwardingForbidden { .. } | Problem::Way { .. } => {
            finding(FindingCode::LeaderUnknown).into_warning()
        }
        Problem::Clock { .. } => finding(FindingCode::ClockOff).into_warning(),
        Problem::Unauthenticated { .. }
        | Problem::Anonymous
        | Problem::WrongUser { .. }
        | Problem::Forbidden { .. } => finding(FindingCode::IdentityRefused),
        _ => finding(FindingCode::ApiUnusable),
    }
}
