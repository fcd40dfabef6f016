//! Whether the identity that is there stays, or a new one is issued, and why. Pure.

mod decide;
mod reason;

use kcm_pki::{
    CaCertificate, Certificate, ChainError, Fingerprint, KeyAlgorithm, PrivateKey, ValidityError,
    verify_client_chain,
};
use serde::Serialize;
use time::OffsetDateTime;

use crate::pki::{IdentityRequest, Pair};
use crate::util::words::in_full;

pub(crate) use decide::grouped;
pub use decide::{HeldIdentity, NotHeld, decide};
pub use reason::Reason;

/// What is known of a certificate for kube-controller-manager, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityFacts {
    /// SHA-256 of the certificate.
    pub fingerprint: Fingerprint,
    /// The user it names.
    pub common_name: Option<String>,
    /// The groups that it gives the user.
    pub groups: Vec<String>,
    /// Algorithm and size of its key, where kcm knows them.
    pub algorithm: Option<KeyAlgorithm>,
    /// Which of the usages that are asked for it lacks.
    pub missing_usages: Vec<String>,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// Whether a new one would end later: not where it already ends with its CA.
    pub could_end_later: bool,
    /// Why it is no client certificate of the CA, if it is none.
    pub chain_error: Option<String>,
    /// Whether the key beside it belongs to it.
    pub key: KeyMatch,
}

/// Whether a key belongs to a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyMatch {
    /// It does.
    Matches,
    /// It does not, or is no key.
    Differs,
    /// The key is on a master and was not fetched; this is its file's digest.
    NotSeen(Fingerprint),
    /// There is no key.
    Absent,
}

/// What happens to the identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "camelCase")]
pub enum Decision {
    /// The one that is there stays.
    Keep {
        /// Its certificate.
        fingerprint: Fingerprint,
        /// Where it is.
        held: Held,
    },
    /// A new one is issued.
    Issue {
        /// Every reason.
        why: Vec<Reason>,
    },
}

/// Where the identity that stays is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Held {
    /// On the operator's machine.
    ByOperator,
    /// On all masters, and not on this machine: its key is not fetched.
    ByMasters,
}

impl IdentityFacts {
    /// Looks at a pair on the operator's machine.
    ///
    /// # Errors
    /// When the certificate cannot be read: in words.
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

    /// Looks at a certificate alone.
    ///
    /// # Errors
    /// When it cannot be read: in words.
    pub fn of_certificate(
        pem: &str,
        ca: Option<&CaCertificate>,
        request: &IdentityRequest,
        now: OffsetDateTime,
    ) -> Result<Self, String> {
        let certificate =
            Certificate::first_from_pem(pem.as_bytes()).map_err(|error| in_full(&error))?;
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
                Some(ca) => chain_error(verify_client_chain(&certificate, ca, now)),
            },
            key: KeyMatch::Absent,
        })
    }

    /// Everything that speaks for a new one.
    fn reasons(&self, request: &IdentityRequest, now: OffsetDateTime) -> Vec<Reason> {
        let mut why = Vec::new();
        if let Some(error) = &self.chain_error {
            why.push(Reason::Chain { error: error.clone() });
        }
        if self.common_name.as_deref() != Some(request.subject.common_name()) {
            let found = self.common_name.clone().unwrap_or_else(|| "nobody".to_owned());
            why.push(Reason::CommonName { found });
        }
        if self.algorithm != Some(request.key_algorithm) {
            let found = self.algorithm.map_or_else(|| "another".to_owned(), |a| a.to_string());
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

/// The reason for a new certificate that lies in the end of the old one.
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

/// An end that has come is a matter of days left, not of the chain.
fn chain_error(verified: Result<(), ChainError>) -> Option<String> {
    match verified {
        Ok(()) | Err(ChainError::LeafNotValid { source: ValidityError::Expired { .. }, .. }) => {
            None
        }
        Err(error) => Some(in_full(&error)),
    }
}
