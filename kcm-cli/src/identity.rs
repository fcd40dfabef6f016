//! Whether the identity that is there stays, or a new one is issued, and why. Pure.

use std::fmt;

use kcm_pki::{
    CaCertificate, Certificate, ChainError, Fingerprint, KeyAlgorithm, PrivateKey, ValidityError,
    verify_client_chain,
};
use serde::Serialize;
use time::OffsetDateTime;

use crate::layout;
use crate::operator::{IdentityRequest, Pair};
use crate::words::in_full;

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

/// Why a new identity is issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "camelCase")]
#[non_exhaustive]
pub enum Reason {
    /// Somebody asked for it.
    Asked,
    /// There is none.
    Missing,
    /// The certificate is there, its key is not.
    KeyMissing,
    /// The certificate cannot be read.
    Unreadable {
        /// Why.
        error: String,
    },
    /// The CA is new, or the certificate is not a client certificate of the CA.
    Chain {
        /// Why.
        error: String,
    },
    /// It names another user than RBAC binds.
    CommonName {
        /// Whom it names.
        found: String,
    },
    /// Its key has another algorithm or size.
    Algorithm {
        /// What it has.
        found: String,
        /// What is asked for.
        wanted: KeyAlgorithm,
    },
    /// It lacks a usage that is asked for.
    Usages {
        /// Those it lacks.
        missing: Vec<String>,
    },
    /// It does not name all masters.
    Hosts {
        /// Those it lacks.
        missing: Vec<String>,
    },
    /// The key beside it is not its key.
    KeyMismatch,
    /// It ends within `renewBefore`.
    Expires {
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    /// All masters hold it, but what is to be written there needs its key, which is not on this machine.
    KeyNotHere,
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
        if self.not_after - request.renew_before <= now && self.could_end_later {
            why.push(Reason::Expires { at: self.not_after });
        }
        why
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

/// Decides: the operator's pair if it is right, else the one that all masters hold if that is, else a new
/// one.
#[must_use]
pub fn decide(
    request: &IdentityRequest,
    operator: &Result<Option<IdentityFacts>, Reason>,
    masters: &[Option<IdentityFacts>],
    now: OffsetDateTime,
) -> Decision {
    match operator {
        Err(reason) => Decision::Issue { why: vec![reason.clone()] },
        Ok(Some(facts)) => match facts.reasons(request, now) {
            why if why.is_empty() => {
                Decision::Keep { fingerprint: facts.fingerprint, held: Held::ByOperator }
            }
            why => Decision::Issue { why },
        },
        Ok(None) => match one_for_all(masters).filter(|f| f.reasons(request, now).is_empty()) {
            Some(facts) => Decision::Keep { fingerprint: facts.fingerprint, held: Held::ByMasters },
            None => Decision::Issue { why: vec![Reason::Missing] },
        },
    }
}

fn one_for_all(masters: &[Option<IdentityFacts>]) -> Option<&IdentityFacts> {
    let (first, rest) = masters.split_first()?;
    let first = first.as_ref()?;
    rest.iter().all(|other| other.as_ref() == Some(first)).then_some(first)
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("it was asked for"),
            Self::Missing => f.write_str("there is none yet"),
            Self::KeyMissing => f.write_str("its key is missing on this machine"),
            Self::Unreadable { error } => write!(f, "the one on this machine cannot be read: {error}"),
            Self::Chain { error } => error.fmt(f),
            Self::CommonName { found } => write!(f, "it is for {found}, not for {}", layout::USER),
            Self::Algorithm { found, wanted } => write!(f, "its key is {found}, not {wanted}"),
            Self::Usages { missing } => write!(f, "it lacks the usages {}", missing.join(", ")),
            Self::Hosts { missing } => write!(f, "it does not name {}", missing.join(", ")),
            Self::KeyMismatch => f.write_str("the key beside it belongs to another certificate"),
            Self::Expires { at } => write!(f, "it is valid until {} only", at.date()),
            Self::KeyNotHere => f.write_str(
                "the masters hold one, but what changes there needs its key, which is not on this machine",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use kcm_pki::{CsrFile, Fingerprint, SigningConfig};
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-23 06:00 UTC);

    fn request() -> IdentityRequest {
        let csr = r#"{"CN": "system:kube-controller-manager"}"#;
        let csr = CsrFile::parse(csr).unwrap().value;
        IdentityRequest {
            subject: csr.subject,
            hosts: csr.hosts,
            usages: SigningConfig::built_in().default_profile().unwrap().usages.clone(),
            key_algorithm: KeyAlgorithm::EcdsaP256,
            lifetime: DAY * 365,
            renew_before: DAY * 30,
        }
    }

    fn right() -> IdentityFacts {
        IdentityFacts {
            fingerprint: Fingerprint::of(b"a certificate"),
            common_name: Some(layout::USER.to_owned()),
            groups: Vec::new(),
            algorithm: Some(KeyAlgorithm::EcdsaP256),
            missing_usages: Vec::new(),
            not_after: NOW + DAY * 31,
            could_end_later: true,
            chain_error: None,
            key: KeyMatch::Matches,
        }
    }

    fn decision(operator: IdentityFacts) -> Decision {
        decide(&request(), &Ok(Some(operator)), &[], NOW)
    }

    #[test]
    fn a_right_pair_stays() {
        let held = Held::ByOperator;
        assert_eq!(decision(right()), Decision::Keep { fingerprint: right().fingerprint, held });
    }

    #[test]
    fn one_that_ends_with_its_ca_is_not_issued_again_and_again() {
        let ends = IdentityFacts { not_after: NOW + DAY, could_end_later: false, ..right() };
        assert!(matches!(decision(ends), Decision::Keep { .. }));
    }

    #[test]
    fn each_fault_alone_is_a_reason_and_all_together_are_all_reasons() {
        let faults: [fn(&mut IdentityFacts); 6] = [
            |f| f.chain_error = Some("another CA".to_owned()),
            |f| f.common_name = Some("system:kube-scheduler".to_owned()),
            |f| f.algorithm = Some(KeyAlgorithm::Rsa2048),
            |f| f.missing_usages = vec!["client auth".to_owned()],
            |f| f.key = KeyMatch::Differs,
            |f| f.not_after = NOW + DAY * 30,
        ];
        let mut all = right();
        for fault in faults {
            let mut one = right();
            fault(&mut one);
            fault(&mut all);
            assert!(matches!(decision(one), Decision::Issue { why } if why.len() == 1));
        }
        assert!(matches!(decision(all), Decision::Issue { why } if why.len() == faults.len()));
    }

    #[test]
    fn what_all_masters_hold_stays_and_what_some_hold_does_not() {
        let held =
            || Some(IdentityFacts { key: KeyMatch::NotSeen(Fingerprint::of(b"key")), ..right() });
        let decide =
            |masters: &[Option<IdentityFacts>]| decide(&request(), &Ok(None), masters, NOW);
        assert!(matches!(decide(&[held(), held()]), Decision::Keep { held: Held::ByMasters, .. }));
        let missing = Decision::Issue { why: vec![Reason::Missing] };
        assert_eq!(decide(&[held(), None]), missing);
        assert_eq!(decide(&[]), missing);
        let other = Some(IdentityFacts { fingerprint: Fingerprint::of(b"other"), ..right() });
        assert_eq!(decide(&[held(), other]), missing);
    }
}
