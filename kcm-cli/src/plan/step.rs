//! The steps of a plan: each is one change on one master.

use std::fmt;

use kcm_pki::Fingerprint;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cluster::layout::Role;
use crate::desired::Content;
use crate::transport::PathState;
use crate::util::files::{Mode, Owner, RemotePath};
use crate::util::schema::{ContentText, Sha256};

/// The plan of one master.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MasterPlan {
    /// Name of the master.
    pub name: String,
    /// The steps in order; empty if the master already has its desired state.
    pub steps: Vec<Step>,
}

impl MasterPlan {
    /// Reports whether a file of this role is written.
    pub(crate) fn writes(&self, role: Role) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step, Step::Write { role: written, .. } if *written == role))
    }

    /// Reports whether the service is started or restarted.
    #[must_use]
    pub fn starts(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Restart))
    }

    /// Reports whether the plan replaces the file that the kubeconfig names for certificate and
    /// key. A running service reloads it automatically.
    #[must_use]
    pub fn replaces_named_credentials(&self) -> bool {
        let is_combined = |role| role == Some(Role::Combined);
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step, Step::Write { .. }) && is_combined(step.role()))
    }
}

/// One step on a master.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "step", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Step {
    /// Creates or replaces a file.
    Write {
        /// Role of the file.
        role: Role,
        /// Path of the file.
        path: RemotePath,
        /// Permission bits of the file.
        mode: Mode,
        /// Owner of the file.
        owner: Owner,
        /// Observed state of the path.
        before: PathState,
        /// New content of the file, serialized as a digest, or as pending if it does not exist yet.
        #[schemars(with = "ContentText")]
        after: Content,
        /// Size of the new content in bytes, if known.
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        /// Unified diff for display, with fingerprints in place of secrets.
        diff: String,
    },
    /// Sets the mode or owner of a file, and keeps its content.
    SetAttributes {
        /// Role of the file.
        role: Role,
        /// Path of the file.
        path: RemotePath,
        /// Permission bits of the file.
        mode: Mode,
        /// Owner of the file, if it can be set.
        owner: Option<Owner>,
        /// Observed state of the path.
        before: PathState,
    },
    /// Removes a folder that an interrupted run left behind.
    RemoveLeftover {
        /// Path of the folder.
        path: RemotePath,
    },
    /// Makes systemd reload its unit files.
    Reload,
    /// Enables the unit, so that it starts at boot.
    Enable,
    /// Restores a file from an earlier generation.
    Restore {
        /// Path of the file.
        path: RemotePath,
        /// Path at which the file of that generation is kept.
        from: RemotePath,
        /// SHA-256 digest of the content.
        #[schemars(with = "Sha256")]
        digest: Fingerprint,
        /// Permission bits of the file.
        mode: Mode,
        /// Owner of the file.
        owner: Owner,
        /// Observed state of the path.
        before: PathState,
    },
    /// Removes a file.
    Remove {
        /// Path of the file.
        path: RemotePath,
        /// Observed state of the path.
        before: PathState,
    },
    /// Disables the unit, so that it no longer starts at boot.
    Disable,
    /// Stops the service for good.
    Stop,
    /// Starts or restarts the service.
    Restart,
    /// Removes kcm's own files from the master: notes and kept generations.
    Forget,
    /// Verifies the service without a restart: after a certificate reload, or after a change that
    /// an earlier run made and did not verify.
    Verify,
}

/// The change in words, without its reason.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { path, mode, owner, before: PathState::Absent, .. } => {
                write!(f, "create {path}  {mode} {owner}")
            }
            Self::Write { path, mode, owner, .. } => write!(f, "replace {path}  {mode} {owner}"),
            Self::SetAttributes { path, mode, owner, before, .. } => {
                let before = match before {
                    PathState::File { mode, owner, .. } => format!("{mode} {owner}"),
                    other => other.describe(),
                };
                let owner = owner.map_or_else(String::new, |owner| format!(" {owner}"));
                write!(f, "set {path}  {before} -> {mode}{owner}")
            }
            Self::RemoveLeftover { path } => {
                write!(f, "remove {path}, left by an interrupted run")
            }
            Self::Reload => f.write_str("reload the systemd units"),
            Self::Enable => f.write_str("enable kube-controller-manager.service"),
            Self::Restore { path, mode, owner, .. } => {
                write!(f, "restore {path}  {mode} {owner}")
            }
            Self::Remove { path, .. } => write!(f, "remove {path}"),
            Self::Disable => f.write_str("disable kube-controller-manager.service"),
            Self::Stop => f.write_str("stop kube-controller-manager.service"),
            Self::Restart => f.write_str("start kube-controller-manager.service"),
            Self::Forget => f.write_str("remove kcm's notes and kept generations"),
            Self::Verify => {
                f.write_str("verify that kube-controller-manager is healthy, without a restart")
            }
        }
    }
}

impl Step {
    /// Returns the role of the file that a write or attribute step changes.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Write { role, .. } | Self::SetAttributes { role, .. } => Some(*role),
            _ => None,
        }
    }
}
