//! `status`: the state of all masters, from one exchange with each master and one query for the
//! Lease. Writes nothing.

mod evaluate;
mod findings;
mod leadership;
mod look;
mod sync;
mod together;

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::task::spawn_blocking;

use crate::artifact::certificate_reload::CertificateReload;
use crate::cluster::Cluster;
use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::desired::{Desired, DesiredError, DesiredMaster, known_services};
use crate::error::Error;
use crate::event::Event;
use crate::finding::{Finding, Severity};
use crate::observed::accounts::{Accounts, Owners};
use crate::observed::{Observed, ObservedMaster};
use crate::ops::certs::{CertificateCheck, CheckedCertificate};
use crate::pki::identity::{Decision, Reason};
use crate::pki::{Ca, Inputs};
use crate::plan::Plan;
use crate::plan::choose::{Decisions, Site, as_held, decided};
use crate::preflight::lint::{self, Running};
use crate::transport::{Observation, PathState, ProcessFacts, UnitState};
use crate::util::files::RemotePath;
use crate::util::schema::Rfc3339;
use crate::util::tasks::at_once;
use leadership::LeaderQuery;
use look::{Look, Question};

pub use evaluate::Service;
pub use leadership::Leadership;
pub use look::Health;
pub use sync::Sync;

/// State of all masters.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Status {
    /// Time of the observation.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Rfc3339")]
    pub at: OffsetDateTime,
    /// Masters, in cluster file order.
    pub masters: Vec<MasterStatus>,
    /// Leadership, or the reason that it is unknown.
    pub leadership: Observation<Leadership>,
    /// Equality of the files that must be the same on all masters.
    pub alike: Alike,
    /// Certificates that were observed: those of this machine, then those of each master.
    pub certificates: Vec<CheckedCertificate>,
    /// Findings, in cluster file order.
    pub findings: Vec<Finding>,
}

/// Equality of files on all observed masters; null if fewer than two masters have the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Alike {
    /// The CA's certificate.
    pub ca_certificate: Option<bool>,
    /// The CA's key.
    pub ca_key: Option<bool>,
    /// The key that signs service-account tokens.
    pub service_account_key: Option<bool>,
}

/// Status of one master.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MasterStatus {
    /// Name of the master.
    pub name: String,
    /// Observed state of the master, or the reason that it could not be observed.
    pub seen: Observation<MasterFacts>,
}

/// Observed state of a master.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MasterFacts {
    /// The kernel's host name.
    pub hostname: Option<String>,
    /// State of the service.
    pub service: Service,
    /// State of the unit in systemd.
    pub unit: UnitState,
    /// Main process of the service.
    pub process: Option<ProcessFacts>,
    /// Version that the program reports.
    pub version: Option<Observation<String>>,
    /// Comparison of the process and the files with the cluster file.
    pub sync: Sync,
    /// State of the certificate reload, if the kubeconfig names a credentials file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_reload: Option<CertificateReload>,
    /// Health of the service; null if it does not run.
    pub health: Option<Health>,
    /// True if this master leads; null if the leader is unknown.
    pub leads: Option<bool>,
    /// Time by which the master's clock is ahead of this machine's, in milliseconds. A lower bound,
    /// because the time of the reading within the exchange is unknown.
    pub clock_offset_milliseconds: Option<i64>,
    /// Files that kcm manages, and files that flags name.
    pub files: Vec<FileStatus>,
}

/// One file on a master.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FileStatus {
    /// Path of the file.
    pub path: RemotePath,
    /// Observed state of the file.
    pub state: PathState,
    /// True if the file holds a private key.
    pub holds_key: bool,
    /// Flags of the unit on the master that name the file.
    pub read_by: Vec<String>,
}

impl Status {
    /// Returns the highest severity of the findings, or `None` without findings.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

impl MasterStatus {
    /// Returns the observed state, if the master could be observed.
    #[must_use]
    pub fn facts(&self) -> Option<&MasterFacts> {
        match &self.seen {
            Observation::Known(facts) => Some(facts),
            Observation::Unknown(_) => None,
        }
    }
}

/// Observes all masters and evaluates the result. A master that cannot be queried is part of the
/// result.
///
/// # Errors
/// If the cluster file gives no valid paths or no valid service.
pub async fn status(run: Run<'_>) -> Result<Status, Error> {
    for text in &run.cluster.warnings {
        run.events.event(&Event::Warning { text: text.clone() });
    }
    let layout = Layout::of(&run.cluster.install).map_err(DesiredError::of_layout)?;
    let services = known_services(run.cluster, &layout)?;
    let accounts = Accounts::of(run.cluster);
    // The program of `install.binary` has about 100 MB, so it is read while the masters answer.
    let (cluster, now) = (run.cluster.clone(), run.now);
    let inputs = spawn_blocking(move || Inputs::read(&cluster, now));
    let leader = &LeaderQuery::new(run);
    let reads_program = run.cluster.install.binary.is_some();
    let question = &Question { layout, accounts, reads_program };
    let looking =
        at_once(run.fleet.masters().zip(&services).map(async |((name, transport), service)| {
            let look = look::at(name.to_owned(), transport, question, service.clone()).await;
            if look.seen.is_ok() {
                leader.ask_through(&look.name, transport).await;
            }
            look
        }));
    let looks = run.fleet.masters().zip(&services).zip(looking.await);
    let looks = looks.map(|(((name, _), service), look)| {
        look.unwrap_or_else(|panicked| {
            Look::panicked(name.to_owned(), service.clone(), &panicked, run.now)
        })
    });
    let looks: Vec<_> = looks.collect();
    let (leadership, trouble) = leader.answer(&looks).await;
    let inputs = match inputs.await {
        Ok(read) => read.map_err(|error| error.explanation().to_string()),
        Err(error) => Err(error.to_string()),
    };
    let Question { layout, accounts, .. } = question;
    let wanted = Wanted { desired: desired(run, layout, accounts, &looks, inputs) };
    let mut status = judged(run, layout, &wanted, &looks, leadership);
    status.findings.extend(trouble);
    Ok(status)
}

fn judged(
    run: Run<'_>,
    layout: &Layout,
    wanted: &Wanted,
    looks: &[Look],
    leadership: Observation<Leadership>,
) -> Status {
    let mut findings = Vec::new();
    let check = certificates(run, layout, looks);
    let mut masters = Vec::with_capacity(looks.len());
    for look in looks {
        let master = evaluate::master(look, wanted, layout, &leadership, run, &mut findings);
        masters.push(master);
    }
    findings.extend(lint::of_processes(run.cluster, &running(looks, layout)));
    let form = run.cluster.credentials;
    together::certificates(&check, looks, &masters, form, &mut findings);
    let alike = together::evaluate(run, layout, looks, &masters, &leadership, &mut findings);
    match &wanted.desired {
        Ok(compared) => findings.extend(compared.replaced.iter().map(together::replaced)),
        Err(why) => findings.push(together::not_compared(why)),
    }
    let place = |finding: &Finding| {
        let name = finding.master.as_deref()?;
        masters.iter().position(|master| master.name == name)
    };
    findings.sort_by_key(place);
    let certificates = check.certificates;
    Status { at: run.now, masters, leadership, alike, certificates, findings }
}

/// Returns the flags and versions of the processes on the observed masters, or of the units without
/// a process.
fn running(looks: &[Look], layout: &Layout) -> Vec<Running> {
    looks.iter().filter_map(|look| look.running(layout)).collect()
}

fn certificates(run: Run<'_>, layout: &Layout, looks: &[Look]) -> CertificateCheck {
    let on_masters = looks.iter().flat_map(|look| look.certificates(layout));
    crate::ops::certs::evaluate(run, on_masters, None)
}

/// Desired state of the observed masters, or the reason that it cannot be rendered.
struct Wanted {
    desired: Result<Compared, String>,
}

/// Desired state of the masters, and the inputs of the comparison.
struct Compared {
    desired: Desired,
    ca: Ca,
    /// Certificates that `apply` would replace, each with the reasons.
    replaced: Vec<(&'static str, Vec<Reason>)>,
}

impl Wanted {
    fn on(&self, name: &str) -> Result<&DesiredMaster, String> {
        let compared = self.desired.as_ref().map_err(Clone::clone)?;
        let mut masters = compared.desired.masters.iter();
        masters
            .find(|master| master.name == name)
            .ok_or_else(|| "the master was not compared".to_owned())
    }
}

fn desired(
    run: Run<'_>,
    layout: &Layout,
    accounts: &Accounts,
    looks: &[Look],
    inputs: Result<Inputs, String>,
) -> Result<Compared, String> {
    let seen: Vec<_> = looks.iter().filter_map(Look::master).collect();
    let names: Vec<_> = seen.iter().map(|master| master.name.clone()).collect();
    if names.is_empty() {
        let desired = Desired { masters: Vec::new() };
        return Ok(Compared { desired, ca: Ca::ToBeCreated, replaced: Vec::new() });
    }
    let mut cluster = Cluster { masters: Vec::new(), ..run.cluster.clone() };
    cluster.masters.extend(
        run.cluster
            .masters
            .iter()
            .filter(|it| names.iter().any(|name| *name == it.name.as_str()))
            .cloned(),
    );
    let inputs = inputs?;
    let masters: Vec<ObservedMaster> = seen.into_iter().cloned().collect();
    let observed = Observed::of(masters, &inputs, run.now);
    let mut unknown = Vec::new();
    let owners: Vec<Owners> =
        observed.masters.iter().map(|master| accounts.on(master, &mut unknown)).collect();
    let site =
        Site { cluster: &cluster, layout, owners: &owners, inputs: &inputs, observed: &observed };
    let desired = as_held(site).map_err(|error| error.explanation().to_string())?;
    let replaced = replaced(decided(&inputs, &observed));
    Ok(Compared { desired, ca: inputs.ca, replaced })
}

/// Returns the reasons for which `apply` would issue certificates. Omits expiry and files of single
/// masters, which other findings report.
fn replaced(decisions: Decisions) -> Vec<(&'static str, Vec<Reason>)> {
    let of = |what, decision: Option<Decision>| {
        let Some(Decision::Issue { why }) = decision else { return None };
        let is_told = |reason: &Reason| {
            matches!(reason, Reason::Missing | Reason::Expires { .. } | Reason::Expired { .. })
                || reason.is_of_masters()
        };
        let why: Vec<_> = why.into_iter().filter(|reason| !is_told(reason)).collect();
        (!why.is_empty()).then_some((what, why))
    };
    let client = of("the client certificate", Some(decisions.identity));
    client.into_iter().chain(of("the serving certificate", decisions.serving)).collect()
}

/// Returns the steps of `apply` on one master.
fn steps(desired: &DesiredMaster, observed: &ObservedMaster) -> Vec<crate::plan::Step> {
    Plan::of_master(desired, observed).steps
}
