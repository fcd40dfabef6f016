//! Runs `kcm plan --out FILE`, `kcm show FILE` and `kcm apply FILE`.

use std::path::Path;
use std::time::Duration;

use kcm_pki::GoDuration;

use super::exit::{Exit, Failure};
use super::{End, Invocation, Masters, cluster_file, finish, with_fleet};
use crate::cli::args::{Form, PlanArguments};
use crate::cli::report::{self, API_VERSION, DocumentValue as _, Report};
use crate::context::Run;
use crate::ops::apply::plan;
use crate::plan::{PlanFacts, PlanFile, PlanFileError, PlanOptions};
use crate::rollout::{Prepared, execute};
use crate::util::explanation::Explanation;
use crate::util::files::read_small;

/// Time after which a plan file is refused by default.
const VALIDITY: Duration = Duration::from_secs(24 * 3600);

/// The cluster file of a plan, and the options with which the plan is made.
struct Origin {
    options: PlanOptions,
    cluster_file: String,
}

impl Origin {
    fn read(options: PlanOptions, invocation: Invocation<'_>) -> Result<Self, Failure> {
        let common = invocation.common;
        if common.is_standard_stream() {
            let message = "-f -: a plan file belongs to a cluster file on this machine; save the cluster file, and name it with -f";
            return Err(Failure::new(Exit::Usage, message));
        }
        Ok(Self { options, cluster_file: cluster_file::text(&common.file)? })
    }

    fn plan_file(
        &self,
        run: Run<'_>,
        prepared: &Prepared,
        file: &Path,
        validity: Duration,
    ) -> Result<PlanFile, Failure> {
        let facts = PlanFacts {
            options: self.options.clone(),
            cluster_file: self.cluster_file.as_bytes(),
            inputs: prepared.digest_of_inputs(),
            plan: &prepared.plan,
            text: report::plan_text(&prepared.plan, file)?,
        };
        PlanFile::new(facts, run.now, run.now + validity)
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))
    }
}

/// Plans, shows the plan and writes it to `out`.
pub(super) async fn plan_to(
    out: &Path,
    arguments: &PlanArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    let planned = &arguments.apply;
    let masters = Masters::of(&planned.fleet, planned.consent());
    let options = PlanOptions {
        root: masters.root.map(absolute).transpose()?,
        masters: masters.only.to_vec(),
        skip: masters.skip.to_vec(),
        consent: masters.consent,
        ..PlanOptions::default()
    };
    let origin = Origin::read(options, invocation)?;
    let validity = arguments.valid_for.map_or(VALIDITY, GoDuration::as_duration);
    let make = async |run: Run<'_>, report: &Report| {
        let prepared = plan(run).await?;
        let common = invocation.common;
        let file = origin.plan_file(run, &prepared, &common.file, validity)?;
        cluster_file::place(out, &report::plan_file_text(&file)?, true)?;
        match common.output {
            Form::Human => report::text(&file.text)?,
            _ => report.plan(&prepared)?,
        }
        let is_to_do = arguments.check && prepared.needs_changes();
        Ok(if is_to_do { Exit::ToDo } else { Exit::Done })
    };
    with_fleet(invocation, masters, make).await
}

/// Shows a plan file.
pub(super) fn show(file: &Path, form: Form) -> Result<Exit, Failure> {
    let planned = read(file)?;
    match form {
        Form::Human => report::text(&planned.text)?,
        form => report::plan_file(form, &planned)?,
    }
    Ok(Exit::Done)
}

/// Executes an approved plan, if nothing has changed since.
pub(super) async fn apply(file: &Path, invocation: Invocation<'_>) -> Result<Exit, Failure> {
    let approved = read(file)?;
    let PlanOptions { root, masters, skip, consent, .. } = approved.options.clone();
    let origin = Origin::read(approved.options.clone(), invocation)?;
    let root = root.as_deref().map(Path::new);
    let selected = Masters { root, only: &masters, skip: &skip, consent };
    let apply = async |run: Run<'_>, report: &Report| {
        let prepared = Box::pin(plan(run)).await?;
        let now = origin.plan_file(run, &prepared, &invocation.common.file, Duration::ZERO)?;
        let differences = approved.differences(&now);
        if !differences.is_empty() {
            return Err(moved(file, &differences));
        }
        let outcome = Box::pin(execute(run, prepared)).await?;
        finish(run, report, &outcome, End::AsTheFileSays)
    };
    with_fleet(invocation, selected, apply).await
}

fn read(file: &Path) -> Result<PlanFile, Failure> {
    let text = read_small(file).map_err(|error| {
        Failure::new(Exit::Usage, format!("{}: {error}; name a plan file", file.display()))
    })?;
    PlanFile::parse(&text, API_VERSION, PlanFile::KIND).map_err(|error| {
        let exit = match error {
            PlanFileError::Invalid { .. } => Exit::Usage,
            PlanFileError::Changed => Exit::ToDo,
        };
        let problem = format!("{}: {error}", file.display());
        Failure::new(exit, Explanation::new(problem, HELP))
    })
}

const HELP: &str = "run `kcm plan --out FILE`, and approve the new plan";

fn moved(file: &Path, differences: &[String]) -> Failure {
    let problem = format!(
        "{} is refused, because something changed since it was approved: {}",
        file.display(),
        differences.join("; ")
    );
    Failure::new(Exit::ToDo, Explanation::new(problem, HELP))
}

fn absolute(root: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(root)
        .map_err(|error| Failure::new(Exit::Usage, format!("--root: {error}")))?;
    let text = absolute.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::new(Exit::Usage, "--root: the path is not UTF-8; use a UTF-8 path"))
}
