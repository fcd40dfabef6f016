//! Merging of journals by time. Pure: the clock is an argument.

use std::time::{Duration, Instant};

/// Maximum time for which a silent master delays the others with `follow`.
const WINDOW: Duration = Duration::from_millis(300);
/// Maximum time instead, while the connection to a master is being established.
const CONNECTING: Duration = Duration::from_secs(3);

/// Merges sources by time, each of which is in order. Holds one item per source.
pub(super) struct Merge<T> {
    sources: Vec<Source<T>>,
    follow: bool,
    /// Start of the current sequence of items without a gap of the window's length.
    busy_since: Instant,
    idle_since: Option<Instant>,
}

enum Source<T> {
    /// No item is available. With `follow`, the source delays the others until this time.
    Empty {
        until: Instant,
    },
    Holds {
        time: u64,
        item: T,
    },
    Ended,
}

/// Next action of the merge.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// An item, with the index of its source.
    Item(usize, T),
    /// No item until a source provides one, or until this time has passed.
    Wait(Option<Duration>),
    /// Every source has ended.
    Done,
}

impl<T> Merge<T> {
    pub(super) fn new(sources: usize, follow: bool, now: Instant) -> Self {
        let source = || Source::Empty { until: now + CONNECTING };
        let sources = std::iter::repeat_with(source).take(sources).collect();
        Self { sources, follow, busy_since: now, idle_since: Some(now) }
    }

    /// Reports whether a source has no item and has not ended.
    pub(super) fn wants(&self, place: usize) -> bool {
        matches!(self.sources.get(place), Some(Source::Empty { .. }))
    }

    /// Marks a source as connected, so that it delays the others only for the window.
    pub(super) fn begun(&mut self, place: usize, now: Instant) {
        self.set(place, Source::Empty { until: now + WINDOW });
    }

    /// Adds the item of a source without one.
    pub(super) fn put(&mut self, place: usize, time: u64, item: T, now: Instant) {
        if let Some(idle_since) = self.idle_since.take()
            && now.duration_since(idle_since) >= WINDOW
        {
            self.busy_since = now;
        }
        self.set(place, Source::Holds { time, item });
    }

    /// Marks a source as ended.
    pub(super) fn end(&mut self, place: usize) {
        self.set(place, Source::Ended);
    }

    /// Returns the earliest item, once no source can have an earlier one or its delay has passed.
    /// Of items with the same time, that of the first source is next.
    pub(super) fn next(&mut self, now: Instant) -> Next<T> {
        let times = self.sources.iter().enumerate().filter_map(|(place, source)| match source {
            Source::Holds { time, .. } => Some((*time, place)),
            _ => None,
        });
        let first = times.min();
        let mut waits = self.sources.iter().filter_map(|source| match source {
            Source::Empty { until } => Some((*until).max(self.busy_since + WINDOW)),
            _ => None,
        });
        let Some((_, place)) = first else {
            return if waits.next().is_some() { Next::Wait(None) } else { Next::Done };
        };
        if let Some(until) = waits.max() {
            if !self.follow {
                return Next::Wait(None);
            }
            if until > now {
                return Next::Wait(Some(until - now));
            }
        }
        let empty = Source::Empty { until: now + WINDOW };
        let taken = self.sources.get_mut(place).map(|source| std::mem::replace(source, empty));
        if !self.sources.iter().any(|source| matches!(source, Source::Holds { .. })) {
            self.idle_since = Some(now);
        }
        match taken {
            Some(Source::Holds { item, .. }) => Next::Item(place, item),
            _ => Next::Done,
        }
    }

    fn set(&mut self, place: usize, source: Source<T>) {
        if let Some(at) = self.sources.get_mut(place) {
            *at = source;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whoever_is_asked_first_the_merge_is_sorted_stable_and_loses_nothing(
            mut journals in prop::collection::vec(prop::collection::vec(0_u64..20, 0..30), 1..5),
            order in prop::collection::vec(0_usize..5, 0..200),
        ) {
            for journal in &mut journals {
                journal.sort_unstable();
            }
            let mut expected: Vec<_> = journals.iter().enumerate()
                .flat_map(|(place, times)| {
                    times.iter().enumerate().map(move |(nth, time)| (*time, place, nth))
                })
                .collect();
            expected.sort_unstable();
            let now = Instant::now();
            let mut merge = Merge::new(journals.len(), false, now);
            let (mut order, mut given, mut merged) = (order.into_iter(), vec![0; journals.len()], Vec::new());
            loop {
                match merge.next(now) {
                    Next::Item(place, (time, nth)) => merged.push((time, place, nth)),
                    Next::Done => break,
                    Next::Wait(_) => {
                        let from = order.next().unwrap_or(0);
                        let all = 0..journals.len();
                        let turned = all.clone().map(|place| (place + from) % journals.len());
                        let place = turned.into_iter().find(|place| merge.wants(*place)).unwrap();
                        match journals[place].get(given[place]) {
                            Some(time) => merge.put(place, *time, (*time, given[place]), now),
                            None => merge.end(place),
                        }
                        given[place] += 1;
                    }
                }
            }
            prop_assert_eq!(merged, expected);
        }
    }

    #[test]
    fn a_silent_source_holds_back_one_that_is_followed_for_the_window_and_not_for_each_entry() {
        let start = Instant::now();
        let mut merge = Merge::new(2, true, start);
        merge.begun(0, start);
        merge.begun(1, start);
        let late = start + Duration::from_secs(60);
        merge.put(0, 7, "a", late);
        assert_eq!(merge.next(late), Next::Wait(Some(WINDOW)));
        merge.put(1, 6, "earlier, and a little later here", late + WINDOW / 2);
        assert_eq!(
            merge.next(late + WINDOW / 2),
            Next::Item(1, "earlier, and a little later here")
        );
        let mut now = late + WINDOW * 2;
        assert_eq!(merge.next(now), Next::Item(0, "a"));
        for time in 8..1000 {
            merge.put(0, time, "more", now);
            assert_eq!(merge.next(now), Next::Item(0, "more"));
            now += Duration::from_millis(1);
        }
    }
}
