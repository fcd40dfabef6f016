//! `remove`: removes kube-controller-manager from masters.

use crate::artifact::generation::Change;
use crate::cluster::Cluster;
use crate::cluster::layout::{Layout, Role};
use crate::context::Run;
use crate::desired::DesiredError;
use crate::error::Error;
use crate::finding::{Finding, FindingCode};
use crate::observed::accounts::Accounts;
use crate::observed::{ObservedMaster, look};
use crate::plan::{MasterPlan, Plan, Step};
use crate::rollout::{Outcome, Prepared, execute, is_healthy};
use crate::transport::{Activity, Enablement, PathState};
use crate::util::tasks::at_once;
use crate::{pki, preflight};

/// The masters to remove kube-controller-manager from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// All masters that take part in this run.
    All,
    /// The masters with these names.
    These(Vec<String>),
}

/// Stops and disables kube-controller-manager, and removes its unit, kubeconfig and identity.
///
/// Removes the program only if it is the one that kcm uploaded. Files that kcm did not write stay,
/// and so does the CA, which others use.
///
/// Refuses to remove the last healthy master without consent (`run.consent.remove_last`).
///
/// # Errors
/// If it stopped before any master changed. Later failures are in the [`Outcome`].
pub async fn remove(run: Run<'_>, from: &From) -> Result<Outcome, Error> {
    let prepared = plan_removal(run, from).await?;
    execute(run, prepared).await
}

/// Plans the changes that [`remove`] would make. Writes nothing.
///
/// # Errors
/// If no healthy master would remain, or a master cannot be observed.
pub async fn plan_removal(run: Run<'_>, from: &From) -> Result<Prepared, Error> {
    if let From::These(names) = from {
        run.cluster.check_names(names).map_err(|why| Error::Request(why.into()))?;
    }
    let layout = Layout::of(&run.cluster.install).map_err(DesiredError::of_layout)?;
    let binary = pki::uploaded_binary(run.cluster)?;
    let observed = look(run.fleet, &layout, &Accounts::default()).await?;
    let masters = observed.iter().map(|master| {
        let steps = if is_meant(from, &master.name) {
            steps(master, &layout, binary.as_ref().map(|binary| binary.bytes.digest()))
        } else {
            Vec::new()
        };
        MasterPlan { name: master.name.clone(), steps }
    });
    let plan = Plan::without_certificates(masters.collect());
    if !plan.is_empty() && !run.consent.remove_last {
        leaves_a_healthy_one(run, &plan, &observed, &layout).await?;
    }
    let changes = vec![Change { began: run.now, undoes: None }; observed.len()];
    Ok(Prepared::of_masters(plan, observed, layout, changes, run.now))
}

fn is_meant(from: &From, name: &str) -> bool {
    match from {
        From::All => true,
        From::These(names) => names.iter().any(|it| it == name),
    }
}

/// Returns the steps that remove kube-controller-manager from one master. Pure.
fn steps(
    observed: &ObservedMaster,
    layout: &Layout,
    brought: Option<kcm_pki::Fingerprint>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let unit = &observed.probe.unit;
    let is_there = |role: Role| observed.files.of(role).state != PathState::Absent;
    if !matches!(unit.activity, Activity::Offline | Activity::Inactive) {
        steps.push(Step::Stop);
    }
    if unit.enablement == Enablement::Enabled {
        steps.push(Step::Disable);
    }
    let ours =
        [Role::Unit, Role::Kubeconfig, Role::Combined, Role::Serving, Role::Key, Role::Certificate];
    let binary = [Role::Binary].into_iter().filter(|role| {
        matches!(observed.files.of(*role).state, PathState::File { digest, .. } if Some(digest) == brought)
    });
    for role in ours.into_iter().filter(|role| is_there(*role)).chain(binary) {
        let (path, before) = (layout.path(role).clone(), observed.files.of(role).state.clone());
        steps.push(Step::Remove { path, before });
    }
    steps.extend(observed.leftovers().cloned().map(|path| Step::RemoveLeftover { path }));
    let runs = unit.activity != Activity::Offline;
    if runs && (is_there(Role::Unit) || unit.needs_reload) {
        steps.push(Step::Reload);
    }
    // An interrupted run may have left only kcm's own files.
    let keeps = observed.own.iter().any(|(_, state)| *state != PathState::Absent);
    if keeps || !steps.is_empty() {
        steps.push(Step::Forget);
    }
    steps
}

/// Checks that the plan leaves at least one healthy master unchanged. Passes if the plan changes no
/// healthy master.
async fn leaves_a_healthy_one(
    run: Run<'_>,
    plan: &Plan,
    observed: &[ObservedMaster],
    layout: &Layout,
) -> Result<(), Error> {
    let running = run.fleet.masters().zip(observed).zip(&plan.masters);
    let running =
        running.filter(|((_, it), _)| matches!(it.probe.unit.activity, Activity::Active { .. }));
    let asked = at_once(running.map(|(((_, transport), _), planned)| async move {
        is_healthy(&**transport, layout).await.then_some(planned)
    }));
    let healthy = asked.await.into_iter().filter_map(|asked| asked.ok().flatten());
    let (stay, go): (Vec<_>, Vec<_>) = healthy.partition(|planned| planned.steps.is_empty());
    if !stay.is_empty() || go.is_empty() {
        return Ok(());
    }
    let found = go.iter().map(|planned| last_healthy(run.cluster, planned));
    Ok(preflight::settle(found.collect(), run.cluster, run.events)?)
}

fn last_healthy(cluster: &Cluster, planned: &MasterPlan) -> Finding {
    let problem = match &cluster.left_out[..] {
        [] => "no other healthy master would remain".to_owned(),
        left_out => {
            let names = left_out.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("no other healthy master would remain (not queried: {names})")
        }
    };
    let help = "repair another master first, or pass --even-the-last";
    Finding::error(FindingCode::LastHealthy, &planned.name, problem, help)
}
