//! The `kcm` command: reads arguments and files, calls the library, reports, and chooses the exit code.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use time::OffsetDateTime;

use crate::apply::{apply, plan};
use crate::args::{Arguments, FleetArguments, Form, InitArguments, PlanArguments, Verb};
use crate::cluster::{self, Cluster};
use crate::error::Error;
use crate::files::{FileError, FileErrorKind};
use crate::fleet::Fleet;
use crate::init::init;
use crate::report::{self, Report};
use crate::run::Run;

/// Runs `kcm` with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return if error.print().is_ok() { code.into() } else { Exit::Failed.into() };
        }
    };
    let form = arguments.verb.form();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(Exit::Failed, error.to_string()).report(form),
    };
    match runtime.block_on(run(arguments.verb)) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(form),
    }
}

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Changes = 3,
    Partly = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why there is no result.
struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    fn report(self, form: Form) -> ExitCode {
        // If even this cannot be written, the exit code is all there is left to say.
        let _ = report::failure(form, &self.message);
        self.exit.into()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = if error.is_usage() { Exit::Usage } else { Exit::Failed };
        Self::new(exit, error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Failed, format!("the result cannot be written: {error}"))
    }
}

impl Verb {
    fn form(&self) -> Form {
        match self {
            Self::Plan(PlanArguments { fleet, .. }) | Self::Apply(fleet) => fleet.output,
            Self::Init(_) | Self::Schema => Form::Human,
        }
    }
}

async fn run(verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Init(arguments) => write_cluster_file(&arguments),
        Verb::Plan(arguments) => run_plan(&arguments).await,
        Verb::Apply(arguments) => run_apply(&arguments).await,
        Verb::Schema => {
            report::document(&cluster::schema())?;
            Ok(Exit::Done)
        }
    }
}

fn write_cluster_file(arguments: &InitArguments) -> Result<Exit, Failure> {
    let file = &arguments.file;
    let text = init(&arguments.answers(), file).map_err(|error| {
        Failure::new(Exit::Usage, format!("an answer is not usable: {}", error.message))
    })?;
    let written = fs::OpenOptions::new().write(true).create_new(true).open(file);
    let written = written.and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| {
        let error = FileError::from_io(file.display(), &error);
        let message = match error.kind {
            FileErrorKind::Exists => {
                format!("{} exists already; name another file with -f", file.display())
            }
            _ => error.to_string(),
        };
        Failure::new(Exit::Failed, message)
    })?;
    report::initialised(file)?;
    Ok(Exit::Done)
}

async fn run_plan(arguments: &PlanArguments) -> Result<Exit, Failure> {
    let cluster = read_cluster(&arguments.fleet.file)?;
    let fleet = fleet(&cluster, &arguments.fleet)?;
    let report = Report::new(arguments.fleet.output, &arguments.fleet.file);
    let run =
        Run { cluster: &cluster, fleet: &fleet, now: OffsetDateTime::now_utc(), events: &report };
    let prepared = plan(run).await?;
    report.plan(&prepared)?;
    let changes = arguments.check && !prepared.plan.is_empty();
    Ok(if changes { Exit::Changes } else { Exit::Done })
}

async fn run_apply(arguments: &FleetArguments) -> Result<Exit, Failure> {
    let cluster = read_cluster(&arguments.file)?;
    let fleet = fleet(&cluster, arguments)?;
    let report = Report::new(arguments.output, &arguments.file);
    let run =
        Run { cluster: &cluster, fleet: &fleet, now: OffsetDateTime::now_utc(), events: &report };
    let outcome = apply(run).await?;
    report.outcome(&outcome)?;
    Ok(if outcome.is_done() {
        Exit::Done
    } else if outcome.has_changed_masters() {
        Exit::Partly
    } else {
        Exit::Failed
    })
}

fn fleet(cluster: &Cluster, arguments: &FleetArguments) -> Result<Fleet, Failure> {
    match &arguments.root {
        Some(root) => Ok(Fleet::folders(cluster, root)),
        None => Err(Failure::new(
            Exit::Usage,
            "this version of kcm does not reach masters over SSH yet; give --root DIR to work on folders",
        )),
    }
}

fn read_cluster(file: &Path) -> Result<Cluster, Failure> {
    let text = fs::read(file).map_err(|error| {
        let error = FileError::from_io(file.display(), &error);
        let mend = match error.kind {
            FileErrorKind::NotFound => "; name another with -f, or write one with `kcm init`",
            _ => "",
        };
        Failure::new(Exit::Usage, format!("{error}{mend}"))
    })?;
    let text = String::from_utf8(text).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let message = format!(
            "{}: byte {} is not UTF-8 text; save the file as UTF-8",
            file.display(),
            valid + 1
        );
        Failure::new(Exit::Usage, message)
    })?;
    Ok(Cluster::parse(&text, file).map_err(Error::from)?)
}
