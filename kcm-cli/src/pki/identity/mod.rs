//! Decides whether to keep the existing identity or to issue a new one, and why. Pure.

mod decide;
mod reason;

use std::fmt;

use kcm_pki::{
    CaCertificate, Certificate, CertificateError, ChainError, Fingerprint, KeyAlgorithm,
    PrivateKey, ValidityError, verify_client_chain,
};
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use crate::pki::{IdentityRequest, Pair};
use crate::util::schema::Sha256;
use crate::util::words::in_full;

pub(crate) use decide::grouped;
pub use decide::{HeldIdentity, NotHeld, decide};
pub use reason::Reason;

/// Properties of a certificate for kube-controller-manager, on any machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IdentityFacts {
    /// SHA-256 of the certificate.
    pub fingerprint: Fingerprint,
    /// Common name of the subject: the user.
    pub common_name: Option<String>,
    /// Organizations of the subject: the user's groups.
    pub groups: Vec<String>,
    /// Algorithm and size of the key, if kcm knows them.
    pub algorithm: Option<KeyAlgorithm>,
    /// Requested usages that the certificate lacks.
    pub missing_usages: Vec<String>,
    /// End of the certificate's validity.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// True if a new certificate could expire later. False if this one already expires with its CA.
    pub could_end_later: bool,
    /// The reason why the certificate is not a client certificate of the CA. `None` if it is, even
    /// if it has expired.
    pub chain_error: Option<String>,
    /// Relation of the stored key to the certificate.
    pub key: KeyMatch,
}

/// Relation of a key to a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum KeyMatch {
    /// The key belongs to the certificate.
    Matches,
    /// The key belongs to another certificate.
    Differs,
    /// The key is on a master and was not fetched. Holds a digest that identifies it.
    NotObserved(Fingerprint),
    /// No key exists.
    Absent,
}

/// The decision about the identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "decision", rename_all = "camelCase")]
#[non_exhaustive]
pub enum Decision {
    /// Keep the existing identity.
    Keep {
        /// Fingerprint of the certificate.
        #[schemars(with = "Sha256")]
        fingerprint: Fingerprint,
        /// Location of the identity.
        held: Held,
    },
    /// Issue a new identity.
    Issue {
        /// All reasons.
        why: Vec<Reason>,
    },
}

impl Decision {
    /// Reports whether a new identity is issued.
    #[must_use]
    pub fn issues(&self) -> bool {
        matches!(self, Self::Issue { .. })
    }
}

/// The decision in words that follow the name of the certificate.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issue { why } => write!(f, "will be issued: {}", reasons(why)),
            Self::Keep { fingerprint, held } => {
                let place = match held {
                    Held::ByOperator => "on this machine",
                    Held::ByMasters => "on the masters; the private key is not fetched",
                };
                write!(f, "{fingerprint} is kept, stored {place}")
            }
        }
    }
}

/// Joins reasons to one text.
pub(crate) fn reasons(why: &[Reason]) -> String {
    why.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Location of an identity that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Held {
    /// On the operator's machine.
    ByOperator,
    /// On all masters only. The key is not fetched to this machine.
    ByMasters,
}

impl IdentityFacts {
    /// Inspects a pair on the operator's machine.
    ///
    /// # Errors
    /// A message, if the certificate or the key cannot be parsed.
    pub fn of_pair(
        pair: &Pair,
        ca: Option<&CaCertificate>,
        request: &IdentityRequest,
        now: OffsetDateTime,
    ) -> Result<Self, String> {
        let key = PrivateKey::from_pem(pair.key.as_bytes());
        let mut facts = Self::of_certificate(&pair.certificate, ca, request, now)?;
        let certificate = Certificate::first_from_pem(pair.certificate.as_bytes())
            .map_err(|error| in_full(&error))?;
        let matches = key.map_err(|error| in_full(&error))?.matches(&certificate);
        facts.key = if matches { KeyMatch::Matches } else { KeyMatch::Differs };
        Ok(facts)
    }

    /// Inspects a certificate without its key.
    ///
    /// # Errors
    /// A message, if the certificate cannot be parsed.
    pub fn of_certificate(
        pem: &str,
        ca: Option<&CaCertificate>,
        request: &IdentityRequest,
        now: OffsetDateTime,
    ) -> Result<Self, String> {
        let (certificate, issuers) = with_issuers(pem).map_err(|error| in_full(&error))?;
        Ok(Self {
            fingerprint: certificate.fingerprint(),
            common_name: certificate.common_name().map(str::to_owned),
            groups: certificate.organizations(),
            algorithm: certificate.key_algorithm(),
            missing_usages: request
                .usages
                .iter()
                .filter(|usage| !certificate.allows(*usage))
                .map(|usage| usage.name().to_owned())
                .collect(),
            not_after: certificate.not_after(),
            could_end_later: ca
                .is_none_or(|ca| certificate.not_after() < ca.certificate().not_after()),
            chain_error: match ca {
                None => Some("the CA is new".to_owned()),
                Some(ca) => {
                    let trusted = std::slice::from_ref(ca);
                    chain_error(verify_client_chain(&certificate, &issuers, trusted, now))
                }
            },
            key: KeyMatch::Absent,
        })
    }

    /// Returns all reasons to issue a new certificate.
    fn reasons(&self, request: &IdentityRequest, now: OffsetDateTime) -> Vec<Reason> {
        let mut why = Vec::new();
        if let Some(error) = &self.chain_error {
            why.push(Reason::Chain { error: error.clone() });
        }
        if self.common_name.as_deref() != Some(request.subject.common_name()) {
            let found = self.common_name.clone().unwrap_or_else(|| "unset".to_owned());
            let wanted = request.subject.common_name().to_owned();
            why.push(Reason::CommonName { found, wanted });
        }
        if self.algorithm != Some(request.key_algorithm) {
            let found = self.algorithm.map_or_else(|| "unsupported".to_owned(), |a| a.to_string());
            why.push(Reason::Algorithm { found, wanted: request.key_algorithm });
        }
        if !self.missing_usages.is_empty() {
            why.push(Reason::Usages { missing: self.missing_usages.clone() });
        }
        if self.key == KeyMatch::Differs {
            why.push(Reason::KeyMismatch);
        }
        why.extend(end(self.not_after, request, now).filter(|_| self.could_end_later));
        why
    }
}

/// Reads a certificate and the CA certificates that follow it in its file.
pub(crate) fn with_issuers(
    pem: &str,
) -> Result<(Certificate, Vec<CaCertificate>), CertificateError> {
    let mut all = Certificate::all_from_pem(pem.as_bytes())?;
    let certificate = all.remove(0);
    Ok((certificate, cas(&all)))
}

/// Returns the CA certificates among others, which TLS peers ignore in a chain.
pub(crate) fn cas(certificates: &[Certificate]) -> Vec<CaCertificate> {
    certificates.iter().filter_map(|it| CaCertificate::new(it.clone()).ok()).collect()
}

/// Returns the reason for a new certificate that follows from the expiry of the old one.
pub(crate) fn end(
    not_after: OffsetDateTime,
    request: &IdentityRequest,
    now: OffsetDateTime,
) -> Option<Reason> {
    if not_after < now {
        Some(Reason::Expired { at: not_after })
    } else {
        (not_after - now <= request.renew_before).then_some(Reason::Expires { at: not_after })
    }
}

/// Describes a failed verification. Expiry is excluded, because [`end`] reports it.
fn chain_error(verified: Result<(), ChainError>) -> Option<String> {
    match verified {
        Ok(()) | Err(ChainError::LeafNotValid { source: ValidityError::Expired { .. }, .. }) => {
            None
        }
        Err(error) => Some(in_full(&error)),
    }
}
