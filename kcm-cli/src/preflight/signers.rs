//! Check that each signing key of the leader belongs to its certificate. Pure.

use kcm_pki::{Certificate, Fingerprint};

use crate::artifact::{DesiredService, SigningFiles};
use crate::cluster::layout::Layout;
use crate::finding::{Finding, FindingCode};
use crate::observed::ObservedMaster;
use crate::transport::{View, public_part};
use crate::util::files::RemotePath;

/// Finds signing keys that do not belong to their certificate, or for which that cannot be
/// determined.
///
/// `is_touched` names the files that the plan writes; these are skipped. Missing files and files
/// without a certificate are reported elsewhere.
pub(super) fn mismatched(
    layout: &Layout,
    service: &DesiredService,
    master: &ObservedMaster,
    is_touched: impl Fn(&RemotePath) -> bool,
) -> Vec<Finding> {
    let signers = service.signers.iter();
    let left = signers.filter(|it| !is_touched(&it.certificate) && !is_touched(&it.key));
    left.filter_map(|signer| mismatch(layout, master, signer)).collect()
}

fn mismatch(layout: &Layout, master: &ObservedMaster, signer: &SigningFiles) -> Option<Finding> {
    let SigningFiles { certificate_flag, certificate, key_flag, key } = signer;
    let pem = certificate_of(layout, master, certificate)?;
    let signing = Certificate::first_from_pem(pem.as_bytes()).ok()?;
    let seen = master.signs_with(key, View::PublicPart)?;
    let ours = format!("sha256:{seen}").parse::<Fingerprint>().ok();
    let (problem, help) = match (public_part(signing.public_key()), ours) {
        (Some(expected), Some(found)) if expected == found => return None,
        (Some(_), Some(_)) => (
            format!(
                "{key} (--{key_flag}) is not the key of the certificate {certificate} (--{certificate_flag})"
            ),
            "replace the key or the certificate so that both match; the leader cannot sign with a mismatched pair",
        ),
        _ => (
            format!(
                "cannot determine whether {key} (--{key_flag}) is the key of the certificate {certificate} (--{certificate_flag})"
            ),
            "replace the key with an unencrypted RSA or ECDSA key in PEM format; an ECDSA key must include its public point",
        ),
    };
    let finding = Finding::error(FindingCode::CaKeyMismatch, &master.name, problem, help);
    Some(if ours.is_some() { finding } else { finding.into_warning() })
}

fn certificate_of<'a>(
    layout: &Layout,
    master: &'a ObservedMaster,
    path: &RemotePath,
) -> Option<&'a str> {
    if *path != layout.ca_certificate {
        return master.signs_with(path, View::Certificates);
    }
    let file = &master.files.ca_certificate;
    master.followed(path, &file.state, file.text.as_deref()).1
}
