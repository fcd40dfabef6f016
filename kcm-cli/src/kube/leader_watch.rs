//! Successive reads of the Lease. Pure, except that the time of an answer is read here.

use tokio::time::Instant;

use super::lease::{Holder, Lease};

/// Observations of the Lease up to its last read, by this machine's monotonic clock.
///
/// The clock of a holder is only used to recognise a renewal: the renewal time in the Lease differs.
#[derive(Clone, Debug)]
pub(crate) struct LeaderWatch {
    /// The Lease as last read; `None` if it does not exist.
    pub(crate) lease: Option<Lease>,
    /// Time of the request of the last read.
    pub(crate) asked: Instant,
    /// Time of its answer.
    pub(crate) at: Instant,
    /// Time at which this holder, or none, was first seen.
    pub(crate) since: Instant,
    /// Time of the read before `since`.
    pub(crate) before: Option<Instant>,
    /// Number of renewals of this holder that were seen.
    pub(crate) renewals: u32,
    /// The Lease with the last renewal that was seen, and the time of that read.
    pub(crate) renewal: Option<(Lease, Instant)>,
    /// The previous holder, and the time at which it was first seen not to hold the Lease.
    pub(crate) former: Option<(Holder, Instant)>,
}

impl LeaderWatch {
    /// Returns the observations with one more read, which was requested at `asked` and has just
    /// been answered.
    pub(crate) fn next(last: Option<Self>, lease: Option<Lease>, asked: Instant) -> Self {
        let at = Instant::now();
        let holder = lease.as_ref().and_then(Lease::holder);
        let read = |renewal: Option<(Lease, Instant)>| match (&lease, renewal) {
            (Some(lease), Some((last, seen)))
                if (last.holder(), last.renewed()) == (lease.holder(), lease.renewed()) =>
            {
                Some((last, seen))
            }
            (Some(lease), _) => Some((lease.clone(), at)),
            (None, renewal) => renewal,
        };
        let Some(last) = last else {
            let (renewal, former) = (read(None), None);
            return Self {
                lease,
                asked,
                at,
                since: at,
                before: None,
                renewals: 0,
                renewal,
                former,
            };
        };
        let renewal = read(last.renewal);
        if last.lease.as_ref().and_then(Lease::holder) == holder {
            let renewed = |lease: &Option<Lease>| lease.as_ref().and_then(Lease::renewed);
            let renewals = last.renewals + u32::from(renewed(&last.lease) != renewed(&lease));
            return Self { lease, asked, at, renewals, renewal, ..last };
        }
        let former = last.lease.and_then(|lease| lease.holder().cloned());
        let former = former.map(|holder| (holder, at)).or(last.former);
        Self { lease, asked, at, since: at, before: Some(last.at), renewals: 0, renewal, former }
    }

    /// Returns the holder at the last read.
    pub(crate) fn holder(&self) -> Option<&Holder> {
        self.lease.as_ref()?.holder()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lease(holder: &str, second: u32) -> Lease {
        Lease::from_object(json!({
            "kind": "Lease", "metadata": {"resourceVersion": "1"},
            "spec": {"holderIdentity": holder, "renewTime": format!("2026-11-23T06:00:{second:02}Z")},
        }))
        .unwrap()
    }

    fn watch(reads: &[(&str, u32)]) -> Vec<LeaderWatch> {
        let mut last = None;
        let read = |(holder, second): &(&str, u32)| {
            let next = LeaderWatch::next(last.take(), Some(lease(holder, *second)), Instant::now());
            last = Some(next.clone());
            next
        };
        reads.iter().map(read).collect()
    }

    #[test]
    fn renewals_count_for_one_holder_only() {
        let seen = watch(&[
            ("a_1", 1),
            ("a_1", 1),
            ("a_1", 3),
            ("b_2", 4),
            ("b_2", 4),
            ("b_2", 6),
            ("b_2", 8),
        ]);
        let renewals: Vec<_> = seen.iter().map(|it| it.renewals).collect();
        assert_eq!(renewals, [0, 0, 1, 0, 0, 1, 2]);
    }

    #[test]
    fn a_change_of_holder_has_the_reads_before_and_after_it_as_bounds() {
        let seen = watch(&[("a_1", 1), ("a_1", 3), ("", 4), ("", 4), ("b_2", 5), ("b_2", 5)]);
        let former =
            |at: usize| seen[at].former.as_ref().map(|(holder, at)| (holder.as_str(), *at));
        assert_eq!(former(1), None);
        assert_eq!(former(3), Some(("a_1", seen[2].at)));
        // No holder is not a holder.
        assert_eq!(former(5), former(3));
        assert_eq!((seen[5].since, seen[5].before), (seen[4].at, Some(seen[3].at)));
        assert_eq!(seen[5].renewal.as_ref().map(|(_, at)| *at), Some(seen[4].at));
    }
}
