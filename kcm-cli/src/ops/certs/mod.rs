//! `certs check`: reports the expiry of every certificate, on this machine and on the masters.
//!
//! Connects only to the masters, so it works while the API server is down.

mod by_hand;
mod evaluate;
mod look;

use std::fmt;
use std::time::Duration;

use kcm_pki::{Certificate, Fingerprint};
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::desired::DesiredError;
use crate::error::Error;
use crate::pki;
use crate::util::schema::{Rfc3339, Sha256};

pub use by_hand::{
    CertificateRequests, ImportedCertificate, RequestedCertificate, SignedFile,
    import_certificates, request_certificates,
};
pub use evaluate::Validity;
pub(crate) use look::{SeenCertificate, in_files, served};

/// Result of a certificate check.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CertificateCheck {
    /// Time of the check.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Rfc3339")]
    pub at: OffsetDateTime,
    /// Certificates: those of this machine, then those of each master in cluster file order.
    pub certificates: Vec<CheckedCertificate>,
    /// Expected certificates that could not be read, and masters that could not be queried.
    pub unseen: Vec<UnseenCertificate>,
}

/// Use of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CertificateUse {
    /// Certificate of the CA.
    Ca,
    /// Client certificate of kube-controller-manager, in the file that kubeconfigs are made from.
    Client,
    /// Client certificate in the kubeconfig, with which kube-controller-manager authenticates.
    Kubeconfig,
    /// Serving certificate of kube-controller-manager, in its file.
    Serving,
    /// Certificate that kube-controller-manager presents to clients of its health and metrics
    /// endpoints.
    Served,
}

impl fmt::Display for CertificateUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ca => "CA",
            Self::Client => "client",
            Self::Kubeconfig => "kubeconfig",
            Self::Serving => "serving",
            Self::Served => "served",
        })
    }
}

/// A certificate and its validity.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CheckedCertificate {
    /// Name of the master; absent for this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// Use of the certificate.
    #[serde(rename = "use")]
    pub role: CertificateUse,
    /// Path of its file, or address at which it is presented.
    pub place: String,
    /// Subject of the certificate.
    pub subject: String,
    /// SHA-256 fingerprint of the certificate.
    #[schemars(with = "Sha256")]
    pub fingerprint: Fingerprint,
    /// Last second of the validity.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Rfc3339")]
    pub not_after: OffsetDateTime,
    /// Whole days until expiry, rounded towards zero; negative from one day after expiry.
    pub days_left: i64,
    /// Validity at the time of the check.
    pub validity: Validity,
}

/// A certificate that could not be read.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnseenCertificate {
    /// Name of the master; absent for this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// Use of the certificate; absent if the master could not be queried at all.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub role: Option<CertificateUse>,
    /// The cause, and how to fix it.
    pub reason: String,
}

impl CertificateCheck {
    /// Reports whether any certificate is due, expired or not valid yet.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.certificates.iter().any(|it| it.validity != Validity::Good)
    }

    /// Reports whether every certificate could be read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unseen.is_empty()
    }
}

/// Checks every certificate on this machine and, concurrently, on the masters.
///
/// A certificate is due if it expires within `due_within`, by default `pki.renewBefore` of the
/// cluster file. Without either, it is due in the last 30 days or the last third of its lifetime,
/// whichever is shorter. For client and serving certificates in files, the lifetime is that of a
/// newly issued certificate.
///
/// # Errors
/// If the cluster file gives no valid paths on the masters. Masters that could not be queried are
/// in the result.
pub async fn check_certificates(
    run: Run<'_>,
    due_within: Option<Duration>,
) -> Result<CertificateCheck, Error> {
    let layout = Layout::of(&run.cluster.install).map_err(DesiredError::of_layout)?;
    let layout = &layout;
    let found =
        run.fleet.each(async |(name, transport)| look::at_master(name, &**transport, layout).await);
    let masters = run.fleet.masters().zip(found.await);
    let masters = masters.flat_map(|((name, _), found)| {
        found.unwrap_or_else(|panicked| {
            let (master, reason) = (Some(name.to_owned()), panicked.to_string());
            vec![Err(UnseenCertificate { master, role: None, reason })]
        })
    });
    Ok(evaluate(run, masters, due_within))
}

/// Evaluates the certificates of this machine and those read on masters.
pub(crate) fn evaluate(
    run: Run<'_>,
    on_masters: impl Iterator<Item = SeenCertificate>,
    due_within: Option<Duration>,
) -> CertificateCheck {
    let all = look::at_operator(run.cluster).into_iter().chain(on_masters);
    let due_within = due_within.or(run.cluster.pki.renew_before);
    // The rule by which `apply` decides.
    let clients = due_within.or_else(|| pki::renew_before(&run.cluster.pki));
    let mut check = CertificateCheck { at: run.now, certificates: Vec::new(), unseen: Vec::new() };
    for found in all {
        match found {
            Ok(found) => {
                let within = match found.role {
                    CertificateUse::Client
                    | CertificateUse::Kubeconfig
                    | CertificateUse::Serving => clients,
                    CertificateUse::Ca | CertificateUse::Served => due_within,
                };
                check.certificates.push(found.judged(within, run.now));
            }
            Err(unseen) => check.unseen.push(unseen),
        }
    }
    check
}

/// A certificate, and the place where it was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    master: Option<String>,
    role: CertificateUse,
    place: String,
    certificate: Certificate,
}

impl Found {
    fn judged(self, due_within: Option<Duration>, now: OffsetDateTime) -> CheckedCertificate {
        let Self { master, role, place, certificate } = self;
        let checked = CheckedCertificate::new((role, place), &certificate, due_within, now);
        CheckedCertificate { master, ..checked }
    }
}

impl CheckedCertificate {
    /// Evaluates a certificate of this machine, given its use and its place.
    pub(crate) fn new(
        (role, place): (CertificateUse, String),
        certificate: &Certificate,
        due_within: Option<Duration>,
        now: OffsetDateTime,
    ) -> Self {
        let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
        Self {
            master: None,
            role,
            place,
            subject: certificate.subject(),
            fingerprint: certificate.fingerprint(),
            not_after,
            days_left: (not_after - now).whole_days(),
            validity: evaluate::validity(not_before, not_after, due_within, now),
        }
    }
}
