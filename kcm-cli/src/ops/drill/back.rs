//! Starts stopped services again and verifies their health.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::cluster::layout::Layout;
use crate::rollout::gate::{self, LISTENS, Serving};
use crate::rollout::{FIRST_LOOK, is_healthy};
use crate::transport::{
    Batch, Operation, OperationError, Reply, Settled, Transport, TransportError, UnitAction,
};
use crate::util::interrupt::Interrupt;
use crate::util::tasks::at_once;

/// Number of attempts on a master that cannot be reached.
const ATTEMPTS: usize = 4;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(2);

/// A master whose service is started again.
#[derive(Clone)]
pub(super) struct Returning {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) layout: Layout,
}

/// Method of starting a service again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Starts the service if it does not run.
    Start,
    /// Restarts the service even if it runs. This is one systemd job, which completes even if kcm
    /// dies.
    Restart,
}

impl Returning {
    /// Starts or restarts the service, and disarms its timer.
    ///
    /// # Errors
    /// If the service is not known to run. An armed timer stays armed if the master could not be
    /// reached.
    pub(super) async fn run(&self, again: Again) -> Result<Settled, String> {
        let unit = || self.layout.unit.clone();
        let mut operations = match again {
            Again::Start => vec![Operation::Unit(UnitAction::Start { unit: unit() })],
            Again::Restart => vec![
                Operation::Unit(UnitAction::Restart { unit: unit() }),
                Operation::Unit(UnitAction::Disarm { unit: unit() }),
            ],
        };
        operations.push(Operation::Settle(gate::at_first(&self.layout, Serving::Wherever)));
        let mut batch = Batch::new(operations);
        batch.deadline += FIRST_LOOK + LISTENS;
        let mut why = String::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                sleep(PAUSE).await;
            }
            match self.transport.call(&batch).await {
                Ok(replies) => match (replies.failed, replies.done.into_iter().next_back()) {
                    (None, Some(Reply::Settled(settled))) => return Ok(settled),
                    (None, _) => return Err("unexpected reply from the transport".to_owned()),
                    (Some(failed), _) => match failed.error {
                        error @ OperationError::Busy => why = error.to_string(),
                        error => return Err(error.to_string()),
                    },
                },
                Err(TransportError::NeverRan { reason, .. }) => {
                    why = format!("cannot reach the master: {reason}");
                }
                Err(TransportError::FateUnknown { reason, .. }) => {
                    why = format!("the connection was lost: {reason}");
                }
            }
        }
        Err(why)
    }

    /// Reports whether the service runs and is healthy, whatever started it.
    pub(super) async fn is_well(&self) -> bool {
        is_healthy(&*self.transport, &self.layout).await
    }
}

/// A master whose service was just started.
pub(super) struct Started {
    pub(super) name: String,
    pub(super) returning: Returning,
    pub(super) seen: Settled,
}

/// Waits until all services pass the gate of a rollout. Returns the masters that do not, with the
/// cause. An interrupt ends the wait with an empty result, because all services were seen to start.
pub(super) async fn prove(all: Vec<Started>, interrupt: &Interrupt) -> Vec<(String, String)> {
    let (names, proofs): (Vec<_>, Vec<_>) = all
        .into_iter()
        .map(|started| {
            let Started { name, returning: Returning { transport, layout }, seen } = started;
            let proof = async move {
                match gate::pass(&*transport, &layout, Serving::Wherever, Some(seen)).await {
                    // Without a way to query health, it could not be queried before the drill
                    // either.
                    Ok(_) | Err(gate::Unverified::Unasked(_)) => None,
                    Err(why) => Some(why.to_string()),
                }
            };
            (name, proof)
        })
        .unzip();
    tokio::select! {
        biased;
        () = interrupt.asked() => Vec::new(),
        proven = at_once(proofs) => {
            let why = names.into_iter().zip(proven).filter_map(|(name, ended)| {
                let why = ended.unwrap_or_else(|panicked| Some(panicked.to_string()));
                Some((name, why?))
            });
            why.collect()
        }
    }
}
