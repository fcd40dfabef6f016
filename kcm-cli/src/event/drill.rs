//! What happens in a failover drill.

use serde::Serialize;

/// How a leader is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DrillMethod {
    /// Its service is stopped, and its Lease runs out, unless the leader releases it (KEP-5366).
    Stop,
    /// Its process is killed as in a crash, and its Lease runs out.
    Kill,
    /// It is stopped and its Lease is freed, as every rollout of kcm does it.
    Handover,
}

/// Something that happens in a drill, as it happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum DrillStep {
    /// A leader is ended now.
    Ends {
        /// The master.
        master: String,
        /// How.
        method: DrillMethod,
    },
    /// Its process is gone.
    Ended {
        /// The master.
        master: String,
    },
    /// Another process leads.
    Led {
        /// Who, as the Lease names it.
        holder: String,
        /// How long nobody did.
        gap_milliseconds: u64,
    },
    /// The probe has its Pod.
    Reconciled {
        /// How long the leader took for it; nothing for the one at the beginning.
        delay_milliseconds: Option<u64>,
    },
    /// A master runs again.
    Back {
        /// The master.
        master: String,
    },
    /// A master was restarted so that it does not lead next.
    HeldBack {
        /// The master.
        master: String,
    },
}
