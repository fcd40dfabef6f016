//! Events of a failover drill.

use schemars::JsonSchema;
use serde::Serialize;

/// The method of ending a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DrillMethod {
    /// Stops the service. The Lease expires, unless the leader releases it itself (KEP-5366).
    Stop,
    /// Kills the process as in a crash. The Lease expires.
    Kill,
    /// Stops the service and releases the Lease, as every rollout of kcm does.
    Handover,
}

/// A step of a drill, reported as it happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "step", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum DrillStep {
    /// kcm starts to end the leader.
    Ends {
        /// Name of the master.
        master: String,
        /// The method of ending the leader.
        method: DrillMethod,
    },
    /// The process of the ended leader has exited.
    Ended {
        /// Name of the master.
        master: String,
    },
    /// Another process became the leader.
    Led {
        /// Identity of the new leader, as in the Lease.
        holder: String,
        /// Leaderless gap in milliseconds.
        gap_milliseconds: u64,
    },
    /// The Deployment of the probe has its Pod.
    Reconciled {
        /// Time that the leader took for the Pod; `None` for the probe before the first succession.
        delay_milliseconds: Option<u64>,
    },
    /// The service on a master runs again.
    Back {
        /// Name of the master.
        master: String,
    },
    /// A master was restarted so that it does not become the next leader.
    HeldBack {
        /// Name of the master.
        master: String,
    },
}
