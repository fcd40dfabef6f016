//! Runs `kcm adopt`: observes masters that were set up by hand and writes a cluster file for them.

mod files;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use files::Missing;

use super::cluster_file;
use super::exit::{Exit, Failure};
use super::{Invocation, connect};
use crate::cli::args::{AdoptArguments, CommonArguments};
use crate::cli::report::AdoptReport;
use crate::cluster::Cluster;
use crate::context::Run;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::ops::adopt::{Adopted, adopt, adoption_plan};

pub(super) async fn run(
    arguments: &AdoptArguments,
    invocation: Invocation<'_>,
) -> Result<Exit, Failure> {
    let Invocation { common, interrupt } = invocation;
    let request = arguments.request(common)?;
    let prints = common.is_standard_stream();
    let origin = origin(common);
    if !prints && !arguments.overwrite && fs::symlink_metadata(origin).is_ok() {
        return Err(cluster_file::exists(
            origin,
            "use --overwrite to replace the file, or specify another file with -f",
        ));
    }
    let masters = request.masters(origin);
    let masters = masters
        .map_err(|error| Failure::new(Exit::Usage, error.explanation().at("invalid argument")))?;
    let fleet = connect(&masters, arguments.root.as_deref(), common)?;
    let now = OffsetDateTime::now_utc();
    let work = async {
        let adopted = adopt(&request, &fleet, origin, now).await?;
        finish(arguments, invocation, &fleet, now, adopted).await
    };
    // An observation leaves nothing to clean up, so the first interrupt ends it.
    let done = tokio::select! {
        biased;
        () = interrupt.asked() => Err(Error::Interrupted.into()),
        done = work => done,
    };
    fleet.close().await;
    done
}

/// Returns the path that the cluster file will have.
fn origin(common: &CommonArguments) -> &Path {
    if common.is_standard_stream() { Path::new("kcm.yaml") } else { &common.file }
}

/// Plans with the generated cluster file, shows the plan, and writes the files once confirmed.
async fn finish(
    arguments: &AdoptArguments,
    invocation: Invocation<'_>,
    fleet: &Fleet,
    now: OffsetDateTime,
    adopted: Adopted,
) -> Result<Exit, Failure> {
    let Invocation { common, interrupt } = invocation;
    let prints = common.is_standard_stream();
    let origin = origin(common);
    let report = super::report(common, origin).in_folders(arguments.root.as_deref());
    let missing = (!prints)
        .then(|| Missing::of(&adopted.cluster, &adopted, arguments.overwrite))
        .transpose()?;
    // The plan needs files that do not exist yet.
    let elsewhere = tempfile::tempdir()?;
    let mut cluster = adopted.cluster.clone();
    redirect(&mut cluster, elsewhere.path(), missing.as_ref());
    Missing::of(&cluster, &adopted, false)?.write()?;
    let run = Run::new(&cluster, fleet, now, &report, interrupt);
    let plan = adoption_plan(run).await.map_err(|error| {
        Failure::from(error).because_of("cannot compute a plan for the observed masters")
    })?;
    report.found(&adopted, prints)?;
    let mut written: Vec<&Path> = Vec::new();
    if let Some(missing) = missing {
        written.extend(missing.paths().chain([origin]));
        if !arguments.yes && !confirm(&written).await? {
            return Err(Failure::new(Exit::Failed, "not confirmed; nothing was written"));
        }
        missing.write()?;
        cluster_file::place(origin, &adopted.text, arguments.overwrite)?;
    }
    let adoption = AdoptReport { adopted: &adopted, plan: &plan.plan, written: &written };
    report.adopted(&adoption, prints)?;
    let is_clean = plan.plan.is_empty()
        && !adopted.has_errors()
        && !adopted.loses_settings()
        && !adopted.is_refused();
    Ok(if is_clean { Exit::Done } else { Exit::ToDo })
}

/// Asks on the terminal whether to write these files.
///
/// Returns true without asking if standard input or standard error is not a terminal.
async fn confirm(files: &[&Path]) -> io::Result<bool> {
    if !super::confirm::is_terminal() {
        return Ok(true);
    }
    let names: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
    let question = format!(
        "Does this fingerprint match the CA of the cluster, and should kcm write {}? [y/N] ",
        names.join(", ")
    );
    super::confirm::answers_yes(&question).await
}

/// Points the missing files of the cluster to another folder; all files if `missing` is `None`.
fn redirect(cluster: &mut Cluster, folder: &Path, missing: Option<&Missing<'_>>) {
    let pki = &mut cluster.pki;
    let moved = |path: &mut PathBuf, name: &str| {
        if missing.is_none_or(|missing| missing.paths().any(|it| it == path)) {
            *path = folder.join(name);
        }
    };
    moved(&mut pki.ca_cert, "ca.pem");
    pki.trust.iter_mut().for_each(|path| moved(path, "trust.pem"));
    pki.csr.iter_mut().for_each(|path| moved(path, "csr.json"));
    pki.signing.iter_mut().for_each(|(path, _)| moved(path, "config.json"));
}
