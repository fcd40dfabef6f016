//! The `lint` section of the cluster file, and the positions of its keys for findings.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::locate::Places;
use super::scalar::scalar;
use super::value::invalid;
use crate::finding::lint_code;
use crate::util::nearest::nearest;

/// A finding that is accepted at every place where it occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The code of the finding.
    pub code: &'static str,
    /// The reason for the acceptance.
    pub reason: String,
}

/// The code of a lint.
pub(super) struct LintName(pub(super) &'static str);

scalar!(LintName, "a finding code of `kcm lint`", "cis-1.3.2", |text| {
    if let Some(code) = lint_code::codes().find(|code| *code == text) {
        return Ok(Self(code));
    }
    let help = match nearest(text, lint_code::codes()) {
        _ if !lint_code::description(text).is_empty() => {
            "remove the entry, because `kcm lint` has no such finding to accept".to_owned()
        }
        Some(near) => format!("did you mean `{near}`?"),
        None => "write a code that `kcm lint --cis` prints in brackets".to_owned(),
    };
    Err(invalid::<Self>(text, &help))
});

/// The reason for the acceptance.
pub(super) struct Reason(pub(super) String);

scalar!(Reason, "a reason to accept the finding", "Prometheus scrapes it", |text| {
    match text.trim() {
        "" => Err(invalid::<Self>(text, "write a reason for later readers of the file")),
        reason => Ok(Self(reason.to_owned())),
    }
});

/// The text of a cluster file, to find the positions of its keys.
#[derive(Clone)]
pub struct Source {
    file: PathBuf,
    text: Arc<str>,
    places: Arc<OnceLock<Places>>,
    masters: Vec<String>,
}

impl Source {
    pub(super) fn new(file: &Path, text: &str, masters: Vec<String>) -> Self {
        Self { file: file.to_owned(), text: text.into(), places: Arc::default(), masters }
    }

    /// The path of the file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Returns the line and column of a key such as `cluster.clusterCidr`, both from 1.
    ///
    /// Returns `None` if the file does not have the key.
    #[must_use]
    pub fn place(&self, key: &str) -> Option<(usize, usize)> {
        self.places.get_or_init(|| Places::of(&self.text)).get(key)
    }

    /// Returns the index of a master in the file's list, from 0.
    pub(crate) fn position(&self, master: &str) -> Option<usize> {
        self.masters.iter().position(|name| name == master)
    }
}

/// Omits the text of the file.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("file", &self.file).finish_non_exhaustive()
    }
}
