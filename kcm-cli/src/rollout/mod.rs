//! Execution of a plan: lock all masters, stage on all, then commit master by master, each with its
//! gate.

mod commit;
mod execute;
pub(crate) mod gate;
mod helm;
mod issue;
mod lead;
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
pub(crate) use helm::{STOPPING, processes};
pub(crate) use issue::authority;
pub(crate) use lead::{Claim, Holding, Lead, LeaseAfterStop, lead_as_deployed, owner, stranger};
pub(crate) use lock::lock_all;
pub use outcome::{LeadOutcome, MasterOutcome, MasterResult, Outcome};
pub use prepared::Prepared;
pub(crate) use prepared::{FromClusterFile, PlanInputs};
