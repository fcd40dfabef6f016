//! The name of a flag.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::flags::FlagError;

/// The long name of a flag, without its dashes: `cluster-cidr`, `v`.
///
/// A name consists of lower-case letters, digits and `-`, starts with a letter and does not end
/// with `-`. All flags of kube-controller-manager since 1.20 have this form.
/// [`lookup`](crate::lookup) returns the versions of a flag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FlagName(String);

impl FlagName {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// [`FlagError::EmptyName`] and [`FlagError::Name`], whose message names the fix.
    pub fn parse(name: &str) -> Result<Self, FlagError> {
        let refuse = |problem| Err(FlagError::Name { name: name.into(), problem });
        if name.is_empty() {
            return Err(FlagError::EmptyName);
        }
        if name.starts_with('-') {
            return refuse("starts with a dash; remove the leading dashes");
        }
        if name.contains('=') {
            return refuse("contains `=`; write the name and the value separately");
        }
        if name.contains('_') {
            return refuse("contains `_`; write `-` instead");
        }
        if name.contains(char::is_whitespace) {
            return refuse("contains white space; remove the white space");
        }
        if name.contains(|c: char| c.is_ascii_uppercase()) {
            return refuse("contains capital letters; write the name in lower case");
        }
        if !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            return refuse("may contain only lower-case letters, digits and `-`");
        }
        if !name.starts_with(|first: char| first.is_ascii_lowercase()) || name.ends_with('-') {
            return refuse("must start with a letter and not end with a dash");
        }
        Ok(Self(name.into()))
    }

    /// Returns the name without dashes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FlagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FlagName {
    type Err = FlagError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse(name)
    }
}

/// Allows lookups by `&str` in a map keyed by name; both types sort by bytes.
impl Borrow<str> for FlagName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KubernetesVersion;
    use crate::known_in;

    #[test]
    fn every_known_flag_has_a_valid_name() {
        for flag in known_in(KubernetesVersion::OLDEST_KNOWN)
            .chain(known_in(KubernetesVersion::NEWEST_KNOWN))
        {
            assert!(FlagName::parse(flag.name).is_ok(), "{}", flag.name);
        }
    }

    #[test]
    fn a_refusal_says_how_to_mend_the_name() {
        for (name, help) in [
            ("--v", "remove the leading dashes"),
            ("v=2", "write the name and the value separately"),
            ("leader_elect", "write `-` instead"),
            ("leader elect", "remove the white space"),
            ("Leader-Elect", "lower case"),
            ("é", "only lower-case letters, digits and `-`"),
            ("2v", "start with a letter"),
            ("v-", "not end with a dash"),
        ] {
            let message = FlagName::parse(name).unwrap_err().to_string();
            assert!(message.contains(help), "{message}");
        }
        assert_eq!(FlagName::parse(""), Err(FlagError::EmptyName));
    }
}
