//! `plan` and `apply`: from a cluster file to everything a master needs.

mod tell;

use std::sync::Arc;

use crate::accounts::{Accounts, Owners};
use crate::api::Credentials;
use crate::change;
use crate::cluster::Cluster;
use crate::desired::{Desired, DesiredError, DesiredMaster, Identity, Materials, Role, desired};
use crate::error::Error;
use crate::event::Event;
use crate::identity::{Decision, Held, Reason, decide};
use crate::issue::{self, Fresh};
use crate::layout::Layout;
use crate::lint;
use crate::observe::{Observed, ObservedFile, ObservedMaster, observe};
use crate::operator::{self, Ca, Inputs, Pair, Serving};
use crate::plan::{MasterPlan, Plan, Step, leaf};
use crate::preflight::{self, Examination, PreflightError, Subject};
use crate::renew::{self, Renewal};
use crate::rollout::{Lead, LeadForecast, Outcome, Rollout, Work};
use crate::run::Run;
use crate::serving;
use crate::transport::Activity;
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
    owners: Vec<Owners>,
    examined: Vec<Examination>,
}

/// Says what [`apply`] would do. Writes nothing anywhere.
///
/// # Errors
/// When the plan cannot be made, or could not be carried out. Nothing was changed.
pub async fn plan(run: Run<'_>) -> Result<Prepared, Error> {
    let mut prepared = prepare(run, &Aim::Everything).await?;
    prepared.plan.lead_changes = prepared.lead_changes(run).await;
    Ok(prepared)
}

/// What is to be done of all that could be.
#[derive(Clone, Debug)]
pub(crate) enum Aim {
    /// Every master is to be what the cluster file says.
    Everything,
    /// Certificates alone.
    Renewal {
        renewal: Renewal,
        /// Masters whose services show a certificate that only a restart renews.
        restarted: Vec<String>,
    },
}

impl Aim {
    fn decisions(&self, decisions: Decisions) -> Decisions {
        match self {
            Self::Everything => decisions,
            Self::Renewal { renewal, .. } => Decisions {
                identity: renew::decision(*renewal, decisions.identity),
                serving: decisions.serving.map(|it| renew::decision(*renewal, it)),
            },
        }
    }

    fn masters(&self, desired: &Desired, observed: &Observed) -> Vec<MasterPlan> {
        let masters = Plan::masters(desired, observed);
        match self {
            Self::Everything => masters,
            Self::Renewal { restarted, .. } => {
                renew::narrowed(masters, desired, observed, restarted)
            }
        }
    }

    /// Whether a new certificate is for the key that is there.
    fn keeps_key(&self) -> bool {
        matches!(self, Self::Renewal { renewal: Renewal { same_key: true, .. }, .. })
    }
}

async fn prepare(run: Run<'_>, aim: &Aim) -> Result<Prepared, Error> {
    // A renewal changes no flag.
    if matches!(aim, Aim::Everything) {
        lint::refuse(run)?;
    }
    let prepared = compare(run, aim).await?;
    let Prepared { observed, desired, plan, inputs, layout, .. } = &prepared;
    issue::check_key_is_there(run.cluster, plan, inputs)?;
    let (cluster, ca, trust) = (run.cluster, &inputs.ca, inputs.trust.as_deref());
    let examined = preflight::check(
        run,
        Subject { cluster, layout, ca, request: &inputs.request, trust, desired, observed, plan },
    )
    .await?;
    Ok(Prepared { examined, ..prepared })
}

/// The difference, whether or not it could be carried out.
pub(crate) async fn compare(run: Run<'_>, aim: &Aim) -> Result<Prepared, Error> {
    let inputs = Inputs::read(run.cluster, run.now)?;
    for text in run.cluster.warnings.iter().chain(&inputs.warnings) {
        run.events.event(&Event::Warning { text: text.clone() });
    }
    let layout = Layout::of(&run.cluster.install).map_err(DesiredError::of_layout)?;
    let accounts = Accounts::of(run.cluster);
    let observed = observe(run.fleet, &layout, &accounts, &inputs, run.now, run.events).await?;
    tell::of_owners(&observed, run.events);
    tell::of_uptake(&observed, run.events);
    if !run.cluster.install.distribute_ca {
        tell::of_other_cas(&observed, &inputs.ca, &layout, run.events);
    }
    let creates_ca = matches!(inputs.ca, Ca::ToBeCreated);
    if creates_ca {
        preflight::may_create_ca(run.cluster, run.fleet, &observed).await?;
    }
    let owners = owners(run, &accounts, &observed)?;
    let decisions = aim.decisions(decided(&inputs, &observed));
    let (decisions, desired) =
        choose(run.cluster, &layout, &owners, &inputs, &observed, decisions)?;
    let masters = aim.masters(&desired, &observed);
    if matches!(aim, Aim::Renewal { .. }) {
        renew::tell(run, &desired, &observed, &masters)?;
    }
    let plan = Plan {
        creates_ca,
        identity: Some(decisions.identity),
        serving: decisions.serving,
        masters,
        lead_changes: None,
    };
    let examined = Vec::new();
    Ok(Prepared { observed, desired, plan, inputs, layout, owners, examined })
}

/// Makes every master what the cluster file says.
///
/// The second run changes nothing. Interrupted anywhere, the next run goes on from what it finds.
///
/// # Errors
/// When it stopped before any master changed. What happens from then on is in the [`Outcome`].
pub async fn apply(run: Run<'_>) -> Result<Outcome, Error> {
    // It is long: callers should not have to carry it on their stack.
    Box::pin(carry_out(run, &Aim::Everything)).await
}

pub(crate) async fn carry_out(run: Run<'_>, aim: &Aim) -> Result<Outcome, Error> {
    operator::recover(&run.cluster.pki)?;
    let Prepared { observed, desired, plan, inputs, layout, owners, examined } =
        prepare(run, aim).await?;
    if plan.is_empty() {
        return Ok(Outcome::unchanged(run, &plan));
    }
    let authority = issue::authority(run, &plan)?;
    let rollout = Rollout::lock(run).await?;
    let issued = issue::issue(run, &plan, &inputs, authority, aim.keeps_key()).await?;
    let (desired, plan, inputs) = match issued {
        None => (desired, plan, inputs),
        Some(issued) => {
            let (inputs, decisions) = with(inputs, &plan, issued);
            let (_, desired) =
                choose(run.cluster, &layout, &owners, &inputs, &observed, decisions)?;
            let plan = Plan { masters: aim.masters(&desired, &observed), ..plan };
            (desired, plan, inputs)
        }
    };
    let pair = inputs.pair.clone();
    tell::of_binary(&plan, &inputs, &layout, run.events);
    let credentials = operator::credentials(run.cluster, pair)?;
    let lead = look_for_lead(run, &plan, &observed, &examined, credentials.as_ref()).await?;
    let (desired, observed) = (Some(&desired), &observed.masters[..]);
    let changes = change::of_apply(&plan, observed, &layout, run.now);
    let work = Work {
        plan: &plan,
        desired,
        observed,
        layout: &layout,
        lead: &Arc::new(lead),
        changes: &changes,
    };
    Ok(rollout.carry_out(work).await)
}

/// The operator's side with what was issued, which is kept from now on.
fn with(inputs: Inputs, plan: &Plan, issued: Fresh) -> (Inputs, Decisions) {
    let keep = |pair: &Pair| {
        let fingerprint = leaf(pair.certificate.as_bytes())?;
        Some(Decision::Keep { fingerprint, held: Held::ByOperator })
    };
    let kept = |pair: Option<&Pair>, decision: &Option<Decision>| {
        pair.and_then(keep).or_else(|| decision.clone())
    };
    let identity = kept(issued.identity.as_ref(), &plan.identity);
    let decisions = Decisions {
        identity: identity.unwrap_or(Decision::Issue { why: Vec::new() }),
        serving: kept(issued.serving.as_ref(), &plan.serving),
    };
    let serving =
        inputs.serving.map(|serving| Serving { pair: issued.serving.or(serving.pair), ..serving });
    let inputs = Inputs {
        pair: issued.identity.or(inputs.pair),
        serving,
        ca: Ca::Present(issued.ca),
        ca_key: issued.ca_key,
        ..inputs
    };
    (inputs, decisions)
}

/// Whether the API server takes the identity, asked from each master that starts with it, and who leads.
async fn look_for_lead(
    run: Run<'_>,
    plan: &Plan,
    observed: &Observed,
    examined: &[Examination],
    credentials: Option<&Credentials>,
) -> Result<Lead, PreflightError> {
    let clocks: Vec<_> = examined.iter().map(|examination| examination.clock).collect();
    let takes_it = |planned: &MasterPlan| planned.starts() || planned.replaces_named_credentials();
    let starts = |place: usize| plan.masters.get(place).is_some_and(takes_it);
    let observed = &observed.masters[..];
    let (lead, mut found) = Lead::open(run, observed, &clocks, credentials, starts).await;
    found.extend(lead.findings(examined).await);
    preflight::settle(found, run.cluster, run.events)?;
    Ok(lead)
}

/// Whose files and processes they are on each master.
fn owners(
    run: Run<'_>,
    accounts: &Accounts,
    observed: &Observed,
) -> Result<Vec<Owners>, PreflightError> {
    let mut found = Vec::new();
    let owners = observed.masters.iter().map(|master| accounts.on(master, &mut found)).collect();
    preflight::settle(found, run.cluster, run.events)?;
    Ok(owners)
}

/// What happens to the certificates.
#[derive(Clone, Debug)]
pub(crate) struct Decisions {
    /// The client's.
    pub(crate) identity: Decision,
    /// The one that is served with, if it is issued.
    pub(crate) serving: Option<Decision>,
}

/// Whether the certificates stay.
pub(crate) fn decided(inputs: &Inputs, observed: &Observed) -> Decisions {
    let held: Vec<_> = observed.masters.iter().map(|master| master.identity.clone()).collect();
    let identity = decide(&inputs.request, &observed.operator, &held, observed.at);
    Decisions { identity, serving: serving::decide(inputs, observed) }
}

/// What should be on the masters, and the decisions as far as they can be kept.
pub(crate) fn choose(
    cluster: &Cluster,
    layout: &Layout,
    owners: &[Owners],
    inputs: &Inputs,
    observed: &Observed,
    decisions: Decisions,
) -> Result<(Decisions, Desired), Error> {
    let ca = ca_pem(&inputs.ca);
    let served = decisions.serving.as_ref().and_then(|it| served(it, inputs, observed));
    let desired = |identity: Identity<'_>| {
        let (ca, ca_key, binary) = (ca.as_deref(), inputs.ca_key.as_ref(), inputs.binary.as_ref());
        let trust = inputs.trust.as_deref();
        let materials = Materials { identity, serving: served, ca, trust, ca_key, binary };
        desired(cluster, layout, owners, materials)
    };
    let to_issue = || desired(Identity::ToBeIssued(&inputs.request));
    match (&decisions.identity, &inputs.pair) {
        (Decision::Keep { held: Held::ByOperator, .. }, Some(pair)) => {
            Ok((decisions, desired(Identity::Pair(pair))?))
        }
        (Decision::Keep { .. }, _) => {
            let first = observed.masters.first();
            let first = first.and_then(|master| master.certificate(inputs.credentials));
            let kept = first.map(|pem| desired(Identity::OnMasters(&pem))).transpose()?;
            if let Some(desired) = kept.filter(|desired| have_kubeconfigs(desired, observed)) {
                return Ok((decisions, desired));
            }
            let identity = Decision::Issue { why: vec![Reason::KeyNotHere] };
            Ok((Decisions { identity, ..decisions }, to_issue()?))
        }
        (Decision::Issue { .. }, _) => Ok((decisions, to_issue()?)),
    }
}

/// What is served with.
fn served<'a>(
    decision: &Decision,
    inputs: &'a Inputs,
    observed: &'a Observed,
) -> Option<Identity<'a>> {
    let Serving { request, pair, .. } = inputs.serving.as_ref()?;
    Some(match (decision, pair) {
        (Decision::Issue { .. }, _) => Identity::ToBeIssued(request),
        (Decision::Keep { .. }, Some(pair)) => Identity::Pair(pair),
        (Decision::Keep { .. }, None) => {
            let first = observed.masters.first()?;
            Identity::OnMasters(first.files.serving.text.as_deref()?)
        }
    })
}

/// Whether the masters' identity can stay: not if a kubeconfig has to be written, which needs its key.
fn have_kubeconfigs(desired: &Desired, observed: &Observed) -> bool {
    let mut masters = desired.masters.iter().zip(&observed.masters);
    masters.all(|(desired, observed)| has_kubeconfig(desired, observed))
}

/// Whether what holds the key there is as it should be in everything but the key, which is not here.
fn has_kubeconfig(desired: &DesiredMaster, observed: &ObservedMaster) -> bool {
    let artifact = |role| desired.artifacts.iter().find(|artifact| artifact.role == role);
    if artifact(Role::Combined).is_some() {
        let [combined, alone] = [&observed.files.combined, &observed.files.certificate];
        let held = |file: &ObservedFile| leaf(file.text.as_deref()?.as_bytes());
        return held(combined).is_some() && held(combined) == held(alone);
    }
    let wanted = artifact(Role::Kubeconfig);
    let meaning = wanted.and_then(|wanted| wanted.meaning.as_ref());
    if meaning.is_some_and(|meaning| meaning.is_on_but_for_key(observed)) {
        return true;
    }
    let found = observed.files.kubeconfig.text.as_deref().map(view::kubeconfig);
    match (wanted, found) {
        (Some(wanted), Some(found)) => {
            view::without_key(&found).eq(view::without_key(&wanted.view))
        }
        _ => false,
    }
}

fn ca_pem(ca: &Ca) -> Option<String> {
    match ca {
        Ca::Present(ca) => Some(ca.certificate().to_pem()),
        Ca::ToBeCreated => None,
    }
}

impl Prepared {
    /// How often the lead changes if this is carried out: at most once, because the leader comes last.
    async fn lead_changes(&self, run: Run<'_>) -> Option<LeadForecast> {
        let runs =
            |master: &ObservedMaster| matches!(master.probe.unit.activity, Activity::Active { .. });
        let masters = self.plan.masters.iter().zip(&self.observed.masters);
        let restarted: Vec<_> = masters
            .enumerate()
            .filter(|(_, (planned, observed))| planned.starts() && runs(observed))
            .map(|(place, _)| place)
            .collect();
        if restarted.is_empty() {
            return None;
        }
        let pair = self.inputs.pair.clone();
        let credentials = operator::credentials(run.cluster, pair).ok().flatten();
        let observed = &self.observed.masters[..];
        let clocks = vec![None; observed.len()];
        let first = restarted.first().copied();
        let asked = |place: usize| Some(place) == first;
        let (lead, _) = Lead::open(run, observed, &clocks, credentials.as_ref(), asked).await;
        Some(lead.forecast(&restarted).await)
    }

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
