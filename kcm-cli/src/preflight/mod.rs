//! What speaks against beginning, asked before anything is made or changed, and told all at once.

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
use crate::finding::{Finding, Severity};
use crate::fleet::Network;
use crate::kube::ClockOffset;
use crate::observed::Observed;
use crate::pki::{Ca, IdentityRequest, OperatorError};
use crate::plan::Plan;

pub(crate) use clocks::clocks;
pub(crate) use create_ca::may_create_ca;
pub(crate) use examine::clock;
pub(crate) use exposed::{exposed, open_keys};
pub(crate) use files::named as named_files;
pub(crate) use masters::{equal_files, host_names, strays, unreadable_note, untrusted_folders};
pub(crate) use program::{judge as judge_program, too_new, version as program_version};
pub(crate) use units::units;

/// Findings on their way.
type Sink = Vec<Finding>;

/// What speaks against beginning. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PreflightError {
    /// A CA would be made beside one that is in use.
    #[error("pki.createCa: there is no CA on this machine, but {}; a second CA would cut them off: put the cluster's CA at {ca} instead", why.join(", and "))]
    CaInUse {
        /// Signs of the CA that is in use.
        why: Vec<String>,
        /// Where the certificate is expected.
        ca: String,
    },
    /// Masters or this machine are not ready.
    #[error("{}", listed(findings))]
    Findings {
        /// Everything that was found and is an error, in the cluster file's order.
        findings: Vec<Finding>,
    },
    /// The operator's side cannot be examined.
    #[error(transparent)]
    Operator(#[from] OperatorError),
}

/// Everything that a preflight looks at.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) layout: &'a Layout,
    pub(crate) ca: &'a Ca,
    /// What a new identity will be.
    pub(crate) request: &'a IdentityRequest,
    /// The PEM of every CA certificate that clients accept, if that is not the CA's alone.
    pub(crate) trust: Option<&'a str>,
    pub(crate) desired: &'a Desired,
    pub(crate) observed: &'a Observed,
    pub(crate) plan: &'a Plan,
}

/// What an exchange with one master showed that is of use later.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Examination {
    /// Its clock against ours.
    pub(crate) clock: Option<ClockOffset>,
    /// The version of the program that will run there.
    pub(crate) version: Option<KubernetesVersion>,
}

/// Finds everything that can be found without changing anything: first in what was observed, then in one more exchange
/// with each master that has something to do.
///
/// # Errors
/// When something that was found is an error. Warnings are told.
pub(crate) async fn check(
    run: Run<'_>,
    subject: Subject<'_>,
) -> Result<(Vec<Examination>, Vec<Finding>), PreflightError> {
    let mut found = Sink::new();
    masters::judge(run.consent, subject, &mut found);
    identity::judge(subject, &mut found);
    if !run.consent.replace_ca {
        trust::judge(subject, &mut found);
        trust::roots(run, subject, &mut found).await;
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

/// Tells warnings; all errors together are one.
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
    for text in grouped(&warnings) {
        events.event(&Event::Warning { text });
    }
    if findings.is_empty() { Ok(()) } else { Err(PreflightError::Findings { findings }) }
}

/// Findings as text; those of several masters that are equal are one.
fn grouped(findings: &[Finding]) -> Vec<String> {
    let mut groups: Vec<(&Finding, Vec<&str>)> = Vec::new();
    for finding in findings {
        let is_equal = |other: &&Finding| {
            (other.code, &other.problem, &other.mend)
                == (finding.code, &finding.problem, &finding.mend)
        };
        let master = finding.master.as_deref();
        match groups.iter_mut().find(|(other, _)| is_equal(other)) {
            Some((_, masters)) => masters.extend(master),
            None => groups.push((finding, master.into_iter().collect())),
        }
    }
    let texts = groups.into_iter().map(|(finding, masters)| {
        let master = (!masters.is_empty()).then(|| masters.join(", "));
        Finding { master, ..finding.clone() }.to_string()
    });
    texts.collect()
}

fn listed(findings: &[Finding]) -> String {
    match findings {
        [one] => format!("{one}"),
        all => {
            let lines = all.iter().map(|finding| format!("\n  {finding}"));
            let (count, lines) = (all.len(), lines.collect::<String>());
            format!("{count} things stand in the way:{lines}\nNo master has changed.")
        }
    }
}
