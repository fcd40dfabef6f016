//! Which of several entries is next. Pure: the clock is an argument.

use std::time::{Duration, Instant};

/// How long a master that is followed and silent holds back the others.
const WINDOW: Duration = Duration::from_millis(300);
/// How long, instead, one whose connection is still being made.
const CONNECTING: Duration = Duration::from_secs(3);

/// Merges sources, each in its own order, by time. Holds one item of each.
pub(super) struct Merge<T> {
    sources: Vec<Source<T>>,
    follow: bool,
    /// Since when there has been something to show, with gaps shorter than the window.
    busy_since: Instant,
    idle_since: Option<Instant>,
}

enum Source<T> {
    /// It has nothing waiting, and holds back the others until then if they are followed.
    Empty {
        until: Instant,
    },
    Holds {
        time: u64,
        item: T,
    },
    Ended,
}

/// What is next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// This one, of this source.
    Item(usize, T),
    /// Nothing, until a source has something or this time has passed.
    Wait(Option<Duration>),
    /// Nothing any more.
    Done,
}

impl<T> Merge<T> {
    pub(super) fn new(sources: usize, follow: bool, now: Instant) -> Self {
        let source = || Source::Empty { until: now + CONNECTING };
        let sources = std::iter::repeat_with(source).take(sources).collect();
        Self { sources, follow, busy_since: now, idle_since: Some(now) }
    }

    /// Whether a source has nothing waiting and has not ended.
    pub(super) fn wants(&self, place: usize) -> bool {
        matches!(self.sources.get(place), Some(Source::Empty { .. }))
    }

    /// A source begins: from now on it is as silent as any other.
    pub(super) fn begun(&mut self, place: usize, now: Instant) {
        self.set(place, Source::Empty { until: now + WINDOW });
    }

    /// A source that wants one has an item.
    pub(super) fn put(&mut self, place: usize, time: u64, item: T, now: Instant) {
        if let Some(idle_since) = self.idle_since.take()
            && now.duration_since(idle_since) >= WINDOW
        {
            self.busy_since = now;
        }
        self.set(place, Source::Holds { time, item });
    }

    /// A source has ended.
    pub(super) fn end(&mut self, place: usize) {
        self.set(place, Source::Ended);
    }

    /// The earliest item, the first source's of equal ones, once no source can have an earlier one or has had its time.
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
