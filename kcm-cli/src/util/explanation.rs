//! The problem of an error, separate from its fix.

use std::fmt;

use crate::util::words::harmless;

/// A problem and its fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The problem.
    pub problem: String,
    /// The fix, if one is known.
    pub help: Option<String>,
}

impl Explanation {
    /// Creates an explanation with a fix.
    #[must_use]
    pub fn new(problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self { problem: problem.into(), help: Some(help.into()) }
    }

    /// Creates an explanation without a fix.
    #[must_use]
    pub fn without_help(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), help: None }
    }

    /// Reads a text of the form `problem; fix`, in which kcm's crates write their errors.
    ///
    /// A semicolon in backquotes, double quotes or parentheses belongs to the problem. Not for the
    /// texts of masters and servers, which could then choose the fix that kcm shows.
    pub(crate) fn parse(text: &str) -> Self {
        let (mut quote, mut depth) = (None, 0_usize);
        for (place, character) in text.char_indices() {
            match (quote, character) {
                (Some(open), _) if open == character => quote = None,
                (None, '`' | '"')
                    if text.get(place + 1..).is_some_and(|it| it.contains(character)) =>
                {
                    quote = Some(character);
                }
                (None, '(') => depth += 1,
                (None, ')') => depth = depth.saturating_sub(1),
                (None, ';') if depth == 0 => {
                    let (problem, help) = text.split_at(place);
                    if let Some(help) = help.strip_prefix("; ") {
                        return Self::new(problem, help);
                    }
                }
                _ => {}
            }
        }
        Self::without_help(text)
    }

    /// Adds a fix, unless there is one.
    #[must_use]
    pub(crate) fn or_help(self, help: &str) -> Self {
        let Self { problem, help: known } = self;
        Self { problem, help: known.or_else(|| Some(help.to_owned())) }
    }

    /// Puts the place of the problem before it.
    #[must_use]
    pub(crate) fn at(self, place: impl fmt::Display) -> Self {
        Self { problem: format!("{place}: {}", self.problem), ..self }
    }

    /// Returns the explanation with its external text reduced to single lines.
    #[must_use]
    pub(crate) fn harmless(&self) -> Self {
        Self { problem: harmless(&self.problem), help: self.help.as_deref().map(harmless) }
    }
}

/// One line, for texts that contain the explanation.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl From<&str> for Explanation {
    fn from(text: &str) -> Self {
        Self::parse(text)
    }
}

impl From<String> for Explanation {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_semicolon_of_the_text_itself_begins_the_fix() {
        for (text, problem, help) in [
            ("it is off; set it", "it is off", Some("set it")),
            ("it is off; set it; then wait", "it is off", Some("set it; then wait")),
            ("`a; b` is wrong; remove it", "`a; b` is wrong", Some("remove it")),
            ("\"a; b\" is wrong (c; d); remove it", "\"a; b\" is wrong (c; d)", Some("remove it")),
            ("a ` alone; remove it", "a ` alone", Some("remove it")),
            ("a;b is wrong", "a;b is wrong", None),
            ("it is off", "it is off", None),
        ] {
            let found = Explanation::parse(text);
            assert_eq!((found.problem.as_str(), found.help.as_deref()), (problem, help), "{text}");
            assert_eq!(found.to_string(), text);
        }
    }
}
