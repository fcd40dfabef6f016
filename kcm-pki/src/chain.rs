mod order;

use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use time::OffsetDateTime;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::{
    ca::CaCertificate,
    certificate::{Certificate, ValidityError},
    hosts::Host,
    key::{KeyType, SignatureError},
    usages::Usage,
};

pub use self::order::{CertificateChain, CertificateChainError};

/// The reason a TLS peer would reject a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The list of trusted CA certificates is empty.
    #[error("no CA certificate is trusted")]
    NoRoots,
    /// A CA is expired or not yet valid.
    #[error("the CA certificate of {subject} is not valid now")]
    CaNotValid {
        /// The CA's subject.
        subject: String,
        /// The side of the validity on which the current time is.
        source: ValidityError,
    },
    /// The leaf is expired or not yet valid.
    #[error("the certificate of {subject} is not valid now")]
    LeafNotValid {
        /// The leaf's subject.
        subject: String,
        /// The side of the validity on which the current time is.
        source: ValidityError,
    },
    /// The issuer is neither trusted nor among the intermediates.
    #[error("the certificate was issued by {issuer}, not by {ca}")]
    OtherIssuer {
        /// Issuer of the leaf, or of the last intermediate that was found.
        issuer: String,
        /// Subject of the trusted CA; several are joined by ` or `.
        ca: String,
    },
    /// The names match, but the CA's key did not sign the leaf: the CA was probably recreated under
    /// its old name.
    #[error(
        "the certificate was not signed by the key of this CA ({ca}), although its issuer has the same name"
    )]
    BadSignature {
        /// The CA's subject.
        ca: String,
    },
    /// The leaf or an intermediate is signed with an algorithm that TLS peers reject, such as SHA-1.
    #[error("the certificate is signed with {algorithm}, which TLS peers reject")]
    WeakSignature {
        /// The algorithm.
        algorithm: String,
    },
    /// The CA's key is too small, or TLS peers do not verify signatures of its type.
    #[error("the CA {ca} has a key of type {key_type}, which TLS peers reject")]
    UnsupportedCaKey {
        /// The CA's subject.
        ca: String,
        /// Type of the CA's key.
        key_type: KeyType,
    },
    /// The leaf is itself a CA certificate.
    #[error("the certificate of {subject} is a CA certificate, not a leaf certificate")]
    LeafIsCa {
        /// The leaf's subject.
        subject: String,
    },
    /// The leaf's extended key usages lack `client auth`.
    #[error(
        "the certificate is not a client certificate: its extended key usage lacks \"client auth\""
    )]
    NoClientAuth,
    /// The leaf's extended key usages lack `server auth`.
    #[error(
        "the certificate is not a server certificate: its extended key usage lacks \"server auth\""
    )]
    NoServerAuth,
    /// The leaf has a keyUsage extension without `signing`, which TLS 1.3 needs (RFC 8446 section
    /// 4.4.2.3).
    #[error("the certificate is not valid for TLS 1.3: its key usage lacks \"signing\"")]
    NoSigning,
    /// The certificate does not name a host.
    #[error("the certificate is not valid for {host}; its names are: {names}")]
    OtherHost {
        /// Expected name.
        host: String,
        /// Names of the certificate, or `none`.
        names: String,
    },
    /// Any other reason for which a TLS peer rejects the leaf, such as an unknown critical
    /// extension or a name constraint.
    #[error("TLS peers reject the certificate: {reason}")]
    Refused {
        /// Message of the verifier.
        reason: String,
    },
}

/// Verifies that a server that trusts `roots` accepts `leaf` with `intermediates` as a client
/// certificate at `now`.
///
/// The intermediates may be in any order, and superfluous ones are ignored.
/// [`CertificateChain`] reads them from a file. One of several roots is sufficient.
///
/// rustls-webpki checks signatures, extended key usage, critical extensions and constraints. This
/// function checks the remaining properties: the validity of the CAs, and the basic key usage of the
/// leaf. [`CaCertificate`] guarantees that the others are CA certificates. A leaf whose only extended
/// usage is `any` is rejected, as rustls does, though Go accepts it.
///
/// # Errors
/// The most specific [`ChainError`] if several apply.
pub fn verify_client_chain(
    leaf: &Certificate,
    intermediates: &[CaCertificate],
    roots: &[CaCertificate],
    now: OffsetDateTime,
) -> Result<(), ChainError> {
    verify_chain(Chain { leaf, intermediates, purpose: Purpose::Client, now }, roots)
}

/// Verifies that a client that trusts `roots` accepts `leaf` with `intermediates` as a server
/// certificate at `now`.
///
/// Host names are not checked. Otherwise equal to [`verify_client_chain`].
///
/// # Errors
/// The most specific [`ChainError`] if several apply.
pub fn verify_server_chain(
    leaf: &Certificate,
    intermediates: &[CaCertificate],
    roots: &[CaCertificate],
    now: OffsetDateTime,
) -> Result<(), ChainError> {
    verify_chain(Chain { leaf, intermediates, purpose: Purpose::Server, now }, roots)
}

/// Verifies that a server certificate names `host`, as a TLS client does: a wildcard stands for one
/// label (RFC 6125 section 6.4.3), and the common name does not count.
///
/// # Errors
/// [`ChainError::OtherHost`], also for an e-mail address or a URI that the certificate does not
/// contain.
pub fn verify_host_name(leaf: &Certificate, host: &Host) -> Result<(), ChainError> {
    let der = CertificateDer::from(leaf.der());
    let is_named = match host {
        Host::Dns(name) if !name.starts_with("*.") => {
            let name = ServerName::try_from(name.as_str());
            let end_entity = EndEntityCert::try_from(&der);
            matches!((name, end_entity), (Ok(name), Ok(end_entity))
                if end_entity.verify_is_valid_for_subject_name(&name).is_ok())
        }
        host => leaf.sans().contains(host),
    };
    if is_named {
        return Ok(());
    }
    let names: Vec<_> = leaf.sans().iter().map(ToString::to_string).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Err(ChainError::OtherHost { host: host.to_string(), names })
}

/// The TLS role for which a leaf is verified.
#[derive(Clone, Copy)]
enum Purpose {
    Client,
    Server,
}

/// The certificates that a TLS peer sends, and the parameters of their verification.
#[derive(Clone, Copy)]
struct Chain<'a> {
    leaf: &'a Certificate,
    intermediates: &'a [CaCertificate],
    purpose: Purpose,
    now: OffsetDateTime,
}

fn verify_chain(chain: Chain<'_>, roots: &[CaCertificate]) -> Result<(), ChainError> {
    let mut found = ChainError::NoRoots;
    for root in roots {
        match chain.verify(root) {
            Ok(()) => return Ok(()),
            Err(error) => found = more_specific(found, error),
        }
    }
    Err(found)
}

/// Combines the errors of two roots: the name of the issuer is the weakest hint that a root is the
/// intended one, its signature the next.
fn more_specific(one: ChainError, other: ChainError) -> ChainError {
    let rank = |error: &ChainError| match error {
        ChainError::NoRoots => 0,
        ChainError::OtherIssuer { .. } => 1,
        ChainError::BadSignature { .. } => 2,
        _ => 3,
    };
    match (one, other) {
        (
            ChainError::OtherIssuer { issuer, ca: first },
            ChainError::OtherIssuer { ca: second, .. },
        ) => ChainError::OtherIssuer { issuer, ca: format!("{first} or {second}") },
        (one, other) if rank(&other) > rank(&one) => other,
        (one, _) => one,
    }
}

impl<'a> Chain<'a> {
    fn verify(self, root: &'a CaCertificate) -> Result<(), ChainError> {
        let issuers = self.issuers(root)?;
        let children = std::iter::once(self.leaf).chain(issuers.iter().copied());
        for (child, issuer) in children.zip(&issuers) {
            let key_type = issuer.public_key().key_type();
            if matches!(key_type, KeyType::Rsa { bits: ..2048 | 8193.. } | KeyType::Other { .. }) {
                let (ca, key_type) = (issuer.subject(), key_type.clone());
                return Err(ChainError::UnsupportedCaKey { ca, key_type });
            }
            match child.verify_signature(issuer.public_key()) {
                Ok(()) => {}
                Err(SignatureError::Bad | SignatureError::OtherKeyType) => {
                    return Err(ChainError::BadSignature { ca: issuer.subject() });
                }
                Err(SignatureError::Weak | SignatureError::Unsupported) => {
                    let algorithm = child.signature_algorithm().to_owned();
                    return Err(ChainError::WeakSignature { algorithm });
                }
            }
        }
        for issuer in issuers.iter().rev() {
            issuer
                .check_validity(self.now)
                .map_err(|source| ChainError::CaNotValid { subject: issuer.subject(), source })?;
        }
        self.check_leaf()?;
        self.verify_path(root.certificate())
    }

    /// Returns the certificates that issued one another, from the issuer of the leaf to the root.
    fn issuers(self, root: &'a CaCertificate) -> Result<Vec<&'a Certificate>, ChainError> {
        let mut issuers: Vec<&Certificate> = Vec::new();
        let mut child = self.leaf;
        loop {
            let candidates = std::iter::once(root).chain(self.intermediates);
            let candidates = candidates.map(CaCertificate::certificate).filter(|candidate| {
                candidate.subject_der() == child.issuer_der() && !issuers.contains(candidate)
            });
            // Among CAs of the same name, one may have been recreated.
            let issuer = candidates.clone().find(|candidate| child.is_issued_by(candidate));
            let Some(issuer) = issuer.or_else(|| candidates.clone().next()) else {
                let (issuer, ca) = (child.issuer(), root.certificate().subject());
                return Err(ChainError::OtherIssuer { issuer, ca });
            };
            issuers.push(issuer);
            if issuer == root.certificate() {
                return Ok(issuers);
            }
            child = issuer;
        }
    }

    fn check_leaf(self) -> Result<(), ChainError> {
        let subject = || self.leaf.subject();
        self.leaf
            .check_validity(self.now)
            .map_err(|source| ChainError::LeafNotValid { subject: subject(), source })?;
        if self.leaf.is_ca() {
            return Err(ChainError::LeafIsCa { subject: subject() });
        }
        if !self.leaf.allows(Usage::Signing) {
            return Err(ChainError::NoSigning);
        }
        Ok(())
    }

    fn verify_path(self, root: &Certificate) -> Result<(), ChainError> {
        let seconds = u64::try_from(self.now.unix_timestamp()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let root = CertificateDer::from(root.der());
        let leaf = CertificateDer::from(self.leaf.der());
        let intermediates = self.intermediates.iter();
        let intermediates: Vec<_> =
            intermediates.map(|it| CertificateDer::from(it.certificate().der())).collect();
        let refused = |error| explain(&error, self.purpose);
        let usage = match self.purpose {
            Purpose::Client => KeyUsage::client_auth(),
            Purpose::Server => KeyUsage::server_auth(),
        };
        let roots = [anchor_from_trusted_cert(&root).map_err(refused)?];
        let end_entity = EndEntityCert::try_from(&leaf).map_err(refused)?;
        end_entity
            .verify_for_usage(ALL_VERIFICATION_ALGS, &roots, &intermediates, now, usage, None, None)
            .map(|_| ())
            .map_err(refused)
    }
}

fn explain(error: &webpki::Error, purpose: Purpose) -> ChainError {
    use webpki::Error;
    match (error, purpose) {
        (Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension, Purpose::Client) => {
            ChainError::NoClientAuth
        }
        (Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension, Purpose::Server) => {
            ChainError::NoServerAuth
        }
        (other, _) => ChainError::Refused { reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests;
