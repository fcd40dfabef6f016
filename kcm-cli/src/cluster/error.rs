//! The error of an invalid cluster file.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::util::explanation::Explanation;

/// An error in a cluster file, with its position and its fix.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{}: {message}", file.display(), Place(*line, *column))]
#[non_exhaustive]
pub struct ClusterFileError {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column, from 1.
    pub column: Option<usize>,
    /// Path of the field, as in `masters[1].name`; empty for the whole file.
    pub field: String,
    /// The problem; names the field.
    pub message: String,
    /// The fix, if one is known.
    pub help: Option<Box<str>>,
}

impl ClusterFileError {
    /// Creates an error about a field; `place` is its line and column, and `problem` may end with
    /// `; ` and the fix.
    pub(super) fn new(
        file: &Path,
        place: Option<(usize, usize)>,
        field: &str,
        problem: impl fmt::Display,
    ) -> Self {
        let Explanation { problem, help } = Explanation::parse(&problem.to_string());
        let message = match field {
            "" => problem,
            field => format!("{field}: {problem}"),
        };
        Self {
            file: file.to_owned(),
            line: place.map(|place| place.0),
            column: place.map(|place| place.1),
            field: field.to_owned(),
            message: one_line(&message),
            help: help.map(|help| one_line(&help).into()),
        }
    }

    /// Returns the problem and its fix, without the position.
    pub(crate) fn explanation(&self) -> Explanation {
        let help = self.help.as_deref().map(str::to_owned);
        Explanation { problem: self.message.clone(), help }
    }
}

/// Reduces a message to one line of bounded length, because it may quote any text of the file.
fn one_line(message: &str) -> String {
    const EDGE: usize = 300;
    let length = message.chars().count();
    let cut = EDGE..length.saturating_sub(EDGE).max(EDGE);
    message.chars().enumerate().fold(String::new(), |mut line, (place, character)| {
        if cut.contains(&place) {
            line.push_str(if place == cut.start { " … " } else { "" });
        } else if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
        line
    })
}

struct Place(Option<usize>, Option<usize>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Some(line), Some(column)) => write!(f, ":{line}:{column}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(one_line("a\nb\u{1b}[0m"), "a\\nb\\u{1b}[0m");
        let cut = one_line(&format!("{}{}", "a".repeat(1000), "b".repeat(1000)));
        assert_eq!(cut, format!("{} … {}", "a".repeat(300), "b".repeat(300)));
        assert_eq!(one_line(&"ä".repeat(600)), "ä".repeat(600));
    }
}
