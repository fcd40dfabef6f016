//! `certs check`: everything that can expire, here and on the masters.
//!
//! It asks the masters alone, so it works while no API server does.

mod judge;
mod look;

use std::fmt;
use std::time::Duration;

use kcm_pki::{Certificate, Fingerprint};
use serde::Serialize;
use time::OffsetDateTime;

use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::desired::DesiredError;
use crate::error::Error;
use crate::pki;

pub use judge::Validity;
pub(crate) use look::{SeenCertificate, in_files, served};

/// What was found, everywhere.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateCheck {
    /// The moment it is judged for.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The certificates: this machine's, then each master's in the cluster file's order.
    pub certificates: Vec<CheckedCertificate>,
    /// Where none could be seen that should be there.
    pub unseen: Vec<UnseenCertificate>,
}

/// What a certificate is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CertificateUse {
    /// The CA's own.
    Ca,
    /// kube-controller-manager's, in the file that kubeconfigs are made from.
    Client,
    /// The one in the kubeconfig, with which kube-controller-manager logs in.
    Kubeconfig,
    /// What it serves with, in its file.
    Serving,
    /// The one that kube-controller-manager shows to whoever asks for its health or metrics.
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

/// A certificate, and how long it lasts.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckedCertificate {
    /// The master; none for this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// What it is there for.
    #[serde(rename = "use")]
    pub role: CertificateUse,
    /// Its file, or the address at which it is shown.
    pub place: String,
    /// Whose it is.
    pub subject: String,
    /// SHA-256 of it.
    pub fingerprint: Fingerprint,
    /// Its last second.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// Whole days until then; negative once it has expired.
    pub days_left: i64,
    /// What that means.
    pub validity: Validity,
}

/// A certificate that could not be seen.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnseenCertificate {
    /// The master; none for this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// What it is there for; none if the master could not be asked at all.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub role: Option<CertificateUse>,
    /// Why, and what to do.
    pub reason: String,
}

impl CertificateCheck {
    /// Whether something is due, has expired, or is not valid yet.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.certificates.iter().any(|it| it.validity != Validity::Good)
    }

    /// Whether everything was seen.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unseen.is_empty()
    }
}

/// Looks at every certificate on this machine and, all at once, on the masters. One is due from `due_within` before its
/// end on; if that is not given, as the cluster file says (`pki.renewBefore`), or in the last 30 days, but no sooner than
/// in the last third of its life; of a client certificate, of the lifetime that a new one would have.
///
/// # Errors
/// When the cluster file gives no places on the masters. Masters that cannot be asked are in the result.
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
    Ok(judge(run, masters, due_within))
}

/// Judges what this machine has and what was seen on masters.
pub(crate) fn judge(
    run: Run<'_>,
    on_masters: impl Iterator<Item = SeenCertificate>,
    due_within: Option<Duration>,
) -> CertificateCheck {
    let all = look::at_operator(run.cluster).into_iter().chain(on_masters);
    let due_within = due_within.or(run.cluster.pki.renew_before);
    // As `apply` decides.
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

/// A certificate where it was found.
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
        CheckedCertificate {
            master,
            role,
            place,
            subject: certificate.subject(),
            fingerprint: certificate.fingerprint(),
            not_after: certificate.not_after(),
            days_left: (certificate.not_after() - now).whole_days(),
            validity: judge::validity(
                certificate.not_before(),
                certificate.not_after(),
                due_within,
                now,
            ),
        }
    }
}
