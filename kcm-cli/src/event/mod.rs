//! What happened, as it happens. Events hold no secrets.

mod drill;
mod smoke;

use kcm_pki::Fingerprint;
use serde::Serialize;
use time::OffsetDateTime;

use crate::artifact::uptake::Uptake;
use crate::kube::LeadChange;
use crate::pki::identity::Reason;
use crate::util::files::RemotePath;

pub use drill::{DrillMethod, DrillStep};
pub use smoke::{CheckName, CheckResult, SmokeCheck};

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Event {
    /// Something is legal and still looks like a mistake.
    Warning {
        /// What, and what to do.
        text: String,
    },
    /// A master answered.
    Observed {
        /// The master.
        master: String,
    },
    /// A root CA was made.
    CaCreated {
        /// Its certificate.
        path: String,
        /// Its end.
        #[serde(with = "time::serde::rfc3339")]
        not_after: OffsetDateTime,
        /// Its key.
        algorithm: String,
    },
    /// A new identity was issued and stored on this machine.
    IdentityIssued {
        /// Its certificate.
        path: String,
        /// Why.
        why: Vec<Reason>,
        /// Its end.
        #[serde(with = "time::serde::rfc3339")]
        not_after: OffsetDateTime,
    },
    /// kube-controller-manager itself is brought to masters that do not have it in these bytes.
    BringsBinary {
        /// Where it will be on the masters.
        path: RemotePath,
        /// The machine that it is for.
        machine: &'static str,
        /// Its size in bytes.
        size: u64,
        /// Its SHA-256.
        digest: Fingerprint,
    },
    /// A master's journal cannot be read, or not to its end.
    JournalUnread {
        /// The master.
        master: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The connection to a master whose journal is followed was lost, and is being made again.
    JournalLost {
        /// The master.
        master: String,
        /// What happened.
        reason: String,
    },
    /// A master's journal goes on after its last entry.
    JournalResumed {
        /// The master.
        master: String,
    },
    /// A master goes back to an earlier generation.
    GoesBack {
        /// The master.
        master: String,
        /// When that generation was replaced.
        #[serde(with = "time::serde::rfc3339")]
        replaced_at: OffsetDateTime,
    },
    /// Files are on their way to a master. Told for big ones only.
    Uploading {
        /// The master.
        master: String,
        /// Bytes that have left.
        sent: u64,
        /// Bytes of all files.
        total: u64,
    },
    /// All files for a master are beside their targets and checked.
    Staged {
        /// The master.
        master: String,
        /// How many.
        files: usize,
    },
    /// Whether a service uses the credentials file that its kubeconfig names: told while that is newer than the service.
    Uptake {
        /// The master.
        master: String,
        /// Whether it does.
        #[serde(flatten)]
        uptake: Uptake,
    },
    /// A master is as it should be.
    Committed {
        /// The master.
        master: String,
    },
    /// The lead went from a master to another process.
    LeadChanged {
        /// From whom to whom, and how long that took.
        #[serde(flatten)]
        change: LeadChange,
    },
    /// A master has everything, and its service could not be proven healthy, for a reason that was there before.
    Unproven {
        /// The master.
        master: String,
        /// Why.
        cause: String,
    },
    /// A master has again what it had before.
    RolledBack {
        /// The master.
        master: String,
        /// Why.
        error: String,
    },
    /// A check of a proof has ended.
    Checked {
        /// The check.
        check: SmokeCheck,
    },
    /// Something happened in a drill.
    Drilled {
        /// What.
        #[serde(flatten)]
        step: DrillStep,
    },
    /// A master is not as it should be.
    Failed {
        /// The master.
        master: String,
        /// Why, and what to do.
        error: String,
    },
}

/// Takes events; called from one task at a time.
pub trait EventSink: Send + Sync {
    /// Takes one event. Must not block for long.
    fn event(&self, event: &Event);
}

/// Drops every event: for embedders who want the outcome alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl EventSink for Silent {
    fn event(&self, _event: &Event) {}
}
