//! `adopt`: derives a cluster file from masters that were set up by hand, without changing them.
//!
//! The effective configuration is adopted, not the intended one: units are read as systemd reads
//! them. A setting that systemd silently drops is a finding with its line. kcm fetches no keys.

mod changes;
mod choices;
mod findings;
mod identity;
mod infer;
mod look;
pub(crate) mod losses;
mod named;
pub(crate) mod program;
mod ranges;
mod subject;
mod trust;

use std::path::Path;

use kcm_pki::Fingerprint;
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use crate::cluster::layout::UNIT;
use crate::cluster::{Cluster, ClusterFileError};
use crate::context::Run;
use crate::error::Error;
use crate::finding::{Finding, FindingCode, Severity};
use crate::fleet::Fleet;
use crate::observed::{AskError, ObserveError};
use crate::ops::apply::compare;
use crate::preflight::lint;
use crate::rollout::Prepared;
use crate::util::explanation::Explanation;
use crate::util::schema::Sha256;
use crate::util::tasks::at_once;
use choices::{MasterChoice, ssh_section};
use look::look_at;

/// Inputs of an adoption: names, addresses and SSH settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdoptRequest {
    /// Name and address of each master.
    pub masters: Vec<(String, String)>,
    /// SSH settings for all masters.
    pub ssh: AdoptSsh,
    /// Name of kube-controller-manager's unit.
    pub unit: String,
    /// Path of the CA certificate, as the cluster file will name it.
    pub ca_cert: String,
    /// Path of the CA key, as the cluster file will name it.
    pub ca_key: String,
}

/// SSH settings, in the format of the cluster file's `ssh` section. Absent values are left to
/// `ssh`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdoptSsh {
    /// Login name.
    pub user: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Private key file.
    pub identity_file: Option<String>,
    /// An ssh configuration file.
    pub config_file: Option<String>,
    /// Method of obtaining root privileges.
    pub sudo: Option<String>,
    /// Policy for unknown host keys.
    pub host_keys: Option<String>,
}

impl AdoptRequest {
    /// Returns a request with the tutorial's names for the unit and the CA files.
    #[must_use]
    pub fn new(masters: Vec<(String, String)>, ssh: AdoptSsh) -> Self {
        Self {
            masters,
            ssh,
            unit: UNIT.to_owned(),
            ca_cert: "pki/ca/cert/ca.pem".to_owned(),
            ca_key: "pki/ca/cert/ca-key.pem".to_owned(),
        }
    }

    /// Returns a cluster file with these masters and SSH settings, from which to build a [`Fleet`].
    /// Its other values are placeholders.
    ///
    /// # Errors
    /// If a value is not valid for its key in the cluster file.
    pub fn masters(&self, origin: &Path) -> Result<Cluster, ClusterFileError> {
        let masters = self.masters.iter().map(|(name, address)| MasterChoice {
            name: name.clone(),
            address: address.clone(),
            ..MasterChoice::default()
        });
        let masters: String = masters.map(|master| master.text()).collect();
        let text = format!(
            "apiVersion: kcm/v1\ncluster: {{server: \"https://127.0.0.1:6443\", clusterCidr: 172.20.0.0/16, serviceClusterIpRange: 10.68.0.0/16}}\n\
             pki: {{caCert: ca.pem, caKey: ca-key.pem}}\ncontrollerManager: {{bindAddress: any}}\nmasters:\n{masters}{}",
            ssh_section(&self.ssh)
        );
        Cluster::parse(&text, origin)
    }
}

/// Result of an adoption: a cluster file, and the files that it names.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Adopted {
    /// The text of the cluster file.
    pub text: String,
    /// The parsed cluster file.
    #[serde(skip)]
    pub cluster: Cluster,
    /// The CA certificate that most masters have, as PEM, for the path in the cluster file. The
    /// certificate is public. An operator must verify its fingerprint before it is written there.
    #[serde(skip)]
    pub ca_certificate: String,
    /// The SHA-256 fingerprint of the CA certificate.
    #[schemars(with = "Sha256")]
    pub ca_fingerprint: Fingerprint,
    /// The bundle of CA certificates that clients accept, as PEM, if the cluster file names one.
    /// The caller writes it there.
    #[serde(skip)]
    pub trust: Option<String>,
    /// The CSR file that keeps the identity's subject, if the cluster file names one. The caller
    /// writes it there.
    #[serde(skip)]
    pub csr: Option<String>,
    /// The signing config that keeps the identity's usages, if the cluster file names one. The
    /// caller writes it there.
    #[serde(skip)]
    pub signing_config: Option<String>,
    /// Findings about the masters.
    pub findings: Vec<Finding>,
}

impl Adopted {
    /// Reports whether a master has a setting that the cluster file lacks, so that an apply would
    /// drop it.
    #[must_use]
    pub fn loses_settings(&self) -> bool {
        self.findings.iter().any(|finding| match finding.code {
            FindingCode::NotReproduced => true,
            // A setting of a single master is in the cluster file.
            FindingCode::MastersDiffer => finding.master.is_none(),
            _ => false,
        })
    }

    /// Reports whether `plan` and `apply` refuse the flags of the cluster file.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        lint::lint(&self.cluster, &[]).worst() == Some(lint::Severity::Error)
    }

    /// Reports whether a finding is an error. The masters are then adopted with their faults.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// An error of an adoption. Nothing was written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// Some masters could not be queried.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// One master could not be queried.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The unit was not found on a master.
    #[error("{master}: systemd finds no unit {unit}")]
    NoUnit {
        /// Name of the master.
        master: String,
        /// Name of the unit.
        unit: String,
    },
    /// The unit does not run a program that kcm could run.
    #[error("{master}: {path}: {}", why.problem)]
    Unit {
        /// Name of the master.
        master: String,
        /// Path of the unit file.
        path: String,
        /// The problem and its fix.
        why: Explanation,
    },
    /// The kubeconfig cannot be read, or names no API server and identity.
    #[error("{master}: {reason}")]
    Kubeconfig {
        /// Name of the master.
        master: String,
        /// The file and the cause.
        reason: String,
        /// The fix.
        help: String,
    },
    /// Another error, with the findings until then.
    #[error("{error}")]
    Refused {
        /// The error.
        error: Box<AdoptError>,
        /// Findings about the units that may explain the error.
        findings: Vec<Finding>,
    },
    /// A required value of the cluster file could not be determined.
    #[error("cannot determine {what}: {}", why.problem)]
    Unknown {
        /// Name of the value.
        what: &'static str,
        /// The problem and its fix.
        why: Explanation,
    },
    /// The masters have different values, and none is that of most masters.
    #[error(
        "{what} is not the same on all masters, and no value is shared by most of them: {each}"
    )]
    Disagree {
        /// Name of the value.
        what: String,
        /// Value of each master.
        each: String,
    },
    /// The observed configuration cannot be expressed in a cluster file.
    #[error("cannot express the observed configuration in a cluster file: {0}")]
    NotSayable(ClusterFileError),
    /// The request is not valid.
    #[error("{}", .0.problem)]
    Request(Explanation),
}

impl AdoptError {
    /// Returns the fix, if one is known.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Observe(_) => {
                Some("to continue without a master, leave out its --master option".to_owned())
            }
            Self::NoUnit { .. } => {
                Some("omit this master, or name another unit with --unit".to_owned())
            }
            Self::Disagree { .. } => {
                let help = "make it the same, or adopt only the masters with the correct value";
                Some(help.to_owned())
            }
            Self::Kubeconfig { help, .. } => Some(help.clone()),
            Self::Unit { why, .. } | Self::Unknown { why, .. } | Self::Request(why) => {
                why.help.clone()
            }
            Self::Refused { error, .. } => error.help(),
            Self::NotSayable(error) => error.help.as_deref().map(str::to_owned),
            Self::Ask(_) => None,
        }
    }
}

/// Observes masters that were set up by hand, and describes them in a cluster file. Writes nothing.
///
/// `origin` is the future path of the cluster file. [`adoption_plan`] verifies the result.
///
/// # Errors
/// If a master cannot be queried or has no kube-controller-manager, or if a cluster file cannot
/// express its configuration.
pub async fn adopt(
    request: &AdoptRequest,
    fleet: &Fleet,
    origin: &Path,
    now: time::OffsetDateTime,
) -> Result<Adopted, AdoptError> {
    let masters = fleet.masters().zip(&request.masters);
    let looks = at_once(masters.map(async |((name, transport), (_, address))| {
        look_at(name, address, &**transport, request).await
    }));
    let looks = looks.await;
    let (mut found, mut asked, mut other) = (Vec::new(), Vec::new(), None);
    for ((name, _), look) in request.masters.iter().zip(looks) {
        match AskError::of_task(name, look) {
            Ok(master) => {
                found.push(master);
                asked.push((name.clone(), None));
            }
            Err(AdoptError::Ask(error)) => asked.push((name.clone(), Some(error))),
            Err(error) => other = other.or(Some(error)),
        }
    }
    if asked.iter().any(|(_, error)| error.is_some()) {
        return Err(ObserveError { masters: asked }.into());
    }
    if let Some(error) = other {
        return Err(error);
    }
    leave_out_fed_flags(&mut found);
    let inferred = infer::infer(&found, request, origin, now);
    let mut adopted = inferred.map_err(|error| AdoptError::Refused {
        error: Box::new(error),
        findings: findings::Findings::of_units(&found).all(),
    })?;
    let missing = adopted.cluster.pki.ca_key.as_deref().filter(|path| !path.exists());
    adopted.findings.extend(missing.map(findings::no_ca_key));
    Ok(adopted)
}

/// Removes `EnvironmentFile=` settings whose file only holds flags on every master. The flags are
/// written into the unit, and a new master would not start without the file.
fn leave_out_fed_flags(found: &mut [look::Found]) {
    let fed = found.iter().map(|master| master.effective.feeding());
    let fed = fed.reduce(|all, of_one| all.intersection(&of_one).cloned().collect());
    let Some(fed) = fed else { return };
    for master in found {
        master.meaning = master.meaning.clone().without_environment_files(&fed);
    }
}

/// Returns the plan for an adopted cluster file, whether or not it could be executed. The plan is
/// empty, or shows exactly the differences. Writes nothing.
///
/// The CA certificate must exist at the path in the cluster file.
///
/// # Errors
/// If the plan cannot be made.
pub async fn adoption_plan(run: Run<'_>) -> Result<Prepared, Error> {
    compare(run).await
}
