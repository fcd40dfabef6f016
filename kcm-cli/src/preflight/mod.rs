//! Preflight checks. They run before kcm issues or changes anything, and report all findings at
//! once.

mod clocks;
mod create_ca;
mod examine;
mod exposed;
mod files;
mod identity;
pub mod lint;
mod masters;
mod program;
mod room;
mod signers;
mod token_keys;
mod trust;
mod units;
mod uploaded;

use kcm_systemd::KubernetesVersion;
use thiserror::Error;

use crate::cluster::Cluster;
use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::desired::Desired;
use crate::event::{Event, EventSink};
use crate::finding::{Finding, Severity, grouped, listed};
use crate::fleet::Network;
use crate::kube::ClockOffset;
use crate::observed::Observed;
use crate::pki::{Inputs, OperatorError};
use crate::plan::Plan;
use crate::util::words::count;

pub(crate) use clocks::clocks;
pub(crate) use create_ca::may_create_ca;
pub(crate) use examine::clock;
pub(crate) use exposed::{exposed, open_keys};
pub(crate) use files::named as named_files;
pub(crate) use masters::{
    ca_file, equal_files, host_names, strays, unit_flag, unread_ca_key, unreadable_note,
    untrusted_folders,
};
pub(crate) use program::{evaluate as evaluate_program, too_new, version as program_version};
pub(crate) use token_keys::{SigningKey, unverified as unverified_token_keys};
pub(crate) use units::units;

/// Collected findings.
type Sink = Vec<Finding>;

/// An error of the preflight checks. No master has changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PreflightError {
    /// kcm would create a second CA although one is in use.
    #[error("pki.createCa: this machine has no CA, but {}, and clients of an existing CA would not trust a second CA", why.join(", and "))]
    CaInUse {
        /// The signs of the CA in use.
        why: Vec<String>,
        /// The path at which kcm expects the CA certificate.
        ca: String,
    },
    /// The masters or this machine are not ready.
    #[error("{}", failed(findings))]
    Findings {
        /// All findings with severity error, in the order of the cluster file.
        findings: Vec<Finding>,
    },
    /// Files on this machine cannot be examined.
    #[error(transparent)]
    Operator(#[from] OperatorError),
}

impl PreflightError {
    /// Returns the fix. [`Findings`](Self::Findings) have one each.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::CaInUse { ca, .. } => Some(format!("copy the CA of the cluster to {ca}")),
            Self::Findings { .. } => None,
            Self::Operator(error) => error.help(),
        }
    }
}

/// The input of the preflight checks.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) layout: &'a Layout,
    /// The files on the operator's machine.
    pub(crate) inputs: &'a Inputs,
    pub(crate) desired: &'a Desired,
    pub(crate) observed: &'a Observed,
    pub(crate) plan: &'a Plan,
}

/// Facts from the preflight exchange with one master that later phases need.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Examination {
    /// The offset of the master's clock from this machine's.
    pub(crate) clock: Option<ClockOffset>,
    /// The version of the program that will run on the master.
    pub(crate) version: Option<KubernetesVersion>,
}

/// Runs all checks. None of them changes anything.
///
/// The first checks use the observed state. The others need further exchanges with masters that
/// have planned steps. Returns the facts from these exchanges, and the warnings, which are also
/// emitted as events.
///
/// # Errors
///
/// [`PreflightError::Findings`] if at least one finding has severity error.
pub(crate) async fn check(
    run: Run<'_>,
    subject: Subject<'_>,
) -> Result<(Vec<Examination>, Vec<Finding>), PreflightError> {
    let mut found = Sink::new();
    masters::evaluate(run.consent, subject, &mut found);
    identity::evaluate(subject, &mut found);
    if !run.consent.replace_ca {
        trust::evaluate(subject, &mut found);
        trust::roots(run, subject, &mut found).await;
    }
    if !run.consent.replace_service_account_key {
        token_keys::evaluate(run, subject, &mut found).await;
    }
    room::on_masters(subject, &mut found);
    room::on_this_machine(subject.cluster, subject.plan, &mut found)?;
    let mut examined = examine::ask(run, subject, &mut found).await;
    uploaded::ask(subject, &mut examined, &mut found).await;
    if run.fleet.network() == Network::Allowed {
        let programs: Vec<_> = examined.iter().map(|examination| examination.version).collect();
        found.extend(lint::of_programs(subject.cluster, &programs));
    }
    let warnings = found.iter().filter(|it| it.severity == Severity::Warning).cloned().collect();
    settle(found, subject.cluster, run.events)?;
    Ok((examined, warnings))
}

/// Emits warnings as events, and returns all errors as one.
pub(crate) fn settle(
    mut found: Vec<Finding>,
    cluster: &Cluster,
    events: &dyn EventSink,
) -> Result<(), PreflightError> {
    let place = |finding: &Finding| {
        let name = finding.master.as_deref()?;
        cluster.masters.iter().position(|master| master.name.as_str() == name)
    };
    found.sort_by_key(place);
    let (findings, warnings): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|finding| finding.severity == Severity::Error);
    for finding in grouped(&warnings) {
        events.event(&Event::Warning { text: finding.to_string() });
    }
    if findings.is_empty() { Ok(()) } else { Err(PreflightError::Findings { findings }) }
}

fn failed(findings: &[Finding]) -> String {
    let checks = count(findings.len(), "preflight check");
    format!("{}{checks} failed; no master has changed", listed(findings))
}
