use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use time::OffsetDateTime;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::{
    ca::CaCertificate,
    certificate::{Certificate, ValidityError},
    key::KeyType,
    usages::Usage,
};

/// The reason a TLS peer would reject a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The CA is expired or not yet valid.
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
    /// The leaf's issuer differs from the CA's subject.
    #[error("the certificate was issued by {issuer}, not by {ca}")]
    OtherIssuer {
        /// The leaf's issuer.
        issuer: String,
        /// The CA's subject.
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
    /// The leaf is signed with an algorithm that TLS peers reject, such as SHA-1.
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
    /// Any other reason for which a TLS peer rejects the leaf, such as an unknown critical
    /// extension or a name constraint.
    #[error("TLS peers reject the certificate: {reason}")]
    Refused {
        /// Message of the verifier.
        reason: String,
    },
}

/// Verifies that a server with the root `ca` accepts `leaf` as a client certificate at `now`.
///
/// rustls-webpki checks the signature, extended key usage, critical extensions and constraints.
/// This function checks the remaining properties: the validity of the CA, and the basic key usage
/// of the leaf. [`CaCertificate`] guarantees that `ca` is a CA certificate. A leaf whose only
/// extended usage is `any` is rejected, as rustls does, though Go accepts it.
///
/// # Errors
/// The most specific [`ChainError`] if several apply.
pub fn verify_client_chain(
    leaf: &Certificate,
    ca: &CaCertificate,
    now: OffsetDateTime,
) -> Result<(), ChainError> {
    verify_chain(leaf, ca, now, Purpose::Client)
}

/// Verifies that a client with the root `ca` accepts `leaf` as a server certificate at `now`.
///
/// Host names are not checked. Otherwise equal to [`verify_client_chain`].
///
/// # Errors
/// The most specific [`ChainError`] if several apply.
pub fn verify_server_chain(
    leaf: &Certificate,
    ca: &CaCertificate,
    now: OffsetDateTime,
) -> Result<(), ChainError> {
    verify_chain(leaf, ca, now, Purpose::Server)
}

/// The TLS role for which a leaf is verified.
#[derive(Clone, Copy)]
enum Purpose {
    Client,
    Server,
}

fn verify_chain(
    leaf: &Certificate,
    ca: &CaCertificate,
    now: OffsetDateTime,
    purpose: Purpose,
) -> Result<(), ChainError> {
    let anchor = ca.certificate();
    if leaf.issuer_der() != anchor.subject_der() {
        return Err(ChainError::OtherIssuer { issuer: leaf.issuer(), ca: anchor.subject() });
    }
    ca.check_validity(now)
        .map_err(|source| ChainError::CaNotValid { subject: anchor.subject(), source })?;
    leaf.check_validity(now)
        .map_err(|source| ChainError::LeafNotValid { subject: leaf.subject(), source })?;
    if leaf.is_ca() {
        return Err(ChainError::LeafIsCa { subject: leaf.subject() });
    }
    if leaf.has_key_usage() && !leaf.usages().contains(Usage::Signing) {
        return Err(ChainError::NoSigning);
    }
    let key_type = anchor.public_key().key_type();
    if matches!(key_type, KeyType::Rsa { bits: ..2048 | 8193.. } | KeyType::Other { .. }) {
        let (ca, key_type) = (anchor.subject(), key_type.clone());
        return Err(ChainError::UnsupportedCaKey { ca, key_type });
    }
    verify_path(leaf, anchor, now, purpose)
}

fn verify_path(
    leaf: &Certificate,
    anchor: &Certificate,
    now: OffsetDateTime,
    purpose: Purpose,
) -> Result<(), ChainError> {
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let anchor_der = CertificateDer::from(anchor.der());
    let leaf_der = CertificateDer::from(leaf.der());
    let refused = |error| explain(error, leaf, anchor, purpose);
    let usage = match purpose {
        Purpose::Client => KeyUsage::client_auth(),
        Purpose::Server => KeyUsage::server_auth(),
    };
    let trusted = [anchor_from_trusted_cert(&anchor_der).map_err(refused)?];
    let end_entity = EndEntityCert::try_from(&leaf_der).map_err(refused)?;
    end_entity
        .verify_for_usage(ALL_VERIFICATION_ALGS, &trusted, &[], now, usage, None, None)
        .map(|_| ())
        .map_err(refused)
}

fn explain(
    error: webpki::Error,
    leaf: &Certificate,
    anchor: &Certificate,
    purpose: Purpose,
) -> ChainError {
    use webpki::Error;
    match error {
        Error::InvalidSignatureForPublicKey
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            ChainError::BadSignature { ca: anchor.subject() }
        }
        Error::UnsupportedSignatureAlgorithmContext(_) => {
            ChainError::WeakSignature { algorithm: leaf.signature_algorithm().to_owned() }
        }
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => match purpose {
            Purpose::Client => ChainError::NoClientAuth,
            Purpose::Server => ChainError::NoServerAuth,
        },
        other => ChainError::Refused { reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests;
