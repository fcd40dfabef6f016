//! Result of a drill, as a value.

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use crate::event::DrillMethod;
use crate::ops::smoke::LeftBehind;
use crate::util::schema::Rfc3339;

/// Result of a drill. Points in time are milliseconds since `at` on a monotonic clock.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DrillReport {
    /// Start of the observation.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Rfc3339")]
    pub at: OffsetDateTime,
    /// Name of the cluster.
    pub cluster: String,
    /// Method of ending leaders.
    pub method: DrillMethod,
    /// Master that led at the start.
    pub leader: String,
    /// Masters that took part: those that were healthy at the start.
    pub masters: Vec<String>,
    /// Successions, each with the end of a leader and its result.
    pub successions: Vec<Succession>,
    /// Result of the probe under the initial leader; absent without a probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_probe: Option<Reconciliation>,
    /// Reason for an early end; absent if the drill was complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Masters whose service is not known to run again.
    pub not_put_back: Vec<NotPutBack>,
    /// Objects that the drill created and could not remove.
    pub left_behind: Vec<LeftBehind>,
    /// True if the drill was interrupted before its end.
    pub is_interrupted: bool,
    /// Observations of the Lease and of all masters during the drill.
    pub timeline: Timeline,
}

/// The end of a leader, and its successor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Succession {
    /// Master that led.
    pub from: String,
    /// Identity of its process in the Lease.
    pub from_holder: String,
    /// Start of the leaderless gap.
    pub ended_milliseconds: u64,
    /// Evidence for the start of the gap.
    pub end: EndOfLeadership,
    /// Master that leads now, which may be the same master with a new process. Absent without a
    /// leader, or if the leader is not one of the masters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Identity of the new leader in the Lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_holder: Option<String>,
    /// Time at which the new leader was first seen to hold the Lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub led_milliseconds: Option<u64>,
    /// Time at which the new leader was seen to renew the Lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewed_milliseconds: Option<u64>,
    /// Length of the leaderless gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap_milliseconds: Option<u64>,
    /// Maximum by which the true gap is shorter: the time between two reads of the Lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision_milliseconds: Option<u64>,
    /// Maximum expected gap, from the Lease's duration and the candidates' retry period. From the
    /// retry period alone if the leader released its Lease. Absent if kcm freed the Lease, or no
    /// other master could take over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promise_milliseconds: Option<u64>,
    /// Reason that a handover left the Lease to expire; absent if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// Result of the probe; absent without a probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Reconciliation>,
    /// Time at which the former leader's service was healthy again, or was started if its health
    /// was not observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back_milliseconds: Option<u64>,
    /// Time at which the service was verified healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy_milliseconds: Option<u64>,
    /// Masters that were restarted so that a master that has not taken over yet can lead.
    pub held_back: Vec<String>,
}

/// Evidence for the end of leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum EndOfLeadership {
    /// The process was seen to be gone.
    ProcessGone,
    /// The end of the process was not seen; the last renewal was.
    LastRenewal,
    /// The process released its Lease itself (KEP-5366), before or just after its end.
    Released,
}

/// Result of a Deployment that the drill created as a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Reconciliation {
    /// The Deployment has its `ReplicaSet` and its Pod.
    Reconciled {
        /// Time at which the Deployment was created.
        asked_milliseconds: u64,
        /// Time at which its Pod was seen.
        done_milliseconds: u64,
        /// Time that the new leader took; absent without a succession.
        #[serde(skip_serializing_if = "Option::is_none")]
        delay_milliseconds: Option<u64>,
    },
    /// The Deployment was not reconciled.
    Failed {
        /// The cause, or the last observation.
        why: String,
    },
}

/// A master whose service is not known to run again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NotPutBack {
    /// Name of the master.
    pub master: String,
    /// The cause.
    pub why: String,
    /// Command that starts the service on the master.
    pub start: String,
}

/// Observations during the drill. Times are milliseconds since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Timeline {
    /// Length of the observation.
    pub length_milliseconds: u64,
    /// Longest time without a successful read of the Lease.
    pub blind_milliseconds: u64,
    /// Holders of the Lease.
    pub lease: Vec<HolderSpan>,
    /// Health of each master, in cluster file order.
    pub masters: Vec<MasterTimeline>,
}

/// A period with one holder of the Lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HolderSpan {
    /// First observation of this holder.
    pub from_milliseconds: u64,
    /// Last observation of this holder.
    pub until_milliseconds: u64,
    /// Holder of the Lease; null if the Lease is free or missing.
    pub holder: Option<String>,
}

/// Health of one master over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MasterTimeline {
    /// Name of the master.
    pub name: String,
    /// Periods of equal health, in order of time.
    pub health: Vec<HealthSpan>,
}

/// A period of equal health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HealthSpan {
    /// Start of the period.
    pub from_milliseconds: u64,
    /// End of the period.
    pub until_milliseconds: u64,
    /// Health in the period.
    pub answer: HealthAnswer,
}

/// Answer of a master to a health request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum HealthAnswer {
    /// The service is healthy.
    Healthy,
    /// The service answers and is not healthy.
    Unhealthy,
    /// The service does not answer.
    Silent,
    /// The master could not be queried.
    Unknown,
}

impl Succession {
    /// Reports whether the succession succeeded. A successor led within the promised time, renewed
    /// the Lease and reconciled the probe, and the former leader is healthy again.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.to.is_some()
            && self.renewed_milliseconds.is_some()
            && self.is_as_promised()
            && !matches!(self.probe, Some(Reconciliation::Failed { .. }))
            && self.healthy_milliseconds.is_some()
    }

    /// Reports whether the leaderless gap ended, at most 1 s later than promised.
    #[must_use]
    pub fn is_as_promised(&self) -> bool {
        match (self.gap_milliseconds, self.promise_milliseconds) {
            (Some(gap), Some(promise)) => gap <= promise + 1000,
            (gap, _) => gap.is_some(),
        }
    }
}

impl DrillReport {
    /// Reports whether every succession succeeded, without an early end, and everything is
    /// restored.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.trouble.is_none()
            && !self.is_interrupted
            && self.is_put_back()
            && !self.successions.is_empty()
            && self.successions.iter().all(Succession::is_good)
    }

    /// Reports whether every service runs again, and every created object is removed.
    #[must_use]
    pub fn is_put_back(&self) -> bool {
        self.not_put_back.is_empty() && self.left_behind.is_empty()
    }
}
