//! Reading what the cluster file points at: CA, CSR, signing config, and the identity's pair.

mod ca;
mod request;

use std::path::Path;

use kcm_pki::{Certificate, PrivateKey};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::binary::brought_binary;
use super::exposure;
use super::serving;
use super::store::{read_identity, read_serving_pair};
use super::{Binary, Found, OperatorError, Pair};
use crate::cluster::layout::{CERTIFICATE, KEY};
use crate::cluster::{Cluster, CredentialsForm, Pki};
use crate::util::files::{Bytes, read_small};
use crate::util::words::in_full;
use ca::{read_ca, read_trust};
use request::identity_request;

pub use ca::Ca;
pub(crate) use ca::{CA_CERT, CA_KEY, CA_LIFETIME, ca_key_to_distribute, load_authority, trusted};
pub use request::IdentityRequest;
pub(crate) use request::{MASTERS, RENEW_BEFORE, TUTORIAL_CSR, renew_before};

const IDENTITY_KEY: &str = "kube-controller-manager's key (pki.directory)";
pub(crate) const SERVING_PAIR: &str = "the serving certificate's pair (pki.directory)";
pub(crate) const IDENTITY: &str = "kube-controller-manager's pair (pki.directory)";

/// Everything on the operator's side, read once.
#[derive(Debug)]
pub struct Inputs {
    /// What a certificate for kube-controller-manager must be.
    pub request: IdentityRequest,
    /// The CA.
    pub ca: Ca,
    /// The PEM of every CA certificate that clients accept, if that is not the CA's alone.
    pub trust: Option<String>,
    /// The CA key, if it is to be distributed and is there.
    pub ca_key: Option<Bytes>,
    /// kube-controller-manager itself, if it is to be distributed.
    pub binary: Option<Binary>,
    /// The pair that is there, if its files are.
    pub pair: Option<Pair>,
    /// Whether the certificate is there and its key is not.
    pub key_is_missing: bool,
    /// What is served with, if that is issued.
    pub serving: Option<Serving>,
    /// Where the kubeconfigs have certificate and key.
    pub credentials: CredentialsForm,
    /// What is legal and still looks like a mistake, in words.
    pub warnings: Vec<String>,
}

/// The certificate that kube-controller-manager serves with, as far as it is there.
#[derive(Clone, Debug)]
pub struct Serving {
    /// What it must be.
    pub request: IdentityRequest,
    /// The pair that is there, if its files are.
    pub pair: Option<Pair>,
    /// Whether the certificate is there and its key is not.
    pub key_is_missing: bool,
}

impl Inputs {
    /// Reads everything but the CA key, and that too if it is to be distributed. Changes nothing.
    ///
    /// # Errors
    /// The first file that is missing, unreadable or not what it should be.
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
                let reason = "there is no certificate beside it; put it there, or move the key away to get a new pair";
                return Err(OperatorError::content(IDENTITY, &path, reason));
            }
        };
        let ca_key = if cluster.install.distribute_ca && has_ca_key {
            ca_key_to_distribute(&cluster.pki)?
        } else {
            None
        };
        let binary = brought_binary(cluster)?;
        let serving = read_serving(cluster, &request)?;
        warnings.extend(exposure::of_key(CA_KEY, &cluster.pki.ca_key));
        warnings.extend(exposure::of_key(IDENTITY_KEY, &cluster.pki.directory.join(KEY)));
        warnings.extend(ends_soon(&ca, &request, now));
        Ok(Self {
            request,
            ca,
            trust,
            ca_key,
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

/// A pair that cannot be read is refused, because a new one would replace it.
fn check_pair(pki: &Pki, pair: &Pair) -> Result<(), OperatorError> {
    const MEND: &str = "mend it, or move both files away to get a new pair";
    let (certificate, key) = (pki.directory.join(CERTIFICATE), pki.directory.join(KEY));
    if let Err(error) = PrivateKey::from_pem(pair.key.as_bytes()) {
        return Err(OperatorError::content(IDENTITY, &key, with_mend(&error, MEND)));
    }
    if let Err(error) = Certificate::first_from_pem(pair.certificate.as_bytes()) {
        return Err(OperatorError::content(IDENTITY, &certificate, with_mend(&error, MEND)));
    }
    if pair.certificate.contains("PRIVATE KEY-----") {
        let reason = "it holds a private key too; take the key out of this file";
        return Err(OperatorError::content(IDENTITY, &certificate, reason.to_owned()));
    }
    Ok(())
}

/// A warning if the CA's end makes renewing pointless before long.
fn ends_soon(ca: &Ca, request: &IdentityRequest, now: OffsetDateTime) -> Option<String> {
    let Ca::Present(ca) = ca else { return None };
    let end = ca.certificate().not_after();
    let text = || {
        format!("{CA_CERT} ends {}, and every certificate with it; replace it in time", end.date())
    };
    (end - now <= request.renew_before).then(text)
}

/// kube-controller-manager's pair, if both files are here.
pub(crate) fn pair(cluster: &Cluster) -> Result<Option<Pair>, OperatorError> {
    Ok(match read_identity(&cluster.pki)? {
        Found::Pair(pair) => Some(pair),
        Found::Nothing | Found::CertificateAlone | Found::KeyAlone => None,
    })
}

/// What is served with, if that is issued and both files are here.
pub(crate) fn serving_pair(cluster: &Cluster) -> Result<Option<Pair>, OperatorError> {
    if !cluster.pki.serving_certificate {
        return Ok(None);
    }
    Ok(match read_serving_pair(&cluster.pki)? {
        Found::Pair(pair) => Some(pair),
        Found::Nothing | Found::CertificateAlone | Found::KeyAlone => None,
    })
}

/// An error in one line: the cause where there is one, and what to do where it does not say so itself.
fn with_mend(error: &dyn std::error::Error, mend: &str) -> String {
    let reason = in_full(error.source().unwrap_or(error));
    if reason.contains("; ") { reason } else { format!("{reason}; {mend}") }
}

fn read(what: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, OperatorError> {
    read_small(path).map_err(|error| OperatorError::unreadable(what, path, &error))
}
