//! The state of one master during a rollout.

use std::sync::Arc;

use kcm_kubeconfig::ServerUrl;
use time::OffsetDateTime;

use super::commit::Site;
use super::order::Condition;
use super::outcome::MasterResult;
use super::prepared::{PlanInputs, Prepared};
use super::stage::Staged;
use super::task::{Facts, Task};
use crate::artifact::view;
use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::event::Event;
use crate::kube::LeaderChange;
use crate::observed::ObservedMaster;
use crate::plan::{Step, change};
use crate::transport::{Activity, StreamAddress, Transport};

/// One master in a rollout: its task and its result.
pub(super) struct MasterRollout {
    /// Position of the master in the cluster file.
    pub(super) place: usize,
    pub(super) name: String,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) condition: Condition,
    /// Invocation ID and start time of the observed process.
    pub(super) process: Option<(String, OffsetDateTime)>,
    /// True if the plan stops the service for good.
    pub(super) stops: bool,
    /// The task; `None` if the plan has no steps for the master.
    pub(super) task: Option<Task>,
    /// The API server of the previous kubeconfig, or of the cluster file if there was none.
    pub(super) server: StreamAddress,
    /// True if the master reached this API server before the commit; `None` if that is unknown.
    pub(super) reached_api_server: Option<bool>,
    pub(super) staged: Staged,
    pub(super) result: MasterResult,
    /// The handover, if the master was the leader.
    pub(super) leader_change: Option<LeaderChange>,
}

impl MasterRollout {
    /// Returns all masters, in the order of the cluster file.
    pub(super) fn all(run: Run<'_>, prepared: &Prepared) -> Vec<Self> {
        let Prepared { observed, desired, plan, layout, inputs, .. } = prepared;
        let observed = &observed.masters[..];
        let changes = match inputs {
            PlanInputs::ClusterFile(_) => change::of_apply(plan, observed, layout, run.now),
            PlanInputs::Masters(changes) => changes.clone(),
        };
        let desired = desired.iter().flat_map(|desired| &desired.masters);
        let desired = desired.map(Some).chain(std::iter::repeat(None));
        let parts = run.fleet.masters().zip(&plan.masters).zip(observed).zip(desired).zip(changes);
        let masters = parts.enumerate().map(|(place, part)| {
            let (((((name, transport), planned), observed), desired), change) = part;
            let has_steps = !planned.steps.is_empty();
            let facts = Facts { planned, desired, observed, layout, change };
            Self {
                place,
                name: name.to_owned(),
                transport: Arc::clone(transport),
                condition: Condition::of(observed),
                process: process(observed),
                stops: planned.steps.iter().any(|step| matches!(step, Step::Stop)),
                task: has_steps.then(|| Task::of(facts)),
                server: server(run, observed),
                reached_api_server: None,
                staged: Staged::Nothing,
                result: MasterResult::before(planned),
                leader_change: None,
            }
        });
        masters.collect()
    }

    /// Returns the data that the commit needs.
    pub(super) fn site(&self, layout: &Layout) -> Site {
        Site {
            transport: Arc::clone(&self.transport),
            layout: layout.clone(),
            server: self.server.clone(),
            reached_api_server: self.reached_api_server,
        }
    }

    /// Emits the events of the master's result.
    pub(super) fn tell(&self, run: Run<'_>) {
        let master = self.name.clone();
        if let MasterResult::Renewed { certificate_reload } = &self.result {
            run.events.event(&Event::CertificateReload {
                master: master.clone(),
                certificate_reload: certificate_reload.clone(),
            });
        }
        run.events.event(&match &self.result {
            MasterResult::Failed { error } | MasterResult::Untouched { error: Some(error) } => {
                Event::Failed { master, error: error.clone() }
            }
            MasterResult::RolledBack { error } => {
                Event::RolledBack { master, error: error.clone() }
            }
            MasterResult::Unverified { cause } => {
                Event::Unverified { master, cause: cause.clone() }
            }
            _ => Event::Committed { master },
        });
    }

    /// Reports whether the service is expected to run after the rollout.
    pub(super) fn runs_afterwards(&self) -> bool {
        match &self.task {
            Some(task) => task.gate.is_some(),
            None => self.condition == Condition::Running,
        }
    }
}

fn process(observed: &ObservedMaster) -> Option<(String, OffsetDateTime)> {
    match &observed.probe.unit.activity {
        Activity::Active { invocation, since, .. } => Some((invocation.clone(), *since)),
        _ => None,
    }
}

fn server(run: Run<'_>, observed: &ObservedMaster) -> StreamAddress {
    let had = observed.files.kubeconfig.text.as_deref().and_then(view::server);
    let had = had.and_then(|url| ServerUrl::parse(&url).ok());
    let server = had.as_ref().unwrap_or_else(|| run.cluster.server_of(&observed.name));
    StreamAddress { host: server.host().to_owned(), port: server.port() }
}
