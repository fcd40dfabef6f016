mod authority;
mod request;
mod tbs;
mod validity;

use time::OffsetDateTime;

use crate::{
    certificate::{Certificate, CertificateError, ValidityError},
    fingerprint::Fingerprint,
    key::KeyError,
    usages::Usage,
};

pub use self::{
    authority::CertificateAuthority,
    request::{CaRequest, Clamped, IssueError, Issued, LeafRequest, OutlivesCa},
};

/// The certificate of a CA without its key: sufficient for checks and planning, not for signing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaCertificate {
    certificate: Certificate,
}

/// The reason a certificate and a key do not make a CA.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// The CA's certificate file cannot be used.
    #[error("cannot load the CA certificate")]
    Certificate {
        /// The error of the certificate file.
        #[from]
        source: CertificateError,
    },
    /// The CA's key file cannot be used.
    #[error("cannot load the CA key")]
    Key {
        /// The error of the key file.
        #[from]
        source: KeyError,
    },
    /// The certificate's basic constraints lack CA:TRUE (RFC 5280 section 4.2.1.9).
    #[error(
        "the certificate of {subject} is not a CA certificate: its basic constraints lack CA:TRUE"
    )]
    NotCa {
        /// Subject of the certificate.
        subject: String,
    },
    /// The certificate has a keyUsage extension without keyCertSign (RFC 5280 section 4.2.1.3).
    #[error(
        "the certificate of {subject} is not allowed to sign certificates: its key usage lacks \"cert sign\""
    )]
    NoCertSign {
        /// Subject of the certificate.
        subject: String,
    },
    /// The key does not belong to the certificate.
    #[error("the CA key does not match the CA certificate of {subject} ({fingerprint})")]
    KeyMismatch {
        /// The certificate's subject.
        subject: String,
        /// The certificate's fingerprint.
        fingerprint: Fingerprint,
    },
}

impl CaCertificate {
    /// Reads the one certificate of a PEM file and checks that it may sign certificates.
    ///
    /// A file with more than one certificate is rejected: kube-controller-manager rejects it for
    /// `--cluster-signing-cert-file` too. The validity is not checked: see
    /// [`Self::check_validity`].
    ///
    /// # Errors
    /// [`CaError`] if the file cannot be read or the certificate is not a CA certificate.
    pub fn load(cert_pem: &[u8]) -> Result<Self, CaError> {
        Self::new(Certificate::from_pem(cert_pem)?)
    }

    /// Checks that a certificate may sign certificates.
    ///
    /// A certificate without the keyUsage extension passes, as in OpenSSL and Go.
    ///
    /// # Errors
    /// [`CaError::NotCa`] or [`CaError::NoCertSign`].
    pub fn new(certificate: Certificate) -> Result<Self, CaError> {
        if !certificate.is_ca() {
            return Err(CaError::NotCa { subject: certificate.subject() });
        }
        if certificate.has_key_usage() && !certificate.usages().contains(Usage::CertSign) {
            return Err(CaError::NoCertSign { subject: certificate.subject() });
        }
        Ok(Self { certificate })
    }

    /// Returns the certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Checks that the CA is valid at `now`.
    ///
    /// # Errors
    /// [`ValidityError`] if the CA is not yet valid or has expired.
    pub fn check_validity(&self, now: OffsetDateTime) -> Result<(), ValidityError> {
        self.certificate.check_validity(now)
    }

    /// Returns the key identifier for the AKI of issued certificates: the CA's SKI (RFC 5280
    /// section 4.2.1.1). If the CA has no SKI, computes one by method 1 of section 4.2.1.2.
    fn key_id(&self) -> &[u8] {
        match self.certificate.subject_key_id() {
            Some(id) if !id.is_empty() => id,
            _ => self.certificate.public_key().key_id(),
        }
    }
}

#[cfg(test)]
mod tests;
