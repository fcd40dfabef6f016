//! `certs request` and `certs import`: certificates that are signed by hand.
//!
//! The key is generated on this machine and stays in `pki.directory/requests` until its certificate
//! arrives. Only the request leaves this machine.

use std::path::{Path, PathBuf};

use kcm_pki::{CertificateChain, PrivateKey};
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use super::CertificateUse;
use crate::context::Run;
use crate::error::Error;
use crate::ops::sources::Sources;
use crate::pki::identity::{Decision, Reason};
use crate::pki::signer::{SignedCertificate, SignerError, SigningOrder, accept, new_key};
use crate::pki::{
    self, Ca, Found, IdentityRequest, Inputs, OperatorError, Pair, Purpose, read_request,
    remove_request, request_path, store_identity, store_request, store_serving,
};
use crate::util::explanation::Explanation;
use crate::util::schema::Rfc3339;
use crate::util::words::in_full;

const IMPORTED: &str = "the certificate";

/// Requests for certificates, to be signed by hand.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CertificateRequests {
    /// The requests; empty if no certificate is due.
    pub requests: Vec<RequestedCertificate>,
}

/// A request for a certificate, and the properties that the certificate must have.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RequestedCertificate {
    /// Use of the certificate.
    #[serde(rename = "use")]
    pub role: CertificateUse,
    /// Path of the request (PKCS #10, PEM).
    pub request: PathBuf,
    /// Subject of the certificate.
    pub subject: String,
    /// Subject alternative names.
    pub names: Vec<String>,
    /// Key usages and extended key usages, as in a cfssl signing config.
    pub usages: Vec<String>,
    /// Requested lifetime in hours.
    pub lifetime_hours: u64,
    /// Subject of the CA that must sign, if the CA exists.
    pub ca: Option<String>,
    /// The reasons for a new certificate.
    pub why: Vec<Reason>,
}

/// A certificate that was imported.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ImportedCertificate {
    /// Use of the certificate.
    #[serde(rename = "use")]
    pub role: CertificateUse,
    /// Last second of the validity.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Rfc3339")]
    pub not_after: OffsetDateTime,
    /// Warnings about the certificate.
    pub warnings: Vec<String>,
}

/// A file with a signed certificate.
#[derive(Clone, Debug)]
pub struct SignedFile {
    /// Path of the file, for errors.
    pub path: PathBuf,
    /// The certificate and its intermediates (PEM).
    pub content: Vec<u8>,
}

/// Writes requests for the certificates that are due, or with `force` for all. Changes no master.
///
/// A pending request is kept with its key, so that its certificate can still be imported.
///
/// # Errors
/// If the masters cannot be observed, or a file cannot be written. Written requests stay.
pub async fn request_certificates(run: Run<'_>, force: bool) -> Result<CertificateRequests, Error> {
    pki::recover(&run.cluster.pki)?;
    let sources = Sources::read(run, None).await?;
    let decisions = sources.decisions();
    let inputs = sources.inputs();
    let serving = inputs.serving.as_ref().map(|serving| &serving.request);
    let certificates = [
        (Purpose::Client, Some(decisions.identity), Some(&inputs.request)),
        (Purpose::Serving, decisions.serving, serving),
    ];
    let mut requests = Vec::new();
    for (purpose, decision, properties) in certificates {
        let why = match decision {
            Some(Decision::Issue { why }) => why,
            Some(Decision::Keep { .. }) if force => vec![Reason::Asked],
            _ => continue,
        };
        let Some(properties) = properties else { continue };
        let (path, order) = write_request(run, purpose, properties).await?;
        requests.push(requested((purpose, path), &order, &inputs.ca, why));
    }
    Ok(CertificateRequests { requests })
}

async fn write_request(
    run: Run<'_>,
    purpose: Purpose,
    properties: &IdentityRequest,
) -> Result<(PathBuf, SigningOrder), Error> {
    let pki = &run.cluster.pki;
    let path = request_path(pki, purpose)?;
    let failed = |error| Error::of_signer("the certificate request", error);
    let pending = pending(run, purpose)?;
    let pending = pending.filter(|(_, key)| key.algorithm() == Some(properties.key_algorithm));
    let (old, key) = match pending {
        Some((pair, key)) => (Some(pair), key),
        None => (None, new_key(properties.key_algorithm).await.map_err(failed)?),
    };
    let order = SigningOrder::new(properties.clone(), &key, run.now).map_err(failed)?;
    // An ECDSA signature differs each time; a request for the same key and contents is kept.
    if !old.is_some_and(|old| is_same_request(&old.certificate, &order)) {
        let pair = Pair { certificate: order.request.to_pem(), key: key.to_pem() };
        store_request(pki, purpose, &pair)?;
    }
    Ok((path, order))
}

fn is_same_request(pem: &str, order: &SigningOrder) -> bool {
    kcm_pki::CertificateRequest::from_pem(pem.as_bytes()).is_ok_and(|old| {
        let new = &order.request;
        old.public_key() == new.public_key()
            && old.subject_der() == new.subject_der()
            && old.hosts() == new.hosts()
    })
}

fn requested(
    (purpose, request): (Purpose, PathBuf),
    order: &SigningOrder,
    ca: &Ca,
    why: Vec<Reason>,
) -> RequestedCertificate {
    let IdentityRequest { hosts, usages, lifetime, .. } = &order.properties;
    RequestedCertificate {
        role: role(purpose),
        request,
        subject: order.request.subject(),
        names: hosts.iter().map(ToString::to_string).collect(),
        usages: usages.iter().map(|usage| usage.name().to_owned()).collect(),
        lifetime_hours: lifetime.as_secs() / 3600,
        ca: ca.present().map(|ca| ca.certificate().subject()),
        why,
    }
}

fn role(purpose: Purpose) -> CertificateUse {
    match purpose {
        Purpose::Client => CertificateUse::Client,
        Purpose::Serving => CertificateUse::Serving,
    }
}

/// Returns a pending request and its key.
fn pending(run: Run<'_>, purpose: Purpose) -> Result<Option<(Pair, PrivateKey)>, Error> {
    let Found::Pair(pair) = read_request(&run.cluster.pki, purpose)? else { return Ok(None) };
    let key = PrivateKey::from_pem(pair.key.as_bytes()).ok();
    Ok(key.map(|key| (pair, key)))
}

/// Checks signed certificates against the pending requests and stores them on this machine, all or
/// none. Changes no master: [`apply`](crate::ops::apply::apply) uploads them.
///
/// # Errors
/// If a certificate belongs to no request, or differs from it. Nothing was stored then.
pub fn import_certificates(
    run: Run<'_>,
    files: &[SignedFile],
) -> Result<Vec<ImportedCertificate>, Error> {
    let pki = &run.cluster.pki;
    pki::recover(pki)?;
    let inputs = Inputs::read(run.cluster, run.now)?;
    let mut keys = Vec::new();
    for purpose in [Purpose::Client, Purpose::Serving] {
        keys.extend(pending(run, purpose)?.map(|(_, key)| (purpose, key)));
    }
    let mut accepted: Vec<(Purpose, Pair, SignedCertificate)> = Vec::new();
    for file in files {
        let (purpose, pair, signed) = accept_file(run, &inputs, &keys, file)?;
        if accepted.iter().any(|(known, ..)| *known == purpose) {
            let reason = "another file is a certificate for the same request; keep one of them";
            return Err(refused(&file.path, reason));
        }
        accepted.push((purpose, pair, signed));
    }
    for (purpose, pair, _) in &accepted {
        match purpose {
            Purpose::Client => store_identity(pki, inputs.pair.as_ref(), pair)?,
            Purpose::Serving => {
                let old = inputs.serving.as_ref().and_then(|serving| serving.pair.as_ref());
                store_serving(pki, old, pair)?;
            }
        }
        remove_request(pki, *purpose)?;
    }
    let imported = |(purpose, _, signed): (Purpose, Pair, SignedCertificate)| ImportedCertificate {
        role: role(purpose),
        not_after: signed.certificate().not_after(),
        warnings: signed.warnings(run.now),
    };
    Ok(accepted.into_iter().map(imported).collect())
}

fn accept_file(
    run: Run<'_>,
    inputs: &Inputs,
    keys: &[(Purpose, PrivateKey)],
    file: &SignedFile,
) -> Result<(Purpose, Pair, SignedCertificate), Error> {
    let refuse = |why: Explanation| refused(&file.path, why);
    let Some(ca) = inputs.ca.present() else {
        return Err(refuse("the CA does not exist yet; run `kcm apply`".into()));
    };
    let chain = CertificateChain::from_pem(&file.content).map_err(|error| {
        refuse(Explanation::new(in_full(&error), "specify a file with a certificate"))
    })?;
    let Some((purpose, key)) = keys.iter().find(|(_, key)| key.matches(chain.leaf())) else {
        let reason = "no pending request has the key of this certificate; run `kcm certs request`, and import the certificate of that request";
        return Err(refuse(reason.into()));
    };
    let properties = match (purpose, &inputs.serving) {
        (Purpose::Client, _) => &inputs.request,
        (Purpose::Serving, Some(serving)) => &serving.request,
        (Purpose::Serving, None) => {
            let reason = "a serving certificate is not used; set pki.servingCertificate: true, or omit this file";
            return Err(refuse(reason.into()));
        }
    };
    let failed = |error| Error::of_signer(IMPORTED, error);
    let order = SigningOrder::new(properties.clone(), key, run.now).map_err(failed)?;
    let signed = accept(&order, &chain, ca).map_err(|error| {
        let error = SignerError::Unacceptable(error);
        refuse(Explanation { problem: error.to_string(), help: error.help() })
    })?;
    let pair = Pair { certificate: signed.to_pem(), key: key.to_pem() };
    Ok((*purpose, pair, signed))
}

fn refused(path: &Path, why: impl Into<Explanation>) -> Error {
    OperatorError::Content { what: IMPORTED, path: path.to_owned(), why: why.into() }.into()
}
