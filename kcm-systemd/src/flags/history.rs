//! What is known of every flag: since when, until when, and what it takes.

use serde::Serialize;

use crate::flags::version::KubernetesVersion;

/// What a flag's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FlagKind {
    /// `true` or `false`; a bare `--name` means `true`.
    Bool,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Integer,
    /// A number with a fraction, of single precision.
    Float32,
    /// A number with a fraction, of double precision.
    Float,
    /// A Go duration, such as `15s` or `1h30m`.
    Duration,
    /// An IP address.
    Ip,
    /// A Kubernetes quantity, such as `64Ki`.
    Quantity,
    /// Any text.
    String,
    /// Texts parted by commas; further occurrences add to the list.
    StringList,
    /// Whole numbers parted by commas; further occurrences add to the list.
    IntegerList,
    /// `key=value` pairs parted by commas; further occurrences add to the map.
    Map,
    /// `true`, `raw` or a version to report; a bare `--version` prints the version and exits.
    Version,
}

impl FlagKind {
    /// Tells whether the flag may stand without a value: `--name` alone. All others take the next argument.
    #[must_use]
    pub fn may_be_bare(self) -> bool {
        matches!(self, Self::Bool | Self::Version)
    }

    /// A value of the kind, in words.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::Bool => "`true` or `false`",
            Self::Int32 | Self::Integer => "`5`",
            Self::Float32 | Self::Float => "`0.1`",
            Self::Duration => "`15s` or `1h30m`: hours are the greatest unit",
            Self::Ip => "`192.168.1.204` or `::1`",
            Self::Quantity => "`64Ki`",
            Self::IntegerList => "`23,29`",
            Self::Map => "`key=value`",
            Self::String | Self::StringList => "text, quotes doubled within quotes",
            Self::Version => "`true` or `raw`",
        }
    }

    /// Tells whether a further occurrence of the flag adds to its value; otherwise the last one wins.
    #[must_use]
    pub fn accumulates(self) -> bool {
        matches!(self, Self::StringList | Self::IntegerList | Self::Map)
    }
}

/// The life of one flag of kube-controller-manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct FlagHistory {
    /// The name, without dashes.
    pub name: &'static str,
    /// The first version that has it; `None` if that is [`KubernetesVersion::OLDEST_KNOWN`] or an older one.
    pub first: Option<KubernetesVersion>,
    /// The last known version that has it.
    pub last: KubernetesVersion,
    /// The first version that refuses it; `None` if [`KubernetesVersion::NEWEST_KNOWN`] still has it.
    pub removed_in: Option<KubernetesVersion>,
    /// What its value is.
    pub kind: FlagKind,
}

impl FlagHistory {
    /// Tells whether `version` has the flag.
    ///
    /// For versions beyond [`KubernetesVersion::NEWEST_KNOWN`] and before [`KubernetesVersion::OLDEST_KNOWN`] this is a
    /// guess: that the nearest known version has it.
    #[must_use]
    pub fn exists_in(&self, version: KubernetesVersion) -> bool {
        self.first.is_none_or(|first| first <= version)
            && self.removed_in.is_none_or(|removed| version < removed)
    }
}
