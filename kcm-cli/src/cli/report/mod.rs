//! The only place that writes: results to standard output, progress to standard error.

mod adopt;
mod certs;
mod drill;
mod fresh;
mod human;
mod lint;
mod logs;
mod smoke;
mod status;
mod style;
mod terminal;
#[cfg(test)]
pub(crate) mod tests;
mod textfile;
mod timer;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::cli::args::{Form, LintForm};
use crate::event::{Event, EventSink};
use crate::ops::adopt::Adopted;
use crate::ops::certs::CertificateCheck;
use crate::ops::drill::DrillReport;
use crate::ops::smoke::SmokeReport;
use crate::ops::status::Status;
use crate::ops::timer::{Manager, UnitText};
use crate::preflight::lint::LintReport;
use crate::rollout::{Outcome, Prepared};
use crate::util::words;
use terminal::Terminal;

pub(crate) use adopt::AdoptReport;
pub(crate) use fresh::FreshFile;
pub(crate) use textfile::{certificate_metrics, status_metrics};

/// Moves to the terminal's upper left corner and clears what is there.
const CLEAR: &str = "\x1b[H\x1b[2J";
pub(crate) use logs::LogReport;

/// Reports one invocation.
pub(crate) struct Report {
    form: Form,
    file: PathBuf,
    uploads: Uploads,
}

impl Report {
    pub(crate) fn new(form: Form, file: &Path) -> Self {
        Self { form, file: file.to_owned(), uploads: Uploads::default() }
    }

    pub(crate) fn plan(&self, prepared: &Prepared) -> io::Result<()> {
        match self.form {
            Form::Json => document(&prepared.plan),
            Form::Human => flushed(|out| human::plan(out, &prepared.plan, &self.file)),
        }
    }

    /// What `adopt` found, before it writes anything. Where the cluster file is printed, it has standard output for itself.
    pub(crate) fn found(&self, adopted: &Adopted, prints: bool) -> io::Result<()> {
        match self.form {
            Form::Json => Ok(()),
            Form::Human if prints => adopt::found(&mut stderr(), adopted),
            Form::Human => flushed(|out| adopt::found(out, adopted)),
        }
    }

    /// What `adopt` wrote.
    pub(crate) fn adopted(&self, report: &AdoptReport<'_>, prints: bool) -> io::Result<()> {
        match self.form {
            Form::Json => document(report),
            Form::Human if prints => {
                adopt::adopted(&mut stderr(), report, &self.file)?;
                flushed(|out| out.write_all(report.adopted.text.as_bytes()))
            }
            Form::Human => flushed(|out| adopt::adopted(out, report, &self.file)),
        }
    }

    pub(crate) fn certificates(&self, check: &CertificateCheck) -> io::Result<()> {
        match self.form {
            Form::Json => document(check),
            Form::Human => flushed(|out| certs::check(out, check)),
        }
    }

    pub(crate) fn status(&self, status: &Status) -> io::Result<()> {
        match self.form {
            Form::Json => document(status),
            Form::Human => flushed(|out| status::status(out, status)),
        }
    }

    /// One of many looks: on a terminal in place of the last one, for programs one document a line.
    pub(crate) fn status_again(&self, status: &Status) -> io::Result<()> {
        if self.form == Form::Human && io::stdout().is_terminal() {
            anstream::stdout().write_all(CLEAR.as_bytes())?;
        }
        flushed(|out| match self.form {
            Form::Json => {
                let text = terminal::json(status, false)? + "\n";
                out.write_all(text.as_bytes())
            }
            Form::Human => {
                writeln!(out, "{}", words::moment(status.at))?;
                status::status(out, status)?;
                writeln!(out)
            }
        })
    }

    pub(crate) fn smoke(&self, report: &SmokeReport) -> io::Result<()> {
        match self.form {
            Form::Json => document(report),
            Form::Human => flushed(|out| smoke::report(out, report)),
        }
    }

    pub(crate) fn drill(&self, report: &DrillReport) -> io::Result<()> {
        match self.form {
            Form::Json => document(report),
            Form::Human => flushed(|out| drill::report(out, report)),
        }
    }

    pub(crate) fn outcome(&self, outcome: &Outcome, end: End) -> io::Result<()> {
        match self.form {
            Form::Json => document(outcome),
            Form::Human => flushed(|out| human::outcome(out, outcome, end, &self.file)),
        }
    }
}

/// How masters are meant to be when a verb is done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// As the cluster file says.
    AsTheFileSays,
    /// With certificates that last.
    Renewed,
    /// As they were before their last change.
    AsBefore,
    /// Without kube-controller-manager.
    Gone,
}

impl EventSink for Report {
    /// Progress that cannot be shown must not stop the work.
    fn event(&self, event: &Event) {
        if self.uploads.is_news(event) {
            let _ = human::event(&mut stderr(), event);
        }
    }
}

/// How far each master's upload was when it was last shown, in quarters.
#[derive(Debug, Default)]
struct Uploads(Mutex<BTreeMap<String, u64>>);

impl Uploads {
    /// Whether an event is worth a line: of an upload, each quarter once.
    fn is_news(&self, event: &Event) -> bool {
        let Event::Uploading { master, sent, total } = event else { return true };
        let quarter = sent.saturating_mul(4).checked_div(*total).unwrap_or(4);
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = shown.insert(master.clone(), quarter).unwrap_or(0);
        quarter > last
    }
}

/// One JSON document on standard output.
pub(crate) fn document(value: &impl Serialize) -> io::Result<()> {
    let text = terminal::json(value, true)? + "\n";
    flushed(|out| out.write_all(text.as_bytes()))
}

/// The findings of `kcm lint`.
pub(crate) fn lint(report: &LintReport, form: LintForm) -> io::Result<()> {
    match form {
        LintForm::Human => flushed(|out| lint::report(out, report)),
        LintForm::Json => document(report),
        LintForm::Sarif => document(&report.to_sarif()),
    }
}

/// What `kcm init` did. It is done, whether or not somebody can read it.
pub(crate) fn initialised(file: &Path) {
    let _ = human::initialised(&mut stderr(), file);
}

/// What `kcm certs timer` wrote, or found.
pub(crate) fn timer(
    directory: &Path,
    units: &[UnitText; 2],
    manager: Manager,
    is_written: bool,
) -> io::Result<()> {
    flushed(|out| timer::written(out, directory, units, manager, is_written))
}

/// Asks a person something; the answer is read elsewhere.
pub(crate) fn ask(question: &str) -> io::Result<()> {
    let mut err = stderr();
    write!(err, "{question}")?;
    err.flush()
}

/// Why there is no result: for people always, as JSON too where that was asked for.
pub(crate) fn failure(form: Form, message: &str, as_json: &serde_json::Value) -> io::Result<()> {
    human::failure(&mut stderr(), message)?;
    match form {
        Form::Human => Ok(()),
        Form::Json => document(as_json),
    }
}

fn stderr() -> impl io::Write {
    Terminal(anstream::stderr().lock())
}

/// Writes to standard output. A reader that has seen enough (`kcm plan | head`) is no failure.
fn flushed(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = Terminal(anstream::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
