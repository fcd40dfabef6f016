//! Absolute paths on a master.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

/// An absolute, normalised path on a master: UTF-8, without `.`, `..`, empty components and control
/// characters.
///
/// It is not a `PathBuf`, because it belongs to the master's file system.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("pattern" = "^/"))]
pub struct RemotePath(String);

/// The error of a text that is not a [`RemotePath`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{path}` is not a valid path on a master; {reason}")]
#[non_exhaustive]
pub struct InvalidPath {
    /// The invalid text.
    pub path: String,
    /// The problem and its fix.
    pub reason: &'static str,
}

impl RemotePath {
    /// Maximum length in bytes: `PATH_MAX` less the terminating NUL.
    pub const MAX_LENGTH: usize = 4095;

    /// Parses a path; a trailing `/` is dropped.
    ///
    /// # Errors
    /// If the path is relative, not normalised, too long, or contains a control character.
    pub fn new(path: impl Into<String>) -> Result<Self, InvalidPath> {
        let mut path = path.into();
        while path.len() > 1 && path.ends_with('/') {
            path.pop();
        }
        let reason = if !path.starts_with('/') {
            "write an absolute path, starting with `/`"
        } else if path.len() > Self::MAX_LENGTH {
            "shorten the path to at most 4095 bytes"
        } else if path.chars().any(char::is_control) {
            "remove the control character"
        } else if path != "/" && path.split('/').skip(1).any(|part| matches!(part, "" | "." | ".."))
        {
            "write the path without `//`, `/./` and `/../`"
        } else if path.split('/').any(|part| part.len() > 255) {
            "shorten each component to at most 255 bytes"
        } else {
            return Ok(Self(path));
        };
        Err(InvalidPath { path, reason })
    }

    /// Returns the path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the parent folder; `None` for `/`.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (parent, name) = self.0.rsplit_once('/')?;
        match (parent, name) {
            (_, "") => None,
            ("", _) => Some(Self("/".to_owned())),
            (parent, _) => Some(Self(parent.to_owned())),
        }
    }

    /// Returns the last component; empty for `/`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(_, name)| name)
    }

    /// Appends one or more components.
    ///
    /// # Errors
    /// If the result would not be a normalised path.
    pub fn join(&self, names: &str) -> Result<Self, InvalidPath> {
        Self::new(format!("{}/{names}", self.0.trim_end_matches('/')))
    }

    /// Returns the components, from the root on.
    #[must_use = "iterators do nothing unless consumed"]
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|name| !name.is_empty())
    }

    /// Returns a path in the same folder with another name, which must be a valid component.
    pub(crate) fn sibling(&self, name: &str) -> Self {
        let parent = self.parent().map_or_else(String::new, |parent| parent.0);
        Self(format!("{}/{name}", parent.trim_end_matches('/')))
    }

    /// Returns a path below this folder with a name, which must be a valid component.
    pub(crate) fn child(&self, name: &str) -> Self {
        Self(format!("{}/{name}", self.0.trim_end_matches('/')))
    }
}

impl<'de> Deserialize<'de> for RemotePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl FromStr for RemotePath {
    type Err = InvalidPath;

    fn from_str(path: &str) -> Result<Self, InvalidPath> {
        Self::new(path)
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_normal_paths_are_taken() {
        for good in ["/", "/a", "/opt/kubernetes/", "/opt/ä b"] {
            assert!(RemotePath::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "./a", "/a/../b", "/a//b", "/a/./b", "/a\nb", "/a\0"] {
            assert!(RemotePath::new(bad).is_err(), "{bad:?}");
        }
        assert!(RemotePath::new(format!("/{}", "a".repeat(256))).is_err());
        assert!(RemotePath::new("/a".repeat(2048)).is_err());
    }

    #[test]
    fn parents_end_at_the_root() {
        let path = RemotePath::new("/opt/kubernetes").unwrap();
        let opt = path.parent().unwrap();
        assert_eq!((opt.as_str(), path.name()), ("/opt", "kubernetes"));
        let root = opt.parent().unwrap();
        assert_eq!((root.as_str(), root.name(), root.parent()), ("/", "", None));
        assert_eq!(root.child("x").as_str(), "/x");
        assert_eq!(opt.sibling("srv").as_str(), "/srv");
    }
}
