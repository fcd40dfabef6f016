//! Inputs of a plan that is made from the cluster file, and the checks before its execution.

use std::time::Duration;

use kcm_pki::{CaCertificate, Certificate};

use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::desired::{Desired, DesiredError, known_services};
use crate::error::Error;
use crate::event::{Event, EventSink};
use crate::observed::accounts::{Accounts, Owners};
use crate::observed::{Observed, observe};
use crate::pki::identity::Decision;
use crate::pki::token_key::TokenKey;
use crate::pki::{Ca, Inputs};
use crate::plan::choose::{Decisions, Site, choose, decided};
use crate::plan::{MasterPlan, Plan};
use crate::preflight::{self, PreflightError, Subject};
use crate::rollout::{FromClusterFile, PlanInputs, Prepared, check_signer};
use crate::transport::Activity;

/// Inputs of a plan, besides the cluster file.
pub(super) struct Sources {
    inputs: Inputs,
    layout: Layout,
    owners: Vec<Owners>,
    observed: Observed,
}

impl Sources {
    /// Reads the operator's files and observes the masters.
    ///
    /// Certificates that expire `within` this time are due. The default is the time in the cluster
    /// file.
    pub(super) async fn read(run: Run<'_>, within: Option<Duration>) -> Result<Self, Error> {
        let mut inputs = Inputs::read(run.cluster, run.now)?;
        let serving = inputs.serving.as_mut().map(|serving| &mut serving.request);
        for request in serving.into_iter().chain([&mut inputs.request]) {
            request.renew_before = within.unwrap_or(request.renew_before);
        }
        for text in run.cluster.warnings.iter().chain(&inputs.warnings) {
            run.events.event(&Event::Warning { text: text.clone() });
        }
        let layout = Layout::of(&run.cluster.install).map_err(DesiredError::of_layout)?;
        let accounts = Accounts::of(run.cluster);
        let services = known_services(run.cluster, &layout)?;
        let observed = observe(run, &layout, &accounts, &inputs, &services).await?;
        tell_of_owners(&observed, run.events);
        report_certificate_reload(&observed, run.events);
        if matches!(inputs.ca, Ca::ToBeCreated) {
            preflight::may_create_ca(run.cluster, run.fleet, &observed).await?;
        }
        let owners = owners(run, &accounts, &observed)?;
        Ok(Self { inputs, layout, owners, observed })
    }

    pub(super) fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Replaces the key that signs service account tokens.
    pub(super) fn sign_tokens_with(&mut self, key: TokenKey) {
        self.inputs.token_key = Some(key);
    }

    /// Replaces the CA certificates that clients accept.
    pub(super) fn trust(&mut self, bundle: &[Certificate]) {
        self.inputs.trust = Some(bundle.iter().map(Certificate::to_pem).collect());
    }

    /// Lets masters lose a CA that a rotation replaces.
    pub(super) fn replace_ca(&mut self, former: Option<CaCertificate>) {
        self.inputs.replaced_ca = former;
    }

    pub(super) fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Reports whether the masters have the desired state, and no certificate is due.
    pub(super) fn is_in_sync(&self, run: Run<'_>) -> Result<bool, DesiredError> {
        let (decisions, desired) = self.choose(run, self.decisions())?;
        let mut decided = decisions.serving.iter().chain([&decisions.identity]);
        let masters = Plan::masters(&desired, &self.observed);
        let is_unchanged = |master: &MasterPlan| master.steps.is_empty();
        Ok(!decided.any(Decision::issues) && masters.iter().all(is_unchanged))
    }

    /// Decides which certificates are kept.
    pub(super) fn decisions(&self) -> Decisions {
        decided(&self.inputs, &self.observed)
    }

    /// Renders the desired state of the masters.
    pub(super) fn choose(
        &self,
        run: Run<'_>,
        decisions: Decisions,
    ) -> Result<(Decisions, Desired), DesiredError> {
        let Self { inputs, layout, owners, observed } = self;
        choose(Site { cluster: run.cluster, layout, owners, inputs, observed }, decisions)
    }

    /// Assembles a plan from these decisions and the steps of each master.
    pub(super) fn prepared(
        self,
        decisions: Decisions,
        desired: Desired,
        masters: Vec<MasterPlan>,
        same_key: bool,
    ) -> Prepared {
        let Self { inputs, layout, owners, observed } = self;
        let plan = Plan {
            creates_ca: matches!(inputs.ca, Ca::ToBeCreated),
            identity: Some(decisions.identity),
            serving: decisions.serving,
            masters,
            leader_changes: None,
        };
        let from = FromClusterFile { inputs, owners, examined: Vec::new(), same_key };
        Prepared {
            observed,
            desired: Some(desired),
            plan,
            findings: Vec::new(),
            layout,
            inputs: PlanInputs::ClusterFile(Box::new(from)),
            restores: Vec::new(),
        }
    }
}

/// Runs every check that is possible before anything is written.
pub(super) async fn checked(run: Run<'_>, mut prepared: Prepared) -> Result<Prepared, Error> {
    let Prepared { observed, desired, plan, layout, inputs, findings, .. } = &mut prepared;
    if let (PlanInputs::ClusterFile(from), Some(desired)) = (inputs, desired) {
        check_signer(run, plan, &from.inputs).await?;
        let (cluster, inputs) = (run.cluster, &from.inputs);
        let subject = Subject { cluster, layout, inputs, desired, observed, plan };
        (from.examined, *findings) = preflight::check(run, subject).await?;
    }
    Ok(prepared)
}

/// Returns the owners of files and processes on each master.
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

/// Reports how far services have reloaded new certificates. Skips services that were started after
/// their credentials file changed.
fn report_certificate_reload(observed: &Observed, events: &dyn EventSink) {
    for master in &observed.masters {
        let Activity::Active { since, .. } = master.probe.unit.activity else { continue };
        let changed = master.files.combined.state.changed();
        if let Some(certificate_reload) =
            master.certificate_reload.clone().filter(|_| changed > Some(since))
        {
            events.event(&Event::CertificateReload {
                master: master.name.clone(),
                certificate_reload,
            });
        }
    }
}

fn tell_of_owners(observed: &Observed, events: &dyn EventSink) {
    if observed.masters.iter().any(|master| !master.probe.can_set_owner) {
        let text = "the files are owned by the current user, not by root:root, because only root can change owners; pack the files with owner root, or run kcm as root";
        events.event(&Event::Warning { text: text.to_owned() });
    }
}
