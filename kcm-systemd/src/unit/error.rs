//! Errors of the parts of a unit.

use thiserror::Error;

/// The reason a part of a unit is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnitError {
    /// A section name has characters other than letters, digits and `-`.
    #[error("section name `{name}` must consist of letters, digits and `-`, as in `Service`")]
    SectionName {
        /// Name as given.
        name: String,
    },
    /// A key has characters other than letters, digits and `-`.
    #[error("directive key `{key}` must consist of letters, digits and `-`, as in `RestartSec`")]
    Key {
        /// Key as given.
        key: String,
    },
    /// A value contains a character that would end its line or make systemd reject the file.
    #[error("directive value `{}` contains {character:?}, which a unit file cannot contain; remove the character", value.escape_debug())]
    ValueCharacter {
        /// Value as given.
        value: String,
        /// First such character.
        character: char,
    },
    /// A value starts or ends with white space, which systemd would strip.
    #[error(
        "directive value `{value}` starts or ends with white space, which systemd would strip; remove the white space"
    )]
    ValuePadding {
        /// Value as given.
        value: String,
    },
    /// A value ends with a backslash and would continue into the next line.
    #[error(
        "directive value `{value}` ends with a backslash, which would continue the value on the next line; double the backslash"
    )]
    ValueBackslash {
        /// Value as given.
        value: String,
    },
    /// A name or value exceeds the maximum length.
    #[error("{what} is {length} bytes long; the maximum is {limit} bytes")]
    TooLong {
        /// `section name`, `directive key` or `directive value`.
        what: &'static str,
        /// Length in bytes.
        length: usize,
        /// Maximum length in bytes.
        limit: usize,
    },
    /// A unit name is not valid in systemd.
    #[error("unit name `{name}` {problem}")]
    Name {
        /// Name as given.
        name: String,
        /// Description of the error with its fix.
        problem: &'static str,
    },
    /// A user or group name is not accepted by every program.
    #[error("account name `{name}` {problem}")]
    Account {
        /// Name as given.
        name: String,
        /// Description of the error with its fix.
        problem: &'static str,
    },
}
