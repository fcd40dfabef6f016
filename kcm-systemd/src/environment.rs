//! What systemd knows when it starts a process: variables for its arguments, and what specifiers stand for.

use std::collections::BTreeMap;

use crate::exec::word::{Escapes, WordRules, first_word};
use crate::reader::UnitFile;
use crate::text::is_blank;
use crate::unit_name::UnitName;

/// What the arguments of a command are resolved with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The unit, for `%n`, `%N` and `%p`.
    pub unit: UnitName,
    /// The kernel's host name, for `%H`; unknown for a system that does not run.
    pub hostname: Option<String>,
    /// Variables by name.
    pub variables: BTreeMap<String, String>,
}

/// A file that `EnvironmentFile=` names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct EnvironmentFile {
    /// Its path.
    pub path: String,
    /// Whether the unit starts without it: written with a `-` before the path.
    pub is_optional: bool,
}

impl Surroundings {
    /// Nothing but the unit's name is known.
    #[must_use]
    pub fn of(unit: UnitName) -> Self {
        Self { unit, hostname: None, variables: BTreeMap::new() }
    }

    /// Takes in `Environment=` of a unit with its drop-ins.
    #[must_use]
    pub fn with_environment(mut self, file: &UnitFile) -> Self {
        let rules = WordRules { unquote: true, escapes: Escapes::Strict };
        for entry in file.values("Service", "Environment") {
            let mut rest = entry.value.as_bytes();
            while let Ok(Some((word, after))) = first_word(rest, rules) {
                rest = after;
                let word = String::from_utf8_lossy(&word).replace("%%", "%");
                if let Some((name, value)) = word.split_once('=') {
                    self.set(name, value);
                }
            }
        }
        self
    }

    /// Takes in a file that `EnvironmentFile=` names. Later ones win, and all win over `Environment=`.
    #[must_use]
    pub fn with_file(mut self, content: &str) -> Self {
        for (name, value) in assignments(content) {
            self.set(&name, &value);
        }
        self
    }

    fn set(&mut self, name: &str, value: &str) {
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_name {
            self.variables.insert(name.to_owned(), value.to_owned());
        }
    }

    pub(crate) fn variable(&self, name: &[u8]) -> &str {
        let name = std::str::from_utf8(name).ok();
        name.and_then(|name| self.variables.get(name)).map_or("", String::as_str)
    }

    /// What a specifier stands for, if that is known here.
    pub(crate) fn specifier(&self, letter: u8) -> Option<&str> {
        let name = self.unit.as_str();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        match letter {
            b'n' => Some(name),
            b'N' => Some(stem),
            b'p' => Some(stem.split_once('@').map_or(stem, |(prefix, _)| prefix)),
            b'i' => Some(stem.split_once('@').map_or("", |(_, instance)| instance)),
            b'H' => self.hostname.as_deref(),
            _ => None,
        }
    }
}

impl UnitFile {
    /// The files that `EnvironmentFile=` names, in systemd's order.
    #[must_use]
    pub fn environment_files(&self) -> Vec<EnvironmentFile> {
        let files = self.values("Service", "EnvironmentFile").map(|entry| {
            let path = entry.value.strip_prefix('-');
            let (path, is_optional) = path.map_or((&*entry.value, false), |path| (path, true));
            EnvironmentFile { path: path.replace("%%", "%"), is_optional }
        });
        files.collect()
    }
}

/// Where the reader of an environment file stands; named as in `parse_env_file_internal()` of `src/basic/env-file.c`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    PreKey,
    Key,
    PreValue,
    Value,
    ValueEscape,
    SingleQuoteValue,
    DoubleQuoteValue,
    DoubleQuoteValueEscape,
    Comment,
    CommentEscape,
}

/// A key and a value in the making.
#[derive(Default)]
struct Assignment {
    key: String,
    value: String,
    /// How much of the value is not blanks that only its end would make trailing ones.
    firm: usize,
}

impl Assignment {
    fn take(&mut self) -> (String, String) {
        let taken = std::mem::take(self);
        let value = taken.value.get(..taken.firm).unwrap_or(&taken.value).to_owned();
        (taken.key.trim_end_matches([' ', '\t']).to_owned(), value)
    }

    fn push(&mut self, character: char) {
        self.value.push(character);
        self.firm = self.value.len();
    }
}

/// The assignments of an environment file as systemd 252 reads it.
fn assignments(content: &str) -> Vec<(String, String)> {
    let is_newline = |character| matches!(character, '\n' | '\r');
    let is_white = |character: char| u8::try_from(character).is_ok_and(is_blank);
    let (mut state, mut open, mut found) = (State::PreKey, Assignment::default(), Vec::new());
    for character in content.chars() {
        state = match state {
            State::PreKey if matches!(character, '#' | ';') => State::Comment,
            State::PreKey if is_white(character) => State::PreKey,
            State::Key if is_newline(character) => {
                open = Assignment::default();
                State::PreKey
            }
            State::Key if character == '=' => State::PreValue,
            State::PreKey | State::Key => {
                open.key.push(character);
                State::Key
            }
            State::PreValue | State::Value if is_newline(character) => {
                found.push(open.take());
                State::PreKey
            }
            State::PreValue if character == '\'' => State::SingleQuoteValue,
            State::PreValue if character == '"' => State::DoubleQuoteValue,
            State::PreValue | State::Value if character == '\\' => State::ValueEscape,
            State::PreValue if is_white(character) => State::PreValue,
            State::PreValue | State::Value => {
                open.value.push(character);
                if !is_white(character) {
                    open.firm = open.value.len();
                }
                State::Value
            }
            // An escaped line break is eaten up.
            State::ValueEscape => {
                if !is_newline(character) {
                    open.push(character);
                }
                State::Value
            }
            State::SingleQuoteValue if character == '\'' => State::PreValue,
            State::DoubleQuoteValue if character == '"' => State::PreValue,
            State::DoubleQuoteValue if character == '\\' => State::DoubleQuoteValueEscape,
            State::SingleQuoteValue | State::DoubleQuoteValue => {
                open.push(character);
                state
            }
            State::DoubleQuoteValueEscape => {
                if !matches!(character, '"' | '\\' | '`' | '$' | '\n') {
                    open.push('\\');
                }
                if character != '\n' {
                    open.push(character);
                }
                State::DoubleQuoteValue
            }
            State::Comment if character == '\\' => State::CommentEscape,
            State::Comment if is_newline(character) => State::PreKey,
            State::Comment | State::CommentEscape => State::Comment,
        };
    }
    if !matches!(state, State::PreKey | State::Key | State::Comment | State::CommentEscape) {
        found.push(open.take());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Vec<(String, String)> {
        assignments(content)
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_environment_file_is_read_as_systemd_reads_it() {
        let content = "# A=1\n ; B=2\nC = 3 4 \t\nD=\"x \\\"y\\\" \\q $z\" 'w w'\nE=a\\\nb\\ \nF\nG=\nexport H=1\n\
                       I=\"two\nlines\"\nJ=no end";
        let expected = [
            ("C", "3 4"),
            ("D", "x \"y\" \\q $zw w"),
            ("E", "ab "),
            ("G", ""),
            ("export H", "1"),
            ("I", "two\nlines"),
            ("J", "no end"),
        ];
        assert_eq!(read(content), pairs(&expected));
    }

    #[test]
    fn later_files_win_and_what_is_no_name_is_dropped() {
        let unit = UnitFile::parse(
            "[Service]\nEnvironment=A=1 \"B=two words\"\nEnvironment=A=2 C-D=3\nEnvironmentFile=-/etc/x.env\n",
        );
        let around = Surroundings::of("kcm.service".parse().unwrap()).with_environment(&unit);
        let around = around.with_file("B=3\nexport D=4\n");
        assert_eq!(around.variables, pairs(&[("A", "2"), ("B", "3")]).into_iter().collect());
        let files = unit.environment_files();
        assert_eq!((files[0].path.as_str(), files[0].is_optional), ("/etc/x.env", true));
    }
}
