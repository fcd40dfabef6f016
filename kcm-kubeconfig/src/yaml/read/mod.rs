//! Reads one YAML document into a tree that remembers where things stood and whether they were quoted.
//!
//! Reference: <https://yaml.org/spec/1.1/>, as far as goyaml.v2 goes with it.

mod block;
mod cursor;
mod error;
mod flow;
mod literal;
mod plain;
mod quoted;

use std::borrow::Cow;

use cursor::Cursor;
pub use error::Location;
pub(crate) use error::YamlError;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node<'a> {
    pub(crate) at: Location,
    pub(crate) kind: Kind<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    Scalar(Scalar<'a>),
    List(Vec<Node<'a>>),
    Map(Vec<Entry<'a>>),
}

/// A text and whether it stood there without quotes, so that it may mean something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scalar<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) plain: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) at: Location,
    pub(crate) key: Scalar<'a>,
    pub(crate) value: Node<'a>,
}

/// A document, and what printing it again would lose.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// `None` if there is nothing but blanks and comments.
    pub(crate) root: Option<Node<'a>>,
    /// Where the comments begin, first to last.
    pub(crate) comments: Vec<Location>,
}

/// Reads `text`, which must hold at most one document.
pub(crate) fn document(text: &str) -> Result<Document<'_>, YamlError> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    cursor::check_characters(text)?;
    let mut cursor = Cursor::new(text);
    let root = cursor.root()?;
    Ok(Document { root, comments: cursor.into_comments() })
}

impl Node<'_> {
    fn empty(at: Location) -> Self {
        Self { at, kind: Kind::Scalar(Scalar { text: Cow::Borrowed(""), plain: true }) }
    }
}

#[cfg(test)]
mod tests;
