//! Identity of the masters: its location, and the requirements on the next one. Pure.

use kcm_pki::Certificate;

use super::choices::Choices;
use super::findings::{Findings, Share, of_subject};
use super::look::{Found, pairs};
use super::subject::{Csr, csr, signing_config};
use crate::cluster::layout::{self, CERTIFICATE, COMBINED, KEY, Layout};
use crate::pki::MASTERS;
use crate::transport::PathState;
use crate::util::files::RemotePath;

/// Paths of the files for the next identity, relative to the cluster file.
const CSR_FILE: &str = "pki/kube-controller-manager/kube-controller-manager-csr.json";
const SIGNING_CONFIG_FILE: &str = "pki/kube-controller-manager/ca-config.json";

/// Default lifetime of an identity in hours.
const USUAL_HOURS: i64 = 87_600;

/// The identity of the masters.
#[derive(Default)]
pub(super) struct Identity {
    /// The certificate that most masters have, and those that follow it.
    pub(super) pem: Option<String>,
    pub(super) csr: Option<String>,
    pub(super) signing_config: Option<String>,
}

pub(super) fn identity(
    choices: &mut Choices,
    found: &[Found],
    ca: &Certificate,
    findings: &mut Findings<'_>,
) -> Identity {
    let leaf = |master: &Found| master.identity()?.into_iter().next();
    let said = |it: &Certificate| it.fingerprint().to_string();
    let _ = findings.agree("the client certificate", Share::Most, leaf, said);
    let combined = found.iter().map(combined).collect::<Option<Vec<_>>>();
    let combined = combined.and_then(|all| {
        let first = all.first()?.clone();
        all.iter().all(|path| *path == first).then_some(first)
    });
    if combined.is_none()
        && let Some(file) =
            found.iter().find_map(|it| it.access().ok()?.certificate_file().map(str::to_owned))
    {
        findings.not_reproduced(
            format!("the kubeconfig names the client certificate {file}, but kcm embeds the certificate or names its own file"),
            "run `kcm plan` to show the kubeconfig that kcm would write",
        );
    }
    // All masters will share the next identity, so it resembles that of most masters.
    let chains: Vec<_> = found.iter().map(|it| it.identity().unwrap_or_default()).collect();
    let leaves: Vec<_> = chains.iter().filter_map(|chain| chain.first()).collect();
    if leaves.is_empty() {
        return Identity::default();
    }
    places(choices, found, combined.as_ref());
    let most_of = |of: &dyn Fn(&Certificate) -> Option<String>| {
        Share::Most.common(leaves.iter().map(|it| of(it)))
    };
    let algorithm = most_of(&|it| it.key_algorithm().map(|algorithm| algorithm.to_string()));
    choices.key_algorithm = algorithm.filter(|algorithm| algorithm != "rsa-2048");
    let hours = leaves.iter().map(|it| {
        let hours = (it.not_after() - it.not_before()).whole_hours();
        // A certificate that expires with its CA was cut short.
        (it.not_after() < ca.not_after()).then_some(hours)
    });
    let hours = Share::Most.common(hours).filter(|hours| *hours >= 1).unwrap_or(USUAL_HOURS);
    choices.lifetime = (hours != USUAL_HOURS).then(|| format!("{hours}h"));
    let requests: Vec<_> = leaves.iter().map(|it| (it.subject(), csr(it))).collect();
    let said = |(subject, csr): &(String, Option<Csr>)| {
        Some((subject.clone(), csr.as_ref().map(|csr| csr.text.clone())))
    };
    let common = Share::Most.common(requests.iter().map(said));
    let mut all = leaves.iter().zip(requests);
    let like_most = all.find(|(_, request)| said(request) == common);
    let csr = like_most.and_then(|(it, (_, csr))| next_csr(choices, it, csr?, findings));
    let signing_config = most_of(&|it| signing_config(it, hours));
    choices.signing_config = signing_config.as_ref().map(|_| SIGNING_CONFIG_FILE.to_owned());
    let chain = Share::Most.of(&chains).filter(|chain| !chain.is_empty());
    let pem = chain.map(|chain| chain.iter().map(Certificate::to_pem).collect());
    Identity { pem, csr, signing_config }
}

/// Returns the CSR file that keeps the subject.
fn next_csr(
    choices: &mut Choices,
    certificate: &Certificate,
    csr: Csr,
    findings: &mut Findings<'_>,
) -> Option<String> {
    let name = certificate.common_name().unwrap_or_default();
    let is_master = certificate.organizations().iter().any(|it| it == MASTERS);
    if name != layout::USER && !is_master {
        findings.not_reproduced(
            format!("the client certificate is for the user `{name}`, but kcm issues certificates for {} only", layout::USER),
            "check before `kcm apply` that the new user needs no RBAC binding of the old one; the default bindings are for the new user",
        );
        return None;
    }
    findings.add(of_subject(certificate, &csr));
    choices.csr = Some(CSR_FILE.to_owned());
    Some(csr.text)
}

/// Returns the file with both certificate and key that the kubeconfig names, if it has kcm's file
/// name.
fn combined(master: &Found) -> Option<RemotePath> {
    let access = master.access().ok()?;
    let certificate = master.beside_kubeconfig(access.certificate_file()?)?;
    let key = master.beside_kubeconfig(access.key_file()?)?;
    (certificate == key && certificate.name() == COMBINED).then_some(certificate)
}

fn places(choices: &mut Choices, found: &[Found], combined: Option<&RemotePath>) {
    let root = RemotePath::new(choices.root.as_deref().unwrap_or(layout::INSTALL_ROOT)).ok();
    let Some(usual) = root.and_then(|root| Layout::below(&root).ok()) else { return };
    let is_pair = |(cert, key): &(RemotePath, RemotePath)| {
        found.iter().all(|master| {
            master.certificates_at(cert.as_str()).map(<[_]>::to_vec) == master.identity()
                && matches!(master.state(key.as_str()), Some(PathState::File { .. }))
        })
    };
    let beside = |folder: &RemotePath| (folder.sibling(CERTIFICATE), folder.sibling(KEY));
    let pair = match combined {
        Some(path) => {
            choices.credentials = Some("files");
            Some(beside(path))
        }
        None => found.first().and_then(|first| pairs(first).into_iter().find(is_pair)),
    };
    match pair {
        Some((cert, key)) => {
            let paths = [("cert", cert, usual.certificate), ("key", key, usual.key)];
            let differing = paths.into_iter().filter(|(_, path, usual)| path != usual);
            choices.paths.extend(differing.map(|(name, path, _)| (name, path.to_string())));
        }
        None => choices.credentials = Some("embedded-only"),
    }
}
