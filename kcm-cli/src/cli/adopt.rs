//! `kcm adopt`.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use kcm_pki::Certificate;
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
    // Nothing is written where the file is printed, and the plan needs the CA.
    let elsewhere = tempfile::tempdir()?;
    let mut cluster = adopted.cluster.clone();
    let mut written = Vec::new();
    if arguments.prints() {
        cluster.pki.ca_cert = elsewhere.path().join("ca.pem");
        fs::write(&cluster.pki.ca_cert, &adopted.ca_certificate)?;
    } else {
        if bring_ca(&cluster, &adopted.ca_certificate)? {
            written.push(cluster.pki.ca_cert.clone());
        }
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
    Ok(if plan.plan.is_empty() { Exit::Done } else { Exit::ToDo })
}

/// Writes the CA certificate if it is not there; tells whether it did.
fn bring_ca(cluster: &Cluster, pem: &str) -> Result<bool, Failure> {
    let path = &cluster.pki.ca_cert;
    let failed = |error: &io::Error| {
        Failure::new(
            Exit::Failed,
            format!("{}: the CA certificate cannot be written: {error}", path.display()),
        )
    };
    match fs::read(path) {
        Ok(there) => {
            let fingerprint =
                |pem: &[u8]| Certificate::from_pem(pem).ok().map(|it| it.fingerprint());
            let (ours, theirs) = (fingerprint(&there), fingerprint(pem.as_bytes()));
            if ours.is_some() && ours == theirs {
                return Ok(false);
            }
            let problem = format!(
                "{} is another CA certificate than the masters have; put theirs there, or name another place with --ca-cert",
                path.display()
            );
            Err(Failure::new(Exit::Failed, problem))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            fs::create_dir_all(folder).map_err(|error| failed(&error))?;
            let fresh = tempfile::NamedTempFile::new_in(folder).and_then(|mut fresh| {
                fresh.write_all(pem.as_bytes())?;
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
                fs::set_permissions(fresh.path(), mode)?;
                fresh.persist_noclobber(path).map_err(|error| error.error)
            });
            fresh.map(|_| true).map_err(|error| failed(&error))
        }
        Err(error) => Err(failed(&error)),
    }
}
