//! The fields of certificates for people and programs.

use kcm_pki::{Certificate, Fingerprint};
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use crate::util::schema::{Rfc3339, Sha256};

/// Result of `cert show`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateList {
    /// Path of the file, `-`, or address of the server.
    pub(crate) source: String,
    /// Time of the observation.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Rfc3339")]
    pub(crate) at: OffsetDateTime,
    /// Certificates in the order of the file, or as the server presented them.
    pub(crate) certificates: Vec<CertificateDetails>,
}

/// The fields of a certificate.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateDetails {
    /// Subject, as OpenSSL prints it.
    pub(crate) subject: String,
    /// Issuer, as OpenSSL prints it.
    pub(crate) issuer: String,
    /// Serial number in hexadecimal.
    pub(crate) serial: String,
    /// First second of the validity.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Rfc3339")]
    pub(crate) not_before: OffsetDateTime,
    /// Last second of the validity.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Rfc3339")]
    pub(crate) not_after: OffsetDateTime,
    /// Whole days until expiry, rounded towards zero; negative from one day after expiry.
    pub(crate) days_left: i64,
    /// Type of the key, such as `rsa-2048`; an object identifier if kcm does not know the type.
    pub(crate) key_type: String,
    /// Signature algorithm, as OpenSSL names it.
    pub(crate) signature_algorithm: String,
    /// Subject alternative names: DNS names, e-mail addresses, IP addresses and URIs.
    pub(crate) names: Vec<String>,
    /// Usages with cfssl's names, or object identifiers.
    pub(crate) usages: Vec<String>,
    /// True for a CA certificate.
    pub(crate) is_ca: bool,
    /// Maximum number of CAs below this one; absent if unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path_length: Option<u32>,
    /// SHA-256 fingerprint.
    #[schemars(with = "Sha256")]
    pub(crate) fingerprint: Fingerprint,
    /// Subject key identifier in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject_key_id: Option<String>,
    /// Key identifier of the issuer in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authority_key_id: Option<String>,
}

impl CertificateDetails {
    /// Reads the fields of a certificate.
    pub(crate) fn new(certificate: &Certificate, now: OffsetDateTime) -> Self {
        let usages = certificate.usages().iter().map(|usage| usage.name().to_owned());
        let hex = |id: &[u8]| id.iter().flat_map(hex_digits).collect::<String>();
        Self {
            subject: certificate.subject(),
            issuer: certificate.issuer(),
            serial: certificate.serial(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            days_left: (certificate.not_after() - now).whole_days(),
            key_type: certificate.public_key().key_type().to_string(),
            signature_algorithm: certificate.signature_algorithm().to_owned(),
            names: certificate.sans().iter().map(ToString::to_string).collect(),
            usages: usages.chain(certificate.other_extended_usages().iter().cloned()).collect(),
            is_ca: certificate.is_ca(),
            path_length: certificate.path_len(),
            fingerprint: certificate.fingerprint(),
            subject_key_id: certificate.subject_key_id().map(hex),
            authority_key_id: certificate.authority_key_id().map(hex),
        }
    }
}

fn hex_digits(octet: &u8) -> impl Iterator<Item = char> {
    [octet >> 4, octet & 15].into_iter().filter_map(|digit| char::from_digit(digit.into(), 16))
}
