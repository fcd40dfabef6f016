use std::time::Duration;

use time::OffsetDateTime;

use crate::{
    certificate::{Certificate, ValidityError},
    hosts::Hosts,
    subject::Subject,
    text::utc,
    usages::Usages,
    warning::Warning,
};

/// A request for the certificate of a CA: a root, or an intermediate below another CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaRequest {
    /// Subject; of a root also the issuer.
    pub subject: Subject,
    /// Lifetime of the certificate, counted from five minutes ago; fractions of a second are
    /// dropped.
    pub lifetime: Duration,
    /// Maximum number of CAs below this one; unlimited if absent.
    pub path_len: Option<u8>,
}

impl CaRequest {
    /// cfssl's lifetime of a CA whose CSR has no `ca.expiry`: 43800 h, five years.
    pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(43_800 * 3600);
}

/// A request for a leaf certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafRequest {
    /// Subject.
    pub subject: Subject,
    /// Subject alternative names; if empty, the certificate has no such extension, as for a pure
    /// client.
    pub hosts: Hosts,
    /// Key usages and extended key usages.
    pub usages: Usages,
    /// Lifetime of the certificate, counted from five minutes ago; fractions of a second are
    /// dropped.
    pub lifetime: Duration,
    /// Policy for a lifetime that ends after the CA's.
    pub outlives_ca: OutlivesCa,
}

/// Policy for a leaf that would outlive its CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutlivesCa {
    /// Shorten the leaf to end with the CA, as the signer of kube-controller-manager does.
    Clamp,
    /// Issue nothing.
    Refuse,
}

/// An issued certificate with the issuer's remarks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Issued {
    /// The certificate.
    pub certificate: Certificate,
    /// Set if the certificate ends earlier than requested.
    pub clamped: Option<Clamped>,
    /// Warnings about properties that are allowed but probably unintended.
    pub warnings: Vec<Warning>,
}

/// The record of a certificate that was shortened to end with its CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clamped {
    /// Requested end.
    pub requested: OffsetDateTime,
    /// Actual end, which is the end of the CA.
    pub not_after: OffsetDateTime,
}

/// The reason a certificate was not issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The CA is expired or not yet valid.
    #[error("the CA certificate of {subject} is not valid now")]
    CaNotValid {
        /// The CA's subject.
        subject: String,
        /// The side of the validity on which the current time is.
        source: ValidityError,
    },
    /// The leaf would be valid longer than the CA.
    #[error(
        "the certificate would be valid until {}, but its CA certificate expires at {}",
        utc(*requested),
        utc(*ca_not_after)
    )]
    OutlivesCa {
        /// Requested end of the leaf.
        requested: OffsetDateTime,
        /// End of the CA.
        ca_not_after: OffsetDateTime,
    },
    /// The certificate would already have expired, because certificates begin five minutes ago.
    #[error(
        "a lifetime of {} s is too short: the validity begins five minutes ago, to allow for \
         clock skew; request a longer lifetime",
        lifetime.as_secs()
    )]
    TooShort {
        /// The lifetime.
        lifetime: Duration,
    },
    /// The certificate would begin before year 0 or end after year 9999, which X.509 cannot encode
    /// (RFC 5280 section 4.1.2.5).
    #[error("the validity period is not within the years 0 to 9999, the range of X.509")]
    YearOutOfRange,
    /// A leaf requests the usage `cert sign`, which RFC 5280 section 4.2.1.3 reserves for CAs.
    #[error(
        "the usage \"cert sign\" is reserved for CA certificates; remove the usage from the leaf certificate"
    )]
    CertSignUsage,
    /// The request lists no usages, which would allow every usage.
    #[error("the certificate request has no usages; specify at least one")]
    NoUsages,
    /// The issuing CA permits no CA below it: its path length is 0 (RFC 5280 section 4.2.1.9).
    #[error(
        "the CA {subject} permits no CA below it, because its path length is 0; issue the intermediate with another CA"
    )]
    PathLength {
        /// Subject of the issuing CA.
        subject: String,
    },
    /// The cryptographic library failed to sign.
    #[error("cannot sign the certificate: {reason}")]
    Signing {
        /// Message of the library.
        reason: String,
    },
}
