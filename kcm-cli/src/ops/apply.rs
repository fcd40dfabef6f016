//! `plan` and `apply`: from a cluster file to everything a master needs.

mod tell;

use std::sync::Arc;

use kcm_pki::CertificateAuthority;

use crate::artifact::view;
use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::desired::{Desired, DesiredError, known_services};
use crate::error::Error;
use crate::event::Event;
use crate::finding::{Finding, FindingCode, Severity};
use crate::kube::Credentials;
use crate::observed::accounts::{Accounts, Owners};
use crate::observed::{Observed, ObservedMaster, observe};
use crate::ops::renew::{self, Renewal};
use crate::pki::identity::{Decision, Held};
use crate::pki::{self, Ca, Inputs, Pair, Serving};
use crate::plan::{MasterPlan, Plan, Step, change};
use crate::preflight::{self, Examination, PreflightError, Subject, lint};
use crate::rollout::issue::{self, Fresh};
use crate::rollout::{Lead, Outcome, Rollout, Work};
use crate::transport::Activity;

use crate::plan::choose::{Decisions, Site, choose, decided};

/// Everything that is known before anything is done.
#[derive(Debug)]
pub struct Prepared {
    /// What is there.
    pub observed: Observed,
    /// What should be there, as far as it is known.
    pub desired: Desired,
    /// The difference.
    pub plan: Plan,
    /// Warnings of the checks that were made: faults that an apply neither stops for nor puts right.
    pub findings: Vec<Finding>,
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
    let (mut prepared, _) = prepare(run, &Aim::Everything).await?;
    prepared.ask_api_servers(run).await?;
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

/// Compares, and makes every check that can be made before anything is written; returns the CA if it is to sign.
async fn prepare(
    run: Run<'_>,
    aim: &Aim,
) -> Result<(Prepared, Option<CertificateAuthority>), Error> {
    // A renewal changes no flag.
    if matches!(aim, Aim::Everything) {
        lint::refuse(run)?;
    }
    let prepared = compare(run, aim).await?;
    let Prepared { observed, desired, plan, inputs, layout, .. } = &prepared;
    let authority = issue::authority(run, plan)?;
    let (cluster, ca, trust) = (run.cluster, &inputs.ca, inputs.trust.as_deref());
    let request = &inputs.request;
    let subject = Subject { cluster, layout, ca, request, trust, desired, observed, plan };
    let (examined, findings) = preflight::check(run, subject).await?;
    Ok((Prepared { findings, examined, ..prepared }, authority))
}

/// The difference, whether or not it could be carried out.
pub(crate) async fn compare(run: Run<'_>, aim: &Aim) -> Result<Prepared, Error> {
    let inputs = Inputs::read(run.cluster, run.now)?;
    for text in run.cluster.warnings.iter().chain(&inputs.warnings) {
        run.events.event(&Event::Warning { text: text.clone() });
    }
    let layout = Layout::of(&run.cluster.install).map_err(DesiredError::of_layout)?;
    let accounts = Accounts::of(run.cluster);
    let services = known_services(run.cluster, &layout)?;
    let observed = observe(run, &layout, &accounts, &inputs, &services).await?;
    tell::of_owners(&observed, run.events);
    tell::of_uptake(&observed, run.events);
    let creates_ca = matches!(inputs.ca, Ca::ToBeCreated);
    if creates_ca {
        preflight::may_create_ca(run.cluster, run.fleet, &observed).await?;
    }
    let owners = owners(run, &accounts, &observed)?;
    let decisions = aim.decisions(decided(&inputs, &observed));
    let site = Site {
        cluster: run.cluster,
        layout: &layout,
        owners: &owners,
        inputs: &inputs,
        observed: &observed,
    };
    let (decisions, desired) = choose(site, decisions)?;
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
    let (examined, findings) = (Vec::new(), Vec::new());
    Ok(Prepared { observed, desired, plan, findings, inputs, layout, owners, examined })
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
    pki::recover(&run.cluster.pki)?;
    let (prepared, authority) = prepare(run, aim).await?;
    let Prepared { observed, desired, plan, inputs, layout, owners, examined, .. } = prepared;
    if plan.is_empty() {
        return Ok(Outcome::unchanged(run, &plan));
    }
    let rollout = Rollout::lock(run).await?;
    let issued = issue::issue(run, &plan, &inputs, authority, aim.keeps_key()).await?;
    let (desired, plan, inputs) = match issued {
        None => (desired, plan, inputs),
        Some(issued) => {
            let (inputs, decisions) = with(inputs, &plan, issued);
            let (cluster, layout, owners) = (run.cluster, &layout, &owners[..]);
            let (inputs_, observed_) = (&inputs, &observed);
            let site = Site { cluster, layout, owners, inputs: inputs_, observed: observed_ };
            let (_, desired) = choose(site, decisions)?;
            let plan = Plan { masters: aim.masters(&desired, &observed), ..plan };
            (desired, plan, inputs)
        }
    };
    let pair = inputs.pair.clone();
    tell::of_binary(&plan, &inputs, &layout, run.events);
    let credentials = Credentials::of_cluster(run.cluster, pair)?;
    let (lead, mut found) = open_lead(run, &plan, &observed, &examined, credentials.as_ref()).await;
    found.extend(lead.findings(&examined).await);
    preflight::settle(found, run.cluster, run.events)?;
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
        let fingerprint = view::leaf(pair.certificate.as_bytes())?;
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

/// Opens a way to the Lease through each master that starts with the identity, and finds API servers that refuse it.
async fn open_lead(
    run: Run<'_>,
    plan: &Plan,
    observed: &Observed,
    examined: &[Examination],
    credentials: Option<&Credentials>,
) -> (Lead, Vec<Finding>) {
    let clocks: Vec<_> = examined.iter().map(|examination| examination.clock).collect();
    let takes_it = |planned: &MasterPlan| planned.starts() || planned.replaces_named_credentials();
    let starts = |place: usize| plan.masters.get(place).is_some_and(takes_it);
    Lead::open(run, &observed.masters, &clocks, credentials, starts).await
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

impl Prepared {
    /// Asks the API servers what [`apply`] asks before it changes a master. Whether they accept a new identity is not known
    /// until [`apply`] has issued it.
    async fn ask_api_servers(&mut self, run: Run<'_>) -> Result<(), Error> {
        let Self { plan, observed, examined, .. } = self;
        let credentials = Credentials::of_cluster(run.cluster, self.inputs.pair.clone())?;
        let (lead, mut found) =
            open_lead(run, plan, observed, examined, credentials.as_ref()).await;
        if matches!(plan.identity, Some(Decision::Issue { .. })) {
            found.clear();
        }
        found.extend(lead.findings(examined).await);
        let warnings = found.iter().filter(|it| it.severity == Severity::Warning);
        self.findings.extend(warnings.cloned());
        preflight::settle(found, run.cluster, run.events)?;
        let runs =
            |master: &ObservedMaster| matches!(master.probe.unit.activity, Activity::Active { .. });
        let masters = plan.masters.iter().zip(&observed.masters).enumerate();
        let restarted: Vec<_> = masters
            .filter(|(_, (planned, observed))| planned.starts() && runs(observed))
            .map(|(place, _)| place)
            .collect();
        // At most once, because the leader comes last.
        plan.lead_changes = match &restarted[..] {
            [] => None,
            _ => Some(lead.forecast(&restarted).await),
        };
        Ok(())
    }

    /// Whether the masters differ from the cluster file, or something there is wrong or could not be determined. A drop-in
    /// that only adds to the unit is neither.
    #[must_use]
    pub fn is_to_do(&self) -> bool {
        let is_fault = |finding: &Finding| finding.code != FindingCode::DropIn;
        !self.plan.is_empty() || self.findings.iter().any(is_fault)
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
