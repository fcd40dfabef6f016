//! Execution of a plan: lock all masters, stage on all, then commit master by master, each with its
//! gate.

mod commit;
mod execute;
pub(crate) mod gate;
mod issue;
mod leader_election;
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
pub(crate) use issue::check_signer;
pub(crate) use leader_election::{
    LeaderElection, LeaseAfterStop, leader_election_as_deployed, unmanaged_leader,
};
pub(crate) use leader_handover::STOPPING;
pub(crate) use lock::lock_all;
pub use outcome::{LeadershipOutcome, MasterOutcome, MasterResult, Outcome};
pub use prepared::Prepared;
pub(crate) use prepared::{FromClusterFile, PlanInputs};
