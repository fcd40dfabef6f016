//! `kcm adopt`.

mod files;

use std::fs;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::ask_for_password;
use super::cluster_file;
use super::exit::{Exit, Failure};
use crate::adopt::{AdoptError, Adopted, adopt, adoption_plan};
use crate::args::AdoptArguments;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::interrupt::Interrupt;
use crate::report::{AdoptReport, Report};
use crate::run::{Consent, Run};

pub(super) async fn run(
    arguments: &AdoptArguments,
    interrupt: &Interrupt,
) -> Result<Exit, Failure> {
    let request = arguments.request()?;
    let origin = if arguments.prints() { Path::new("kcm.yaml") } else { &arguments.file };
    if !arguments.prints() && !arguments.overwrite && fs::symlink_metadata(origin).is_ok() {
        return Err(cluster_file::exists(
            origin,
            "say --overwrite to replace it, or name another file with -f",
        ));
    }
    let masters = request.masters(origin).map_err(|error| {
        Failure::new(Exit::Usage, format!("an answer is not usable: {}", error.message))
    })?;
    let fleet = match &arguments.root {
        Some(root) => Fleet::folders(&masters, root),
        None => Fleet::ssh(&masters, ask_for_password)
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?,
    };
    let now = OffsetDateTime::now_utc();
    // There is nothing to finish: whoever interrupts a look wants it to end.
    let done = tokio::select! {
        biased;
        () = interrupt.asked() => Err(Error::Interrupted.into()),
        adopted = adopt(&request, &fleet, origin, now) => match adopted {
            Ok(adopted) => finish(arguments, origin, &fleet, interrupt, now, adopted).await,
            Err(error) => Err(failure(error)),
        },
    };
    fleet.close().await;
    done
}

fn failure(error: AdoptError) -> Failure {
    match error {
        AdoptError::Observe(error) => Error::from(error).into(),
        AdoptError::Refused { error, findings } => failure(*error).with_findings(&findings),
        AdoptError::Request { .. } => Failure::new(Exit::Usage, error.to_string()),
        _ => Failure::new(Exit::Failed, error.to_string()),
    }
}

/// Puts the CA certificate and the cluster file in place, and shows what `kcm plan` shows for it.
async fn finish(
    arguments: &AdoptArguments,
    origin: &Path,
    fleet: &Fleet,
    interrupt: &Interrupt,
    now: OffsetDateTime,
    adopted: Adopted,
) -> Result<Exit, Failure> {
    // Nothing is written where the file is printed, and the plan needs the files that it names.
    let elsewhere = tempfile::tempdir()?;
    let mut cluster = adopted.cluster.clone();
    let mut written = Vec::new();
    if arguments.prints() {
        redirect(&mut cluster, elsewhere.path());
        files::bring(&cluster, &adopted, false)?;
    } else {
        written = files::bring(&cluster, &adopted, arguments.overwrite)?;
        cluster_file::place(origin, &adopted.text, arguments.overwrite)?;
        written.push(origin.to_owned());
    }
    let report = Report::new(arguments.output, origin);
    let run = Run {
        cluster: &cluster,
        fleet,
        now,
        events: &report,
        interrupt,
        consent: Consent::default(),
    };
    let plan = adoption_plan(run).await.map_err(|error| {
        let problem =
            format!("what was found is written, but the plan for it cannot be made: {error}");
        Failure::new(Exit::ToDo, problem)
    })?;
    report.adopted(&AdoptReport {
        adopted: &adopted,
        plan: &plan.plan,
        written: &written,
        prints: arguments.prints(),
    })?;
    let is_clean = plan.plan.is_empty() && !adopted.has_errors();
    Ok(if is_clean { Exit::Done } else { Exit::ToDo })
}

/// Has the files that the cluster file names in another folder.
fn redirect(cluster: &mut Cluster, folder: &Path) {
    let pki = &mut cluster.pki;
    pki.ca_cert = folder.join("ca.pem");
    let moved = |path: &mut PathBuf, name: &str| *path = folder.join(name);
    pki.trust.iter_mut().for_each(|path| moved(path, "trust.pem"));
    pki.csr.iter_mut().for_each(|path| moved(path, "csr.json"));
    pki.signing.iter_mut().for_each(|(path, _)| moved(path, "config.json"));
}
