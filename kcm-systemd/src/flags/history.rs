//! History of every flag: first version, last version, and type.

use serde::Serialize;

use crate::flags::version::KubernetesVersion;

/// The type of a flag's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FlagKind {
    /// `true` or `false`; a bare `--name` means `true`.
    Bool,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Integer,
    /// A floating-point number of single precision.
    Float32,
    /// A floating-point number of double precision.
    Float,
    /// A Go duration, such as `15s` or `1h30m`.
    Duration,
    /// An IP address.
    Ip,
    /// A Kubernetes quantity, such as `64Ki`.
    Quantity,
    /// Any text.
    String,
    /// Texts separated by commas; further occurrences add to the list.
    StringList,
    /// Integers separated by commas; further occurrences add to the list.
    IntegerList,
    /// `key=value` pairs separated by commas; further occurrences add to the map.
    Map,
    /// `true`, `raw` or a version to report; a bare `--version` prints the version and exits.
    Version,
}

impl FlagKind {
    /// Reports whether the flag may occur without a value, as `--name`. All other flags consume the
    /// next argument.
    #[must_use]
    pub fn may_be_bare(self) -> bool {
        matches!(self, Self::Bool | Self::Version)
    }

    /// Returns example values of this type for a message.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::Bool => "`true` or `false`",
            Self::Int32 | Self::Integer => "`5`",
            Self::Float32 | Self::Float => "`0.1`",
            Self::Duration => "`15s` or `1h30m`, with hours as the largest unit",
            Self::Ip => "`192.168.1.204` or `::1`",
            Self::Quantity => "`64Ki`",
            Self::IntegerList => "`23,29`",
            Self::Map => "`key=value`",
            Self::String | Self::StringList => {
                "a comma-separated list, with quotes doubled inside quotes"
            }
            Self::Version => "`true` or `raw`",
        }
    }

    /// Reports whether further occurrences of the flag add to its value; otherwise the last one
    /// counts.
    #[must_use]
    pub fn accumulates(self) -> bool {
        matches!(self, Self::StringList | Self::IntegerList | Self::Map)
    }
}

/// The history of one flag of kube-controller-manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct FlagHistory {
    /// Name without dashes.
    pub name: &'static str,
    /// First version with the flag; `None` for [`KubernetesVersion::OLDEST_KNOWN`] or an older
    /// version.
    pub first: Option<KubernetesVersion>,
    /// Last known version with the flag.
    pub last: KubernetesVersion,
    /// First version that rejects the flag; `None` if [`KubernetesVersion::NEWEST_KNOWN`] still has
    /// it.
    pub removed_in: Option<KubernetesVersion>,
    /// Type of the value.
    pub kind: FlagKind,
}

impl FlagHistory {
    /// Reports whether `version` has the flag.
    ///
    /// Versions newer than [`KubernetesVersion::NEWEST_KNOWN`] or older than
    /// [`KubernetesVersion::OLDEST_KNOWN`] are assumed to have the flags of the closest known
    /// version.
    #[must_use]
    pub fn exists_in(&self, version: KubernetesVersion) -> bool {
        self.first.is_none_or(|first| first <= version)
            && self.removed_in.is_none_or(|removed| version < removed)
    }
}
