use std::fmt;

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// What is wrong with a YAML text. Never quotes a value: it might be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum YamlError {
    /// This is not YAML.
    Syntax { at: Location, problem: &'static str, mend: &'static str },
    /// This is YAML, but not of the kind kubeconfigs are written in.
    Unsupported { at: Location, what: &'static str, mend: &'static str },
    /// Nested deeper than any kubeconfig is.
    TooDeep { at: Location },
    /// A key stands twice in one map.
    DuplicateKey { at: Location, key: String },
    /// Another document begins.
    SecondDocument { at: Location },
}
