//! kcm puts a highly available kube-controller-manager on your own masters and keeps it there.
//!
//! This library is what the `kcm` command is made of, for other provisioning tools to embed: one cluster
//! file in, a [`Plan`] out, carried out over a [`transport`] of your choice. It knows no terminal:
//! everything that happens is an [`Event`], everything that is found or done is a value that serialises.
//!
//! It is *not* a general deployment tool: it manages kube-controller-manager and nothing else. The three
//! crates below it, `kcm-pki`, `kcm-kubeconfig` and `kcm-systemd`, are pure and useful by themselves.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use kcm::{Cluster, Consent, Fleet, Interrupt, Run, Silent};
//!
//! let site = tempfile::tempdir()?;
//! let text = "
//! apiVersion: kcm/v1
//! cluster:
//!   server: https://192.168.1.210:6443
//!   clusterCidr: 172.20.0.0/16
//!   serviceClusterIpRange: 10.68.0.0/16
//! pki: {caCert: ca.pem, caKey: ca-key.pem, createCa: true, keyAlgorithm: ecdsa-p256}
//! masters:
//!   - {name: k8s-master-01, address: 192.168.1.204}
//! ";
//! let cluster = Cluster::parse(text, &site.path().join("kcm.yaml"))?;
//! let fleet = Fleet::folders(&cluster, &site.path().join("out"));
//! let now = time::OffsetDateTime::now_utc();
//! let interrupt = Interrupt::default();
//! let (events, consent) = (&Silent, Consent::default());
//! let run = Run { cluster: &cluster, fleet: &fleet, now, events, interrupt: &interrupt, consent };
//!
//! assert!(kcm::apply(run).await?.is_done());
//! assert!(kcm::plan(run).await?.plan.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod accounts;
mod adopt;
pub mod api;
mod apply;
mod artifact;
mod certs;
pub mod cluster;
mod desired;
pub mod drill;
mod effective;
mod error;
pub mod event;
pub mod files;
mod finding;
mod fleet;
pub mod generation;
pub mod handover;
pub mod identity;
mod init;
mod interrupt;
mod layout;
pub mod lint;
mod logs;
mod meaning;
mod nearest;
mod observe;
pub mod operator;
mod plan;
mod preflight;
mod remove;
mod renew;
mod rollback;
pub mod rollout;
mod run;
pub mod smoke;
pub mod status;
mod tasks;
mod timer;
pub mod transport;
mod trust;
mod uptake;
mod view;
mod words;

#[cfg(feature = "cli")]
mod args;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
mod report;

pub use adopt::{AdoptError, AdoptRequest, AdoptSsh, Adopted, adopt, adoption_plan};
pub use apply::{Prepared, apply, plan};
pub use artifact::DesiredService;
pub use certs::{
    CertificateCheck, CertificateUse, CheckedCertificate, UnseenCertificate, Validity,
    check_certificates,
};
pub use cluster::{Cluster, ClusterFileError};
pub use desired::{Artifact, Content, Desired, DesiredError, DesiredMaster};
pub use drill::{DrillReport, DrillRequest, drill};
pub use error::Error;
pub use event::{Event, EventSink, Silent};
pub use finding::{Finding, FindingCode, Severity};
pub use fleet::{Fleet, Network};
pub use init::{Init, init};
pub use interrupt::Interrupt;
pub use layout::Role;
pub use logs::{InvalidPattern, LogLine, LogSink, LogsOutcome, LogsQuestion, Pattern, logs};
pub use observe::{AskError, ObserveError, Observed, ObservedFile, ObservedFiles, ObservedMaster};
pub use plan::{MasterPlan, Plan, Step};
pub use preflight::PreflightError;
pub use remove::{From, remove};
pub use renew::{Renewal, renew};
pub use rollback::rollback;
pub use rollout::{LeadOutcome, MasterOutcome, MasterResult, Outcome};
pub use run::{Consent, Run};
pub use smoke::{SmokeReport, SmokeRequest, smoke};
pub use status::{MasterStatus, Status, status};
pub use timer::{CertificateTimer, Manager, TIMER_MARK, TimerError, UnitText, certificate_timer};
pub use uptake::{Noted, Uptake};
