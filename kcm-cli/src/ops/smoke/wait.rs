//! Waiting for something to be seen, no longer than is allowed and no longer than anybody wants.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::kube::ApiError;
use crate::util::interrupt::Interrupt;

/// How often is looked.
const GLANCE: Duration = Duration::from_millis(150);

/// What a look shows.
pub(crate) enum Glance {
    /// What was waited for.
    Seen(String),
    /// Something else.
    NotYet(String),
}

/// Looks until it is seen. An API server that does not answer for a moment is waited for, too.
///
/// # Errors
/// What was seen instead when the time was over, or what the API server refuses.
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
