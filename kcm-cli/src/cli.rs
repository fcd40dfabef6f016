//! The `kcm` command: reads arguments and files, calls the library, reports, and chooses the exit code.

use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use time::OffsetDateTime;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use crate::apply::{apply, plan};
use crate::args::{
    Arguments, CertsVerb, FleetArguments, Form, InitArguments, PlanArguments, RemoveArguments,
    SelectArguments, Verb,
};
use crate::certs::{CertificateCheck, check_certificates};
use crate::cluster::{self, Cluster};
use crate::error::Error;
use crate::files::{FileError, FileErrorKind, Mode};
use crate::fleet::Fleet;
use crate::init::init;
use crate::interrupt::Interrupt;
use crate::remove::remove;
use crate::report::{self, End, Report};
use crate::rollback::rollback;
use crate::rollout::Outcome;
use crate::run::{Consent, Run};

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
    let done = runtime.block_on(run_until_interrupted(arguments.verb));
    // A key that is still being made for an interrupted run must not be waited for.
    runtime.shutdown_background();
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(form),
    }
}

/// Runs to the end. The first Ctrl-C, SIGTERM or SIGHUP asks to stop where it is safe, the second stops at
/// once, which loses nothing: the next run goes on from what it finds.
async fn run_until_interrupted(verb: Verb) -> Result<Exit, Failure> {
    let interrupt = Interrupt::default();
    let (mut int, mut term, mut hup) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    );
    let mut work = std::pin::pin!(run(verb, &interrupt));
    loop {
        tokio::select! {
            biased;
            _ = int.recv() => {}
            _ = term.recv() => {}
            _ = hup.recv() => {}
            done = &mut work => return done,
        }
        if interrupt.is_asked() {
            let message = "interrupted; run the same command again, it goes on from what it finds";
            return Err(Failure::new(Exit::Interrupted, message));
        }
        interrupt.ask();
    }
}

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    ToDo = 3,
    Partly = 4,
    Interrupted = 130,
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
    document: serde_json::Value,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { exit, document: serde_json::json!({ "error": message }), message }
    }

    fn report(self, form: Form) -> ExitCode {
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
        Self { exit, message: error.to_string(), document: error.document() }
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
            Self::Plan(PlanArguments { apply, .. }) | Self::Apply(apply) => {
                apply.select.fleet.output
            }
            Self::Rollback(SelectArguments { fleet, .. })
            | Self::Remove(RemoveArguments { fleet, .. }) => fleet.output,
            Self::Certs(CertsVerb::Check(check)) => check.select.fleet.output,
            Self::Init(_) | Self::Schema => Form::Human,
        }
    }
}

async fn run(verb: Verb, interrupt: &Interrupt) -> Result<Exit, Failure> {
    match verb {
        Verb::Init(arguments) => write_cluster_file(&arguments),
        Verb::Plan(PlanArguments { apply, check }) => {
            let masters = Masters::of(&apply.select, apply.consent());
            let plan = async |run: Run<'_>, report: &Report| run_plan(run, report, check).await;
            with_fleet(masters, interrupt, plan).await
        }
        Verb::Apply(arguments) => {
            let masters = Masters::of(&arguments.select, arguments.consent());
            let apply = async |run: Run<'_>, report: &Report| {
                finish(run, report, &apply(run).await?, End::AsTheFileSays)
            };
            with_fleet(masters, interrupt, apply).await
        }
        Verb::Rollback(arguments) => {
            let masters = Masters::of(&arguments, Consent::default());
            let rollback = async |run: Run<'_>, report: &Report| {
                finish(run, report, &rollback(run).await?, End::AsBefore)
            };
            with_fleet(masters, interrupt, rollback).await
        }
        Verb::Remove(arguments) => {
            let (fleet, skip) = (&arguments.fleet, &arguments.skip[..]);
            let masters = Masters { fleet, only: &[], skip, consent: arguments.consent() };
            let from = arguments.from();
            let remove = async |run: Run<'_>, report: &Report| {
                finish(run, report, &remove(run, &from).await?, End::Gone)
            };
            with_fleet(masters, interrupt, remove).await
        }
        Verb::Certs(CertsVerb::Check(arguments)) => {
            let masters = Masters::of(&arguments.select, Consent::default());
            let check = async |run: Run<'_>, report: &Report| {
                let within = arguments.within.map(Duration::from);
                let check = check_certificates(run, within).await?;
                report_check(&check, report, arguments.textfile.as_deref())
            };
            with_fleet(masters, interrupt, check).await
        }
        Verb::Schema => {
            report::document(&cluster::schema())?;
            Ok(Exit::Done)
        }
    }
}

/// Writes the whole file or none: it appears under its name only when it is complete.
fn write_cluster_file(arguments: &InitArguments) -> Result<Exit, Failure> {
    let file = &arguments.file;
    let text = init(&arguments.answers(), file).map_err(|error| {
        Failure::new(Exit::Usage, format!("an answer is not usable: {}", error.message))
    })?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let written = tempfile::Builder::new()
        .permissions(Permissions::from_mode(Mode::PUBLIC.bits()))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .and_then(|mut fresh| fresh.write_all(text.as_bytes()).map(|()| fresh))
        .and_then(|fresh| fresh.persist_noclobber(file).map_err(|error| error.error));
    match written {
        Ok(_) => {
            report::initialised(file);
            Ok(Exit::Done)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("{} exists already; name another file with -f", file.display());
            Err(Failure::new(Exit::Failed, message))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("{}: its folder does not exist; make it first", file.display());
            Err(Failure::new(Exit::Failed, message))
        }
        Err(error) => Err(Failure::new(Exit::Failed, unreadable(file, &error))),
    }
}

async fn run_plan(run: Run<'_>, report: &Report, check: bool) -> Result<Exit, Failure> {
    let prepared = plan(run).await?;
    report.plan(&prepared)?;
    let changes = check && !prepared.plan.is_empty();
    Ok(if changes { Exit::ToDo } else { Exit::Done })
}

fn report_check(
    check: &CertificateCheck,
    report: &Report,
    textfile: Option<&Path>,
) -> Result<Exit, Failure> {
    report.certificates(check)?;
    if let Some(file) = textfile {
        report::certificate_metrics(check, file).map_err(|error| {
            let error = FileError::from_io(file.display(), &error);
            Failure::new(Exit::Failed, format!("the metrics cannot be written: {error}"))
        })?;
    }
    Ok(match (check.is_due(), check.is_complete()) {
        (true, _) => Exit::ToDo,
        (false, true) => Exit::Done,
        (false, false) => Exit::Failed,
    })
}

/// Reports how a rollout ended.
fn finish(run: Run<'_>, report: &Report, outcome: &Outcome, end: End) -> Result<Exit, Failure> {
    let changed = outcome.has_changed_masters();
    report.outcome(outcome, end).map_err(|error| {
        let exit = if changed { Exit::Partly } else { Exit::Failed };
        Failure::new(
            exit,
            format!("the report cannot be written: {error}; `kcm plan` says how things stand"),
        )
    })?;
    Ok(match (outcome.is_done(), run.interrupt.is_asked()) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Interrupted,
        (false, false) if changed => Exit::Partly,
        (false, false) => Exit::Failed,
    })
}

/// Which masters a verb is about, and what was asked for by name.
struct Masters<'a> {
    fleet: &'a FleetArguments,
    only: &'a [String],
    skip: &'a [String],
    consent: Consent,
}

impl<'a> Masters<'a> {
    fn of(select: &'a SelectArguments, consent: Consent) -> Self {
        Self { fleet: &select.fleet, only: &select.masters, skip: &select.skip, consent }
    }
}

/// Opens what every verb about masters needs, uses it, and ends the connections however that went.
async fn with_fleet(
    masters: Masters<'_>,
    interrupt: &Interrupt,
    verb: impl AsyncFnOnce(Run<'_>, &Report) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let Masters { fleet: arguments, only, skip, consent } = masters;
    let cluster = read_cluster(&arguments.file)?;
    let cluster = cluster.select(only, skip).map_err(|error| Failure::new(Exit::Usage, error))?;
    let fleet = match &arguments.root {
        Some(root) => Fleet::folders(&cluster, root),
        None => Fleet::ssh(&cluster, ask_for_password)
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?,
    };
    let report = Report::new(arguments.output, &arguments.file);
    let run = Run {
        cluster: &cluster,
        fleet: &fleet,
        now: OffsetDateTime::now_utc(),
        events: &report,
        interrupt,
        consent,
    };
    let done = verb(run, &report).await;
    fleet.close().await;
    done
}

fn ask_for_password() -> io::Result<Zeroizing<String>> {
    rpassword::prompt_password("Password for sudo on the masters: ").map(Zeroizing::new)
}

fn read_cluster(file: &Path) -> Result<Cluster, Failure> {
    let mut text = Vec::new();
    // One byte more than a cluster file can have: a device that never ends must not fill the memory.
    let limit = cluster::LONGEST_FILE + 1;
    fs::File::open(file)
        .and_then(|open| open.take(limit).read_to_end(&mut text))
        .map_err(|error| Failure::new(Exit::Usage, unreadable(file, &error)))?;
    let text = String::from_utf8(text).map_err(|error| {
        let byte = error.utf8_error().valid_up_to() + 1;
        let message =
            format!("{}: byte {byte} is not UTF-8 text; save the file as UTF-8", file.display());
        Failure::new(Exit::Usage, message)
    })?;
    Ok(Cluster::parse(&text, file).map_err(Error::from)?)
}

/// Why a cluster file cannot be read or written, and what to do.
fn unreadable(file: &Path, error: &io::Error) -> String {
    let error = FileError::from_io(file.display(), error);
    match error.kind {
        FileErrorKind::NotFound => {
            format!("{error}; name another with -f, or write one with `kcm init`")
        }
        FileErrorKind::WrongKind => format!("{error}; name the cluster file itself with -f"),
        _ => error.to_string(),
    }
}
