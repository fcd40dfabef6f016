//! Execution of a plan: lock all masters, stage on all, then commit master by master, each with its
//! gate.

mod commit;
mod execute;
pub(crate) mod gate;
mod issue;
mod lead;
mod leader_handover;
mod lock;
mod master;
mod order;
mod outcome;
mod prepared;
mod stage;
mod task;

pub use execute::execute;
pub use gate::{FIRST_LOOK, SETTLE};
pub(crate) use gate::{answers_at, health_question, is_healthy, listener};
pub(crate) use issue::authority;
pub(crate) use lead::{
    Claim, Holding, LeaderElection, LeaseAfterStop, lead_as_deployed, owner, unmanaged_leader,
};
pub(crate) use leader_handover::{STOPPING, processes};
pub(crate) use lock::lock_all;
pub use outcome::{LeadershipOutcome, MasterOutcome, MasterResult, Outcome};
pub use prepared::Prepared;
pub(crate) use prepared::{FromClusterFile, PlanInputs};
