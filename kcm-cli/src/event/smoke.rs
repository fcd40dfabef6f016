//! The checks of a smoke test.

use std::fmt;

use serde::Serialize;

/// One check.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SmokeCheck {
    /// Which.
    pub name: CheckName,
    /// The master that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// What was asked.
    pub asked: String,
    /// What came of it.
    #[serde(flatten)]
    pub result: CheckResult,
    /// How long that took.
    pub milliseconds: u64,
}

/// Which check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CheckName {
    /// The API server is there and takes the credentials.
    ApiServer,
    /// One of the masters holds the Lease and renews it.
    Leader,
    /// A master that does not lead is healthy and asks the API server.
    Standby,
    /// A namespace gets its default service account, and a token of a service account is taken.
    ServiceAccount,
    /// A Deployment gets its `ReplicaSet`.
    Deployment,
    /// A `ReplicaSet` gets its Pods.
    ReplicaSet,
    /// Fewer replicas take Pods away.
    Scale,
    /// A `ResourceQuota` is counted.
    ResourceQuota,
    /// The keys are in etcd.
    Etcd,
    /// What belonged to a Deployment goes with it.
    GarbageCollector,
    /// A namespace that is deleted goes, with everything in it.
    Namespace,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum CheckResult {
    /// It is as it should be.
    Passed {
        /// What was seen.
        seen: String,
    },
    /// It is not.
    Failed {
        /// What was seen instead, and the cause where it is known.
        seen: String,
        /// Where to look, or what to do.
        look: String,
    },
    /// It was not carried out.
    Skipped {
        /// Why.
        why: String,
    },
}

impl CheckName {
    /// Those that every proof has, in order; etcd only where it is asked.
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

    /// Its name for people.
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
