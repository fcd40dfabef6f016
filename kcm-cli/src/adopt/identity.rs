//! The identity that masters hold: where it is, and what another one like it must be. Pure.

use kcm_pki::Certificate;

use super::choices::Choices;
use super::findings::{Findings, of_subject};
use super::look::{Found, pairs};
use super::subject::{csr, signing_config};
use crate::files::RemotePath;
use crate::layout::{self, CERTIFICATE, COMBINED, KEY, Layout};
use crate::operator::MASTERS;
use crate::transport::PathState;

/// Where the files for the next identity are put, beside the cluster file.
const CSR_FILE: &str = "pki/kube-controller-manager/kube-controller-manager-csr.json";
const SIGNING_CONFIG_FILE: &str = "pki/kube-controller-manager/ca-config.json";

/// What is known of the identity.
#[derive(Default)]
pub(super) struct Identity {
    /// Its certificate, with what follows it.
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
    let shown = |master: &Found| {
        let certificate = master.identity().and_then(|chain| chain.into_iter().next());
        certificate.map_or_else(|| "none".to_owned(), |it| it.fingerprint().to_string())
    };
    let _ = findings.agree("the client certificate", |master, _| shown(master));
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
            format!("the kubeconfig names {file} for its client certificate; kcm embeds it, or names one file of its own"),
            "`kcm plan` shows what kcm would write",
        );
    }
    let Some(chain) = found.iter().find_map(Found::identity) else { return Identity::default() };
    let Some(certificate) = chain.first() else { return Identity::default() };
    places(choices, found, combined.as_ref());
    let algorithm = certificate.key_algorithm().map(|algorithm| algorithm.to_string());
    choices.key_algorithm = algorithm.filter(|algorithm| algorithm != "rsa-2048");
    let hours = (certificate.not_after() - certificate.not_before()).whole_hours();
    // One that ends with its CA was cut short.
    let ends_with_ca = ca.not_after() <= certificate.not_after();
    choices.lifetime =
        (hours >= 1 && hours != 87_600 && !ends_with_ca).then(|| format!("{hours}h"));
    let pem = Some(chain.iter().map(Certificate::to_pem).collect());
    let csr = next_csr(choices, certificate, findings);
    let hours = if ends_with_ca { 87_600 } else { hours.max(1) };
    let signing_config = signing_config(certificate, hours);
    choices.signing_config = signing_config.as_ref().map(|_| SIGNING_CONFIG_FILE.to_owned());
    Identity { pem, csr, signing_config }
}

/// The CSR file that keeps the subject.
fn next_csr(
    choices: &mut Choices,
    certificate: &Certificate,
    findings: &mut Findings<'_>,
) -> Option<String> {
    let csr = csr(certificate)?;
    let name = certificate.common_name().unwrap_or_default();
    let is_master = certificate.organizations().iter().any(|it| it == MASTERS);
    if name != layout::USER && !is_master {
        findings.not_reproduced(
            format!("the client certificate is for the user `{name}`, and kcm issues for {} alone", layout::USER),
            "before `kcm apply`, see that no role or binding of its own is needed: RBAC binds what is stock to that user",
        );
        return None;
    }
    findings.add(of_subject(certificate, &csr));
    choices.csr = Some(CSR_FILE.to_owned());
    Some(csr.text)
}

/// The file with both certificate and key that the kubeconfig names, if it is one of kcm's own form.
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
