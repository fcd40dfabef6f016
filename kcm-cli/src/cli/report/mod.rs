//! The only module that writes: results to standard output, progress to standard error.

mod adopt;
mod by_hand;
mod cert;
mod certs;
mod document;
mod drill;
mod fresh;
mod human;
mod keys;
mod kubeconfig;
mod lint;
mod logs;
mod plan_file;
mod progress;
mod rotate;
mod smoke;
mod status;
mod style;
mod table;
mod terminal;
#[cfg(test)]
pub(crate) mod tests;
mod textfile;
mod timer;
mod unit;
mod version;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::cli::args::Form;
use crate::error::ErrorDocument;
use crate::event::{Event, EventSink};
use crate::finding::{Finding, Severity, listed};
use crate::ops::adopt::Adopted;
use crate::ops::cert::{CertificateList, CertificateVerification};
use crate::ops::certs::{CertificateCheck, CertificateRequests, ImportedCertificate};
use crate::ops::drill::DrillReport;
use crate::ops::kubeconfig::{KubeconfigCheck, KubeconfigView};
use crate::ops::rotate::Rotations;
use crate::ops::smoke::SmokeReport;
use crate::ops::status::Status;
use crate::ops::timer::{Manager, UnitText};
use crate::ops::unit::{UnitCheck, UnitDiff};
use crate::rollout::{Outcome, Prepared};
use crate::transport::Exchange;
use crate::util::words;
use document::Document;
use progress::Progress;
use terminal::Terminal;

pub(crate) use adopt::AdoptReport;
pub(crate) use cert::CertificateFiles;
pub(crate) use document::{API_VERSION, DocumentValue};
pub(crate) use fresh::FreshFile;
pub(crate) use textfile::{certificate_metrics, status_metrics};
pub(crate) use version::VersionReport;

/// Moves the cursor to the upper left corner and clears the terminal.
const CLEAR: &str = "\x1b[H\x1b[2J";
pub(crate) use lint::lint;
pub(crate) use logs::LogReport;
pub(crate) use plan_file::{plan_file, plan_file_text, plan_text};

/// The report of one invocation.
pub(crate) struct Report {
    form: Form,
    file: PathBuf,
    /// The folder in place of the masters.
    root: Option<PathBuf>,
    uploads: Uploads,
    progress: Option<Progress>,
}

impl Report {
    pub(crate) fn new(form: Form, file: &Path) -> Self {
        let progress = (form == Form::Human).then(Progress::on_terminal).flatten();
        Self { form, file: file.to_owned(), root: None, uploads: Uploads::default(), progress }
    }

    /// Shows no progress lines, because other lines are written beside the report.
    pub(crate) fn without_progress(self) -> Self {
        Self { progress: None, ..self }
    }

    /// Reports on folders in place of the masters.
    pub(crate) fn in_folders(self, root: Option<&Path>) -> Self {
        Self { root: root.map(Path::to_owned), ..self }
    }

    pub(crate) fn plan(&self, prepared: &Prepared) -> io::Result<()> {
        let root = self.root.as_deref();
        shown(self.form, &prepared.plan, |out| human::plan(out, &prepared.plan, &self.file, root))
    }

    /// Shows a plan on standard error, before the operator confirms it.
    pub(crate) fn plan_to_confirm(&self, prepared: &Prepared) -> io::Result<()> {
        let advice = "Confirm to make these changes.";
        human::plan_with_advice(&mut stderr(), &prepared.plan, &self.file, advice)
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
                adopt::adopted(&mut stderr(), report, &self.file, self.root.as_deref())?;
                text(&report.adopted.text)
            }
            Form::Human => {
                flushed(|out| adopt::adopted(out, report, &self.file, self.root.as_deref()))
            }
            form => document(form, report),
        }
    }

    pub(crate) fn certificates(&self, check: &CertificateCheck) -> io::Result<()> {
        shown(self.form, check, |out| certs::check(out, check))
    }

    pub(crate) fn requests(&self, requests: &CertificateRequests) -> io::Result<()> {
        shown(self.form, requests, |out| by_hand::requests(out, requests))
    }

    pub(crate) fn rotations(&self, rotations: &Rotations) -> io::Result<()> {
        shown(self.form, rotations, |out| rotate::rotations(out, rotations, &self.file))
    }

    /// Reports a status, with a list of the private keys on the masters if `keys` is true.
    pub(crate) fn status(&self, status: &Status, keys: bool) -> io::Result<()> {
        shown(self.form, status, |out| status::status(out, status, keys))
    }

    /// Reports one of several status observations.
    ///
    /// On a terminal it replaces the previous one; as JSON it is one line.
    pub(crate) fn status_again(&self, status: &Status) -> io::Result<()> {
        if self.form == Form::Human && io::stdout().is_terminal() {
            anstream::stdout().write_all(CLEAR.as_bytes())?;
        }
        let form = if self.form == Form::Json { Form::Jsonl } else { self.form };
        shown(form, status, |out| {
            writeln!(out, "{}", words::moment(status.at))?;
            status::status(out, status, false)?;
            writeln!(out)
        })
    }

    pub(crate) fn smoke(&self, report: &SmokeReport) -> io::Result<()> {
        shown(self.form, report, |out| smoke::report(out, report))
    }

    pub(crate) fn drill(&self, report: &DrillReport) -> io::Result<()> {
        shown(self.form, report, |out| drill::report(out, report))
    }

    pub(crate) fn outcome(&self, outcome: &Outcome, end: End) -> io::Result<()> {
        shown(self.form, outcome, |out| human::outcome(out, outcome, end, &self.file))
    }
}

/// The intended state of the masters after a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// The state in the cluster file.
    AsTheFileSays,
    /// The current state with renewed certificates.
    Renewed,
    /// The current state with other keys for service account tokens.
    Rotated,
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

/// Writes a value to standard output: as text with `human`, or as a document.
fn shown(
    form: Form,
    value: &impl DocumentValue,
    human: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<()> {
    match form {
        Form::Human => flushed(human),
        form => document(form, value),
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
        Form::Human | Form::Json | Form::Sarif | Form::Cfssl => {
            terminal::json(&document, true)? + "\n"
        }
    };
    self::text(&text)
}

/// Writes a value as JSON to standard output, as it is.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    text(&(terminal::json(value, true)? + "\n"))
}

/// Reports findings beside a result, on standard error. A write error is ignored.
pub(crate) fn findings(findings: &[Finding]) {
    let _ = human::diagnostic(&mut stderr(), Severity::Warning, &listed(findings));
}

/// Reports the file of `kcm kubeconfig build`. A write error is ignored, because the file exists.
pub(crate) fn kubeconfig_built(file: &Path, is_written: bool) {
    let _ = kubeconfig::built(&mut stderr(), file, is_written);
}

/// Reports a kubeconfig without its secrets.
pub(crate) fn kubeconfig_view(view: &KubeconfigView, form: Form) -> io::Result<()> {
    match form {
        Form::Human => {
            kubeconfig::warnings(&mut stderr(), view)?;
            text(&view.text)
        }
        form => document(form, view),
    }
}

/// Reports the check of a kubeconfig.
pub(crate) fn kubeconfig_check(check: &KubeconfigCheck, form: Form) -> io::Result<()> {
    shown(form, check, |out| kubeconfig::check(out, check))
}

/// Reports the check of units.
pub(crate) fn unit_check(check: &UnitCheck, form: Form) -> io::Result<()> {
    shown(form, check, |out| unit::check(out, check))
}

/// Reports the differences between two units.
pub(crate) fn unit_diff(diff: &UnitDiff, form: Form) -> io::Result<()> {
    shown(form, diff, |out| unit::diff(out, diff))
}

/// Reports warnings on standard error.
pub(crate) fn warnings(warnings: &[String]) -> io::Result<()> {
    warnings.iter().try_for_each(|warning| {
        human::diagnostic(&mut stderr(), Severity::Warning, &words::harmless(warning))
    })
}

/// Reports the files of `kcm cert`.
pub(crate) fn made(form: Form, files: &CertificateFiles) -> io::Result<()> {
    shown(form, files, |out| cert::files(out, files))
}

/// Reports the certificates of `kcm cert show`.
pub(crate) fn certificate_list(form: Form, list: &CertificateList) -> io::Result<()> {
    shown(form, list, |out| cert::list(out, list))
}

/// Reports a verified certificate.
pub(crate) fn verified(form: Form, verified: &CertificateVerification) -> io::Result<()> {
    shown(form, verified, |out| cert::verified(out, verified))
}

/// Reports the version of kcm.
pub(crate) fn version(form: Form, text: &str, versions: &VersionReport) -> io::Result<()> {
    shown(form, versions, |out| writeln!(out, "kcm {text}"))
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

/// Writes the content of a file to standard output: byte for byte, except on a terminal.
pub(crate) fn content(content: &str) -> io::Result<()> {
    if io::stdout().is_terminal() {
        return text(content);
    }
    let mut out = io::stdout().lock();
    match out.write_all(content.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Reports the result of `kcm init`. A write error is ignored, because the file exists.
pub(crate) fn initialised(file: &Path, creates_ca: bool) {
    let _ = human::initialised(&mut stderr(), file, creates_ca);
}

/// Reports imported certificates. A write error is ignored, because they are stored.
pub(crate) fn imported(imported: &[ImportedCertificate]) {
    let _ = by_hand::imported(&mut stderr(), imported);
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
        Form::Human | Form::Cfssl => Ok(()),
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
