//! The CA that signs and the CA certificates that clients accept, from masters that were set up by hand. Pure.

use kcm_pki::{CaCertificate, Certificate};

use super::AdoptError;
use super::choices::Choices;
use super::findings::Findings;
use super::look::Found;
use crate::layout::TRUST;
use crate::trust::described;

/// The flag of the CA that signs, and that of those that Pods accept.
const SIGNING: &str = "cluster-signing-cert-file";
const ROOTS: &str = "root-ca-file";

/// The CA that signs: the one of the flag, else of those that are accepted the one that issued the identity.
pub(super) fn signing_ca(
    found: &[Found],
    findings: &mut Findings<'_>,
) -> Result<Certificate, AdoptError> {
    let file = |flag: &str| {
        let mut all = found.iter().filter_map(|it| it.certificates_at(it.flag(flag)?));
        all.next().map(<[_]>::to_vec)
    };
    let signing = file(SIGNING).unwrap_or_default();
    if let [only] = &signing[..] {
        return Ok(only.clone());
    }
    if signing.len() > 1 {
        findings.not_reproduced(
            format!("--{SIGNING} holds {} certificates, and kube-controller-manager takes exactly one as soon as it leads: {}", signing.len(), described(&signing)),
            "leave the one that signs in the file; the others belong into --root-ca-file",
        );
    }
    let trusted = found.iter().flat_map(Found::trusted);
    let all: Vec<_> =
        signing.into_iter().chain(file(ROOTS).unwrap_or_default()).chain(trusted).collect();
    let identity = found.iter().find_map(|it| it.identity()?.into_iter().next());
    let issued = |ca: &&Certificate| {
        let issuer = identity.as_ref().map(Certificate::issuer_der);
        CaCertificate::new((*ca).clone()).is_ok() && issuer == Some(ca.subject_der())
    };
    let signing = all.iter().find(issued).or_else(|| all.first()).cloned();
    signing.ok_or_else(|| AdoptError::Unknown {
        what: "the CA",
        reason: "no flag names its certificate, and no kubeconfig has it; name the file with --cluster-signing-cert-file in the unit".to_owned(),
    })
}

/// The bundle of the CA certificates that clients accept, where that is not the one that signs alone.
pub(super) fn trust(
    choices: &mut Choices,
    found: &[Found],
    ca: &Certificate,
    findings: &mut Findings<'_>,
) -> Option<String> {
    let mut all: Vec<Certificate> = Vec::new();
    for certificate in found.iter().flat_map(Found::trusted) {
        if !all.contains(&certificate) {
            all.push(certificate);
        }
    }
    if found.len() > 1 {
        let _ = findings.agree("the set of CA certificates that the kubeconfig trusts", |it, _| {
            let mut trusted = it.trusted();
            trusted.sort_by_key(Certificate::fingerprint);
            trusted.dedup();
            if trusted.is_empty() { "none".to_owned() } else { described(&trusted) }
        });
    }
    if all.is_empty() || all[..] == [ca.clone()] {
        return None;
    }
    let beside = choices.ca_cert.rsplit_once('/').map_or("", |(folder, _)| folder);
    let separator = if beside.is_empty() { "" } else { "/" };
    choices.trust = Some(format!("{beside}{separator}{TRUST}"));
    findings.trusts(&all, ca);
    if let Some(path) = common_roots(found, &all)
        && choices.paths.iter().all(|(_, taken)| *taken != path)
    {
        choices.paths.push(("trust", path));
    }
    Some(all.iter().map(Certificate::to_pem).collect())
}

/// The file of --root-ca-file, where it holds the same on all masters as the kubeconfigs.
fn common_roots(found: &[Found], all: &[Certificate]) -> Option<String> {
    let path = found.first()?.flag(ROOTS)?;
    let is_there = |master: &Found| {
        let holds = |roots: &[Certificate]| {
            all.iter().all(|it| roots.contains(it)) && roots.iter().all(|it| all.contains(it))
        };
        master.flag(ROOTS) == Some(path) && master.certificates_at(path).is_some_and(holds)
    };
    found.iter().all(is_there).then(|| path.to_owned())
}
