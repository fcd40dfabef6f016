//! The only place that writes: results to standard output, progress to standard error.

mod human;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::apply::Prepared;
use crate::args::Form;
use crate::event::{Event, EventSink};
use crate::rollout::Outcome;

/// Reports one invocation.
pub(crate) struct Report {
    form: Form,
    file: PathBuf,
}

impl Report {
    pub(crate) fn new(form: Form, file: &Path) -> Self {
        Self { form, file: file.to_owned() }
    }

    pub(crate) fn plan(&self, prepared: &Prepared) -> io::Result<()> {
        match self.form {
            Form::Json => document(&prepared.plan),
            Form::Human => flushed(|out| human::plan(out, &prepared.plan, &self.file)),
        }
    }

    pub(crate) fn outcome(&self, outcome: &Outcome) -> io::Result<()> {
        match self.form {
            Form::Json => document(outcome),
            Form::Human => flushed(|out| human::outcome(out, outcome, &self.file)),
        }
    }
}

impl EventSink for Report {
    /// Progress that cannot be shown must not stop the work.
    fn event(&self, event: &Event) {
        let _ = human::event(&mut anstream::stderr().lock(), event);
    }
}

/// One JSON document on standard output.
pub(crate) fn document(value: &impl Serialize) -> io::Result<()> {
    flushed(|out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        writeln!(out)
    })
}

/// What `kcm init` did. It is done, whether or not somebody can read it.
pub(crate) fn initialised(file: &Path) {
    let _ = human::initialised(&mut anstream::stderr().lock(), file);
}

/// Why there is no result: for people always, as JSON too where that was asked for.
pub(crate) fn failure(form: Form, message: &str) -> io::Result<()> {
    human::failure(&mut anstream::stderr().lock(), message)?;
    match form {
        Form::Human => Ok(()),
        Form::Json => document(&serde_json::json!({ "error": message })),
    }
}

/// Writes to standard output. A reader that has seen enough (`kcm plan | head`) is no failure.
fn flushed(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
