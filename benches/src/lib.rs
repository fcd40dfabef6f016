//! Measuring on noisy machines: what is compared takes turns, and medians are compared.

use std::time::{Duration, Instant};

/// The length of kube-controller-manager.
pub const REAL_SIZE: usize = 100_000_000;

/// One thing to measure.
pub struct Subject<'a> {
    /// Its name in the table.
    pub name: &'static str,
    /// Does it once.
    pub once: Box<dyn FnMut() + 'a>,
}

impl<'a> Subject<'a> {
    /// A thing to measure.
    pub fn new(name: &'static str, once: impl FnMut() + 'a) -> Self {
        Self { name, once: Box::new(once) }
    }
}

/// Measures all subjects in turn, `rounds` times, each round `times` repetitions of each; returns the median
/// time of one repetition, in the subjects' order.
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

/// The middle one.
#[must_use]
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
