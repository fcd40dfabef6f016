//! Installs and maintains a highly available kube-controller-manager on your own masters.
//!
//! This library is the implementation of the `kcm` command, for other provisioning tools to embed.
//! It turns one cluster file into a [`Plan`] and executes it over a [`transport`] of your choice.
//! It writes to no terminal: progress is reported as [`Event`]s, and results are serialisable
//! values.
//!
//! It is *not* a general deployment tool: it manages kube-controller-manager only. The crates
//! `kcm-pki`, `kcm-kubeconfig` and `kcm-systemd` are pure, and useful without this one.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use kcm::{Cluster, Fleet, Interrupt, Run, Silent};
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
//! let run = Run::new(&cluster, &fleet, now, &Silent, &interrupt);
//!
//! assert!(kcm::apply(run).await?.is_done());
//! assert!(kcm::plan(run).await?.plan.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

#![cfg_attr(
    not(feature = "kube"),
    allow(dead_code, unused_imports, reason = "smoke and drill need the API server client")
)]

mod artifact;
pub mod cluster;
mod context;
mod desired;
mod error;
pub mod event;
mod finding;
mod fleet;
pub mod kube;
mod observed;
mod ops;
pub mod pki;
mod plan;
mod preflight;
pub mod rollout;
pub mod transport;
mod util;

#[cfg(feature = "cli")]
pub mod cli;

pub use artifact::DesiredService;
pub use artifact::certificate_reload::{CertificateReload, Noted};
pub use cluster::init::{Init, init};
pub use cluster::layout::Role;
pub use cluster::{Cluster, ClusterFileError};
pub use context::{Consent, Run};
pub use desired::{Artifact, Content, Desired, DesiredError, DesiredMaster};
pub use error::{Error, ErrorDocument, ErrorFinding, ErrorPlace, UntouchedMaster};
pub use event::{Event, EventSink, Silent};
pub use finding::{Finding, FindingCode, Severity};
pub use fleet::{Fleet, Network};
pub use observed::{AskError, ObserveError, Observed, ObservedFile, ObservedFiles, ObservedMaster};
pub use ops::adopt::{AdoptError, AdoptRequest, AdoptSsh, Adopted, adopt, adoption_plan};
pub use ops::apply::{apply, plan};
pub use ops::certs::{
    CertificateCheck, CertificateRequests, CertificateUse, CheckedCertificate, ImportedCertificate,
    RequestedCertificate, SignedFile, UnseenCertificate, Validity, check_certificates,
    import_certificates, request_certificates,
};
#[cfg(feature = "kube")]
pub use ops::drill::{self, DrillReport, DrillRequest, drill};
pub use ops::kubeconfig::{
    BuiltKubeconfig, KubeconfigCheck, KubeconfigCheckRequest, KubeconfigRequest, KubeconfigView,
    WriteKubeconfig, build_kubeconfig, check_kubeconfig, view_kubeconfig, write_kubeconfig,
};
pub use ops::logs::{InvalidPattern, LogLine, LogSink, LogsOutcome, LogsQuestion, Pattern, logs};
pub use ops::remove::{From, plan_removal, remove};
pub use ops::renew::{Renewal, plan_renewal, renew};
pub use ops::rollback::{plan_rollback, rollback};
pub use ops::rotate;
#[cfg(feature = "kube")]
pub use ops::smoke::{self, SmokeReport, SmokeRequest, smoke};
pub use ops::status::{self, MasterStatus, Status, status};
pub use ops::timer::{
    CertificateTimer, Manager, TIMER_MARK, TimerError, UnitText, certificate_timer,
};
pub use ops::unit::{
    CheckedCommand, CheckedUnit, UnitCheck, UnitDiff, UnitDifference, UnitFinding, UnitRequest,
    check_units, compare_units, render_unit, render_unit_of,
};
pub use plan::{MasterPlan, Plan, PlanFile, PlanFileError, PlanOptions, Step};
pub use preflight::PreflightError;
pub use rollout::{LeadershipOutcome, MasterOutcome, MasterResult, Outcome, Prepared, execute};
pub use util::explanation::Explanation;
pub use util::interrupt::Interrupt;

pub use artifact::generation;
pub use preflight::lint;
pub use util::files;

/// Compiles only if embedders can await the operations on any thread.
#[cfg(test)]
#[expect(dead_code, reason = "it is compiled, not called")]
fn operations_are_send(run: Run<'_>, prepared: Prepared) {
    fn is_send<T: Send>(_: T) {}
    is_send(plan(run));
    is_send(apply(run));
    is_send(execute(run, prepared));
    is_send(renew(run, Renewal::default()));
    is_send(rollback(run));
    is_send(remove(run, &From::All));
    is_send(status(run));
    is_send(check_certificates(run, None));
    is_send(rotate::rotations(run));
    is_send(rotate::ca::plan_stage(run, true));
    is_send(rotate::service_account_key::plan_stage(run, true));
}
