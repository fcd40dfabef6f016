//! The error of an operation, and its class for the exit code.

use thiserror::Error;

use crate::cluster::ClusterFileError;
use crate::desired::DesiredError;
use crate::finding::FindingCode;
use crate::observed::{AskError, ObserveError};
use crate::pki::OperatorError;
use crate::preflight::PreflightError;
use crate::preflight::lint::LintError;
use crate::transport::LockError;

/// An error that stopped kcm before it changed any master.
///
/// A failure during a rollout is part of an [`Outcome`](crate::rollout::Outcome) instead, because
/// the results of the other masters are still needed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The cluster file is invalid.
    #[error(transparent)]
    Cluster(#[from] ClusterFileError),
    /// The cluster file has lint errors.
    #[error(transparent)]
    Lint(#[from] LintError),
    /// A file on the operator's machine is invalid.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// The desired state cannot be rendered.
    #[error(transparent)]
    Desired(#[from] DesiredError),
    /// Some masters could not be observed.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// A preflight check failed.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// Another process holds the lock of a master.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The request is invalid with the given options; nothing was done.
    #[error("{reason}")]
    Request {
        /// The problem and its fix.
        reason: String,
    },
    /// The operator interrupted the run before any master changed.
    #[error("interrupted before any master changed; run the same command again")]
    Interrupted,
    /// A certificate could not be issued.
    #[error("{what} cannot be made: {reason}")]
    Issue {
        /// Name of the certificate.
        what: &'static str,
        /// The cause.
        reason: String,
    },
}

impl Error {
    /// Returns the error as a JSON document: its text, and the result of each master if they
    /// differ.
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

    /// True for a mistake of the operator (exit code 2), false for any other failure (exit code 1).
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
