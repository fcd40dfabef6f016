//! The flags of kube-controller-manager: an ordered set of them, and what is known of each by version.

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

/// What a set of flags cannot hold.
///
/// When one of these is returned, the set is as it was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FlagError {
    /// A flag has an empty name.
    #[error("a flag name is empty; write it as `cluster-cidr`")]
    EmptyName,
    /// A name cannot be that of a flag.
    #[error("flag name `{}` {problem}", name.escape_debug())]
    Name {
        /// The name as given.
        name: String,
        /// What is wrong, and how to mend it.
        problem: &'static str,
    },
    /// A value holds a NUL byte, which no process can receive.
    #[error("the value of flag `{flag}` holds a NUL byte; no process can receive it")]
    ValueNul {
        /// The flag.
        flag: FlagName,
    },
    /// `--name=value` is longer than Linux takes for one argument.
    #[error(
        "flag `{flag}` and its value are {length} bytes long; Linux takes at most {limit} for one argument"
    )]
    ArgumentTooLong {
        /// The flag.
        flag: FlagName,
        /// Length of `--name=value`, in bytes.
        length: usize,
        /// The longest argument that works, in bytes.
        limit: usize,
    },
    /// An argument is no flag: kube-controller-manager takes nothing else.
    #[error("argument `{}` is no flag; write it as `--name=value`", argument.escape_debug())]
    NotAFlag {
        /// The argument, lossily decoded.
        argument: String,
    },
    /// The last argument is a flag that wants a value.
    #[error("flag `{flag}` wants a value; write `--{flag}=VALUE`")]
    MissingValue {
        /// The flag.
        flag: FlagName,
    },
    /// A flag that no known version has stands without `=`: whether the next argument is its value cannot be told.
    #[error(
        "flag `{flag}` is unknown, and whether it takes the next argument cannot be told; write `--{flag}=VALUE`"
    )]
    BareUnknown {
        /// The flag.
        flag: FlagName,
    },
    /// There are more flags or arguments than any command of kube-controller-manager has.
    #[error(
        "there are more than {limit} flags or arguments; kube-controller-manager knows fewer than 200 flags"
    )]
    TooMany {
        /// The most that are read.
        limit: usize,
    },
    /// All flags together are longer than systemd reads in one logical line.
    #[error(
        "with flag `{flag}` the command would be {length} bytes long; systemd reads at most {limit} in one line"
    )]
    CommandTooLong {
        /// The flag that was to be set.
        flag: FlagName,
        /// Length of all flags as they would be written, in bytes.
        length: usize,
        /// The longest that is sure to work, in bytes.
        limit: usize,
    },
}

/// Flags and their values, each name once, in byte order of the names.
///
/// Guarantees that a command made of them can be written to a unit and read back, and that every argument can reach
/// the process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flags {
    values: BTreeMap<FlagName, String>,
    /// How many bytes of the command they take as written, blanks between them included.
    written: usize,
}

impl Flags {
    /// The most bytes that flags may take in a unit, quotes, escapes and folds included: what remains of systemd's
    /// 1 MiB beside the longest executable path.
    pub const MAX_WRITTEN_BYTES: usize = Value::MAX_BYTES - 4 * (ExecutablePath::MAX_BYTES + 1);

    /// The most flags in a set, and the most arguments of a command that are read.
    pub const MAX: usize = 1000;

    /// No flags.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses pairs of name and value; a later pair replaces an earlier one of the same name.
    ///
    /// # Errors
    ///
    /// As [`FlagName::parse`] and [`Flags::set`], for the first pair that fails.
    pub fn from_pairs<N: AsRef<str>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, FlagError> {
        let mut flags = Self::new();
        for (name, value) in pairs {
            flags.set(FlagName::parse(name.as_ref())?, value)?;
        }
        Ok(flags)
    }

    /// Sets a flag and returns the value that it had.
    ///
    /// # Errors
    ///
    /// [`FlagError::ValueNul`], [`FlagError::ArgumentTooLong`], [`FlagError::TooMany`] and [`FlagError::CommandTooLong`].
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

    /// Removes a flag, named without dashes, and returns the value that it had.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let (name, value) = self.values.remove_entry(name)?;
        self.written -= written_length(&name, &value);
        Some(value)
    }

    /// The value of a flag, named without dashes.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Names and values, in the order in which they are rendered.
    pub fn iter(&self) -> impl Iterator<Item = (&FlagName, &str)> {
        self.values.iter().map(|(name, value)| (name, value.as_str()))
    }

    /// How many flags there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Tells whether there is no flag.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The arguments as the process receives them: `--name=value`, in the order in which they are rendered.
    pub fn arguments(&self) -> impl Iterator<Item = Argument> {
        self.iter()
            .map(|(name, value)| Argument::from_checked(argument_text(name, value).into_bytes()))
    }

    /// Each flag as a piece of `ExecStart=`, quoted where needed.
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

/// The bytes that a flag takes in a folded command as systemd reads it: four blanks stand before each.
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
        // A value that is short but long to write counts as it is written.
        assert!(matches!(
            flags.set(name("h"), "\u{1}".repeat(40_000)),
            Err(FlagError::CommandTooLong { .. })
        ));
        assert_eq!(flags.set(name("g"), "x").unwrap(), Some(long.clone()));
        assert_eq!(flags.set(name("h"), long), Ok(None));
    }
}
