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
    #[error("cannot issue {what}: {reason}")]
    Issue {
        /// Name of the certificate.
        what: &'static str,
        /// The cause.
        reason: String,
    },
}

impl Error {
    /// Returns the stable code of the kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cluster(_) => "cluster-file-invalid",
            Self::Lint(_) => "lint-failed",
            Self::Operator(_) => "operator-file-invalid",
            Self::Desired(_) => "desired-state-invalid",
            Self::Observe(_) => "observation-failed",
            Self::Preflight(_) => "preflight-failed",
            Self::Lock(_) => "lock-failed",
            Self::Request { .. } => "request-invalid",
            Self::Interrupted => "interrupted",
            Self::Issue { .. } => "certificate-not-issued",
        }
    }

    /// Returns the error as a JSON object: `code` and `message`, the place in the cluster file, the findings, and the
    /// result of each master if they differ.
    #[must_use]
    pub fn document(&self) -> serde_json::Value {
        let (code, message) = (self.code(), self.to_string());
        let last = message.lines().next_back().unwrap_or_default();
        match self {
            Self::Cluster(error) => serde_json::json!({
                "code": code, "message": error.message, "file": error.file, "key": error.field, "line": error.line,
                "column": error.column,
            }),
            Self::Lint(LintError { findings, .. }) => {
                serde_json::json!({ "code": code, "message": last, "findings": findings })
            }
            Self::Preflight(PreflightError::Findings { findings }) => {
                serde_json::json!({ "code": code, "message": last, "findings": findings })
            }
            Self::Observe(ObserveError { masters }) => {
                let message = message.lines().next().unwrap_or_default();
                let masters: Vec<_> = masters.iter().map(untouched).collect();
                serde_json::json!({ "code": code, "message": message, "masters": masters })
            }
            _ => serde_json::json!({ "code": code, "message": message }),
        }
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

fn untouched((name, error): &(String, Option<AskError>)) -> serde_json::Value {
    let mut master = serde_json::json!({ "name": name, "result": "untouched" });
    if let (Some(error), Some(master)) = (error, master.as_object_mut()) {
        master.insert("error".to_owned(), error.to_string().into());
    }
    master
}
