//! What can be wrong with the parts of a unit.

use thiserror::Error;

/// What a part of a unit cannot be.
///
/// When one of these is returned, nothing has been made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnitError {
    /// A section name is not made of letters, digits and `-`.
    #[error("section name `{name}` must be letters, digits and `-`, as in `Service`")]
    SectionName {
        /// The name as given.
        name: String,
    },
    /// A key is not made of letters, digits and `-`.
    #[error("directive key `{key}` must be letters, digits and `-`, as in `RestartSec`")]
    Key {
        /// The key as given.
        key: String,
    },
    /// A value holds a character that would end its line or make systemd refuse the file.
    #[error("directive value `{}` holds {character:?}, which no line of a unit can hold", value.escape_debug())]
    ValueCharacter {
        /// The value as given.
        value: String,
        /// The first such character.
        character: char,
    },
    /// A value starts or ends with white space, which systemd would strip.
    #[error(
        "directive value `{value}` starts or ends with white space, which systemd would drop; trim it"
    )]
    ValuePadding {
        /// The value as given.
        value: String,
    },
    /// A value ends with a backslash and would swallow the next line.
    #[error(
        "directive value `{value}` ends with a backslash and would swallow the next line; double the backslash"
    )]
    ValueBackslash {
        /// The value as given.
        value: String,
    },
    /// A name or value is longer than systemd reads.
    #[error("{what} is {length} bytes long; at most {limit} can be read back")]
    TooLong {
        /// `section name`, `directive key` or `directive value`.
        what: &'static str,
        /// Its length, in bytes.
        length: usize,
        /// The longest that works, in bytes.
        limit: usize,
    },
    /// A unit name that systemd refuses.
    #[error("unit name `{name}` {problem}")]
    Name {
        /// The name as given.
        name: String,
        /// What is wrong, and how to mend it.
        problem: &'static str,
    },
    /// A name of a user or group that not every program takes.
    #[error("account name `{name}` {problem}")]
    Account {
        /// The name as given.
        name: String,
        /// What is wrong, and how to mend it.
        problem: &'static str,
    },
}
