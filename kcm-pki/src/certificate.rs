mod parse;

use std::fmt;

use time::OffsetDateTime;

use crate::{
    extension::Extensions,
    fingerprint::Fingerprint,
    hosts::Hosts,
    key::{KeyAlgorithm, PublicKey, SignatureError},
    name, pem,
    text::{hex, only, utc},
    usages::{Usage, Usages},
};

/// An X.509 certificate, parsed once.
///
/// Parsing does not verify a certificate: see [`verify_client_chain`](crate::verify_client_chain).
/// `Debug` shows the subject and the fingerprint. Two certificates are equal if their octets are.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    fields: Fields,
}

/// The fields that are read from a certificate.
#[derive(Clone)]
struct Fields {
    serial: Vec<u8>,
    issuer: Vec<u8>,
    subject: Vec<u8>,
    common_name: Option<String>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    public_key: PublicKey,
    signature_algorithm: String,
    extensions: Extensions,
}

/// The reason a certificate cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The file does not contain a certificate in PEM form.
    #[error("no certificate in PEM format{}", only(found))]
    NoCertificate {
        /// Labels of the PEM blocks in the file.
        found: Vec<String>,
    },
    /// The file contains more than one certificate.
    #[error("expected exactly one certificate, found {count}")]
    SeveralCertificates {
        /// Number of certificates.
        count: usize,
    },
    /// The block is cut off, is not base64, or is not an X.509 certificate.
    #[error("cannot parse the certificate: {reason}")]
    Malformed {
        /// Description of the error.
        reason: String,
    },
}

/// The reason a certificate is not valid at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValidityError {
    /// The validity has not begun.
    #[error("not valid before {} (now: {})", utc(*not_before), utc(*now))]
    NotYetValid {
        /// First second of the validity.
        not_before: OffsetDateTime,
        /// Point in time of the check.
        now: OffsetDateTime,
    },
    /// The validity has ended.
    #[error("expired at {} (now: {})", utc(*not_after), utc(*now))]
    Expired {
        /// Last second of the validity.
        not_after: OffsetDateTime,
        /// Point in time of the check.
        now: OffsetDateTime,
    },
}

impl Certificate {
    /// Reads the only certificate of a PEM file; blocks with other labels, such as its key, are
    /// skipped.
    ///
    /// # Errors
    /// [`CertificateError`] if the file has no certificate, has several, or cannot be read.
    pub fn from_pem(file: &[u8]) -> Result<Self, CertificateError> {
        let mut all = Self::all_from_pem(file)?;
        match (all.pop(), all.len()) {
            (Some(certificate), 0) => Ok(certificate),
            (_, others) => Err(CertificateError::SeveralCertificates { count: others + 1 }),
        }
    }

    /// Reads the first certificate of a PEM file: the leaf of a chain, followed by its
    /// intermediates.
    ///
    /// # Errors
    /// [`CertificateError`] if the file has no certificate, or one of its certificates cannot be
    /// read.
    pub fn first_from_pem(file: &[u8]) -> Result<Self, CertificateError> {
        Ok(Self::all_from_pem(file)?.swap_remove(0))
    }

    /// Reads every certificate of a PEM file, at least one, in file order; blocks with other labels
    /// are skipped.
    ///
    /// # Errors
    /// [`CertificateError`] if the file has no certificate, or one of its certificates cannot be
    /// read.
    pub fn all_from_pem(file: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let blocks = pem::blocks(file);
        let certificates = blocks.iter().filter(|block| block.label == "CERTIFICATE");
        let read = |block: &pem::Block<'_>| {
            let der = block.decode().ok_or_else(|| CertificateError::Malformed {
                reason: "the PEM block is truncated or not base64".to_owned(),
            })?;
            Self::from_der(&der)
        };
        let all = certificates.map(read).collect::<Result<Vec<_>, _>>()?;
        if all.is_empty() {
            let found = blocks.iter().map(|block| block.label.to_owned()).collect();
            return Err(CertificateError::NoCertificate { found });
        }
        Ok(all)
    }

    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`] if `der` is not a certificate or has trailing data, or if an
    /// extension that this crate reads is unreadable or duplicated.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let fields = parse::fields(der).map_err(|reason| CertificateError::Malformed { reason })?;
        Ok(Self { der: der.to_vec(), fields })
    }

    /// Encodes the certificate in PEM with lines of 64 characters and LF.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.der).to_string()
    }

    /// Returns the certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the SHA-256 digest of the DER form.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.der)
    }

    /// Returns the subject as OpenSSL 3.2 prints it, `C=CN, O=k8s, CN=kubernetes`.
    #[must_use]
    pub fn subject(&self) -> String {
        name::display(&self.fields.subject)
    }

    /// Returns the subject in DER.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        &self.fields.subject
    }

    /// Returns the subject's common name, the last one if the subject has several, as Kubernetes
    /// does.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.fields.common_name.as_deref()
    }

    /// Returns the subject's attributes in their order: type (`O`, or a dotted object identifier)
    /// and value. The value is `None` if it is not a readable string.
    #[must_use]
    pub fn subject_attributes(&self) -> Vec<(String, Option<String>)> {
        name::attributes(&self.fields.subject)
    }

    /// Returns the subject's organizations, which are the user's groups in Kubernetes.
    #[must_use]
    pub fn organizations(&self) -> Vec<String> {
        let all = self.subject_attributes().into_iter();
        all.filter_map(|(name, value)| value.filter(|_| name == "O")).collect()
    }

    /// Returns `true` if the subject equals the issuer, as in a root.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.fields.subject == self.fields.issuer
    }

    /// Returns the issuer as OpenSSL 3.2 prints it.
    #[must_use]
    pub fn issuer(&self) -> String {
        name::display(&self.fields.issuer)
    }

    /// Returns the issuer in DER.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        &self.fields.issuer
    }

    /// Returns the serial number in lowercase hexadecimal, two digits an octet, without leading
    /// zero octets.
    #[must_use]
    pub fn serial(&self) -> String {
        hex(&self.fields.serial)
    }

    /// Returns the first second in which the certificate is valid.
    #[must_use]
    pub fn not_before(&self) -> OffsetDateTime {
        self.fields.not_before
    }

    /// Returns the last second in which the certificate is valid.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.fields.not_after
    }

    /// Checks that `now` is within the validity, both ends included (RFC 5280 section 4.1.2.5).
    ///
    /// # Errors
    /// [`ValidityError`] if `now` is before or after the validity.
    pub fn check_validity(&self, now: OffsetDateTime) -> Result<(), ValidityError> {
        let (not_before, not_after) = (self.not_before(), self.not_after());
        if now < not_before {
            return Err(ValidityError::NotYetValid { not_before, now });
        }
        if now >= not_after.saturating_add(time::Duration::SECOND) {
            return Err(ValidityError::Expired { not_after, now });
        }
        Ok(())
    }

    /// Returns `true` if the basic constraints mark the certificate as a CA.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.fields.extensions.is_ca
    }

    /// Returns the maximum number of CAs below this one; `None` if the certificate sets no limit.
    #[must_use]
    pub fn path_len(&self) -> Option<u32> {
        self.fields.extensions.path_len
    }

    /// Returns the usages: those of keyUsage by bit, then those of extKeyUsage in their order.
    ///
    /// [`Self::other_extended_usages`] has the extended usages for which cfssl has no name.
    #[must_use]
    pub fn usages(&self) -> &Usages {
        &self.fields.extensions.usages
    }

    /// Returns the extended usages for which cfssl has no name, as dotted object identifiers.
    #[must_use]
    pub fn other_extended_usages(&self) -> &[String] {
        &self.fields.extensions.other_extended_usages
    }

    /// Returns `true` if the certificate allows `usage`: it lists the usage, or has no extension
    /// for usages of that kind.
    #[must_use]
    pub fn allows(&self, usage: Usage) -> bool {
        let is_limited =
            if usage.is_extended() { self.has_extended_key_usage() } else { self.has_key_usage() };
        !is_limited || self.usages().contains(usage)
    }

    /// Returns `true` if the certificate has a keyUsage extension; without one every basic usage is
    /// allowed.
    #[must_use]
    pub fn has_key_usage(&self) -> bool {
        self.fields.extensions.has_key_usage
    }

    /// Returns `true` if the certificate has an extKeyUsage extension; without one every extended
    /// usage is allowed.
    #[must_use]
    pub fn has_extended_key_usage(&self) -> bool {
        self.fields.extensions.has_extended_key_usage
    }

    /// Returns the subject alternative names of the four kinds that cfssl writes; other kinds are
    /// omitted.
    #[must_use]
    pub fn sans(&self) -> &Hosts {
        &self.fields.extensions.sans
    }

    /// Returns the public key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.fields.public_key
    }

    /// Returns the algorithm that would generate such a key, if this crate supports one.
    #[must_use]
    pub fn key_algorithm(&self) -> Option<KeyAlgorithm> {
        self.public_key().algorithm()
    }

    /// Returns the name of the signature algorithm, such as `sha256WithRSAEncryption`.
    #[must_use]
    pub fn signature_algorithm(&self) -> &str {
        &self.fields.signature_algorithm
    }

    /// Verifies that the key signed this certificate; nothing else is checked.
    pub(crate) fn verify_signature(&self, key: &PublicKey) -> Result<(), SignatureError> {
        parse::verify_signature(&self.der, key)
    }

    /// Returns `true` if `issuer` has the name of this certificate's issuer and signed it.
    pub(crate) fn is_issued_by(&self, issuer: &Self) -> bool {
        self.issuer_der() == issuer.subject_der()
            && self.verify_signature(issuer.public_key()).is_ok()
    }

    /// Returns the subject key identifier (SKI).
    #[must_use]
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.fields.extensions.subject_key_id.as_deref()
    }

    /// Returns the key identifier of the authority key identifier (AKI).
    #[must_use]
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.fields.extensions.authority_key_id.as_deref()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, {})", self.subject(), self.fingerprint())
    }
}

#[cfg(test)]
mod tests;
