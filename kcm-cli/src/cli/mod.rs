//! The `kcm` command: parses arguments, calls the library, reports, and chooses the exit code.

mod adopt;
mod args;
mod cert;
mod certs;
mod cluster_file;
mod confirm;
mod drill;
mod exit;
mod kubeconfig;
mod lint;
mod logs;
mod plan_file;
#[cfg(test)]
mod reference;
mod report;
mod rotate;
mod schema;
mod smoke;
mod status;
mod timer;
mod unit;

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use time::OffsetDateTime;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use crate::cli::args::{
    ApplyVerbArguments, Arguments, CommonArguments, FleetArguments, Form, PlanArguments,
    RemoveArguments, RollbackArguments, SelectArguments, Verb, YesArguments,
};
use crate::cluster::Cluster;
use crate::context::{Consent, Run};
use crate::fleet::Fleet;
use crate::ops::apply::{plan, prepare};
use crate::ops::remove::plan_removal;
use crate::ops::rollback::plan_rollback;
use crate::pki::signer::{PassphrasePrompt, configured_signer};
use crate::rollout::{Outcome, Prepared, execute};
use crate::transport::Exchange;
use crate::util::interrupt::Interrupt;
use report::{End, Report, VersionReport};

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
    let form = arguments.common.output;
    if let Err(error) = forbid_core_dumps() {
        let problem =
            format!("cannot disable core dumps, which would contain private keys: {error}");
        return Failure::new(Exit::Failed, problem).report(form);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(Exit::Failed, error.to_string()).report(form),
    };
    let done = runtime.block_on(run_until_interrupted(arguments));
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
async fn run_until_interrupted(arguments: Arguments) -> Result<Exit, Failure> {
    let interrupt = Interrupt::default();
    let invocation = Invocation { common: &arguments.common, interrupt: &interrupt };
    let (mut int, mut term, mut hup) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    );
    let mut work = std::pin::pin!(run(arguments.verb, invocation));
    loop {
        tokio::select! {
            biased;
            _ = int.recv() => {}
            _ = term.recv() => {}
            _ = hup.recv() => {}
            done = &mut work => return done,
        }
        if interrupt.is_requested() {
            let message =
                "interrupted; run the same command again to continue from the observed state";
            return Err(Failure::new(Exit::Interrupted, message));
        }
        interrupt.ask();
    }
}

/// One invocation: the common options, and the request to stop.
#[derive(Clone, Copy)]
struct Invocation<'a> {
    common: &'a CommonArguments,
    interrupt: &'a Interrupt,
}

async fn run(verb: Verb, invocation: Invocation<'_>) -> Result<Exit, Failure> {
    let form = invocation.common.output;
    check_form(&verb, form)?;
    match verb {
        Verb::Init(arguments) => cluster_file::write(&arguments, invocation.common),
        Verb::Adopt(arguments) => adopt::run(&arguments, invocation).await,
        Verb::Lint(arguments) => lint::run(&arguments, invocation.common),
        Verb::Plan(arguments) => {
            if let Some(out) = &arguments.out {
                return plan_file::plan_to(out, &arguments, invocation).await;
            }
            let PlanArguments { apply, check, .. } = &arguments;
            let masters = Masters::of(&apply.fleet, apply.consent());
            let plan = async |run: Run<'_>, report: &Report| run_plan(run, report, *check).await;
            with_fleet(invocation, masters, plan).await
        }
        Verb::Show(arguments) => plan_file::show(&arguments.plan_file, form),
        Verb::Apply(ApplyVerbArguments { plan_file: Some(file), .. }) => {
            plan_file::apply(&file, invocation).await
        }
        Verb::Apply(ApplyVerbArguments { apply: arguments, .. }) => {
            let planned = &arguments.plan;
            let masters = Masters::of(&planned.fleet, planned.consent());
            let apply = async |run: Run<'_>, report: &Report| {
                let prepared = Box::pin(prepare(run)).await?;
                carry_out(run, report, prepared, (End::AsTheFileSays, arguments.confirm)).await
            };
            with_fleet(invocation, masters, apply).await
        }
        Verb::Rollback(RollbackArguments { fleet, confirm }) => {
            let masters = Masters::of(&fleet, Consent::default());
            let rollback = async |run: Run<'_>, report: &Report| {
                let prepared = plan_rollback(run).await?;
                carry_out(run, report, prepared, (End::AsBefore, confirm)).await
            };
            with_fleet(invocation, masters, rollback).await
        }
        Verb::Remove(arguments) => remove(&arguments, invocation).await,
        Verb::Rotate(arguments) => rotate::run(arguments, invocation).await,
        Verb::Status(arguments) => status::run(arguments, invocation).await,
        Verb::Logs(arguments) => logs::run(arguments, invocation).await,
        Verb::Smoke(arguments) => smoke::run(arguments, invocation).await,
        Verb::Drill(arguments) => drill::run(arguments, invocation).await,
        Verb::Certs(verb) => certs::run(verb, invocation).await,
        Verb::Kubeconfig(verb) => kubeconfig::run(verb, form),
        Verb::Unit(verb) => unit::run(verb, invocation.common),
        Verb::Cert(verb) => cert::run(verb, invocation).await,
        Verb::Schema(arguments) => {
            report::json(&schema::schema(arguments.of))?;
            Ok(Exit::Done)
        }
        Verb::Version => {
            report::version(form, args::version(), &VersionReport::of_this_program())?;
            Ok(Exit::Done)
        }
    }
}

/// Refuses a format that the command does not have.
fn check_form(verb: &Verb, form: Form) -> Result<(), Failure> {
    let message = match (verb, form) {
        (Verb::Lint(_), Form::Sarif) => return Ok(()),
        (Verb::Cert(verb), Form::Cfssl) if verb.makes() => return Ok(()),
        (_, Form::Cfssl) => {
            "-o cfssl: only `kcm cert new-ca`, `request`, `sign` and `issue` have this format; use json"
        }
        (_, Form::Sarif) => "-o sarif: only `kcm lint` has this format; use json",
        (Verb::Logs(_), Form::Yaml) => "-o yaml: `kcm logs` does not have this format; use jsonl",
        _ => return Ok(()),
    };
    Err(Failure::new(Exit::Usage, message))
}

async fn remove(arguments: &RemoveArguments, invocation: Invocation<'_>) -> Result<Exit, Failure> {
    let RemoveArguments { root, skip, confirm, .. } = arguments;
    confirm::or_terminal(*confirm)?;
    let consent = arguments.consent();
    let masters = Masters { root: root.root.as_deref(), only: &[], skip, consent };
    let from = arguments.from();
    let remove = async |run: Run<'_>, report: &Report| {
        let prepared = plan_removal(run, &from).await?;
        carry_out(run, report, prepared, (End::Gone, *confirm)).await
    };
    with_fleet(invocation, masters, remove).await
}

/// Executes a plan and reports the outcome. Asks first if that interrupts a running service.
async fn carry_out(
    run: Run<'_>,
    report: &Report,
    prepared: Prepared,
    (end, confirm): (End, YesArguments),
) -> Result<Exit, Failure> {
    confirm::ask(report, &prepared, confirm).await?;
    finish(run, report, &Box::pin(execute(run, prepared)).await?, end)
}

async fn run_plan(run: Run<'_>, report: &Report, check: bool) -> Result<Exit, Failure> {
    let prepared = plan(run).await?;
    report.plan(&prepared)?;
    Ok(if check && prepared.needs_changes() { Exit::ToDo } else { Exit::Done })
}

/// Reports the outcome of a rollout and returns its exit code.
fn finish(run: Run<'_>, report: &Report, outcome: &Outcome, end: End) -> Result<Exit, Failure> {
    let changed = outcome.has_changed_masters();
    report.outcome(outcome, end).map_err(|error| {
        let exit = if changed { Exit::Partly } else { Exit::Failed };
        Failure::new(
            exit,
            format!("cannot write the report: {error}; run `kcm plan` to compare the masters with the cluster file"),
        )
    })?;
    Ok(match (outcome.is_done(), run.interrupt.is_requested()) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Interrupted,
        (false, false) if changed => Exit::Partly,
        (false, false) => Exit::Failed,
    })
}

/// The selected masters of a command, and the risks that the operator accepted.
struct Masters<'a> {
    root: Option<&'a Path>,
    only: &'a [String],
    skip: &'a [String],
    consent: Consent,
}

impl<'a> Masters<'a> {
    fn of(fleet: &'a FleetArguments, consent: Consent) -> Self {
        Self { root: fleet.root.root.as_deref(), ..Self::over_ssh(&fleet.select, consent) }
    }

    fn over_ssh(select: &'a SelectArguments, consent: Consent) -> Self {
        Self { root: None, only: &select.masters, skip: &select.skip, consent }
    }
}

/// Opens the cluster file and the fleet, runs `verb`, and closes the connections in every case.
async fn with_fleet(
    invocation: Invocation<'_>,
    masters: Masters<'_>,
    verb: impl AsyncFnOnce(Run<'_>, &Report) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let Invocation { common, interrupt } = invocation;
    let Masters { root, only, skip, consent } = masters;
    let cluster = cluster_file::read(&common.file)?;
    let cluster = cluster.select(only, skip).map_err(|error| Failure::new(Exit::Usage, error))?;
    let fleet = connect(&cluster, root, common)?;
    let report = report(common, &common.file).in_folders(root);
    let now = OffsetDateTime::now_utc();
    let signer = configured_signer(&cluster, passphrase_prompt());
    let run = Run::new(&cluster, &fleet, now, &report, interrupt);
    let run = run.with_consent(consent).with_signer(&*signer);
    let done = verb(run, &report).await;
    fleet.close().await;
    done
}

/// Returns the masters, or the folders in their place. Nothing is opened yet.
fn connect(
    cluster: &Cluster,
    root: Option<&Path>,
    common: &CommonArguments,
) -> Result<Fleet, Failure> {
    let fleet = match root {
        Some(root) => Fleet::folders(cluster, root),
        None => Fleet::ssh(cluster, ask_for_password)
            .map_err(|error| Failure::new(Exit::Usage, error.explanation()))?,
    };
    if !common.verbose {
        return Ok(fleet);
    }
    let form = common.output;
    let trace = move |exchange: &Exchange| report::exchange(form, exchange);
    Ok(fleet.traced(&(Arc::new(trace) as Arc<dyn Fn(&Exchange) + Send + Sync>)))
}

/// Returns the report of an invocation about a cluster file.
fn report(common: &CommonArguments, file: &Path) -> Report {
    let report = Report::new(common.output, file);
    if common.verbose { report.without_progress() } else { report }
}

/// Returns the prompt for passphrases, if there is a terminal.
fn passphrase_prompt() -> Option<PassphrasePrompt> {
    io::stdin().is_terminal().then(|| Arc::new(ask_for_passphrase) as PassphrasePrompt)
}

fn ask_for_passphrase(question: &str) -> io::Result<Zeroizing<String>> {
    rpassword::prompt_password(question).map(Zeroizing::new)
}

fn ask_for_password() -> io::Result<Zeroizing<String>> {
    rpassword::prompt_password("Password for sudo on the masters: ").map(Zeroizing::new)
}
