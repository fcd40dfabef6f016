//! Check for lost trust: CA certificates that files on a master accept and the cluster file does
//! not.

use kcm_pki::{CaCertificate, Certificate};

use super::masters::unit_flag;
use super::{Sink, Subject};
use crate::cluster::layout::Role;
use crate::context::Run;
use crate::desired::flags;
use crate::finding::{Finding, FindingCode};
use crate::observed::trust::Accepted;
use crate::observed::{ObservedMaster, read_on, trust};
use crate::pki::Ca;
use crate::plan::Step;
use crate::transport::{Transport, View};
use crate::util::files::RemotePath;

/// The flag for the CA certificates that Pods receive.
const ROOTS: &str = "root-ca-file";
/// Help text with all steps that a safe removal of a CA requires.
const HELP: &str = "add the CA to the bundle of `pki.trust`, or set `pki.caCert` to the CA of the cluster; to remove the CA after it was replaced, run `kcm rotate ca`";

pub(super) fn evaluate(subject: Subject<'_>, found: &mut Sink) {
    let Ca::Present(ca) = &subject.inputs.ca else { return };
    let alone;
    let wanted = if let Some(pem) = subject.inputs.trust.as_deref() {
        pem
    } else {
        alone = ca.certificate().to_pem();
        &alone
    };
    let Ok(wanted) = Certificate::all_from_pem(wanted.as_bytes()) else { return };
    for (observed, planned) in subject.observed.masters.iter().zip(&subject.plan.masters) {
        let writes = |role| {
            let mut steps = planned.steps.iter();
            steps.any(|step| matches!(step, Step::Write { .. }) && step.role() == Some(role))
        };
        for role in [Role::Kubeconfig, Role::Trust].into_iter().filter(|role| writes(*role)) {
            match trust::accepted(role, observed, subject.layout) {
                Accepted::Nothing => {}
                Accepted::Certificates(theirs) => {
                    found.extend(lost(subject, observed, role, &theirs, &wanted));
                }
                Accepted::Unknown { file } => found.push(unknown(subject, observed, &file)),
            }
        }
    }
}

/// Finds CA certificates that Pods would no longer receive because the new unit names another file.
/// Reads the old and the new file in further exchanges with the master.
pub(super) async fn roots(run: Run<'_>, subject: Subject<'_>, found: &mut Sink) {
    let masters = run.cluster.masters.iter().zip(run.fleet.masters());
    let known = subject.observed.masters.iter().zip(&subject.plan.masters);
    for ((master, (name, transport)), (observed, planned)) in masters.zip(known) {
        let mut steps = planned.steps.iter();
        if !steps.any(|step| step.role() == Some(Role::Unit)) {
            continue;
        }
        let before = unit_flag(observed, ROOTS).filter(|path| !path.is_empty());
        let after = flags(subject.cluster, subject.layout, master).ok();
        let after = after.and_then(|flags| flags.get(ROOTS).map(str::to_owned));
        let Some(before) = before.filter(|before| after.as_ref() != Some(before)) else { continue };
        let wanted = match brought(subject, after.as_deref()) {
            Some(pem) => Ok(Certificate::all_from_pem(pem.as_bytes()).unwrap_or_default()),
            None => read(&**transport, after.as_deref()).await,
        };
        let theirs = read(&**transport, Some(&before)).await;
        let after = after.unwrap_or_else(|| "none".to_owned());
        let problem = match theirs.and_then(|theirs| Ok((theirs, wanted?))) {
            Ok((theirs, wanted)) => {
                let lost: Vec<_> = theirs.iter().filter(|it| !wanted.contains(it)).collect();
                if lost.is_empty() {
                    continue;
                }
                format!(
                    "--{ROOTS} names {before}, which contains a CA that the new file ({after}) does not contain; kcm removes a CA only with --replace-ca: {}",
                    trust::described(lost)
                )
            }
            Err(why) => format!(
                "--{ROOTS} would name {after} instead of {before}, and kcm cannot compare the CA certificates of both: {why}"
            ),
        };
        found.push(Finding::error(FindingCode::CaMismatch, name, problem, HELP));
    }
}

/// Returns the CA certificates that kcm writes to `path`, if it manages that file.
fn brought(subject: Subject<'_>, path: Option<&str>) -> Option<String> {
    let path = path?;
    match &subject.inputs.ca {
        _ if path == subject.layout.trust.as_str() => subject.inputs.trust.clone(),
        Ca::Present(ca) if subject.cluster.install.distribute_ca => {
            let is_ca = path == subject.layout.ca_certificate.as_str();
            is_ca.then(|| ca.certificate().to_pem())
        }
        _ => None,
    }
}

/// Reads the certificates of a file on a master. Empty if the file does not exist or holds none.
async fn read(transport: &dyn Transport, path: Option<&str>) -> Result<Vec<Certificate>, String> {
    let Some(path) = path.and_then(|path| RemotePath::new(path).ok()) else {
        return Ok(Vec::new());
    };
    let text = read_on(transport, &path, View::Certificates).await?;
    Ok(text.and_then(|text| Certificate::all_from_pem(&text).ok()).unwrap_or_default())
}

fn lost(
    subject: Subject<'_>,
    observed: &ObservedMaster,
    role: Role,
    theirs: &[Certificate],
    wanted: &[Certificate],
) -> Option<Finding> {
    let replaced = subject.inputs.replaced_ca.as_ref().map(CaCertificate::certificate);
    let is_lost = |it: &&Certificate| !wanted.contains(it) && Some(*it) != replaced;
    let lost: Vec<_> = theirs.iter().filter(is_lost).collect();
    if lost.is_empty() {
        return None;
    }
    let key = if subject.inputs.trust.is_some() { "pki.trust" } else { "pki.caCert" };
    let problem = format!(
        "{} trusts a CA that {key} does not contain; kcm removes a CA only with --replace-ca: {}",
        subject.layout.path(role),
        trust::described(lost)
    );
    Some(Finding::error(FindingCode::CaMismatch, &observed.name, problem, HELP))
}

fn unknown(subject: Subject<'_>, observed: &ObservedMaster, file: &str) -> Finding {
    let problem = format!(
        "{} trusts the CA certificates of {file}, which kcm does not read; kcm removes a CA only with --replace-ca",
        subject.layout.kubeconfig
    );
    let help = format!(
        "compare {file} on the master with `pki.trust`, or with `pki.caCert` if `pki.trust` is not set; add --replace-ca if no certificate is missing"
    );
    Finding::error(FindingCode::CaMismatch, &observed.name, problem, help)
}
