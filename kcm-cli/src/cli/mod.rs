//! The `kcm` command: parses arguments, calls the library, reports, and chooses the exit code.

mod adopt;
mod args;
mod certs;
mod cluster_file;
mod drill;
mod exit;
mod lint;
mod logs;
mod report;
mod smoke;
mod status;
mod timer;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use time::OffsetDateTime;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use crate::cli::args::{
    Arguments, CertsVerb, FleetArguments, Form, PlanArguments, RemoveArguments, SelectArguments,
    Verb,
};
use crate::cluster;
use crate::context::{Consent, Run};
use crate::fleet::Fleet;
use crate::ops::apply::{apply, plan};
use crate::ops::remove::remove;
use crate::ops::rollback::rollback;
use crate::rollout::Outcome;
use crate::util::interrupt::Interrupt;
use report::{End, Report};

use exit::{Exit, Failure};

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
    if let Err(error) = forbid_core_dumps() {
        let problem = format!("core dumps, which would hold keys, cannot be forbidden: {error}");
        return Failure::new(Exit::Failed, problem).report(form);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(Exit::Failed, error.to_string()).report(form),
    };
    let done = runtime.block_on(run_until_interrupted(arguments.verb));
    // Generating a key blocks its thread; an interrupted run must not wait for it.
    runtime.shutdown_background();
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(form),
    }
}

/// Disables core dumps, and access to the memory by other processes of this user.
///
/// Core dumps would hold keys. See `PR_SET_DUMPABLE` in `prctl(2)`.
fn forbid_core_dumps() -> io::Result<()> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Runs to the end. The first Ctrl-C, SIGTERM or SIGHUP requests a stop at the next safe point.
///
/// The second signal stops immediately. The next run resumes from the observed state.
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

impl Verb {
    fn form(&self) -> Form {
        match self {
            Self::Plan(PlanArguments { apply, .. }) | Self::Apply(apply) => {
                apply.select.fleet.output
            }
            Self::Rollback(SelectArguments { fleet, .. })
            | Self::Remove(RemoveArguments { fleet, .. }) => fleet.output,
            Self::Status(status) => status.select.fleet.output,
            Self::Smoke(smoke) => smoke.select.fleet.output,
            Self::Drill(drill) => drill.select.fleet.output,
            Self::Certs(CertsVerb::Check(check)) => check.select.fleet.output,
            Self::Certs(CertsVerb::Renew(renew)) => renew.select.fleet.output,
            Self::Logs(logs) => logs.select.fleet.output,
            Self::Adopt(adopt) => adopt.output,
            Self::Lint(lint) => lint.output.form(),
            Self::Certs(CertsVerb::Timer(_)) | Self::Init(_) | Self::Schema => Form::Human,
        }
    }
}

async fn run(verb: Verb, interrupt: &Interrupt) -> Result<Exit, Failure> {
    match verb {
        Verb::Init(arguments) => cluster_file::write(&arguments),
        Verb::Adopt(arguments) => adopt::run(&arguments, interrupt).await,
        Verb::Lint(arguments) => lint::run(&arguments),
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
        Verb::Status(arguments) => status::run(arguments, interrupt).await,
        Verb::Logs(arguments) => logs::run(arguments, interrupt).await,
        Verb::Smoke(arguments) => smoke::run(arguments, interrupt).await,
        Verb::Drill(arguments) => drill::run(arguments, interrupt).await,
        Verb::Certs(verb) => certs::run(verb, interrupt).await,
        Verb::Schema => {
            report::json(&cluster::schema())?;
            Ok(Exit::Done)
        }
    }
}

async fn run_plan(run: Run<'_>, report: &Report, check: bool) -> Result<Exit, Failure> {
    let prepared = plan(run).await?;
    report.plan(&prepared)?;
    Ok(if check && prepared.is_to_do() { Exit::ToDo } else { Exit::Done })
}

/// Reports the outcome of a rollout and returns its exit code.
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

/// The selected masters of a command, and the risks that the operator accepted.
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

/// Opens the cluster file and the fleet, runs `verb`, and closes the connections in every case.
async fn with_fleet(
    masters: Masters<'_>,
    interrupt: &Interrupt,
    verb: impl AsyncFnOnce(Run<'_>, &Report) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let Masters { fleet: arguments, only, skip, consent } = masters;
    let cluster = cluster_file::read(&arguments.file)?;
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
