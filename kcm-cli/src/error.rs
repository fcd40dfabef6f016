//! The error of an operation, and its class for the exit code.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use crate::cluster::ClusterFileError;
use crate::desired::DesiredError;
use crate::finding::{Finding, FindingCode};
use crate::observed::{AskError, ObserveError};
use crate::pki::OperatorError;
use crate::pki::signer::SignerError;
use crate::preflight::PreflightError;
use crate::preflight::lint::{LintError, LintFinding};
use crate::transport::LockError;
use crate::util::explanation::Explanation;

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
    #[error("{}", .0.problem)]
    Request(Explanation),
    /// The operator interrupted the run before any master changed.
    #[error("interrupted before any master changed")]
    Interrupted,
    /// A certificate could not be issued.
    #[error("cannot issue {what}: {error}")]
    Signer {
        /// Name of the certificate.
        what: &'static str,
        /// The cause.
        error: Box<SignerError>,
    },
}

impl Error {
    /// Returns the error of a certificate that was not signed.
    pub(crate) fn of_signer(what: &'static str, error: SignerError) -> Self {
        match error {
            // The file is at fault, not the signer.
            SignerError::Ca(error) => Self::Operator(error),
            error => Self::Signer { what, error: Box::new(error) },
        }
    }

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
            Self::Request(_) => "request-invalid",
            Self::Interrupted => "interrupted",
            Self::Signer { .. } => "certificate-not-issued",
        }
    }

    /// Returns the fix, if one is known. Errors that list findings have one for each finding.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Cluster(error) => error.help.as_deref().map(str::to_owned),
            Self::Operator(error) => error.help(),
            Self::Desired(error) => error.help(),
            Self::Observe(error) => error.help(),
            Self::Preflight(error) => error.help(),
            Self::Lock(error) => error.help().map(str::to_owned),
            Self::Request(why) => why.help.clone(),
            Self::Signer { error, .. } => error.help(),
            Self::Interrupted => Some("run the same command again".to_owned()),
            Self::Lint(_) => None,
        }
    }

    /// Returns the error as a document for programs.
    #[must_use]
    pub fn document(&self) -> ErrorDocument {
        let message = self.to_string();
        let first = || message.lines().next().unwrap_or_default().to_owned();
        let last = || message.lines().next_back().unwrap_or_default().to_owned();
        let document =
            |problem| ErrorDocument::new(self.code(), Explanation { problem, help: self.help() });
        match self {
            Self::Cluster(error) => {
                let place = Some(ErrorPlace::of(error));
                ErrorDocument { place, ..document(error.message.clone()) }
            }
            Self::Lint(LintError { findings, .. }) => {
                let findings = findings.iter().cloned().map(ErrorFinding::Lint).collect();
                ErrorDocument { findings, ..document(last()) }
            }
            Self::Preflight(PreflightError::Findings { findings }) => {
                document(last()).with_findings(findings)
            }
            Self::Observe(ObserveError { masters }) => {
                let masters = masters.iter().map(UntouchedMaster::of).collect();
                ErrorDocument { masters, ..document(first()) }
            }
            _ => document(message),
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
                | Self::Request(_)
                | Self::Operator(OperatorError::Configuration { .. })
        )
    }
}

/// A failure of a command, for programs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ErrorDocument {
    /// Stable code of the kind of error.
    pub code: &'static str,
    /// The position in the cluster file, if the file is invalid.
    #[serde(flatten)]
    pub place: Option<ErrorPlace>,
    /// The findings that stopped the command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<ErrorFinding>,
    /// The result on each master, if they differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masters: Vec<UntouchedMaster>,
    /// The fix, if one is known. Each finding has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The problem.
    pub message: String,
}

/// The position of an error in a cluster file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ErrorPlace {
    /// Column, from 1; null if the error has no position.
    pub column: Option<usize>,
    /// The cluster file.
    pub file: PathBuf,
    /// Path of the key, as in `masters[1].name`; empty for the whole file.
    pub key: String,
    /// Line, from 1; null if the error has no position.
    pub line: Option<usize>,
}

/// A finding about the masters or about the cluster file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ErrorFinding {
    /// A finding about masters.
    Preflight(Finding),
    /// A finding about the cluster file.
    Lint(LintFinding),
}

/// A master that an error left as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UntouchedMaster {
    /// The failure, if it happened on this master.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Name of the master.
    pub name: String,
    /// The result on the master.
    #[schemars(extend("const" = "untouched"))]
    pub result: &'static str,
}

impl ErrorDocument {
    /// Creates the document of an error without details.
    pub(crate) fn new(code: &'static str, why: impl Into<Explanation>) -> Self {
        let (findings, masters) = (Vec::new(), Vec::new());
        let Explanation { problem: message, help } = why.into();
        Self { code, place: None, findings, masters, help, message }
    }

    /// Replaces the findings, unless `findings` is empty.
    pub(crate) fn with_findings(mut self, findings: &[Finding]) -> Self {
        if !findings.is_empty() {
            self.findings = findings.iter().cloned().map(ErrorFinding::Preflight).collect();
        }
        self
    }
}

impl ErrorPlace {
    fn of(error: &ClusterFileError) -> Self {
        let ClusterFileError { file, line, column, field, .. } = error;
        Self { column: *column, file: file.clone(), key: field.clone(), line: *line }
    }
}

impl UntouchedMaster {
    fn of((name, error): &(String, Option<AskError>)) -> Self {
        let error = error.as_ref().map(AskError::without_name);
        Self { error, name: name.clone(), result: "untouched" }
    }
}
