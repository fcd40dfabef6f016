use crate::yaml::read::{Location, YamlError};

/// A text that is no kubeconfig, or one of which something would be lost.
///
/// No variant holds a value from the text but names, keys, `apiVersion` and `kind`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The text is not YAML.
    #[error("{at}: not YAML: {problem}")]
    Syntax {
        /// The place.
        at: Location,
        /// The parser's words, which quote nothing.
        problem: String,
    },
    /// The text uses a feature of YAML that would not survive being printed again.
    #[error("{at}: {what} is not supported; {mend}")]
    Unsupported {
        /// Where.
        at: Location,
        /// What stands there.
        what: &'static str,
        /// What to do about it.
        mend: &'static str,
    },
    /// Collections are nested deeper than in any kubeconfig.
    #[error("{at}: nested too deeply for a kubeconfig")]
    TooDeep {
        /// Where the limit was passed.
        at: Location,
    },
    /// Two entries of a list have the same name, which kubectl refuses.
    #[error("{at}: a second entry named `{name}` in `{list}`; rename or remove one of the two")]
    DuplicateEntry {
        /// The second one.
        at: Location,
        /// `clusters`, `contexts` or `users`.
        list: &'static str,
        /// The name.
        name: String,
    },
    /// A value has the wrong type.
    #[error("{at}: `{field}` must be {expected}, not {found}; {mend}")]
    WrongType {
        /// The value.
        at: Location,
        /// The field it belongs to.
        field: String,
        /// What is needed.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
        /// What to do about it.
        mend: &'static str,
    },
    /// Embedded data is not base64.
    #[error("{at}: `{field}` is not base64; to name a file, use `{path_field}`")]
    Base64 {
        /// The value.
        at: Location,
        /// The field.
        field: &'static str,
        /// The field that takes a path.
        path_field: &'static str,
    },
    /// `apiVersion` is not `v1`.
    #[error(
        "{at}: apiVersion is `{found}`, but kubeconfigs have `v1`; is this another kind of file?"
    )]
    ApiVersion {
        /// The value.
        at: Location,
        /// What stands there.
        found: String,
    },
    /// `kind` is not `Config`.
    #[error(
        "{at}: kind is `{found}`, but kubeconfigs have `Config`; is this another kind of file?"
    )]
    Kind {
        /// The value.
        at: Location,
        /// What stands there.
        found: String,
    },
}

impl ReadError {
    /// Returns the place in the text.
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
            YamlError::Unsupported { at, what, mend } => Self::Unsupported { at, what, mend },
            YamlError::TooDeep { at } => Self::TooDeep { at },
        }
    }
}

/// Something in a kubeconfig that kubectl ignores, or that is not there after it was read and printed again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Comments, as with kubectl.
    CommentsDropped {
        /// Where the first one begins.
        first: Location,
        /// How many there are.
        count: usize,
    },
    /// A key without quotes that kubectl reads as a boolean or a number, and renames (`n` to `false`, `0x10` to
    /// `16`). It is kept as it was spelled, and printed in quotes.
    KeyKept {
        /// Where the key stands.
        at: Location,
        /// The key.
        key: String,
    },
    /// A second YAML document, which kubectl ignores.
    SecondDocument {
        /// The place where it begins.
        at: Location,
    },
    /// A key that stands twice in one map; the last one counts.
    DuplicateKey {
        /// The second one.
        at: Location,
        /// The key.
        key: String,
    },
    /// A known key in the wrong case, which kubectl ignores.
    WrongCase {
        /// The key.
        at: Location,
        /// The spelling in the text.
        key: String,
        /// The spelling that kubectl knows.
        expected: &'static str,
    },
}

impl Warning {
    /// Returns the place in the text.
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
                write!(f, "{first}: the comment will be lost")
            }
            Self::CommentsDropped { first, count } => {
                write!(f, "{first}: this comment and {} more will be lost", count - 1)
            }
            Self::KeyKept { at, key } => {
                write!(f, "{at}: kubectl would rename the key `{key}`; it is kept, in quotes")
            }
            Self::SecondDocument { at } => {
                write!(f, "{at}: kubectl ignores this second YAML document")
            }
            Self::DuplicateKey { at, key } => {
                write!(f, "{at}: the key `{key}` stands here a second time; this one counts")
            }
            Self::WrongCase { at, key, expected } => {
                write!(f, "{at}: kubectl ignores `{key}`; write `{expected}`")
            }
        }
    }
}
