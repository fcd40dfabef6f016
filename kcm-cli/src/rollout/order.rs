//! The order in which masters are committed. Pure.

use crate::observed::ObservedMaster;
use crate::transport::Activity;

/// The observed condition of a master's service before its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// The service is inactive, or the master is a folder: a commit interrupts nothing.
    Idle,
    /// The service has failed, or systemd restarts it repeatedly.
    Down,
    /// The service is active.
    Running,
}

impl Condition {
    pub(super) fn of(observed: &ObservedMaster) -> Self {
        match observed.probe.unit.activity {
            Activity::Offline | Activity::Inactive => Self::Idle,
            Activity::Failed { .. } => Self::Down,
            Activity::Active { .. } => Self::Running,
        }
    }
}

/// Returns the masters to commit next, all at once, by their positions in the cluster file.
///
/// First come all idle masters together. Then, one at a time, come masters that are down, and then
/// running masters, in the order of the cluster file. `holder`, the leader, is the last of its
/// group. The result is empty if no master is waiting.
pub(super) fn next_masters(waiting: &[(usize, Condition)], holder: Option<usize>) -> Vec<usize> {
    let idle = waiting.iter().filter(|(_, condition)| *condition == Condition::Idle);
    let idle: Vec<_> = idle.map(|(place, _)| *place).collect();
    if !idle.is_empty() {
        return idle;
    }
    let rank =
        |(place, condition): &&(usize, Condition)| (*condition, Some(*place) == holder, *place);
    waiting.iter().min_by_key(rank).map(|(place, _)| *place).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::Condition::{Down, Idle, Running};
    use super::*;

    /// Returns the groups in the order in which they are committed.
    fn order(conditions: &[Condition], holder: Option<usize>) -> Vec<Vec<usize>> {
        let mut waiting: Vec<_> = conditions.iter().copied().enumerate().collect();
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let next = next_masters(&waiting, holder);
            waiting.retain(|(place, _)| !next.contains(place));
            order.push(next);
        }
        order
    }

    #[test]
    fn idle_ones_go_at_once_then_those_that_are_down_and_the_leader_last() {
        let found = [Running, Idle, Down, Running, Idle, Down];
        let expected = [vec![1, 4], vec![2], vec![5], vec![3], vec![0]];
        assert_eq!(order(&found, Some(0)), expected);
        assert_eq!(order(&[Running; 3], None), [vec![0], vec![1], vec![2]]);
        assert_eq!(order(&[Running; 3], Some(1)), [vec![0], vec![2], vec![1]]);
        assert_eq!(order(&[], Some(1)), [[0; 0]; 0]);
    }

    #[test]
    fn whatever_is_found_no_two_that_run_go_at_once_and_everybody_goes_once() {
        const ALL: [Condition; 3] = [Idle, Down, Running];
        for number in 0..3_usize.pow(5) {
            let found = [0, 1, 2, 3, 4].map(|place| ALL[number / 3_usize.pow(place) % 3]);
            for holder in [None, Some(0), Some(2), Some(4)] {
                let order = order(&found, holder);
                let running =
                    |group: &Vec<usize>| group.iter().filter(|it| found[**it] != Idle).count();
                assert!(order.iter().all(|group| running(group) == 0 || group.len() == 1));
                let mut all: Vec<_> = order.into_iter().flatten().collect();
                let last = all.last().copied();
                if let Some(holder) = holder.filter(|holder| found[*holder] == Running) {
                    assert_eq!(last, Some(holder));
                }
                all.sort_unstable();
                assert_eq!(all, [0, 1, 2, 3, 4]);
            }
        }
    }
}
