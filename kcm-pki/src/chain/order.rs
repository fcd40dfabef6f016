use crate::{
    ca::{CaCertificate, CaError},
    certificate::{Certificate, CertificateError},
};

/// A leaf certificate with the certificates that issued one another above it.
///
/// The root may be the last one; TLS peers ignore it (RFC 8446 section 4.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateChain {
    leaf: Certificate,
    intermediates: Vec<CaCertificate>,
}

/// The reason certificates do not make a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateChainError {
    /// The file has no certificate, or one that cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// An issuer is not allowed to sign certificates.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// A certificate did not issue the leaf or a certificate of its chain.
    #[error(
        "the certificate of {subject} does not belong to the chain of {leaf}; remove the certificate"
    )]
    Unrelated {
        /// Subject of the certificate.
        subject: String,
        /// Subject of the leaf.
        leaf: String,
    },
    /// The certificates issued one another in a circle.
    #[error("every certificate of the chain issued another one; add the leaf certificate")]
    NoLeaf,
}

impl CertificateChain {
    /// Reads all certificates of a PEM file and orders them.
    ///
    /// # Errors
    /// [`CertificateChainError`] if the file cannot be read, or as for [`Self::order`].
    pub fn from_pem(file: &[u8]) -> Result<Self, CertificateChainError> {
        Self::order(Certificate::all_from_pem(file)?)
    }

    /// Orders certificates: the leaf, which is the first one that issued no other, its issuer, and
    /// so on.
    ///
    /// Names and signatures are compared. Validity and trust are not checked: see
    /// [`verify_client_chain`](crate::verify_client_chain).
    ///
    /// # Errors
    /// [`CertificateChainError`] if there is no leaf, a certificate is left over, or an issuer is
    /// not a CA certificate.
    pub fn order(mut certificates: Vec<Certificate>) -> Result<Self, CertificateChainError> {
        let is_leaf = |candidate: &Certificate| {
            let mut others = certificates.iter().filter(|other| *other != candidate);
            !others.any(|other| other.is_issued_by(candidate))
        };
        let leaf = certificates.iter().position(is_leaf).ok_or(CertificateChainError::NoLeaf)?;
        let leaf = certificates.remove(leaf);
        let mut intermediates: Vec<CaCertificate> = Vec::new();
        loop {
            let child = intermediates.last().map_or(&leaf, CaCertificate::certificate);
            let Some(at) = certificates.iter().position(|other| child.is_issued_by(other)) else {
                break;
            };
            intermediates.push(CaCertificate::new(certificates.remove(at))?);
        }
        match certificates.first() {
            Some(other) => Err(CertificateChainError::Unrelated {
                subject: other.subject(),
                leaf: leaf.subject(),
            }),
            None => Ok(Self { leaf, intermediates }),
        }
    }

    /// Returns the leaf.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// Returns the issuer of the leaf, its issuer, and so on.
    #[must_use]
    pub fn intermediates(&self) -> &[CaCertificate] {
        &self.intermediates
    }

    /// Encodes all certificates in PEM, the leaf first.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let issuers = self.intermediates.iter().map(CaCertificate::certificate);
        std::iter::once(&self.leaf).chain(issuers).map(Certificate::to_pem).collect()
    }
}

#[cfg(test)]
mod tests;
