//! Sources of passwords and passphrases. A secret itself is never in a cluster file.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::util::explanation::Explanation;
use crate::util::files::{LONGEST_FILE, words};

/// The source of a password or passphrase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SecretSource {
    /// One prompt on the terminal.
    #[default]
    Terminal,
    /// The first line of this file.
    File(PathBuf),
    /// The environment variable of this name.
    Env(String),
}

/// An error of reading a password or passphrase. No message contains the secret.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The file cannot be read, or its first line is empty.
    #[error("{}: {file}: {}", option(key, "file"), why.problem)]
    File {
        /// Key of the source in the cluster file, or name of an option.
        key: &'static str,
        /// Path of the file.
        file: String,
        /// The problem and its fix.
        why: Explanation,
    },
    /// The environment variable is not set, or is not valid UTF-8.
    #[error("{}: environment variable {name} is not set or not UTF-8", option(key, "env"))]
    Env {
        /// Key of the source in the cluster file, or name of an option.
        key: &'static str,
        /// Name of the variable.
        name: String,
    },
    /// The terminal prompt failed.
    #[error("cannot prompt for the secret of {key}: {reason}")]
    Terminal {
        /// Key of the source in the cluster file, or name of an option.
        key: &'static str,
        /// The cause.
        reason: String,
    },
}

/// Returns the name of a source: a key of the cluster file, or an option.
fn option(key: &str, source: &str) -> String {
    let separator = if key.starts_with("--") { "-" } else { "." };
    format!("{key}{separator}{source}")
}

impl SecretError {
    /// Returns the problem and its fix.
    pub(crate) fn explanation(&self) -> Explanation {
        let help = match self {
            Self::File { why, .. } => why.help.clone(),
            Self::Env { .. } => Some("set the variable to the secret".to_owned()),
            Self::Terminal { key, .. } => {
                Some(format!("set {} or {}", option(key, "file"), option(key, "env")))
            }
        };
        Explanation { problem: self.to_string(), help }
    }
}

impl SecretSource {
    /// Reads the secret. `key` names the source in errors, and `ask` prompts on the terminal.
    ///
    /// # Errors
    /// If the source has no secret.
    pub fn read(
        &self,
        key: &'static str,
        ask: impl FnOnce() -> io::Result<Zeroizing<String>>,
    ) -> Result<Zeroizing<String>, SecretError> {
        match self {
            Self::Terminal => {
                ask().map_err(|error| SecretError::Terminal { key, reason: words(&error) })
            }
            Self::File(file) => first_line(key, file),
            Self::Env(name) => std::env::var(name)
                .map(Zeroizing::new)
                .map_err(|_| SecretError::Env { key, name: name.clone() }),
        }
    }

    /// Returns the environment variable that holds the secret, which child processes must not
    /// inherit.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        match self {
            Self::Env(name) => Some(name),
            Self::Terminal | Self::File(_) => None,
        }
    }
}

/// Returns the first line of a file. Further lines are ignored.
fn first_line(key: &'static str, file: &Path) -> Result<Zeroizing<String>, SecretError> {
    let failed = |reason: String| SecretError::File {
        key,
        file: file.display().to_string(),
        why: reason.into(),
    };
    // The file may be a pipe, which has no size to check.
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(file)
        .and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text))
        .map_err(|error| failed(words(&error)))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Zeroizing::new(line.to_owned())),
        _ => Err(failed("the first line is empty; write the secret on the first line".to_owned())),
    }
}
