//! `adopt`: a cluster file from masters that were set up by hand, which then stay as they are.
//!
//! What runs is taken over, not what was meant: units are read as systemd reads them, and what it drops without a word is a
//! finding with its line. No key is fetched.

mod changes;
mod choices;
mod findings;
mod identity;
mod infer;
mod look;
mod losses;
mod named;
mod program;
mod ranges;
mod subject;
mod trust;

use std::path::Path;

use kcm_pki::Fingerprint;
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
use crate::rollout::Prepared;
use crate::util::tasks::at_once;
use crate::util::words::harmless;
use choices::{MasterChoice, ssh_section};
use look::look_at;

/// What an operator has: names, addresses and a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdoptRequest {
    /// Name and address of each master.
    pub masters: Vec<(String, String)>,
    /// How to reach them.
    pub ssh: AdoptSsh,
    /// The unit of kube-controller-manager.
    pub unit: String,
    /// Where the cluster file is to have the CA certificate, as it will be written there.
    pub ca_cert: String,
    /// The same for the CA key.
    pub ca_key: String,
}

/// How to reach the masters, in the words of the cluster file's `ssh` section. What is absent is what `ssh` would do.
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
    /// How root's part is done.
    pub sudo: Option<String>,
    /// What becomes of unknown host keys.
    pub host_keys: Option<String>,
}

impl AdoptRequest {
    /// A request with the tutorial's names for unit and CA files.
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

    /// A cluster file with these masters and the way to them, to make a [`Fleet`] from; the rest of it means nothing.
    ///
    /// # Errors
    /// When an answer is not what its key in the cluster file needs.
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

/// Masters as they were found, said in a cluster file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Adopted {
    /// The text of the cluster file.
    pub text: String,
    /// The same, read.
    #[serde(skip)]
    pub cluster: Cluster,
    /// The CA certificate that most masters have, as PEM: it is public, and is to be put where the cluster file names it, once
    /// somebody who knows the cluster has compared its fingerprint.
    #[serde(skip)]
    pub ca_certificate: String,
    /// The SHA-256 fingerprint of the CA certificate.
    pub ca_fingerprint: Fingerprint,
    /// The bundle of CA certificates that clients accept, as PEM, if the cluster file names one: to be put there.
    #[serde(skip)]
    pub trust: Option<String>,
    /// The CSR file that keeps the identity's subject, if the cluster file names one: to be put there.
    #[serde(skip)]
    pub csr: Option<String>,
    /// The signing config that keeps the identity's usages, if the cluster file names one: to be put there.
    #[serde(skip)]
    pub signing_config: Option<String>,
    /// What was found, and would be better otherwise.
    pub findings: Vec<Finding>,
}

impl Adopted {
    /// Tells whether a master has a setting that the cluster file does not have, so that an apply would drop it.
    #[must_use]
    pub fn loses_settings(&self) -> bool {
        self.findings.iter().any(|finding| match finding.code {
            FindingCode::NotReproduced => true,
            // One of a single master is in the cluster file.
            FindingCode::MastersDiffer => finding.master.is_none(),
            _ => false,
        })
    }

    /// Whether something was found that is an error: the masters are adopted as they are, and are not as they should be.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Why masters cannot be adopted. Nothing was written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// Some masters could not be asked.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// One could not be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// There is nothing to adopt.
    #[error(
        "{master}: systemd finds no {unit} there; leave this master out, or name another unit with --unit"
    )]
    NoUnit {
        /// The master.
        master: String,
        /// The unit.
        unit: String,
    },
    /// The unit runs nothing that kcm could run.
    #[error("{master}: {path}: {reason}")]
    Unit {
        /// The master.
        master: String,
        /// The unit's file.
        path: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The kubeconfig cannot be read, or names no API server and identity.
    #[error("{}: {}\nhelp: {}", harmless(master), harmless(reason), harmless(help))]
    Kubeconfig {
        /// The master.
        master: String,
        /// The file, and the cause.
        reason: String,
        /// The remedy.
        help: String,
    },
    /// One of these reasons, with what was found until then.
    #[error("{error}")]
    Refused {
        /// The reason.
        error: Box<AdoptError>,
        /// Findings about the units that speak for the cause.
        findings: Vec<Finding>,
    },
    /// Something that a cluster file must have was not found.
    #[error("{what} cannot be told: {reason}")]
    Unknown {
        /// What.
        what: &'static str,
        /// Why, and what to do.
        reason: String,
    },
    /// The masters have different values, and most of them have none of these.
    #[error(
        "{} is not the same on all masters, and none of the values is that of most of them: {}\nhelp: make it the same, or adopt only the masters that are right",
        harmless(what),
        harmless(each)
    )]
    Disagree {
        /// Of what.
        what: String,
        /// What each master has.
        each: String,
    },
    /// What was found cannot be said in a cluster file.
    #[error("what was found cannot be said in a cluster file: {0}")]
    NotSayable(ClusterFileError),
    /// What was asked for makes no sense.
    #[error("{reason}")]
    Request {
        /// Why.
        reason: String,
    },
}

/// Looks at masters that were set up by hand and says in a cluster file what they are. Writes nothing anywhere.
///
/// `origin` is where the cluster file will be. [`adoption_plan`] proves the result.
///
/// # Errors
/// When a master cannot be asked, has no kube-controller-manager, or has one that no cluster file can say.
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
    let path = &adopted.cluster.pki.ca_key;
    if !path.exists() {
        adopted.findings.push(findings::no_ca_key(path));
    }
    Ok(adopted)
}

/// Leaves `EnvironmentFile=` out where on every master the file does nothing but hold flags: kcm writes the flags out, and a new
/// master would not start without the file.
fn leave_out_fed_flags(found: &mut [look::Found]) {
    let fed = found.iter().map(|master| master.effective.feeding());
    let fed = fed.reduce(|all, of_one| all.intersection(&of_one).cloned().collect());
    let Some(fed) = fed else { return };
    for master in found {
        master.meaning = master.meaning.clone().without_environment_files(&fed);
    }
}

/// What `kcm plan` shows for an adopted cluster file, whether or not it could be carried out: nothing, or exactly what differs.
/// The CA certificate must be where the cluster file names it. Writes nothing anywhere.
///
/// # Errors
/// When the plan cannot be made.
pub async fn adoption_plan(run: Run<'_>) -> Result<Prepared, Error> {
    compare(run).await
}
