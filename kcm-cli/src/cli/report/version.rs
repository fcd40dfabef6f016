//! The report of `kcm version`.

use kcm_systemd::KubernetesVersion;
use schemars::JsonSchema;
use serde::Serialize;

use crate::util::schema::MinorVersion;

/// The version of kcm, and the versions of Kubernetes that it knows.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionReport {
    /// The version of kcm.
    pub(crate) version: &'static str,
    /// The known versions of Kubernetes.
    pub(crate) kubernetes: KnownVersions,
}

/// A range of versions of Kubernetes. Both limits are inclusive.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KnownVersions {
    /// The oldest known version.
    #[schemars(with = "MinorVersion")]
    pub(crate) oldest: KubernetesVersion,
    /// The newest known version.
    #[schemars(with = "MinorVersion")]
    pub(crate) newest: KubernetesVersion,
}

impl VersionReport {
    /// Returns the versions of this program.
    pub(crate) fn of_this_program() -> Self {
        let (oldest, newest) = (KubernetesVersion::OLDEST_KNOWN, KubernetesVersion::NEWEST_KNOWN);
        Self { version: env!("CARGO_PKG_VERSION"), kubernetes: KnownVersions { oldest, newest } }
    }
}
