//! Measurements on noisy machines: subjects take turns, and medians are compared.

use std::time::{Duration, Instant};

/// Length of the kube-controller-manager binary in bytes.
pub const REAL_SIZE: usize = 100_000_000;

/// An operation to measure.
pub struct Subject<'a> {
    /// Name in the table.
    pub name: &'static str,
    /// Runs the operation once.
    pub once: Box<dyn FnMut() + 'a>,
}

impl<'a> Subject<'a> {
    /// Creates a subject from an operation.
    pub fn new(name: &'static str, once: impl FnMut() + 'a) -> Self {
        Self { name, once: Box::new(once) }
    }
}

/// Measures all subjects in turn for `rounds` rounds, with `times` repetitions per round. Returns
/// the median time of one repetition for each subject, in order.
pub fn interleaved(rounds: usize, times: u32, subjects: &mut [Subject<'_>]) -> Vec<Duration> {
    let mut measured = vec![Vec::with_capacity(rounds); subjects.len()];
    for round in 0..=rounds {
        for (subject, measured) in subjects.iter_mut().zip(&mut measured) {
            let start = Instant::now();
            for _ in 0..times {
                (subject.once)();
            }
            // The first round only warms up.
            if round > 0 {
                measured.push(start.elapsed() / times);
            }
        }
    }
    measured.into_iter().map(median).collect()
}

/// Returns the median; the upper one of an even number of times, and zero for none.
#[must_use]
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
