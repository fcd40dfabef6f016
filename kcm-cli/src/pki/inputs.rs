//! Reads the files that the cluster file names: CA, CSR, signing config, trust bundle, binary and
//! pairs.

mod ca;
mod request;

use std::io;
use std::path::Path;

use kcm_pki::{CaCertificate, Certificate, PrivateKey};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::binary::uploaded_binary;
use super::exposure;
use super::serving;
use super::store::{read_identity, read_serving_pair};
use super::token_key::{TokenKey, TokenKeys};
use super::{Binary, Found, OperatorError, Pair};
use crate::cluster::layout::{CERTIFICATE, KEY};
use crate::cluster::{Cluster, CredentialsForm, Pki};
use crate::util::explanation::Explanation;
use crate::util::files::{Bytes, read_small};
use crate::util::words::in_full;
use ca::{read_ca, read_trust};
use request::identity_request;

pub use ca::Ca;
pub(crate) use ca::{
    CA_CERT, CA_KEY, CA_LIFETIME, TRUST, bundle, ca_key_is_encrypted, ca_key_to_distribute,
    load_authority, trusted,
};
pub use request::IdentityRequest;
pub(crate) use request::{MASTERS, RENEW_BEFORE, TUTORIAL_CSR, in_words, renew_before};

const IDENTITY_KEY: &str = "kube-controller-manager's key (pki.directory)";
pub(crate) const SERVING_PAIR: &str = "the serving key pair (pki.directory)";
pub(crate) const IDENTITY: &str = "kube-controller-manager's key pair (pki.directory)";

/// All inputs on the operator's machine, read once.
#[derive(Debug)]
pub struct Inputs {
    /// The properties that kube-controller-manager's client certificate must have.
    pub request: IdentityRequest,
    /// The CA.
    pub ca: Ca,
    /// The trust bundle as PEM. `None` if clients accept only the CA itself.
    pub trust: Option<String>,
    /// The CA that a rotation replaces. Masters may lose it without further consent.
    pub(crate) replaced_ca: Option<CaCertificate>,
    /// The CA key, if it exists and must be distributed.
    pub ca_key: Option<Bytes>,
    /// The separate key that signs service account tokens, if there is one.
    pub token_key: Option<TokenKey>,
    /// The kube-controller-manager binary, if kcm distributes it.
    pub binary: Option<Binary>,
    /// The existing client pair, if both files exist.
    pub pair: Option<Pair>,
    /// True if the certificate exists without its key.
    pub key_is_missing: bool,
    /// The serving certificate, if kcm issues one.
    pub serving: Option<Serving>,
    /// The form in which kubeconfigs hold the certificate and key.
    pub credentials: CredentialsForm,
    /// Warnings about valid input that looks like a mistake.
    pub warnings: Vec<String>,
}

/// The serving certificate of kube-controller-manager.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The properties that the certificate must have.
    pub request: IdentityRequest,
    /// The existing pair, if both files exist.
    pub pair: Option<Pair>,
    /// True if the certificate exists without its key.
    pub key_is_missing: bool,
}

impl Inputs {
    /// Reads all inputs. Reads the CA key only if it must be distributed. Changes nothing.
    ///
    /// # Errors
    /// The first file that is missing, unreadable or invalid.
    pub fn read(cluster: &Cluster, now: OffsetDateTime) -> Result<Self, OperatorError> {
        let mut warnings = Vec::new();
        let request = identity_request(&cluster.pki, &mut warnings)?;
        let (ca, has_ca_key) = read_ca(&cluster.pki, now)?;
        let trust = read_trust(&cluster.pki, &ca, &mut warnings)?;
        let found = read_identity(&cluster.pki)?;
        let (pair, key_is_missing) = match found {
            Found::Nothing => (None, false),
            Found::Pair(pair) => {
                check_pair(&cluster.pki, &pair)?;
                (Some(pair), false)
            }
            Found::CertificateAlone => (None, true),
            Found::KeyAlone => {
                let path = cluster.pki.directory.join(KEY);
                let reason = "the certificate for this key is missing; restore the certificate, or move the key away for a new key pair";
                return Err(OperatorError::content(IDENTITY, &path, reason));
            }
        };
        let ca_key = if cluster.install.distribute_ca && cluster.uses_ca_key() && has_ca_key {
            ca_key_to_distribute(&cluster.pki)?
        } else {
            None
        };
        let token_key = cluster.pki.service_account_key.as_ref();
        let token_key = token_key.map(|key| TokenKeys::read(key)?.signing(key)).transpose()?;
        let binary = uploaded_binary(cluster)?;
        let serving = read_serving(cluster, &request)?;
        let ca_key_file = cluster.pki.ca_key.iter();
        warnings.extend(ca_key_file.flat_map(|path| exposure::of_key(CA_KEY, path)));
        warnings.extend(exposure::of_key(IDENTITY_KEY, &cluster.pki.directory.join(KEY)));
        warnings.extend(ends_soon(&ca, &request, now));
        Ok(Self {
            request,
            ca,
            trust,
            replaced_ca: None,
            ca_key,
            token_key,
            binary,
            pair,
            key_is_missing,
            serving,
            credentials: cluster.credentials,
            warnings,
        })
    }
}

fn read_serving(
    cluster: &Cluster,
    client: &IdentityRequest,
) -> Result<Option<Serving>, OperatorError> {
    if !cluster.pki.serving_certificate {
        return Ok(None);
    }
    let directory = &cluster.pki.directory;
    let request = serving::request(cluster, client)
        .map_err(|reason| OperatorError::content(SERVING_PAIR, directory, reason))?;
    let (pair, key_is_missing) = match read_serving_pair(&cluster.pki)? {
        Found::Pair(pair) => (Some(pair), false),
        Found::CertificateAlone => (None, true),
        Found::Nothing | Found::KeyAlone => (None, false),
    };
    Ok(Some(Serving { request, pair, key_is_missing }))
}

/// Rejects a pair that cannot be parsed, because a new pair would replace it.
fn check_pair(pki: &Pki, pair: &Pair) -> Result<(), OperatorError> {
    const HELP: &str = "correct the file, or move both files away for a new key pair";
    let (certificate, key) = (pki.directory.join(CERTIFICATE), pki.directory.join(KEY));
    if let Err(error) = PrivateKey::from_pem(pair.key.as_bytes()) {
        return Err(OperatorError::content(IDENTITY, &key, with_help(&error, HELP)));
    }
    if let Err(error) = Certificate::first_from_pem(pair.certificate.as_bytes()) {
        return Err(OperatorError::content(IDENTITY, &certificate, with_help(&error, HELP)));
    }
    if pair.certificate.contains("PRIVATE KEY-----") {
        let reason = "the file also contains a private key; remove the private key from this file";
        return Err(OperatorError::content(IDENTITY, &certificate, reason.to_owned()));
    }
    Ok(())
}

/// Warns if the CA expires within the renewal period, because renewed certificates would expire
/// with it.
fn ends_soon(ca: &Ca, request: &IdentityRequest, now: OffsetDateTime) -> Option<String> {
    let Ca::Present(ca) = ca else { return None };
    let end = ca.certificate().not_after();
    let text = || {
        format!(
            "{CA_CERT} expires on {}, and no certificate of this CA is valid after that date; replace the CA before",
            end.date()
        )
    };
    (end - now <= request.renew_before).then(text)
}

/// Returns kube-controller-manager's client pair, if both files exist.
pub(crate) fn pair(cluster: &Cluster) -> Result<Option<Pair>, OperatorError> {
    Ok(match read_identity(&cluster.pki)? {
        Found::Pair(pair) => Some(pair),
        Found::Nothing | Found::CertificateAlone | Found::KeyAlone => None,
    })
}

/// Returns the serving pair, if kcm issues one and both files exist.
pub(crate) fn serving_pair(cluster: &Cluster) -> Result<Option<Pair>, OperatorError> {
    if !cluster.pki.serving_certificate {
        return Ok(None);
    }
    Ok(match read_serving_pair(&cluster.pki)? {
        Found::Pair(pair) => Some(pair),
        Found::Nothing | Found::CertificateAlone | Found::KeyAlone => None,
    })
}

/// Explains an error: its cause if it has one, and the given fix unless the text has one.
pub(crate) fn with_help(error: &dyn std::error::Error, help: &str) -> Explanation {
    Explanation::parse(&in_full(error.source().unwrap_or(error))).or_help(help)
}

/// Reads a file of bounded length. The buffer is wiped when dropped.
pub(crate) fn read(what: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, OperatorError> {
    read_small(path).map_err(|error| OperatorError::unreadable(what, path, &error))
}

/// Reads a file like [`read`]. `None` if it does not exist.
pub(crate) fn read_if_present(
    what: &'static str,
    path: &Path,
) -> Result<Option<Zeroizing<Vec<u8>>>, OperatorError> {
    match read_small(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(OperatorError::unreadable(what, path, &error)),
    }
}
