//! Kubernetes minor versions.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// A minor version of Kubernetes 1.x. Flags do not change in patch releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KubernetesVersion {
    minor: u16,
}

/// A text that is not a version of Kubernetes 1.x.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a Kubernetes version; write a version such as `1.36` or `v1.36.2`")]
#[non_exhaustive]
pub struct VersionError {
    /// Text as given.
    pub text: String,
}

impl KubernetesVersion {
    /// Oldest version whose flags are known.
    pub const OLDEST_KNOWN: Self = Self::v1(20);

    /// Newest version whose flags are known.
    pub const NEWEST_KNOWN: Self = Self::v1(37);

    /// Oldest version whose controllers and feature gates are known.
    pub const OLDEST_WITH_NAMES: Self = Self::v1(25);

    /// Returns version `1.minor`.
    #[must_use]
    pub const fn v1(minor: u16) -> Self {
        Self { minor }
    }

    /// Parses `1.36`, `v1.36.2`, `v1.36.0-rc.1` or `v1.36.2+k3s1`; the part after the minor number
    /// is dropped.
    ///
    /// # Errors
    ///
    /// [`VersionError`] for any other text.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        Self::minor_of(text).map(Self::v1).ok_or_else(|| VersionError { text: text.into() })
    }

    /// Returns every version whose flags are known, oldest first.
    pub fn known() -> impl DoubleEndedIterator<Item = Self> + Clone {
        (Self::OLDEST_KNOWN.minor..=Self::NEWEST_KNOWN.minor).map(Self::v1)
    }

    /// Reports whether the flags of the version are known.
    #[must_use]
    pub fn is_known(self) -> bool {
        (Self::OLDEST_KNOWN..=Self::NEWEST_KNOWN).contains(&self)
    }

    /// Returns the number after `1.`.
    #[must_use]
    pub const fn minor(self) -> u16 {
        self.minor
    }

    fn minor_of(text: &str) -> Option<u16> {
        let rest = text.strip_prefix('v').unwrap_or(text).strip_prefix("1.")?;
        let digits = rest.split(['.', '-', '+']).next()?;
        let tail = rest.strip_prefix(digits)?;
        let tail_is_version =
            tail.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+'));
        let numeric = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if numeric && tail_is_version && !tail.ends_with(['.', '-', '+']) {
            digits.parse().ok()
        } else {
            None
        }
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor)
    }
}

impl FromStr for KubernetesVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for KubernetesVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_minor_number_counts() {
        for text in [
            "1.36",
            "v1.36",
            "1.36.2",
            "v1.36.2",
            "v1.36.0-rc.1",
            "v1.36.2+k3s1",
            "v1.36.2-gke.100+x",
        ] {
            assert_eq!(KubernetesVersion::parse(text), Ok(KubernetesVersion::v1(36)), "{text}");
        }
        assert_eq!(KubernetesVersion::v1(9).to_string(), "1.9");
        assert!(KubernetesVersion::v1(9) < KubernetesVersion::v1(10));
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "", "1", "1.", "2.0", "v", "1.x", "1.36.", "1.+36", "1.36 ", "latest", "1.99999",
            "11.36",
        ] {
            assert!(KubernetesVersion::parse(text).is_err(), "{text}");
        }
    }
}
