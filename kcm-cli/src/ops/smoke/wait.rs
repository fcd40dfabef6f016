//! Polling until a condition is met, with a time limit and an interrupt.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::kube::ApiError;
use crate::util::interrupt::Interrupt;

/// Interval between two polls.
const GLANCE: Duration = Duration::from_millis(150);

/// Result of one poll.
pub(crate) enum Glance {
    /// The condition is met.
    Seen(String),
    /// The condition is not met yet.
    NotYet(String),
}

/// Polls until the condition is met. Retries while the API server does not answer.
///
/// # Errors
/// If the condition is not met within `patience`, the API server refuses, or the run is
/// interrupted. The text is the last observation or the refusal.
pub(crate) async fn until(
    interrupt: &Interrupt,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Result<Glance, ApiError>,
) -> Result<String, String> {
    let deadline = Instant::now() + patience;
    let mut last = "no answer".to_owned();
    let looking = async {
        loop {
            match look().await {
                Ok(Glance::Seen(seen)) => return Ok(seen),
                Ok(Glance::NotYet(seen)) => last = seen,
                Err(error) if error.is_unreachable() => last = error.to_string(),
                Err(error) => return Err(error.to_string()),
            }
            sleep(GLANCE).await;
        }
    };
    let ended = tokio::select! {
        biased;
        () = interrupt.asked() => return Err("interrupted".to_owned()),
        ended = timeout_at(deadline, looking) => ended,
    };
    ended.unwrap_or_else(|_| Err(format!("{last}, after {} s", patience.as_secs_f64())))
}
