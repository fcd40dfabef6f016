//! What can go wrong, and what that means for the exit code.

use thiserror::Error;

use crate::cluster::ClusterFileError;
use crate::desired::DesiredError;
use crate::finding::FindingCode;
use crate::observed::{AskError, ObserveError};
use crate::pki::OperatorError;
use crate::preflight::PreflightError;
use crate::preflight::lint::LintError;
use crate::transport::LockError;

/// Why kcm stopped before it changed any master.
///
/// What happens to masters once a rollout has begun is not an error but an
/// [`Outcome`](crate::rollout::Outcome), because the others' results are still wanted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The cluster file is wrong.
    #[error(transparent)]
    Cluster(#[from] ClusterFileError),
    /// The cluster file has lint errors.
    #[error(transparent)]
    Lint(#[from] LintError),
    /// A file on the operator's side is wrong.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// What should be on the masters cannot be rendered.
    #[error(transparent)]
    Desired(#[from] DesiredError),
    /// Some masters could not be observed.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// Something speaks against beginning.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// Somebody else is at work.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// What was asked for cannot be done with what was given, and nothing was.
    #[error("{reason}")]
    Request {
        /// Why, and what to give instead.
        reason: String,
    },
    /// It was asked to stop before anything changed.
    #[error("interrupted before any master changed; run the same command again")]
    Interrupted,
    /// A certificate could not be made.
    #[error("{what} cannot be made: {reason}")]
    Issue {
        /// What.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

impl Error {
    /// The error as a JSON document: its text, and every master's part in it where masters differ.
    #[must_use]
    pub fn document(&self) -> serde_json::Value {
        let masters = match self {
            Self::Observe(ObserveError { masters }) => masters,
            Self::Lint(LintError { findings, .. }) => {
                return serde_json::json!({ "error": self.to_string(), "findings": findings });
            }
            Self::Preflight(PreflightError::Findings { findings }) => {
                return serde_json::json!({ "error": self.to_string(), "findings": findings });
            }
            _ => return serde_json::json!({ "error": self.to_string() }),
        };
        let master = |(name, error): &(String, Option<AskError>)| match error {
            Some(error) => {
                serde_json::json!({ "name": name, "result": "untouched", "error": error.to_string() })
            }
            None => serde_json::json!({ "name": name, "result": "untouched" }),
        };
        let masters: Vec<_> = masters.iter().map(master).collect();
        serde_json::json!({ "error": self.to_string(), "masters": masters })
    }

    /// Whether the operator's words are wrong (exit code 2), rather than the world (1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        if let Self::Preflight(PreflightError::Findings { findings }) = self {
            return findings.iter().any(|finding| finding.code == FindingCode::FlagLint);
        }
        matches!(
            self,
            Self::Cluster(_)
                | Self::Lint(_)
                | Self::Desired(_)
                | Self::Request { .. }
                | Self::Operator(OperatorError::Configuration { .. })
        )
    }
}
