//! Section names, keys and values of a unit.

use std::fmt;
use std::str::FromStr;

use crate::text::{WHITESPACE, ends_with_backslash, is_unit_char};
use crate::unit::LONG_LINE_MAX;
use crate::unit::error::UnitError;

/// Separator between two pieces of a folded value: a backslash at the end of the line, two blanks
/// at the start of the next.
const FOLD: &str = " \\\n  ";

/// The separator as systemd reads it: the backslash and the line break become one blank.
const FOLD_AS_READ: &str = "    ";

/// The name of a section: letters, digits and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionName(String);

impl SectionName {
    /// Maximum length of a section name in bytes. systemd itself has no limit.
    pub const MAX_BYTES: usize = 255;

    /// Parses a name without its brackets.
    ///
    /// # Errors
    ///
    /// [`UnitError::SectionName`] and [`UnitError::TooLong`].
    pub fn parse(name: &str) -> Result<Self, UnitError> {
        if !is_word(name) {
            return Err(UnitError::SectionName { name: name.into() });
        }
        check_length("section name", name, Self::MAX_BYTES)?;
        Ok(Self(name.into()))
    }

    pub(crate) fn known(name: &'static str) -> Self {
        Self(name.into())
    }

    /// Returns the name without brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SectionName {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The key of a directive: letters, digits and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// Maximum length of a key in bytes. systemd itself has no limit.
    pub const MAX_BYTES: usize = 255;

    /// Parses a key without its `=`.
    ///
    /// # Errors
    ///
    /// [`UnitError::Key`] and [`UnitError::TooLong`].
    pub fn parse(key: &str) -> Result<Self, UnitError> {
        if !is_word(key) {
            return Err(UnitError::Key { key: key.into() });
        }
        check_length("directive key", key, Self::MAX_BYTES)?;
        Ok(Self(key.into()))
    }

    pub(crate) fn known(key: &'static str) -> Self {
        Self(key.into())
    }

    /// Returns the key without `=`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Key {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The value of a directive as written in the file. The directive determines the meaning of quotes,
/// `%` and `\`.
///
/// Two values are equal if systemd reads the same text from them, regardless of folds. An empty
/// value resets a directive that is a list.
#[derive(Debug, Clone, Default)]
pub struct Value {
    /// Pieces of a folded value, one per line. Usually one.
    pieces: Vec<String>,
}

impl Value {
    /// Maximum length in bytes as systemd reads the value. Leaves room for the key in a line of 1
    /// MiB.
    pub const MAX_BYTES: usize = LONG_LINE_MAX - 512;

    /// Parses the text to write to the file, with its specifiers and escapes.
    ///
    /// # Errors
    ///
    /// [`UnitError::ValueCharacter`] for line breaks, NUL and Unicode noncharacters,
    /// [`UnitError::ValuePadding`], [`UnitError::ValueBackslash`] and [`UnitError::TooLong`].
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let stray =
            |&character: &char| matches!(character, '\n' | '\r' | '\0') || !is_unit_char(character);
        if let Some(character) = text.chars().find(stray) {
            return Err(UnitError::ValueCharacter { value: text.into(), character });
        }
        if text.trim_matches(WHITESPACE).len() != text.len() {
            return Err(UnitError::ValuePadding { value: text.into() });
        }
        if ends_with_backslash(text.as_bytes()) {
            return Err(UnitError::ValueBackslash { value: text.into() });
        }
        check_length("directive value", text, Self::MAX_BYTES)?;
        Ok(Self { pieces: vec![text.into()] })
    }

    /// Parses plain text for a directive that resolves specifiers, such as `Description=`: `%` is
    /// doubled.
    ///
    /// # Errors
    ///
    /// Those of [`Value::parse`].
    pub fn literal(text: &str) -> Result<Self, UnitError> {
        Self::parse(&text.replace('%', "%%"))
    }

    /// Creates a value from pieces that the caller knows to be valid, to write one per line.
    pub(crate) fn folded(pieces: Vec<String>) -> Self {
        Self { pieces }
    }

    /// Returns the text as systemd reads it: a fold is a run of blanks.
    #[must_use]
    pub fn text(&self) -> String {
        self.pieces.join(FOLD_AS_READ)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Value {}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, piece) in self.pieces.iter().enumerate() {
            if index > 0 {
                f.write_str(FOLD)?;
            }
            f.write_str(piece)?;
        }
        Ok(())
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn check_length(what: &'static str, text: &str, limit: usize) -> Result<(), UnitError> {
    if text.len() > limit {
        return Err(UnitError::TooLong { what, length: text.len(), limit });
    }
    Ok(())
}
