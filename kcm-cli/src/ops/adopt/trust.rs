//! The signing CA and the CA certificates that clients accept, from masters that were set up by
//! hand. Pure.

use kcm_pki::{CaCertificate, Certificate};

use super::AdoptError;
use super::choices::Choices;
use super::findings::{Findings, Share};
use super::look::Found;
use crate::cluster::layout::TRUST;
use crate::observed::trust::described;
use crate::util::explanation::Explanation;

/// Flag of the signing CA, followed by that of the CAs that Pods accept.
const SIGNING: &str = "cluster-signing-cert-file";
const ROOTS: &str = "root-ca-file";

/// Returns the signing CA: that of the flag, or else the accepted CA that issued the identity.
///
/// Each must be that of most masters, so that control of one master does not decide the CA of all.
pub(super) fn signing_ca(
    found: &[Found],
    findings: &mut Findings<'_>,
) -> Result<Certificate, AdoptError> {
    let mut file = |flag: &str| {
        let of = |it: &Found| Some(it.certificates_at(it.flag(flag)?)?.to_vec());
        let given: Vec<_> = found.iter().filter_map(of).collect();
        let given = Share::Most.of(&given);
        // A master without the flag differs in a flag, which the cluster file records for it, and
        // not in a certificate.
        let shown = |it: &Found| if it.flag(flag).is_none() { given.cloned() } else { of(it) };
        let what = format!("the certificate of --{flag}");
        findings.agree(&what, Share::Most, shown, |all| described(all))?;
        Ok(Share::Most.common(found.iter().map(of)).unwrap_or_default())
    };
    let signing = file(SIGNING)?;
    let roots = file(ROOTS);
    if let [only] = &signing[..] {
        return Ok(only.clone());
    }
    if signing.len() > 1 {
        findings.not_reproduced(
            format!("--{SIGNING} holds {} certificates, but kube-controller-manager requires exactly one once it is the leader: {}", signing.len(), described(&signing)),
            "keep only the signing CA in the file, and move the others to the file of --root-ca-file",
        );
    }
    let all: Vec<_> = signing
        .into_iter()
        .chain(roots.as_ref().into_iter().flatten().cloned())
        .chain(trusted_by_most(found))
        .collect();
    let issued = |ca: &&Certificate| {
        let issued = |it: &Found| {
            let identity = it.identity()?.into_iter().next()?;
            Some(identity.issuer_der() == ca.subject_der())
        };
        CaCertificate::new((*ca).clone()).is_ok()
            && Share::Most.common(found.iter().map(issued)) == Some(true)
    };
    let signing = all.iter().find(issued).or_else(|| all.first()).cloned();
    signing.ok_or_else(|| {
        roots.err().unwrap_or_else(|| AdoptError::Unknown {
            what: "the CA",
            why: Explanation::new(
                "no flag names the CA certificate, and no kubeconfig contains one",
                "set --cluster-signing-cert-file in the unit",
            ),
        })
    })
}

/// Returns the CA certificates that the kubeconfigs of most masters trust, in order of first
/// appearance.
fn trusted_by_most(found: &[Found]) -> Vec<Certificate> {
    let each: Vec<_> = found.iter().map(Found::trusted).collect();
    let mut all: Vec<Certificate> = Vec::new();
    for certificate in each.iter().flatten() {
        let times = each.iter().filter(|trusted| trusted.contains(certificate)).count();
        if 2 * times > each.len() && !all.contains(certificate) {
            all.push(certificate.clone());
        }
    }
    all
}

/// Returns the bundle of CA certificates that clients accept, or `None` if that is the signing CA
/// alone.
pub(super) fn trust(
    choices: &mut Choices,
    found: &[Found],
    ca: &Certificate,
    findings: &mut Findings<'_>,
) -> Result<Option<String>, AdoptError> {
    let all = trusted_by_most(found);
    let of = |it: &Found| {
        let mut trusted = it.trusted();
        trusted.sort_by_key(Certificate::fingerprint);
        trusted.dedup();
        (!trusted.is_empty()).then_some(trusted)
    };
    let what = "the set of CA certificates that the kubeconfig trusts";
    let agreed = findings.agree(what, Share::Most, of, |trusted| described(trusted));
    if all.is_empty() {
        return agreed.map(|_| None);
    }
    if all[..] == [ca.clone()] {
        return Ok(None);
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
    Ok(Some(all.iter().map(Certificate::to_pem).collect()))
}

/// Returns the file of `--root-ca-file`, if it holds the kubeconfigs' CA certificates on all
/// masters.
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
