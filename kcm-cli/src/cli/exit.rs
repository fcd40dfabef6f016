//! How an invocation ends: its exit code, and why there is no result.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::args::Form;
use crate::cli::report;
use crate::error::Error;
use crate::finding::Finding;
use crate::util::files::FileError;
use crate::util::words::harmless;

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    ToDo = 3,
    Partly = 4,
    Interrupted = 130,
}

impl Exit {
    /// Of a proof that leaves everything as it was, if it can.
    pub(super) fn of_proof(is_put_back: bool, is_interrupted: bool, is_passed: bool) -> Self {
        match (is_put_back, is_interrupted, is_passed) {
            (false, _, _) => Self::Partly,
            (true, true, _) => Self::Interrupted,
            (true, false, true) => Self::Done,
            (true, false, false) => Self::Failed,
        }
    }

    /// The same for somebody who failed beside that.
    pub(super) fn or_failed(self) -> Self {
        if self == Self::Done { Self::Failed } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why there is no result.
pub(super) struct Failure {
    exit: Exit,
    message: String,
    document: serde_json::Value,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { exit, document: serde_json::json!({ "error": message }), message }
    }

    /// The same in other words.
    pub(super) fn saying(mut self, message: String) -> Self {
        if let Some(error) = self.document.get_mut("error") {
            *error = serde_json::json!(message);
        }
        Self { message, ..self }
    }

    /// The same with what was found until then.
    pub(super) fn with_findings(self, findings: &[Finding]) -> Self {
        let mut document = self.document;
        if let (Some(document), false) = (document.as_object_mut(), findings.is_empty()) {
            document.insert("findings".to_owned(), serde_json::json!(findings));
        }
        let found = findings.iter().map(|finding| format!("\n  {}: {finding}", finding.severity));
        let message = self.message + &found.collect::<String>();
        Self { message, document, ..self }
    }

    /// Metrics could not be left where they were to be.
    pub(super) fn of_metrics(file: &Path, error: &io::Error) -> Self {
        let error = FileError::from_io(file.display(), error);
        Self::new(Exit::Failed, format!("the metrics cannot be written: {error}"))
    }

    pub(super) fn report(self, form: Form) -> ExitCode {
        // If even this cannot be written, the exit code is all there is left to say.
        let _ = report::failure(form, &self.message, &self.document);
        self.exit.into()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            Error::Interrupted => Exit::Interrupted,
            error if error.is_usage() => Exit::Usage,
            _ => Exit::Failed,
        };
        let message = match &error {
            // What they list is in one line each.
            Error::Observe(_) | Error::Preflight(_) | Error::Lint(_) => error.to_string(),
            other => harmless(&other.to_string()),
        };
        Self { exit, message, document: error.document() }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Failed, format!("the result cannot be written: {error}"))
    }
}
