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
    request::{Clamped, IssueError, Issued, LeafRequest, OutlivesCa, RootRequest},
};

/// A CA's certificate without its key: enough to judge and to plan, not to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaCertificate {
    certificate: Certificate,
}

/// Why a certificate and a key do not make a CA.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// The CA's certificate file cannot be used.
    #[error("the CA certificate cannot be used")]
    Certificate {
        /// What is wrong with it.
        #[from]
        source: CertificateError,
    },
    /// The CA's key file cannot be used.
    #[error("the CA key cannot be used")]
    Key {
        /// What is wrong with it.
        #[from]
        source: KeyError,
    },
    /// The certificate's basic constraints do not say CA:TRUE (RFC 5280 section 4.2.1.9).
    #[error(
        "the certificate of {subject} is not that of a CA: its basic constraints do not say CA:TRUE"
    )]
    NotCa {
        /// Its subject.
        subject: String,
    },
    /// The certificate has key usages, and keyCertSign is not among them (RFC 5280 section
    /// 4.2.1.3).
    #[error(
        "the certificate of {subject} must not sign certificates: its key usage lacks \"cert sign\""
    )]
    NoCertSign {
        /// Its subject.
        subject: String,
    },
    /// The key is not that of the certificate.
    #[error("the CA key does not belong to the CA certificate of {subject} ({fingerprint})")]
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
    /// More than one certificate is refused, since kube-controller-manager refuses that for
    /// `--cluster-signing-cert-file` too. The validity is not looked at: see
    /// [`Self::check_validity`].
    ///
    /// # Errors
    /// [`CaError`] if the file cannot be read or the certificate is not that of a CA.
    pub fn load(cert_pem: &[u8]) -> Result<Self, CaError> {
        Self::new(Certificate::from_pem(cert_pem)?)
    }

    /// Checks that a certificate may sign certificates.
    ///
    /// A certificate without the keyUsage extension may, as OpenSSL and Go have it.
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
    /// [`ValidityError`] says whether it is not yet or no longer valid.
    pub fn check_validity(&self, now: OffsetDateTime) -> Result<(), ValidityError> {
        self.certificate.check_validity(now)
    }

    /// Returns what an issued certificate's AKI holds: the CA's SKI as it is (RFC 5280 section
    /// 4.2.1.1), or, where the CA has none, what it would be by method 1 of section 4.2.1.2.
    fn key_id(&self) -> &[u8] {
        match self.certificate.subject_key_id() {
            Some(id) if !id.is_empty() => id,
            _ => self.certificate.public_key().key_id(),
        }
    }
}

#[cfg(test)]
mod tests;
