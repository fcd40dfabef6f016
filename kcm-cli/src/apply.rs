//! `plan` and `apply`: from a cluster file to everything a master needs.

use kcm_pki::Certificate;

use crate::cluster::Cluster;
use crate::desired::{Desired, DesiredError, DesiredMaster, Identity, Role, desired};
use crate::error::Error;
use crate::event::{Event, EventSink};
use crate::identity::{Decision, Held, Reason, decide};
use crate::issue;
use crate::layout::Layout;
use crate::observe::{Observed, ObservedMaster, observe};
use crate::operator::{self, Ca, Inputs, Pair};
use crate::plan::{Plan, Step};
use crate::preflight;
use crate::rollout::{Outcome, Rollout};
use crate::run::Run;
use crate::view;

/// Everything that is known before anything is done.
#[derive(Debug)]
pub struct Prepared {
    /// What is there.
    pub observed: Observed,
    /// What should be there, as far as it is known.
    pub desired: Desired,
    /// The difference.
    pub plan: Plan,
    inputs: Inputs,
    layout: Layout,
}

/// Says what [`apply`] would do. Writes nothing anywhere.
///
/// # Errors
/// When the plan cannot be made, or could not be carried out. Nothing was changed.
pub async fn plan(run: Run<'_>) -> Result<Prepared, Error> {
    let inputs = Inputs::read(run.cluster, run.now)?;
    for text in run.cluster.warnings.iter().chain(&inputs.warnings) {
        run.events.event(&Event::Warning { text: text.clone() });
    }
    let layout = Layout::below(&run.cluster.install_root)
        .map_err(|reason| DesiredError::Layout { reason })?;
    let observed = observe(run.fleet, &layout, &inputs, run.now, run.events).await?;
    warn_of_owners(&observed, run.events);
    warn_of_other_cas(&observed, &inputs.ca, &layout, run.events);
    let creates_ca = matches!(inputs.ca, Ca::ToBeCreated);
    if creates_ca {
        preflight::may_create_ca(run.cluster, run.fleet, &observed).await?;
    }
    let (decision, desired) = choose(run.cluster, &layout, &inputs, &observed)?;
    let plan = Plan::between(&desired, &observed, decision, creates_ca)?;
    preflight::check_room(run.cluster, &observed, &plan)?;
    issue::check_key_is_there(run.cluster, &plan, &inputs)?;
    Ok(Prepared { observed, desired, plan, inputs, layout })
}

/// Makes every master what the cluster file says.
///
/// The second run changes nothing. Interrupted anywhere, the next run goes on from what it finds.
///
/// # Errors
/// When it stopped before any master changed. What happens from then on is in the [`Outcome`].
pub async fn apply(run: Run<'_>) -> Result<Outcome, Error> {
    operator::recover(&run.cluster.pki)?;
    let Prepared { observed, desired, plan, inputs, layout } = self::plan(run).await?;
    if plan.is_empty() {
        return Ok(Outcome::unchanged(&plan));
    }
    let authority = issue::authority(run, &plan)?;
    let rollout = Rollout::lock(run).await?;
    let (desired, plan) = match issue::issue(run, &plan, &inputs, authority).await? {
        None => (desired, plan),
        Some(issued) => {
            let identity = Identity::Pair(&issued.pair);
            let desired = self::desired(run.cluster, &layout, identity, Some(&issued.ca))?;
            let plan = Plan::between(&desired, &observed, plan.identity, plan.creates_ca)?;
            (desired, plan)
        }
    };
    Ok(rollout.carry_out(&plan, &desired, &observed, &layout).await)
}

/// The identity decision, and what should be on the masters with it.
fn choose(
    cluster: &Cluster,
    layout: &Layout,
    inputs: &Inputs,
    observed: &Observed,
) -> Result<(Decision, Desired), Error> {
    let held: Vec<_> = observed.masters.iter().map(|master| master.identity.clone()).collect();
    let decision = decide(&inputs.request, &observed.operator, &held, observed.at);
    let ca = ca_pem(&inputs.ca);
    let to_issue =
        || desired(cluster, layout, Identity::ToBeIssued(&inputs.request), ca.as_deref());
    match (&decision, &inputs.pair) {
        (Decision::Keep { held: Held::ByOperator, .. }, Some(pair)) => {
            let pair: &Pair = pair;
            Ok((decision, desired(cluster, layout, Identity::Pair(pair), ca.as_deref())?))
        }
        (Decision::Keep { .. }, _) => {
            match kept_by_masters(cluster, layout, observed, ca.as_deref())? {
                Some(desired) => Ok((decision, desired)),
                None => Ok((Decision::Issue { why: vec![Reason::KeyNotHere] }, to_issue()?)),
            }
        }
        (Decision::Issue { .. }, _) => Ok((decision, to_issue()?)),
    }
}

/// What should be there if the masters' identity stays; `None` if that cannot be had without its key.
fn kept_by_masters(
    cluster: &Cluster,
    layout: &Layout,
    observed: &Observed,
    ca: Option<&str>,
) -> Result<Option<Desired>, Error> {
    let first =
        observed.masters.first().and_then(|master| master.files.certificate.text.as_deref());
    let Some(certificate) = first else { return Ok(None) };
    let desired = desired(cluster, layout, Identity::OnMasters(certificate), ca)?;
    let mut masters = desired.masters.iter().zip(&observed.masters);
    Ok(masters.all(|(desired, observed)| has_kubeconfig(desired, observed)).then_some(desired))
}

/// Whether the kubeconfig there is the desired one in everything but its key, which is not here.
fn has_kubeconfig(desired: &DesiredMaster, observed: &ObservedMaster) -> bool {
    let wanted = desired.artifacts.iter().find(|artifact| artifact.role == Role::Kubeconfig);
    let found = observed.files.kubeconfig.text.as_deref().map(view::kubeconfig);
    match (wanted, found) {
        (Some(wanted), Some(found)) => {
            view::without_key(&found).eq(view::without_key(&wanted.view))
        }
        _ => false,
    }
}

fn warn_of_owners(observed: &Observed, events: &dyn EventSink) {
    if observed.masters.iter().any(|master| !master.probe.can_set_owner) {
        let text = "files belong to you, not to root:root, because only root can give files away; pack them with owner root, or run as root";
        events.event(&Event::Warning { text: text.to_owned() });
    }
}

/// A master with another CA would refuse what this one signs, and hand out certificates that nobody trusts.
fn warn_of_other_cas(observed: &Observed, ca: &Ca, layout: &Layout, events: &dyn EventSink) {
    let Ca::Present(ca) = ca else { return };
    let ours = ca.certificate().fingerprint();
    for master in &observed.masters {
        let Some(pem) = &master.files.ca_certificate.text else { continue };
        let theirs =
            Certificate::from_pem(pem.as_bytes()).map(|certificate| certificate.fingerprint());
        if theirs.as_ref() != Ok(&ours) {
            let (name, path) = (&master.name, &layout.ca_certificate);
            let text = format!(
                "{name}: {path} is not the CA of pki.caCert ({ours}); put the same CA on every master"
            );
            events.event(&Event::Warning { text });
        }
    }
}

fn ca_pem(ca: &Ca) -> Option<String> {
    match ca {
        Ca::Present(ca) => Some(ca.certificate().to_pem()),
        Ca::ToBeCreated => None,
    }
}

impl Prepared {
    /// How many steps there are on all masters together.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.plan.masters.iter().map(|master| master.steps.len()).sum()
    }

    /// The steps of one master.
    pub fn steps_of(&self, master: &str) -> impl Iterator<Item = &Step> {
        let plan = self.plan.masters.iter().find(move |plan| plan.name == master);
        plan.into_iter().flat_map(|plan| &plan.steps)
    }
}
