//! The steps of a plan: one change on one master each.

use kcm_pki::Fingerprint;
use serde::Serialize;

use crate::cluster::layout::Role;
use crate::desired::Content;
use crate::transport::PathState;
use crate::util::files::{Mode, Owner, RemotePath};

/// What will be done on one master.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MasterPlan {
    /// Its name.
    pub name: String,
    /// What is done, in this order; empty when everything is as it should be.
    pub steps: Vec<Step>,
}

impl MasterPlan {
    /// Tells whether a file of this role is written.
    pub(crate) fn writes(&self, role: Role) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step, Step::Write { role: written, .. } if *written == role))
    }

    /// Whether its service is started or restarted.
    #[must_use]
    pub fn starts(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Restart))
    }

    /// Whether it replaces the file that the kubeconfig names for certificate and key, from which a service that runs takes
    /// them up by itself.
    #[must_use]
    pub fn replaces_named_credentials(&self) -> bool {
        let is_combined = |role| role == Some(Role::Combined);
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step, Step::Write { .. }) && is_combined(step.role()))
    }
}

/// One thing that is done on a master.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "step", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Step {
    /// A file is made or replaced.
    Write {
        /// What it is.
        role: Role,
        /// Where it is.
        path: RemotePath,
        /// Its permission bits.
        mode: Mode,
        /// Its owner.
        owner: Owner,
        /// What is there now.
        before: PathState,
        /// Its new content: a digest, or that it is yet to be made.
        after: Content,
        /// The size of its new content in bytes, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        /// The change for people, secrets as fingerprints.
        diff: String,
    },
    /// A file stays and gets another mode or owner.
    SetAttributes {
        /// What it is.
        role: Role,
        /// Where it is.
        path: RemotePath,
        /// Its permission bits.
        mode: Mode,
        /// Its owner, if it can be set.
        owner: Option<Owner>,
        /// What is there now.
        before: PathState,
    },
    /// What an interrupted run left is removed.
    RemoveLeftover {
        /// The folder.
        path: RemotePath,
    },
    /// systemd reads unit files again.
    Reload,
    /// The unit starts at boot.
    Enable,
    /// A file is what it was in an earlier generation.
    Restore {
        /// Where it is.
        path: RemotePath,
        /// Where the file of that generation is kept.
        from: RemotePath,
        /// SHA-256 of its bytes.
        digest: Fingerprint,
        /// Its permission bits.
        mode: Mode,
        /// Its owner.
        owner: Owner,
        /// What is there now.
        before: PathState,
    },
    /// A file is removed.
    Remove {
        /// Where it is.
        path: RemotePath,
        /// What is there now.
        before: PathState,
    },
    /// The unit does not start at boot any more.
    Disable,
    /// The service ends, and stays down.
    Stop,
    /// The service starts, or starts again.
    Restart,
    /// What kcm keeps there for itself is removed.
    Forget,
    /// What an earlier run put in place is proven: it has not been seen healthy since.
    Prove,
}

impl Step {
    /// The file that the step is about, if it is about a managed one.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Write { role, .. } | Self::SetAttributes { role, .. } => Some(*role),
            _ => None,
        }
    }
}
