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

/// A root certificate to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootRequest {
    /// Subject, and so also issuer.
    pub subject: Subject,
    /// How long the certificate is valid, counted from five minutes ago; whole seconds count.
    pub lifetime: Duration,
    /// How many CAs may follow below; unlimited if absent.
    pub path_len: Option<u8>,
}

impl RootRequest {
    /// cfssl's lifetime of a root whose CSR has no section `ca` or no `expiry` in it: 43800 h, five
    /// years.
    pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(43_800 * 3600);
}

/// A leaf certificate to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafRequest {
    /// Subject.
    pub subject: Subject,
    /// Subject alternative names; without any there is no such extension, as for a pure client.
    pub hosts: Hosts,
    /// Key usages and extended key usages.
    pub usages: Usages,
    /// How long the certificate is valid, counted from five minutes ago; whole seconds count.
    pub lifetime: Duration,
    /// What to do if it would be valid longer than the CA.
    pub outlives_ca: OutlivesCa,
}

/// What to do with a leaf that would be valid longer than its CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutlivesCa {
    /// Let it end with the CA, as kube-controller-manager's own signer does.
    Clamp,
    /// Issue nothing.
    Refuse,
}

/// An issued certificate, and what the issuer has to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub certificate: Certificate,
    /// Set if the certificate ends earlier than was asked for.
    pub clamped: Option<Clamped>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Warning>,
}

/// A certificate was made to end with its CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clamped {
    /// When it would have ended.
    pub requested: OffsetDateTime,
    /// When it ends, together with the CA.
    pub not_after: OffsetDateTime,
}

/// Why a certificate was not issued. Nothing has been signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The CA is expired or not yet valid.
    #[error("the CA certificate of {subject} cannot sign now")]
    CaNotValid {
        /// The CA's subject.
        subject: String,
        /// On which side of its validity it is.
        source: ValidityError,
    },
    /// The leaf would be valid longer than the CA.
    #[error(
        "the certificate would be valid until {}, longer than its CA, which ends at {}",
        utc(*requested),
        utc(*ca_not_after)
    )]
    OutlivesCa {
        /// When it would have ended.
        requested: OffsetDateTime,
        /// When the CA ends.
        ca_not_after: OffsetDateTime,
    },
    /// The certificate would have expired before it is used: certificates begin five minutes ago.
    #[error(
        "a lifetime of {} s is over before it begins: certificates start five minutes ago, \
         to allow for clocks that are behind",
        lifetime.as_secs()
    )]
    TooShort {
        /// The lifetime.
        lifetime: Duration,
    },
    /// The certificate would begin before year 0 or end after 9999, which X.509 cannot write (RFC
    /// 5280 section 4.1.2.5).
    #[error("the validity reaches outside the years 0 to 9999, which X.509 cannot write")]
    YearOutOfRange,
    /// A leaf with the usage `cert sign`, which RFC 5280 section 4.2.1.3 keeps for CAs.
    #[error("the usage \"cert sign\" is for CA certificates; this one is for a leaf")]
    CertSignUsage,
    /// No usage at all, which would allow every usage.
    #[error("no usages are given")]
    NoUsages,
    /// The cryptographic library refused to sign.
    #[error("signing failed: {reason}")]
    Signing {
        /// What the library says.
        reason: String,
    },
}
