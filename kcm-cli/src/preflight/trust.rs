//! Trust that a plan would take from a master: CA certificates that its files accept and the cluster file does not. Pure.

use kcm_kubeconfig::Access;
use kcm_pki::Certificate;

use super::{Sink, Subject};
use crate::desired::Role;
use crate::finding::{Finding, FindingCode};
use crate::observe::ObservedMaster;
use crate::operator::Ca;
use crate::plan::Step;
use crate::trust;

/// What makes a CA superfluous; nothing less does.
const HELP: &str = "add it to the bundle of pki.trust, or put the cluster's CA at pki.caCert; to drop it, first let every client and server have certificates of another CA that all trust, then say --replace-ca";

pub(super) fn judge(subject: Subject<'_>, found: &mut Sink) {
    let Ca::Present(ca) = subject.ca else { return };
    let alone;
    let wanted = if let Some(pem) = subject.trust {
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
            match trusted(role, observed, subject) {
                Trusted::Nothing => {}
                Trusted::Certificates(theirs) => {
                    found.extend(lost(subject, observed, role, &theirs, &wanted));
                }
                Trusted::Unknown { file } => found.push(unknown(subject, observed, &file)),
            }
        }
    }
}

/// The CA certificates that a file on a master accepts.
enum Trusted {
    Nothing,
    Certificates(Vec<Certificate>),
    /// Those of a file that was not read.
    Unknown {
        file: String,
    },
}

fn trusted(role: Role, observed: &ObservedMaster, subject: Subject<'_>) -> Trusted {
    let read =
        |pem: &[u8]| Certificate::all_from_pem(pem).map_or(Trusted::Nothing, Trusted::Certificates);
    let file = observed.files.of(role);
    let Some(text) = file.text.as_deref() else { return Trusted::Nothing };
    if role == Role::Trust {
        return read(text.as_bytes());
    }
    // What is no kubeconfig connects to nothing.
    let Ok(access) = Access::of_public_view(text) else { return Trusted::Nothing };
    if let Some(pem) = access.authority() {
        return read(pem);
    }
    match trust::named_by(&access, observed, subject.layout) {
        trust::Named::Nothing => Trusted::Nothing,
        trust::Named::Known(pem) => read(pem.as_bytes()),
        trust::Named::Unknown(file) => Trusted::Unknown { file },
    }
}

fn lost(
    subject: Subject<'_>,
    observed: &ObservedMaster,
    role: Role,
    theirs: &[Certificate],
    wanted: &[Certificate],
) -> Option<Finding> {
    let lost: Vec<_> = theirs.iter().filter(|it| !wanted.contains(it)).collect();
    if lost.is_empty() {
        return None;
    }
    let key = if subject.trust.is_some() { "pki.trust" } else { "pki.caCert" };
    let problem = format!(
        "{} trusts a CA that {key} does not hold, and kcm drops none unasked: {}",
        subject.layout.path(role),
        trust::described(lost)
    );
    Some(Finding::error(FindingCode::OtherCa, &observed.name, problem, HELP))
}

fn unknown(subject: Subject<'_>, observed: &ObservedMaster, file: &str) -> Finding {
    let problem = format!(
        "{} trusts the CA certificates of {file}, which kcm does not read, and kcm drops none unasked",
        subject.layout.kubeconfig
    );
    let help = format!(
        "compare {file} there with pki.trust, or pki.caCert if there is none, and say --replace-ca if that holds all of them"
    );
    Finding::error(FindingCode::OtherCa, &observed.name, problem, help)
}
