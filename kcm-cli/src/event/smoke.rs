//! The checks of a smoke test.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// A check and its result.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SmokeCheck {
    /// Name of the check.
    pub name: CheckName,
    /// Name of the master, if the check is about a single one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// The condition that the check verifies.
    pub asked: String,
    /// Result of the check.
    #[serde(flatten)]
    pub result: CheckResult,
    /// Duration of the check in milliseconds.
    pub milliseconds: u64,
}

/// The name of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CheckName {
    /// The API server responds and accepts the credentials.
    ApiServer,
    /// One of the masters holds the Lease and renews it.
    Leader,
    /// A standby master is healthy and connected to the API server.
    Standby,
    /// A namespace gets its default service account, and the API server accepts a token of a
    /// service account.
    ServiceAccount,
    /// A Deployment gets its `ReplicaSet`.
    Deployment,
    /// A `ReplicaSet` gets its Pods.
    ReplicaSet,
    /// A scale-down removes Pods.
    Scale,
    /// The usage of a `ResourceQuota` is counted.
    ResourceQuota,
    /// The objects of the smoke test are in etcd.
    Etcd,
    /// The dependents of a deleted Deployment are deleted.
    GarbageCollector,
    /// A deleted namespace disappears with all its objects.
    Namespace,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum CheckResult {
    /// The check passed.
    Passed {
        /// The observation.
        seen: String,
    },
    /// The check failed.
    Failed {
        /// The observation, with the cause if it is known.
        seen: String,
        /// The place to look at, or the fix.
        look: String,
    },
    /// The check was not run.
    Skipped {
        /// The reason.
        why: String,
    },
}

impl CheckName {
    /// The checks of every smoke test, in order. etcd is optional.
    pub(crate) const ALL: [Self; 9] = [
        Self::ApiServer,
        Self::Leader,
        Self::ServiceAccount,
        Self::Deployment,
        Self::ReplicaSet,
        Self::Scale,
        Self::ResourceQuota,
        Self::GarbageCollector,
        Self::Namespace,
    ];

    /// Returns the human-readable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiServer => "API server",
            Self::Leader => "leader",
            Self::Standby => "standby",
            Self::ServiceAccount => "service account",
            Self::Deployment => "deployment",
            Self::ReplicaSet => "replica set",
            Self::Scale => "scale",
            Self::ResourceQuota => "resource quota",
            Self::Etcd => "etcd",
            Self::GarbageCollector => "garbage collector",
            Self::Namespace => "namespace",
        }
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
