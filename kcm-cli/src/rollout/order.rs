//! Who comes first. Pure.

use crate::observe::Observed;
use crate::plan::Plan;
use crate::transport::Activity;

/// The masters to commit, by their place in the cluster file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Those on which nothing runs: all at once, because nobody misses them.
    pub(super) at_once: Vec<usize>,
    /// The others, one after the other.
    pub(super) one_by_one: Vec<usize>,
}

/// Parts the masters that have something to do.
pub(super) fn order(plan: &Plan, observed: &Observed) -> Order {
    let masters = plan.masters.iter().zip(&observed.masters).enumerate();
    let with_steps = masters.filter(|(_, (planned, _))| !planned.steps.is_empty());
    let (runs, idle): (Vec<_>, Vec<_>) = with_steps.partition(|(_, (_, observed))| {
        matches!(observed.probe.unit.activity, Activity::Active { .. })
    });
    let places = |masters: Vec<(usize, _)>| masters.into_iter().map(|(place, _)| place).collect();
    Order { at_once: places(idle), one_by_one: places(runs) }
}
