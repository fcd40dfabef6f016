//! Names of users and groups, by the strict rules of systemd.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::unit::UnitError;

/// The name of a user or group, such as `kube-controller-manager`.
///
/// A name is a letter or `_`, followed by letters, digits, `_` and `-`, at most 31 bytes. Every
/// program of a Linux system accepts such names, and systemd does not warn about them. See the
/// [strict mode](https://systemd.io/USER_NAMES/) of its rules. The existence of the account is not
/// checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct AccountName(String);

impl AccountName {
    /// Maximum length in bytes.
    pub const MAX_BYTES: usize = 31;

    /// Parses a name. Numeric IDs are rejected.
    ///
    /// # Errors
    ///
    /// [`UnitError::Account`], whose message names the fix.
    pub fn parse(name: &str) -> Result<Self, UnitError> {
        let refuse = |problem| Err(UnitError::Account { name: name.into(), problem });
        if name.is_empty() {
            return refuse("is empty; write a name such as `kube`");
        }
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            return refuse(
                "is a number, which can refer to different accounts on different machines; write a name",
            );
        }
        if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            return refuse("must start with a letter or `_`");
        }
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            return refuse("may contain only letters, digits, `_` and `-`");
        }
        if name.len() > Self::MAX_BYTES {
            return refuse("is longer than 31 bytes");
        }
        Ok(Self(name.into()))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccountName {
    type Err = UnitError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_not_every_program_takes_are_refused() {
        for (name, problem) in [
            ("", "is empty"),
            ("0", "is a number"),
            ("65534", "is a number"),
            ("1kube", "must start"),
            ("-kube", "must start"),
            ("kube.admin", "may contain only"),
            ("kube$", "may contain only"),
            ("kube:kube", "may contain only"),
            ("kube kube", "may contain only"),
            ("kübe", "may contain only"),
            ("%i", "must start"),
            ("a23456789012345678901234567890123", "is longer"),
        ] {
            let error = AccountName::parse(name).unwrap_err().to_string();
            assert!(error.starts_with(&format!("account name `{name}` {problem}")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn names_of_the_strict_form_are_taken_and_no_others(name in "[a-zA-Z0-9_.$ é-]{0,34}") {
            let mut characters = name.chars();
            let starts = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            let goes_on = characters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            let is_strict = starts && goes_on && name.len() <= 31;
            prop_assert_eq!(AccountName::parse(&name).is_ok(), is_strict);
        }

        #[test]
        fn a_strict_name_stays_as_it_is(name in "[a-zA-Z_][a-zA-Z0-9_-]{0,30}") {
            prop_assert_eq!(AccountName::parse(&name).unwrap().to_string(), name);
        }
    }
}
