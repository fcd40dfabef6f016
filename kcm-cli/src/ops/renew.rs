//! `certs renew`: issues new certificates through a full rollout, and changes nothing else.

use std::time::Duration;

use super::sources::{Sources, checked};
use crate::cluster::layout::{Layout, Role};
use crate::context::Run;
use crate::desired::{Desired, DesiredError, DesiredMaster, known_services};
use crate::error::Error;
use crate::event::Event;
use crate::finding::{Finding, FindingCode};
use crate::observed::{Observed, ObservedMaster};
use crate::ops::certs::{CertificateUse, Validity, check_certificates};
use crate::pki::identity::{Decision, Reason};
use crate::plan::choose::Decisions;
use crate::plan::{self, MasterPlan, Plan, Step};
use crate::preflight::{self, PreflightError};
use crate::rollout::{Outcome, Prepared, execute};
use crate::transport::{Activity, PathState};

/// Options of a renewal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Renewal {
    /// Renew certificates even if they are not due.
    pub force: bool,
    /// Issue the new certificate for the existing key, if the operator's side has a usable one.
    pub same_key: bool,
    /// Time before expiry from which a certificate is due. The default is that of
    /// [`check_certificates`].
    pub within: Option<Duration>,
}

/// Renews due certificates on all masters. A service that generates its own serving certificate is
/// restarted.
///
/// Other differences from the cluster file stay, and masters without a deployment do not change.
/// After an interruption at any point, the next run continues from the observed state.
///
/// # Errors
/// If it stopped before any master changed. Later failures are in the [`Outcome`].
pub async fn renew(run: Run<'_>, renewal: Renewal) -> Result<Outcome, Error> {
    let prepared = plan_renewal(run, renewal).await?;
    Box::pin(execute(run, prepared)).await
}

/// Plans the changes that [`renew`] would make. Writes nothing.
///
/// # Errors
/// If the plan cannot be made, or a check shows that it could not be executed.
pub async fn plan_renewal(run: Run<'_>, renewal: Renewal) -> Result<Prepared, Error> {
    let check = check_certificates(run, renewal.within).await?;
    let due = check.certificates.into_iter().filter(|it| {
        it.role == CertificateUse::Served && (renewal.force || it.validity != Validity::Good)
    });
    let makes_it = makers(run)?;
    let restarted = due.filter_map(|it| it.master).filter(|name| makes_it.contains(name)).collect();
    Box::pin(prepare(run, renewal, restarted)).await
}

async fn prepare(
    run: Run<'_>,
    renewal: Renewal,
    restarted: Vec<String>,
) -> Result<Prepared, Error> {
    let sources = Sources::read(run, renewal.within).await?;
    let Decisions { identity, serving } = sources.decisions();
    let decisions = Decisions {
        identity: decision(renewal, identity),
        serving: serving.map(|serving| decision(renewal, serving)),
    };
    let (decisions, desired) = sources.choose(run, decisions)?;
    let masters = narrowed(&desired, sources.observed(), &restarted);
    tell(run, &desired, sources.observed(), &masters)?;
    checked(run, sources.prepared(decisions, desired, masters, renewal.same_key)).await
}

/// Returns the masters whose services generate their own serving certificate.
fn makers(run: Run<'_>) -> Result<Vec<String>, DesiredError> {
    let layout = Layout::of(&run.cluster.install).map_err(DesiredError::of_layout)?;
    let services = known_services(run.cluster, &layout)?;
    let masters = run.cluster.masters.iter().zip(services);
    let makers = masters.filter(|(_, service)| service.makes_its_certificate());
    Ok(makers.map(|(master, _)| master.name.to_string()).collect())
}

/// Replaces `Keep` with `Issue` if the renewal is forced.
fn decision(renewal: Renewal, decision: Decision) -> Decision {
    match decision {
        Decision::Keep { .. } if renewal.force => Decision::Issue { why: vec![Reason::Asked] },
        decision => decision,
    }
}

/// Returns the part of a plan that a renewal executes.
fn narrowed(desired: &Desired, observed: &Observed, restarted: &[String]) -> Vec<MasterPlan> {
    let masters = Plan::masters(desired, observed).into_iter();
    let masters = masters.zip(&desired.masters).zip(&observed.masters);
    let narrow = |((planned, desired), observed): ((MasterPlan, _), _)| {
        let restarted = restarted.contains(&planned.name);
        narrow(planned, desired, observed, restarted)
    };
    masters.map(narrow).collect()
}

fn narrow(
    planned: MasterPlan,
    desired: &DesiredMaster,
    observed: &ObservedMaster,
    restarted: bool,
) -> MasterPlan {
    let MasterPlan { name, mut steps } = planned;
    if !is_deployed(observed) {
        return MasterPlan { name, steps: Vec::new() };
    }
    steps.retain(|step| match step {
        Step::RemoveLeftover { .. } => true,
        step => step.role().is_some_and(is_of_identity),
    });
    // An interrupted change is completed.
    let goes_on = observed.generations.pending.is_some();
    let runs = matches!(observed.probe.unit.activity, Activity::Active { .. });
    let is_read = |step: &Step| step.role().is_some_and(|role| desired.reads.contains(&role));
    let is_stale = || !plan::is_running_what_is_there(&desired.reads, observed);
    let is_offline = observed.probe.unit.activity == Activity::Offline;
    if is_offline {
        // Services do not run in a folder, so nothing is restarted.
        steps.extend(goes_on.then_some(Step::Verify));
    } else if restarted || steps.iter().any(is_read) || goes_on && is_stale() {
        steps.push(Step::Restart);
    } else if goes_on || runs && steps.iter().any(|step| step.role() == Some(Role::Combined)) {
        // A running service reloads a credentials file on its own.
        steps.push(Step::Verify);
    }
    MasterPlan { name, steps }
}

fn is_of_identity(role: Role) -> bool {
    matches!(
        role,
        Role::Certificate | Role::Key | Role::Combined | Role::Serving | Role::Kubeconfig
    )
}

fn is_deployed(observed: &ObservedMaster) -> bool {
    observed.files.unit.state != PathState::Absent
}

/// Reports masters without a deployment, and differences that a renewal leaves unchanged.
///
/// # Errors
/// If kube-controller-manager is not deployed on any master.
fn tell(
    run: Run<'_>,
    desired: &Desired,
    observed: &Observed,
    narrowed: &[MasterPlan],
) -> Result<(), PreflightError> {
    let bare = |observed: &&ObservedMaster| !is_deployed(observed);
    let finding = |observed: &ObservedMaster| {
        let problem =
            "kube-controller-manager is not installed, so there is no certificate to renew";
        Finding::error(
            FindingCode::NotDeployed,
            &observed.name,
            problem,
            "run `kcm apply` to install kube-controller-manager",
        )
    };
    let mut found: Vec<_> = observed.masters.iter().filter(bare).map(finding).collect();
    if found.len() < observed.masters.len() {
        found = found.into_iter().map(Finding::into_warning).collect();
    }
    preflight::settle(found, run.cluster, run.events)?;
    let whole = Plan::masters(desired, observed);
    let masters = whole.iter().zip(narrowed).zip(&observed.masters);
    let others = masters.filter(|((whole, narrowed), observed)| {
        is_deployed(observed) && whole.steps.len() > narrowed.steps.len()
    });
    let names: Vec<_> = others.map(|((whole, _), _)| whole.name.as_str()).collect();
    if !names.is_empty() {
        let text = format!(
            "{}: settings other than certificates differ from the cluster file and stay unchanged; run `kcm plan` to show them",
            names.join(", ")
        );
        run.events.event(&Event::Warning { text });
    }
    Ok(())
}
