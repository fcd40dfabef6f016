use crate::yaml::read::{Location, YamlError};

/// A text that is not a kubeconfig, or whose contents would be partly lost.
///
/// Errors quote only names, keys, `apiVersion` and `kind` from the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The text is not YAML.
    #[error("{at}: not YAML: {problem}")]
    Syntax {
        /// Position of the error.
        at: Location,
        /// Message of the parser, which quotes nothing from the text.
        problem: String,
    },
    /// The text uses a YAML feature that would be lost when the document is printed.
    #[error("{at}: {what} is not supported; {help}")]
    Unsupported {
        /// Position of the feature.
        at: Location,
        /// Name of the feature.
        what: &'static str,
        /// The fix.
        help: &'static str,
    },
    /// Collections are nested more deeply than in any kubeconfig.
    #[error("{at}: nesting is too deep, or aliases add too many nodes, for a kubeconfig")]
    TooDeep {
        /// Position at which the limit is exceeded.
        at: Location,
    },
    /// Two entries of a list have the same name, which kubectl rejects.
    #[error("{at}: duplicate entry `{name}` in `{list}`; rename or remove one of the entries")]
    DuplicateEntry {
        /// Position of the second entry.
        at: Location,
        /// `clusters`, `contexts` or `users`.
        list: &'static str,
        /// Name of both entries.
        name: String,
    },
    /// A value has the wrong type.
    #[error("{at}: `{field}` must be {expected}, not {found}; {help}")]
    WrongType {
        /// Position of the value.
        at: Location,
        /// Field with the value.
        field: String,
        /// Required type.
        expected: &'static str,
        /// Actual type.
        found: &'static str,
        /// The fix.
        help: &'static str,
    },
    /// Embedded data is not base64.
    #[error("{at}: `{field}` is not base64; use `{path_field}` for a file path")]
    Base64 {
        /// Position of the value.
        at: Location,
        /// Field with the value.
        field: &'static str,
        /// Field that accepts a path.
        path_field: &'static str,
    },
    /// `apiVersion` is not `v1`.
    #[error("{at}: apiVersion is `{found}`, not `v1`; check that the file is a kubeconfig")]
    ApiVersion {
        /// Position of the value.
        at: Location,
        /// Value of `apiVersion`.
        found: String,
    },
    /// `kind` is not `Config`.
    #[error("{at}: kind is `{found}`, not `Config`; check that the file is a kubeconfig")]
    Kind {
        /// Position of the value.
        at: Location,
        /// Value of `kind`.
        found: String,
    },
}

impl ReadError {
    /// Returns the position in the text.
    #[must_use]
    pub fn at(&self) -> Location {
        match self {
            Self::Syntax { at, .. }
            | Self::Unsupported { at, .. }
            | Self::TooDeep { at }
            | Self::DuplicateEntry { at, .. }
            | Self::WrongType { at, .. }
            | Self::Base64 { at, .. }
            | Self::ApiVersion { at, .. }
            | Self::Kind { at, .. } => *at,
        }
    }
}

impl From<YamlError> for ReadError {
    fn from(error: YamlError) -> Self {
        match error {
            YamlError::Syntax { at, problem } => Self::Syntax { at, problem },
            YamlError::Unsupported { at, what, help } => Self::Unsupported { at, what, help },
            YamlError::TooDeep { at } => Self::TooDeep { at },
        }
    }
}

/// A part of a kubeconfig that kubectl ignores, or that is lost when the document is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Comments, which kubectl loses too.
    CommentsDropped {
        /// Position of the first comment.
        first: Location,
        /// Number of comments.
        count: usize,
    },
    /// A key without quotes that kubectl reads as a boolean or a number and renames (`n` to
    /// `false`, `0x10` to `16`). This crate keeps the spelling and prints the key in quotes.
    KeyKept {
        /// Position of the key.
        at: Location,
        /// The key.
        key: String,
    },
    /// A second YAML document, which kubectl ignores.
    SecondDocument {
        /// Position at which the document begins.
        at: Location,
    },
    /// A key that occurs twice in one map; the last one counts.
    DuplicateKey {
        /// Position of the second key.
        at: Location,
        /// The key.
        key: String,
    },
    /// A known key with different capitalisation, which kubectl ignores.
    WrongCase {
        /// Position of the key.
        at: Location,
        /// Spelling in the text.
        key: String,
        /// Spelling that kubectl knows.
        expected: &'static str,
    },
}

impl Warning {
    /// Returns the position in the text.
    #[must_use]
    pub fn at(&self) -> Location {
        match self {
            Self::CommentsDropped { first, .. } => *first,
            Self::KeyKept { at, .. }
            | Self::SecondDocument { at }
            | Self::DuplicateKey { at, .. }
            | Self::WrongCase { at, .. } => *at,
        }
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CommentsDropped { first, count: 1 } => {
                write!(f, "{first}: the comment is not preserved")
            }
            Self::CommentsDropped { first, count } => {
                write!(f, "{first}: the comment and {} more are not preserved", count - 1)
            }
            Self::KeyKept { at, key } => {
                write!(
                    f,
                    "{at}: kubectl renames the unquoted key `{key}`; the key is kept, in quotes"
                )
            }
            Self::SecondDocument { at } => {
                write!(f, "{at}: kubectl ignores the second YAML document")
            }
            Self::DuplicateKey { at, key } => {
                write!(f, "{at}: duplicate key `{key}`: the last value is used")
            }
            Self::WrongCase { at, key, expected } => {
                write!(f, "{at}: kubectl ignores `{key}`; write `{expected}`")
            }
        }
    }
}
