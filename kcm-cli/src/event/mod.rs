//! The events of an operation, reported as they happen. Events hold no secrets.

mod drill;
mod smoke;

use kcm_pki::Fingerprint;
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use crate::artifact::certificate_reload::CertificateReload;
use crate::kube::LeaderChange;
use crate::pki::identity::Reason;
use crate::util::files::RemotePath;
use crate::util::schema::{Rfc3339, Sha256};

pub use drill::{DrillMethod, DrillStep};
pub use smoke::{CheckName, CheckResult, SmokeCheck};

/// An event of an operation.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Event {
    /// A valid setting is likely a mistake.
    Warning {
        /// The problem and its fix.
        text: String,
    },
    /// A master answered.
    Observed {
        /// Name of the master.
        master: String,
    },
    /// A root CA was created.
    CaCreated {
        /// Path of the certificate.
        path: String,
        /// Expiry of the certificate.
        #[serde(with = "time::serde::rfc3339")]
        #[schemars(with = "Rfc3339")]
        not_after: OffsetDateTime,
        /// Algorithm of the key.
        algorithm: String,
    },
    /// A new identity was issued and stored on this machine.
    IdentityIssued {
        /// Path of the certificate.
        path: String,
        /// Reasons for the new identity.
        why: Vec<Reason>,
        /// Expiry of the certificate.
        #[serde(with = "time::serde::rfc3339")]
        #[schemars(with = "Rfc3339")]
        not_after: OffsetDateTime,
    },
    /// kcm uploads kube-controller-manager to masters that do not have this version of the file.
    UploadsBinary {
        /// Path of the program on the masters.
        path: RemotePath,
        /// Machine architecture of the program.
        machine: &'static str,
        /// Size in bytes.
        size: u64,
        /// SHA-256 of the program.
        #[schemars(with = "Sha256")]
        digest: Fingerprint,
    },
    /// A master's journal cannot be read, or not to its end.
    JournalUnread {
        /// Name of the master.
        master: String,
        /// The cause and its fix.
        reason: String,
    },
    /// The connection that follows a master's journal was lost; kcm connects again.
    JournalLost {
        /// Name of the master.
        master: String,
        /// The cause.
        reason: String,
    },
    /// A master's journal continues after its last entry.
    JournalResumed {
        /// Name of the master.
        master: String,
    },
    /// A master returns to an earlier generation.
    Restores {
        /// Name of the master.
        master: String,
        /// Time when that generation was replaced.
        #[serde(with = "time::serde::rfc3339")]
        #[schemars(with = "Rfc3339")]
        replaced_at: OffsetDateTime,
    },
    /// An upload to a master makes progress. Reported for large files only.
    Uploading {
        /// Name of the master.
        master: String,
        /// Number of bytes sent.
        sent: u64,
        /// Number of bytes of all files.
        total: u64,
    },
    /// All files of a master are staged beside their targets and verified.
    Staged {
        /// Name of the master.
        master: String,
        /// Number of files.
        files: usize,
    },
    /// The certificate reload of a service: reported while the credentials file is newer than the
    /// service.
    CertificateReload {
        /// Name of the master.
        master: String,
        /// State of the certificate reload.
        #[serde(flatten)]
        certificate_reload: CertificateReload,
    },
    /// kcm changes a master, restarts its service if necessary, and waits until it is healthy.
    Committing {
        /// Name of the master.
        master: String,
    },
    /// A master reached the desired state.
    Committed {
        /// Name of the master.
        master: String,
    },
    /// The leader changed.
    LeaderChanged {
        /// The previous and the new leader, with the gap.
        #[serde(flatten)]
        change: LeaderChange,
    },
    /// A master has the desired state, but its service could not be verified as healthy, for a
    /// reason that existed before.
    Unverified {
        /// Name of the master.
        master: String,
        /// The reason.
        cause: String,
    },
    /// A master was rolled back to its previous state.
    RolledBack {
        /// Name of the master.
        master: String,
        /// The cause of the rollback.
        error: String,
    },
    /// A check of a smoke test ended.
    Checked {
        /// The check with its result.
        check: SmokeCheck,
    },
    /// A step of a drill happened.
    Drilled {
        /// The step.
        #[serde(flatten)]
        step: DrillStep,
    },
    /// A master failed to reach the desired state.
    Failed {
        /// Name of the master.
        master: String,
        /// The cause and its fix.
        error: String,
    },
}

/// A receiver of events, called from one task at a time.
pub trait EventSink: Send + Sync {
    /// Receives one event. Must not block for long.
    fn event(&self, event: &Event);
}

/// An event sink that drops every event, for embedders that need the outcome only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl EventSink for Silent {
    fn event(&self, _event: &Event) {}
}
