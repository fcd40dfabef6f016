//! The stage of a rotation of the CA. Pure.

use kcm_pki::{CaCertificate, Certificate};

use super::evidence::{Evidence, Master, Server};
use super::{CaRotation, CaStage, RotatedCa, TrustingMaster, TrustingServer};
use crate::finding::{Finding, FindingCode};
use crate::util::distinct;

/// Help text for a fact that could not be determined.
const UNKNOWN: &str = "fix this problem, then run the command again";

/// Determines the stage, and what blocks it.
pub(super) fn rotation(evidence: &Evidence) -> CaRotation {
    let (stage, blocked_by) = next(evidence);
    let files = &evidence.files;
    CaRotation {
        stage,
        current: Some(RotatedCa::of(&files.current)),
        next: files.next.as_ref().map(RotatedCa::of),
        former: evidence.former().map(RotatedCa::of),
        masters: evidence.masters.iter().map(master).collect(),
        servers: evidence.servers.iter().map(server).collect(),
        blocked_by,
    }
}

fn next(evidence: &Evidence) -> (CaStage, Vec<Finding>) {
    let Evidence { files, is_in_sync, .. } = evidence;
    let trusts = |ca: &CaCertificate| files.trust.contains(ca.certificate());
    match (&files.next, evidence.former()) {
        (Some(next), _) if files.trusts(next) && *is_in_sync => {
            (CaStage::Issue, untrusted(evidence, next))
        }
        (Some(_), _) => (CaStage::Trust, Vec::new()),
        (None, Some(former)) if !is_in_sync && (trusts(former) || evidence.has_issued(former)) => {
            (CaStage::Issue, Vec::new())
        }
        (None, Some(former)) if trusts(former) => (CaStage::Drop, in_use(evidence, former)),
        (None, Some(_)) => (CaStage::Drop, Vec::new()),
        (None, None) => (CaStage::Done, Vec::new()),
    }
}

/// Finds what is missing before certificates of `next` may be issued.
fn untrusted(evidence: &Evidence, next: &CaCertificate) -> Vec<Finding> {
    let found = |problem: String, help: String| {
        Finding::general(FindingCode::CaNotTrusted, problem, help).into_error()
    };
    let mut all = Vec::new();
    for Master { name, signs_tokens_with, .. } in &evidence.masters {
        let Some(key) = signs_tokens_with else { continue };
        let problem = format!("service account tokens are signed with the CA key {key}");
        let help = "give service accounts a key of their own: set `pki.serviceAccountKey`, and run `kcm rotate service-account-key` until it is done";
        all.push(Finding::error(FindingCode::CaNotTrusted, name, problem, help));
    }
    if evidence.servers.is_empty() {
        all.push(no_identity(FindingCode::CaNotTrusted));
    }
    for Server { url, answer } in &evidence.servers {
        let trust = match answer {
            Ok(trust) => trust,
            Err(why) => {
                let problem = format!("cannot determine which CAs {url} accepts: {why}");
                all.push(found(problem, UNKNOWN.to_owned()));
                continue;
            }
        };
        let is_published = trust.published.client_cas.contains(next.certificate());
        if let Some(Err(why)) = &trust.accepts {
            let problem = format!("{url} does not accept certificates of the next CA: {why}");
            let bundle = &evidence.bundle;
            let help = format!(
                "add the next CA to the file of --client-ca-file of this kube-apiserver, or set --client-ca-file={bundle}, and restart it"
            );
            all.push(found(problem, help));
        } else if !is_published {
            let problem = "the ConfigMap kube-system/extension-apiserver-authentication does not contain the next CA";
            let help = "add the next CA to the file of --client-ca-file of each kube-apiserver, and restart it; it then writes the ConfigMap";
            all.push(found(problem.to_owned(), help.to_owned()));
        }
        let without = trust.published.namespaces_without(next.certificate());
        if !without.is_empty() {
            let problem = format!(
                "Pods do not receive the next CA: the ConfigMap kube-root-ca.crt lacks it in {}",
                shortened(&without)
            );
            let help = "wait until kube-controller-manager has written the ConfigMaps, then run the command again";
            all.push(found(problem, help.to_owned()));
        }
    }
    distinct(all)
}

/// Finds what still needs the former CA.
fn in_use(evidence: &Evidence, former: &CaCertificate) -> Vec<Finding> {
    let found = |problem: String, help: &str| {
        Finding::general(FindingCode::CaInUse, problem, help).into_error()
    };
    let mut all = Vec::new();
    for Master { name, signs_with, .. } in &evidence.masters {
        if signs_with.as_ref() == Some(former.certificate()) {
            let problem = "kube-controller-manager signs certificates with the former CA";
            let help = "copy certificate and key of the new CA to the files of --cluster-signing-cert-file and --cluster-signing-key-file, and run `kcm apply`";
            all.push(Finding::error(FindingCode::CaInUse, name, problem, help));
        }
    }
    for name in &evidence.excluded {
        let problem = "excluded, so kcm cannot determine whether it uses the former CA";
        let help = "run the command again with this master";
        all.push(Finding::error(FindingCode::CaInUse, name, problem, help));
    }
    if evidence.servers.is_empty() {
        all.push(no_identity(FindingCode::CaInUse));
    }
    for Server { url, answer } in &evidence.servers {
        match answer {
            Err(why) => {
                let problem = format!("cannot determine which CA {url} uses: {why}");
                all.push(found(problem, UNKNOWN));
            }
            Ok(trust) => {
                let Err(why) = &trust.serves else { continue };
                let problem = format!("the new CA alone does not verify {url}: {why}");
                let help = "issue a serving certificate with the new CA, for example with `kcm cert issue`; set --tls-cert-file and --tls-private-key-file of this kube-apiserver, and restart it";
                all.push(found(problem, help));
            }
        }
    }
    all
}

fn no_identity(code: FindingCode) -> Finding {
    let problem = "this machine has no client certificate, so kcm cannot query the API servers";
    let help = "run kcm on the machine that has the files of `pki.directory`";
    Finding::general(code, problem.to_owned(), help).into_error()
}

/// Lists the first names, and the number of the others.
fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let first = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => first,
        others => format!("{first} and {others} other namespaces"),
    }
}

fn master(master: &Master) -> TrustingMaster {
    let (trusts, problem) = match &master.trusts {
        Ok(all) => (all.iter().map(Certificate::fingerprint).collect(), None),
        Err(why) => (Vec::new(), Some(why.clone())),
    };
    TrustingMaster {
        name: master.name.clone(),
        trusts,
        issued_by: master.issued_by.as_ref().map(|ca| ca.certificate().fingerprint()),
        problem,
    }
}

fn server(server: &Server) -> TrustingServer {
    let answer = server.answer.as_ref();
    TrustingServer {
        url: server.url.to_string(),
        accepts: answer.ok().and_then(|it| it.accepts.as_ref().map(Result::is_ok)),
        serves: answer.ok().map(|it| it.serves.is_ok()),
        problem: answer.err().cloned(),
    }
}

impl RotatedCa {
    fn of(ca: &CaCertificate) -> Self {
        let certificate = ca.certificate();
        Self {
            subject: certificate.subject(),
            fingerprint: certificate.fingerprint(),
            not_after: certificate.not_after(),
        }
    }
}

#[cfg(test)]
mod tests;
