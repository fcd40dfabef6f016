//! The only module that writes: results to standard output, progress to standard error.

mod adopt;
mod certs;
mod document;
mod drill;
mod fresh;
mod human;
mod lint;
mod logs;
mod progress;
mod smoke;
mod status;
mod style;
mod terminal;
#[cfg(test)]
pub(crate) mod tests;
mod textfile;
mod timer;
mod version;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::cli::args::Form;
use crate::error::ErrorDocument;
use crate::event::{Event, EventSink};
use crate::finding::Severity;
use crate::ops::adopt::Adopted;
use crate::ops::certs::CertificateCheck;
use crate::ops::drill::DrillReport;
use crate::ops::smoke::SmokeReport;
use crate::ops::status::Status;
use crate::ops::timer::{Manager, UnitText};
use crate::preflight::lint::LintReport;
use crate::rollout::{Outcome, Prepared};
use crate::transport::Exchange;
use crate::util::words;
use document::Document;
use progress::Progress;
use terminal::Terminal;

pub(crate) use adopt::AdoptReport;
pub(crate) use document::{API_VERSION, DocumentValue};
pub(crate) use fresh::FreshFile;
pub(crate) use textfile::{certificate_metrics, status_metrics};
pub(crate) use version::VersionReport;

/// Moves the cursor to the upper left corner and clears the terminal.
const CLEAR: &str = "\x1b[H\x1b[2J";
pub(crate) use logs::LogReport;

/// The report of one invocation.
pub(crate) struct Report {
    form: Form,
    file: PathBuf,
    uploads: Uploads,
    progress: Option<Progress>,
}

impl Report {
    pub(crate) fn new(form: Form, file: &Path) -> Self {
        let progress = (form == Form::Human).then(Progress::on_terminal).flatten();
        Self { form, file: file.to_owned(), uploads: Uploads::default(), progress }
    }

    /// Shows no progress lines, because other lines are written beside the report.
    pub(crate) fn without_progress(self) -> Self {
        Self { progress: None, ..self }
    }

    pub(crate) fn plan(&self, prepared: &Prepared) -> io::Result<()> {
        match self.form {
            Form::Human => flushed(|out| human::plan(out, &prepared.plan, &self.file)),
            form => document(form, &prepared.plan),
        }
    }

    /// Reports the findings of `adopt` before it writes any file.
    ///
    /// If the cluster file is printed, the findings go to standard error.
    pub(crate) fn found(&self, adopted: &Adopted, prints: bool) -> io::Result<()> {
        match self.form {
            Form::Human if prints => adopt::found(&mut stderr(), adopted),
            Form::Human => flushed(|out| adopt::found(out, adopted)),
            _ => Ok(()),
        }
    }

    /// Reports the files that `adopt` wrote.
    pub(crate) fn adopted(&self, report: &AdoptReport<'_>, prints: bool) -> io::Result<()> {
        match self.form {
            Form::Human if prints => {
                adopt::adopted(&mut stderr(), report, &self.file)?;
                text(&report.adopted.text)
            }
            Form::Human => flushed(|out| adopt::adopted(out, report, &self.file)),
            form => document(form, report),
        }
    }

    pub(crate) fn certificates(&self, check: &CertificateCheck) -> io::Result<()> {
        match self.form {
            Form::Human => flushed(|out| certs::check(out, check)),
            form => document(form, check),
        }
    }

    pub(crate) fn status(&self, status: &Status) -> io::Result<()> {
        match self.form {
            Form::Human => flushed(|out| status::status(out, status)),
            form => document(form, status),
        }
    }

    /// Reports one of several status observations.
    ///
    /// On a terminal it replaces the previous one; as JSON it is one line.
    pub(crate) fn status_again(&self, status: &Status) -> io::Result<()> {
        if self.form == Form::Human && io::stdout().is_terminal() {
            anstream::stdout().write_all(CLEAR.as_bytes())?;
        }
        match self.form {
            Form::Human => flushed(|out| {
                writeln!(out, "{}", words::moment(status.at))?;
                status::status(out, status)?;
                writeln!(out)
            }),
            Form::Json => document(Form::Jsonl, status),
            form => document(form, status),
        }
    }

    pub(crate) fn smoke(&self, report: &SmokeReport) -> io::Result<()> {
        match self.form {
            Form::Human => flushed(|out| smoke::report(out, report)),
            form => document(form, report),
        }
    }

    pub(crate) fn drill(&self, report: &DrillReport) -> io::Result<()> {
        match self.form {
            Form::Human => flushed(|out| drill::report(out, report)),
            form => document(form, report),
        }
    }

    pub(crate) fn outcome(&self, outcome: &Outcome, end: End) -> io::Result<()> {
        match self.form {
            Form::Human => flushed(|out| human::outcome(out, outcome, end, &self.file)),
            form => document(form, outcome),
        }
    }
}

/// The intended state of the masters after a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// The state in the cluster file.
    AsTheFileSays,
    /// The current state with renewed certificates.
    Renewed,
    /// The state before the last change.
    AsBefore,
    /// The state without kube-controller-manager.
    Gone,
}

impl EventSink for Report {
    /// Ignores write errors, because progress that cannot be shown must not stop the work.
    fn event(&self, event: &Event) {
        let write = || {
            let _ = human::event(&mut stderr(), event);
        };
        if self.form == Form::Jsonl {
            let _ = document(Form::Jsonl, event);
        } else if let Some(progress) = &self.progress {
            progress.event(event, write);
        } else if self.uploads.is_news(event) {
            write();
        }
    }
}

/// The upload progress last shown for each master, in quarters.
#[derive(Debug, Default)]
struct Uploads(Mutex<BTreeMap<String, u64>>);

impl Uploads {
    /// True if an event deserves a line. An upload gets one line for each quarter.
    fn is_news(&self, event: &Event) -> bool {
        let Event::Uploading { master, sent, total } = event else { return true };
        let quarter = sent.saturating_mul(4).checked_div(*total).unwrap_or(4);
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = shown.insert(master.clone(), quarter).unwrap_or(0);
        quarter > last
    }
}

/// Writes one document to standard output, with its version and kind.
fn document(form: Form, value: &impl DocumentValue) -> io::Result<()> {
    let document = Document::new(value);
    let text = match form {
        Form::Yaml => {
            let text = serde_yaml::to_string(&document).map_err(io::Error::other)?;
            format!("---\n{text}")
        }
        Form::Jsonl => terminal::json(&document, false)? + "\n",
        Form::Human | Form::Json | Form::Sarif => terminal::json(&document, true)? + "\n",
    };
    self::text(&text)
}

/// Writes a value as JSON to standard output, as it is.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    text(&(terminal::json(value, true)? + "\n"))
}

/// Reports the findings of `kcm lint`.
pub(crate) fn lint(report: &LintReport, form: Form) -> io::Result<()> {
    match form {
        Form::Human => flushed(|out| lint::report(out, report)),
        Form::Sarif => json(&report.to_sarif()),
        form => document(form, report),
    }
}

/// Reports the version of kcm.
pub(crate) fn version(form: Form, text: &str, versions: &VersionReport) -> io::Result<()> {
    match form {
        Form::Human => flushed(|out| writeln!(out, "kcm {text}")),
        form => document(form, versions),
    }
}

/// Reports an exchange with a master, for `--verbose`.
pub(crate) fn exchange(form: Form, exchange: &Exchange) {
    // A trace that cannot be written must not stop the work.
    let _ = match form {
        Form::Jsonl => document(form, exchange),
        _ => human::exchange(&mut stderr(), exchange),
    };
}

/// Writes a text to standard output, as it is.
pub(crate) fn text(text: &str) -> io::Result<()> {
    flushed(|out| out.write_all(text.as_bytes()))
}

/// Reports the result of `kcm init`. A write error is ignored, because the file exists.
pub(crate) fn initialised(file: &Path) {
    let _ = human::initialised(&mut stderr(), file);
}

/// Reports the units of `kcm certs timer`, and whether they were written.
pub(crate) fn timer(
    directory: &Path,
    units: &[UnitText; 2],
    manager: Manager,
    is_written: bool,
) -> io::Result<()> {
    flushed(|out| timer::written(out, directory, units, manager, is_written))
}

/// Writes a question to standard error. The caller reads the answer.
pub(crate) fn ask(question: &str) -> io::Result<()> {
    let mut err = stderr();
    write!(err, "{question}")?;
    err.flush()
}

/// Reports a failure: as text always, and as JSON if requested.
pub(crate) fn failure(form: Form, message: &str, error: &ErrorDocument) -> io::Result<()> {
    human::diagnostic(&mut stderr(), Severity::Error, message)?;
    match form {
        Form::Human => Ok(()),
        form => document(form, error),
    }
}

fn stderr() -> impl io::Write {
    Terminal(anstream::stderr().lock())
}

/// Writes to standard output. A closed pipe (`kcm plan | head`) is not an error.
fn flushed(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = Terminal(anstream::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
