//! The CA files on the operator's machine during a rotation: the CA that issues, the CA that
//! replaces it next, the CA that it replaced, and the bundle that clients accept.
//!
//! The next CA is in the files of `pki.caCert` and `pki.caKey` with the suffix `.next`, the replaced
//! CA in those with the suffix `.former`. The stage of a rotation follows from these files and from
//! the masters. Each function that writes is repeatable: after an interruption, the same call
//! completes the work.

use std::path::{Path, PathBuf};

use kcm_pki::{CaCertificate, CaRequest, Certificate, CertificateAuthority, PrivateKey, Subject};
use time::OffsetDateTime;

use super::inputs::{self, CA_CERT, CA_KEY, TRUST, ca_key_is_encrypted, read_if_present};
use super::signer::{SignerError, serial};
use super::store::{copy_ca, read_ca_certificate, remove_ca, store_ca, write};
use super::{OperatorError, Pair, with_help};
use crate::cluster::Pki;
use crate::util::files::{Mode, with_suffix};
use crate::util::words::in_full;

const NEXT: &str = ".next";
const FORMER: &str = ".former";
const BY_HAND: &str = "create the next CA with `kcm cert new-ca`";

/// The CA files of a rotation.
#[derive(Debug)]
pub(crate) struct CaFiles {
    /// The CA that issues.
    pub(crate) current: CaCertificate,
    /// The CA that replaces the current one next.
    pub(crate) next: Option<CaCertificate>,
    /// The CA that the current one replaced.
    pub(crate) former: Option<CaCertificate>,
    /// The CA certificates that clients accept: the bundle, or the current CA if there is none yet.
    pub(crate) trust: Vec<Certificate>,
    /// True if the bundle exists.
    pub(crate) has_bundle: bool,
}

impl CaFiles {
    /// Reads the files. Changes nothing. `None` if the CA does not exist yet.
    ///
    /// # Errors
    /// A file that exists and is unreadable or holds no CA certificate.
    pub(crate) fn read(pki: &Pki, bundle: &Path) -> Result<Option<Self>, OperatorError> {
        let Some(current) = read_ca(pki)? else { return Ok(None) };
        let other = |suffix| {
            let found = read_ca(&beside(pki, suffix))?;
            Ok::<_, OperatorError>(found.filter(|it| *it.certificate() != *current.certificate()))
        };
        let (next, former) = (other(NEXT)?, other(FORMER)?);
        let trust = inputs::bundle(bundle)?;
        let has_bundle = trust.is_some();
        let trust = trust.unwrap_or_else(|| vec![current.certificate().clone()]);
        Ok(Some(Self { current, next, former, trust, has_bundle }))
    }

    /// Reports whether clients accept certificates of this CA: the bundle contains the CA, or the
    /// issuer of an intermediate CA.
    pub(crate) fn trusts(&self, ca: &CaCertificate) -> bool {
        let ca = ca.certificate();
        let is_issuer =
            |it: &Certificate| !ca.is_self_issued() && it.subject_der() == ca.issuer_der();
        self.trust.iter().any(|it| it == ca || is_issuer(it))
    }

    /// Returns the bundle without the replaced CA.
    pub(crate) fn without_former(&self) -> Vec<Certificate> {
        let is_former = |it: &Certificate| {
            self.former.as_ref().is_some_and(|former| former.certificate() == it)
        };
        self.trust.iter().filter(|it| !is_former(it)).cloned().collect()
    }

    /// Creates a root CA with the subject, the key algorithm and the lifetime of the current one.
    /// Stores nothing.
    ///
    /// # Errors
    /// The current CA is not a root with a key in a file, or files of an earlier rotation exist.
    pub(crate) fn new_root(
        &self,
        pki: &Pki,
        now: OffsetDateTime,
    ) -> Result<(CaCertificate, Pair), OperatorError> {
        let next = beside(pki, NEXT);
        let refuse = |reason: String| {
            let shown = next.ca_cert.display();
            let reason = format!("{reason}; {BY_HAND} and store its certificate in {shown}");
            OperatorError::content(CA_CERT, &pki.ca_cert, reason)
        };
        let former = beside(pki, FORMER).ca_cert;
        if self.former.is_some() {
            let reason = "exists from an earlier rotation; move this file and the key beside it away, or destroy both";
            return Err(OperatorError::content(CA_CERT, &former, reason));
        }
        let current = self.current.certificate();
        if !current.is_self_issued() {
            return Err(refuse("an intermediate CA, which another CA has to sign".to_owned()));
        }
        if pki.ca_key.is_none() || pki.signer.is_some() {
            return Err(refuse("kcm has no key of this CA".to_owned()));
        }
        if ca_key_is_encrypted(pki)? {
            return Err(refuse(
                "the key is encrypted, and kcm writes no encrypted keys".to_owned(),
            ));
        }
        let algorithm = current.key_algorithm();
        let algorithm = algorithm.ok_or_else(|| refuse("the key type is unknown".to_owned()))?;
        let failed = |error: &dyn std::error::Error| {
            OperatorError::content(CA_KEY, &next.ca_cert, in_full(error))
        };
        let subject = Subject::from_der(current.subject_der()).map_err(|error| failed(&error))?;
        let lifetime = current.not_after() - current.not_before();
        let lifetime = lifetime.try_into().unwrap_or(CaRequest::DEFAULT_LIFETIME);
        let path_len = current.path_len().and_then(|it| u8::try_from(it).ok());
        let request = CaRequest { subject, lifetime, path_len };
        let key = PrivateKey::generate(algorithm).map_err(|error| failed(&error))?;
        let serial = serial().map_err(|error: SignerError| failed(&error))?;
        let certificate = CertificateAuthority::create(&request, &key, serial, now);
        let certificate = certificate.map_err(|error| failed(&error))?;
        let pair = Pair { certificate: certificate.to_pem(), key: key.to_pem() };
        Ok((CaCertificate::new(certificate).map_err(|error| failed(&error))?, pair))
    }
}

/// Returns the paths with the next CA in the place of the current one.
pub(crate) fn with_next(pki: &Pki) -> Pki {
    beside(pki, NEXT)
}

fn beside(pki: &Pki, suffix: &str) -> Pki {
    let add = |path: &PathBuf| with_suffix(path, suffix);
    Pki { ca_cert: add(&pki.ca_cert), ca_key: pki.ca_key.as_ref().map(add), ..pki.clone() }
}

/// Stores a next CA.
///
/// # Errors
/// A next CA exists, or a file cannot be written.
pub(crate) fn store_next(pki: &Pki, pair: &Pair) -> Result<(), OperatorError> {
    store_ca(&with_next(pki), pair)
}

/// Makes the next CA the one that issues, and keeps the replaced one.
///
/// # Errors
/// A file cannot be read or written.
pub(crate) fn promote(pki: &Pki, files: &CaFiles) -> Result<(), OperatorError> {
    if files.next.is_some() {
        copy_ca(pki, &beside(pki, FORMER))?;
        copy_ca(&with_next(pki), pki)?;
    }
    remove_ca(&with_next(pki))
}

/// Writes the bundle of CA certificates that clients accept.
///
/// Certificates that it already holds keep their text, with the comments above them.
///
/// # Errors
/// The file cannot be read or written.
pub(crate) fn write_bundle(bundle: &Path, wanted: &[Certificate]) -> Result<(), OperatorError> {
    let before = read_if_present(TRUST, bundle)?.unwrap_or_default();
    let before = String::from_utf8_lossy(&before);
    let mut after = String::new();
    let mut held: Vec<Certificate> = Vec::new();
    for block in before.split_inclusive(END) {
        let certificate = Certificate::from_pem(block.as_bytes()).ok();
        let stays = match &certificate {
            Some(it) => wanted.contains(it) && !held.contains(it),
            None => true,
        };
        if stays {
            after.push_str(block);
            held.extend(certificate);
        }
    }
    let missing = wanted.iter().filter(|it| !held.contains(it));
    let mut after = after.trim_start_matches('\n').to_owned();
    for certificate in missing {
        if !after.is_empty() && !after.ends_with('\n') {
            after.push('\n');
        }
        after.push_str(&certificate.to_pem());
    }
    if after == *before {
        return Ok(());
    }
    write(TRUST, bundle, after.as_bytes(), Mode::PUBLIC)
}

/// The last line of a certificate in PEM format.
const END: &str = "-----END CERTIFICATE-----";

fn read_ca(pki: &Pki) -> Result<Option<CaCertificate>, OperatorError> {
    let (Some(pem), _) = read_ca_certificate(pki)? else { return Ok(None) };
    let loaded = CaCertificate::load(pem.as_bytes());
    let unusable = |error| {
        let help = "replace the file with a CA certificate";
        OperatorError::content(CA_CERT, &pki.ca_cert, with_help(&error, help))
    };
    loaded.map(Some).map_err(unusable)
}

#[cfg(test)]
mod tests;
