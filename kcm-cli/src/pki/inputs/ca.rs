//! Reads the CA's certificate and key, and the trust bundle.

use std::path::Path;
use std::time::Duration;

use kcm_pki::{CaCertificate, Certificate, CertificateAuthority, PrivateKey};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{read, read_if_present, with_help};
use crate::cluster::Pki;
use crate::pki::signer::no_prompt;
use crate::pki::store::{read_ca_certificate, read_ca_pair};
use crate::pki::{AskPassphrase, Found, KeyFile, OperatorError, Pair};
use crate::util::distinct;
use crate::util::files::Bytes;

pub(crate) const CA_CERT: &str = "the CA certificate (pki.caCert)";
pub(crate) const CA_KEY: &str = "the CA key (pki.caKey)";
/// Key of the passphrase in the cluster file.
const PASSPHRASE: &str = "pki.caKeyPassphrase";
pub(crate) const TRUST: &str = "the trust bundle (pki.trust)";
/// Lifetime of a new root certificate: a hundred years, as in the tutorial.
pub(crate) const CA_LIFETIME: Duration = Duration::from_secs(876_000 * 3600);

/// State of the CA on this machine.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one in a run")]
pub enum Ca {
    /// The CA's certificate. The key is read only to sign.
    Present(CaCertificate),
    /// The CA does not exist yet, and the cluster file allows kcm to create it.
    ToBeCreated,
}

impl Ca {
    /// Returns the CA's certificate, if the CA exists.
    pub(crate) fn present(&self) -> Option<&CaCertificate> {
        match self {
            Self::Present(ca) => Some(ca),
            Self::ToBeCreated => None,
        }
    }
}

/// Loads the CA with its key, for signing. `ask` prompts for the passphrase of an encrypted key.
pub(crate) fn load_authority(
    pki: &Pki,
    ask: &AskPassphrase<'_>,
) -> Result<CertificateAuthority, OperatorError> {
    // Reads the files again for the error of the one that is missing or unreadable.
    let again = || {
        let text = |what, path| -> Result<_, OperatorError> {
            Ok(Zeroizing::new(String::from_utf8_lossy(&read(what, path)?).into_owned()))
        };
        let certificate = text(CA_CERT, &pki.ca_cert)?.to_string();
        Ok::<_, OperatorError>(Pair { certificate, key: text(CA_KEY, key_path(pki))? })
    };
    let pair = match read_ca_pair(pki) {
        Ok(Found::Pair(pair)) => pair,
        _ => again()?,
    };
    authority(pki, &pair, ask)
}

/// Returns the path of the CA key for messages and reads; empty if there is none.
fn key_path(pki: &Pki) -> &Path {
    pki.ca_key.as_deref().unwrap_or(Path::new(""))
}

/// Reads the CA key for upload in plain form, and checks that it matches the CA certificate. `None`
/// unless both files exist.
pub(crate) fn ca_key_to_distribute(pki: &Pki) -> Result<Option<Bytes>, OperatorError> {
    let Found::Pair(pair) = read_ca_pair(pki)? else { return Ok(None) };
    let authority = authority(pki, &pair, &no_prompt)?;
    if PrivateKey::is_encrypted(pair.key.as_bytes()) {
        return Ok(Some(Bytes::new(authority.key().to_pem().as_bytes())));
    }
    Ok(Some(Bytes::new(pair.key.as_bytes())))
}

/// Reports whether the CA key needs a passphrase.
pub(crate) fn ca_key_is_encrypted(pki: &Pki) -> Result<bool, OperatorError> {
    let found = read_ca_pair(pki)?;
    Ok(matches!(found, Found::Pair(pair) if PrivateKey::is_encrypted(pair.key.as_bytes())))
}

fn authority(
    pki: &Pki,
    pair: &Pair,
    ask: &AskPassphrase<'_>,
) -> Result<CertificateAuthority, OperatorError> {
    let (path, passphrase) = (key_path(pki), &pki.ca_key_passphrase);
    let file = KeyFile { what: CA_KEY, path, passphrase, source: PASSPHRASE };
    let key = file.parse(pair.key.as_bytes(), ask)?;
    let certificate = CaCertificate::load(pair.certificate.as_bytes());
    let loaded = certificate.and_then(|certificate| CertificateAuthority::new(certificate, key));
    loaded.map_err(|error| {
        OperatorError::content(CA_KEY, path, with_help(&error, "replace the file with the CA key"))
    })
}

pub(super) fn read_ca(pki: &Pki, now: OffsetDateTime) -> Result<(Ca, bool), OperatorError> {
    let (pem, has_key) = match read_ca_certificate(pki)? {
        (Some(certificate), has_key) => (certificate, has_key),
        (None, false) if pki.create_ca => return Ok((Ca::ToBeCreated, false)),
        (None, false) => {
            let reason = "no such file or directory; copy the cluster's CA certificate to this path, or set `pki.createCa: true` to create a test CA";
            return Err(OperatorError::content(CA_CERT, &pki.ca_cert, reason));
        }
        (None, true) => {
            let reason = "no such file or directory, but the file of pki.caKey exists; copy the CA certificate to this path";
            return Err(OperatorError::content(CA_CERT, &pki.ca_cert, reason));
        }
    };
    let unusable = |reason| OperatorError::content(CA_CERT, &pki.ca_cert, reason);
    let ca = CaCertificate::load(pem.as_bytes()).map_err(|error| {
        unusable(with_help(&error, "replace the file with the CA certificate of the cluster"))
    })?;
    ca.check_validity(now).map_err(|error| {
        unusable(with_help(&error, "replace the file with a CA certificate that is valid now"))
    })?;
    Ok((Ca::Present(ca), has_key))
}

/// Reads the trust bundle without duplicates, in the file's order.
pub(super) fn read_trust(
    pki: &Pki,
    ca: &Ca,
    warnings: &mut Vec<String>,
) -> Result<Option<String>, OperatorError> {
    let Some(path) = &pki.trust else { return Ok(None) };
    let certificates = certificates_in(path)?;
    let shown = path.display();
    for other in certificates.iter().filter(|it| !it.is_ca()) {
        let subject = other.subject();
        warnings.push(format!(
            "{shown}: `{subject}` is not a CA certificate: clients accept this certificate, but not certificates that it signed"
        ));
    }
    if let Ca::Present(ca) = ca {
        let ca = ca.certificate();
        let is_trusted = |it: &Certificate| it == ca || it.subject_der() == ca.issuer_der();
        if !certificates.iter().any(is_trusted) {
            let subject = ca.subject();
            warnings.push(format!("{shown} contains neither the CA of pki.caCert (`{subject}`) nor its issuer: clients reject every certificate of this CA; add the CA certificate"));
        }
    }
    Ok(Some(certificates.iter().map(Certificate::to_pem).collect()))
}

fn certificates_in(path: &Path) -> Result<Vec<Certificate>, OperatorError> {
    let reason = "no such file or directory; copy the CA certificate to this path, or run `kcm rotate ca`, which creates the bundle";
    bundle(path)?.ok_or_else(|| OperatorError::content(TRUST, path, reason))
}

/// Reads a bundle of CA certificates, without duplicates. `None` if it does not exist.
pub(crate) fn bundle(path: &Path) -> Result<Option<Vec<Certificate>>, OperatorError> {
    let Some(pem) = read_if_present(TRUST, path)? else { return Ok(None) };
    let all = Certificate::all_from_pem(&pem).map_err(|error| {
        let help = "replace the file with CA certificates in PEM format";
        OperatorError::content(TRUST, path, with_help(&error, help))
    })?;
    Ok(Some(distinct(all)))
}

/// Returns the CA certificates that verify API servers: the bundle, or the CA alone if there is no
/// bundle yet. `None` if the CA certificate is missing on this machine.
pub(crate) fn trusted(pki: &Pki) -> Result<Option<String>, OperatorError> {
    let (ca, _) = read_ca_certificate(pki)?;
    let trust = pki.trust.as_deref().map(bundle).transpose()?.flatten();
    Ok(match trust {
        Some(all) => ca.map(|_| all.iter().map(Certificate::to_pem).collect()),
        None => ca,
    })
}
