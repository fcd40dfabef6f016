//! Flags of kube-controller-manager: ordered sets of flags, and the history of each flag.

mod arguments;
mod history;
mod lookup;
mod name;
mod table;
mod version;

use std::collections::BTreeMap;

use thiserror::Error;

pub use self::history::{FlagHistory, FlagKind};
pub use self::lookup::{known_in, lookup, nearest};
pub use self::name::FlagName;
pub use self::version::{KubernetesVersion, VersionError};
use crate::argument::{Argument, quote_into};
use crate::executable::ExecutablePath;
use crate::unit::Value;

/// The reason a set of flags rejects a flag or an argument.
///
/// The set is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FlagError {
    /// A flag has an empty name.
    #[error("a flag name is empty; write a name such as `cluster-cidr`")]
    EmptyName,
    /// The text is not a valid flag name.
    #[error("flag name `{}` {problem}", name.escape_debug())]
    Name {
        /// Name as given.
        name: String,
        /// Description of the error with its fix.
        problem: &'static str,
    },
    /// A value contains a NUL byte, which no process can receive.
    #[error("the value of flag `{flag}` contains a NUL byte; remove the byte")]
    ValueNul {
        /// Name of the flag.
        flag: FlagName,
    },
    /// The argument `--name=value` exceeds the limit of Linux.
    #[error(
        "flag `{flag}` and its value are {length} bytes long; Linux accepts at most {limit} bytes per argument"
    )]
    ArgumentTooLong {
        /// Name of the flag.
        flag: FlagName,
        /// Length of `--name=value` in bytes.
        length: usize,
        /// Maximum length in bytes.
        limit: usize,
    },
    /// An argument is not a flag; kube-controller-manager accepts only flags.
    #[error("argument `{}` is not a flag; write `--name=value`", argument.escape_debug())]
    NotAFlag {
        /// Argument, lossily decoded.
        argument: String,
    },
    /// The last argument is a flag without its required value.
    #[error("flag `{flag}` requires a value; write `--{flag}=VALUE`")]
    MissingValue {
        /// Name of the flag.
        flag: FlagName,
    },
    /// A flag that no known version has occurs without `=`, so that the meaning of the next
    /// argument is unknown.
    #[error(
        "flag `{flag}` is unknown, so the next argument may or may not be its value; write `--{flag}=VALUE`"
    )]
    BareUnknown {
        /// Name of the flag.
        flag: FlagName,
    },
    /// The number of flags or arguments exceeds that of any command of kube-controller-manager.
    #[error(
        "more than {limit} flags or arguments; kube-controller-manager has fewer than 200 flags"
    )]
    TooMany {
        /// Maximum number.
        limit: usize,
    },
    /// All flags together exceed the length of one logical line in systemd.
    #[error(
        "with flag `{flag}`, the flags are {length} bytes long; the maximum in a unit is {limit} bytes"
    )]
    CommandTooLong {
        /// Flag that exceeds the limit.
        flag: FlagName,
        /// Length of all flags as written, in bytes.
        length: usize,
        /// Maximum guaranteed length in bytes.
        limit: usize,
    },
}

/// Flags and their values, with unique names in byte order.
///
/// A command with these flags can be written to a unit and read back, and every argument can be
/// passed to the process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flags {
    values: BTreeMap<FlagName, String>,
    /// Length of the flags in a command as written, including blanks, in bytes.
    written: usize,
}

impl Flags {
    /// Maximum length of the flags in a unit, with quotes, escapes and folds, in bytes: systemd's 1
    /// MiB minus the longest executable path.
    pub const MAX_WRITTEN_BYTES: usize = Value::MAX_BYTES - 4 * (ExecutablePath::MAX_BYTES + 1);

    /// Maximum number of flags in a set, and of arguments that are parsed.
    pub const MAX: usize = 1000;

    /// Returns an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses pairs of name and value; a later pair replaces an earlier one with the same name.
    ///
    /// # Errors
    ///
    /// Those of [`FlagName::parse`] and [`Flags::set`], for the first invalid pair.
    pub fn from_pairs<N: AsRef<str>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, FlagError> {
        let mut flags = Self::new();
        for (name, value) in pairs {
            flags.set(FlagName::parse(name.as_ref())?, value)?;
        }
        Ok(flags)
    }

    /// Sets a flag and returns its previous value.
    ///
    /// # Errors
    ///
    /// [`FlagError::ValueNul`], [`FlagError::ArgumentTooLong`], [`FlagError::TooMany`] and
    /// [`FlagError::CommandTooLong`].
    pub fn set(
        &mut self,
        name: FlagName,
        value: impl Into<String>,
    ) -> Result<Option<String>, FlagError> {
        let value = value.into();
        if value.contains('\0') {
            return Err(FlagError::ValueNul { flag: name });
        }
        let length = "--=".len() + name.as_str().len() + value.len();
        if length > Argument::MAX_BYTES {
            return Err(FlagError::ArgumentTooLong {
                flag: name,
                length,
                limit: Argument::MAX_BYTES,
            });
        }
        if self.values.len() >= Self::MAX && !self.values.contains_key(&name) {
            return Err(FlagError::TooMany { limit: Self::MAX });
        }
        let replaced = self.get(name.as_str()).map_or(0, |old| written_length(&name, old));
        let length = self.written - replaced + written_length(&name, &value);
        if length > Self::MAX_WRITTEN_BYTES {
            return Err(FlagError::CommandTooLong {
                flag: name,
                length,
                limit: Self::MAX_WRITTEN_BYTES,
            });
        }
        self.written = length;
        Ok(self.values.insert(name, value))
    }

    /// Removes a flag, given without dashes, and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let (name, value) = self.values.remove_entry(name)?;
        self.written -= written_length(&name, &value);
        Some(value)
    }

    /// Returns the value of a flag, given without dashes.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Returns names and values in rendering order.
    pub fn iter(&self) -> impl Iterator<Item = (&FlagName, &str)> {
        self.values.iter().map(|(name, value)| (name, value.as_str()))
    }

    /// Returns the number of flags.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns `true` if the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns the arguments as the process receives them: `--name=value`, in rendering order.
    pub fn arguments(&self) -> impl Iterator<Item = Argument> {
        self.iter()
            .map(|(name, value)| Argument::from_checked(argument_text(name, value).into_bytes()))
    }

    /// Returns each flag as a piece of `ExecStart=`, quoted if necessary.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = String> {
        self.iter().map(|(name, value)| piece(name, value))
    }
}

fn argument_text(name: &FlagName, value: &str) -> String {
    format!("--{name}={value}")
}

fn piece(name: &FlagName, value: &str) -> String {
    let text = argument_text(name, value);
    let mut out = String::with_capacity(text.len() + 2);
    quote_into(&mut out, text.as_bytes());
    out
}

/// Returns the length of a flag in a folded command as systemd reads it, including four blanks
/// before it.
fn written_length(name: &FlagName, value: &str) -> usize {
    4 + piece(name, value).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FlagName {
        FlagName::parse(text).unwrap()
    }

    #[test]
    fn flags_are_rendered_in_byte_order() {
        let flags =
            Flags::from_pairs([("v", "2"), ("bind-address", "::"), ("leader-elect", "true")])
                .unwrap();
        let arguments: Vec<_> =
            flags.arguments().map(|argument| argument.to_str().unwrap().to_owned()).collect();
        assert_eq!(arguments, ["--bind-address=::", "--leader-elect=true", "--v=2"]);
    }

    #[test]
    fn setting_again_replaces() {
        let mut flags = Flags::new();
        assert_eq!(flags.set(name("v"), "2"), Ok(None));
        assert_eq!(flags.set(name("v"), "4"), Ok(Some("2".into())));
        assert_eq!((flags.get("v"), flags.len()), (Some("4"), 1));
        assert_eq!(flags.remove("v"), Some("4".into()));
        assert_eq!(flags.remove("v"), None);
        assert_eq!(flags, Flags::new());
    }

    #[test]
    fn what_cannot_reach_the_process_is_refused_and_changes_nothing() {
        let mut flags = Flags::from_pairs([("v", "2")]).unwrap();
        let before = flags.clone();
        assert!(matches!(flags.set(name("v"), "\0"), Err(FlagError::ValueNul { .. })));
        let error = flags.set(name("v"), "a".repeat(Argument::MAX_BYTES)).unwrap_err();
        assert!(matches!(error, FlagError::ArgumentTooLong { length: 131_075, .. }), "{error}");
        assert_eq!(flags, before);
    }

    #[test]
    fn all_flags_together_fit_into_one_line() {
        let mut flags = Flags::new();
        let long = "a".repeat(131_000);
        for letter in ["a", "b", "c", "d", "e", "f", "g"] {
            flags.set(name(letter), long.clone()).unwrap();
        }
        assert!(matches!(
            flags.set(name("h"), long.clone()),
            Err(FlagError::CommandTooLong { .. })
        ));
        assert_eq!(flags.len(), 7);
        // A short value with a long escaped form counts with the escaped length.
        assert!(matches!(
            flags.set(name("h"), "\u{1}".repeat(40_000)),
            Err(FlagError::CommandTooLong { .. })
        ));
        assert_eq!(flags.set(name("g"), "x").unwrap(), Some(long.clone()));
        assert_eq!(flags.set(name("h"), long), Ok(None));
    }
}
