//! The result of an invocation: its exit code and its failure.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::args::Form;
use crate::cli::report;
use crate::error::{Error, ErrorDocument};
use crate::finding::{Finding, Severity, listed};
use crate::ops::adopt::AdoptError;
use crate::preflight::PreflightError;
use crate::util::explanation::Explanation;
use crate::util::files::FileError;
use crate::util::words::harmless;

/// The exit codes of `kcm`.
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
    /// Returns the exit code of a smoke test or a drill, which restore the previous state.
    pub(super) fn of_proof(is_put_back: bool, is_interrupted: bool, is_passed: bool) -> Self {
        match (is_put_back, is_interrupted, is_passed) {
            (false, _, _) => Self::Partly,
            (true, true, _) => Self::Interrupted,
            (true, false, true) => Self::Done,
            (true, false, false) => Self::Failed,
        }
    }

    /// Returns the exit code of a check by its highest severity.
    pub(super) fn of_check(worst: Option<Severity>) -> Self {
        match worst {
            Some(Severity::Error) => Self::Failed,
            Some(Severity::Warning) => Self::ToDo,
            None => Self::Done,
        }
    }

    /// Turns success into a failure, for a run that could not write its output.
    pub(super) fn or_failed(self) -> Self {
        if self == Self::Done { Self::Failed } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure with its exit code, its message and its JSON document.
pub(super) struct Failure {
    exit: Exit,
    message: String,
    help: Option<String>,
    document: Box<ErrorDocument>,
}

impl Failure {
    pub(super) fn new(exit: Exit, why: impl Into<Explanation>) -> Self {
        let why = why.into();
        let code = match exit {
            Exit::Usage => "request-invalid",
            Exit::Interrupted => "interrupted",
            _ => "failed",
        };
        let document = Box::new(ErrorDocument::new(code, why.clone()));
        let Explanation { problem: message, help } = why.harmless();
        Self { exit, message, help, document }
    }

    /// Replaces the fix.
    fn with_help(mut self, help: Option<&str>) -> Self {
        self.document.help = help.map(str::to_owned);
        Self { help: help.map(harmless), ..self }
    }

    /// Puts what failed before the message.
    pub(super) fn because_of(mut self, what: &str) -> Self {
        self.document.message = format!("{what}: {}", self.document.message);
        Self { exit: Exit::Failed, message: format!("{what}: {}", self.message), ..self }
    }

    /// Adds the findings reported before the failure.
    pub(super) fn with_findings(self, findings: &[Finding]) -> Self {
        let document = Box::new(self.document.with_findings(findings));
        let message = listed(findings) + &self.message;
        Self { message, document, ..self }
    }

    /// Returns the failure for metrics that cannot be written.
    pub(super) fn of_metrics(file: &Path, error: &io::Error) -> Self {
        let error = FileError::from_io(file.display(), error);
        Self::new(Exit::Failed, format!("cannot write the metrics: {error}"))
    }

    /// Returns the message, and the fix on a line of its own.
    fn text(&self) -> String {
        let Self { message, help, .. } = self;
        help.as_ref().map_or_else(|| message.clone(), |help| format!("{message}\n  help: {help}"))
    }

    pub(super) fn report(self, form: Form) -> ExitCode {
        // If standard error fails too, only the exit code is left.
        let _ = report::failure(form, &self.text(), &self.document);
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
        let help = error.help().as_deref().map(harmless);
        Self { exit, message: text(&error), help, document: Box::new(error.document()) }
    }
}

/// Returns the text of an error. Lists keep their line breaks, because each item is one line.
pub(super) fn text(error: &Error) -> String {
    match error {
        Error::Observe(_) | Error::Lint(_) | Error::Preflight(PreflightError::Findings { .. }) => {
            error.to_string()
        }
        other => harmless(&other.to_string()),
    }
}

impl From<AdoptError> for Failure {
    fn from(error: AdoptError) -> Self {
        let help = error.help();
        let exit = match error {
            AdoptError::Observe(error) => {
                return Self::from(Error::from(error)).with_help(help.as_deref());
            }
            AdoptError::Refused { error, findings } => {
                return Self::from(*error).with_findings(&findings);
            }
            AdoptError::Request(_) => Exit::Usage,
            _ => Exit::Failed,
        };
        Self::new(exit, Explanation { problem: error.to_string(), help })
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Failed, format!("cannot run the command or write its result: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::FindingCode;
    use crate::observed::{AskError, ObserveError};
    use crate::pki::signer::SignerError;
    use crate::transport::{LockError, OperationError, TransportError};

    fn errors(word: &str) -> Vec<Error> {
        let text = || word.to_owned();
        let never_ran = TransportError::NeverRan { master: text(), reason: text() };
        let unit = OperationError::Unit { unit: text(), reason: text() };
        let masters = vec![
            (text(), Some(AskError::Transport(never_ran))),
            (text(), Some(AskError::Failed { master: text(), error: unit })),
            (text(), None),
        ];
        vec![
            Error::Observe(ObserveError { masters }),
            Error::Preflight(PreflightError::Findings { findings: findings(word) }),
            Error::Preflight(PreflightError::CaInUse { why: vec![text(), text()], ca: text() }),
            Error::Lock(LockError::Held { master: text(), holder: text() }),
            Error::Request(Explanation::new(word, word)),
            Error::Signer {
                what: "a certificate",
                error: Box::new(SignerError::Failed {
                    program: text(),
                    status: text(),
                    stderr: text(),
                }),
            },
        ]
    }

    fn errors_of_adopt(word: &str) -> Vec<AdoptError> {
        let text = || word.to_owned();
        vec![
            AdoptError::NoUnit { master: text(), unit: text() },
            AdoptError::Unit { master: text(), path: text(), why: Explanation::new(word, word) },
            AdoptError::Kubeconfig { master: text(), reason: text(), help: text() },
            AdoptError::Unknown { what: "it", why: Explanation::new(word, word) },
            AdoptError::Disagree { what: text(), each: text() },
            AdoptError::Request(Explanation::new(word, word)),
        ]
    }

    fn findings(word: &str) -> Vec<Finding> {
        vec![Finding::error(FindingCode::UnitMasked, word, word, word); 2]
    }

    #[test]
    fn no_word_from_elsewhere_forges_a_line_of_an_error() {
        report::tests::assert_errors_are_harmless(|word| {
            let of_adopt = errors_of_adopt(word).into_iter().map(Failure::from);
            let failures = errors(word).into_iter().map(Failure::from).chain(of_adopt);
            let failures = failures.map(|failure| failure.with_findings(&findings(word)));
            failures.map(|failure| (failure.text(), *failure.document)).collect()
        });
    }
}
