//! Bringing a master back: started, and proven healthy.

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

/// How often a master is asked to start its service that cannot be asked.
const ATTEMPTS: usize = 4;
/// How long is waited in between.
const PAUSE: Duration = Duration::from_secs(2);

/// A master that is brought back.
#[derive(Clone)]
pub(super) struct Returning {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) layout: Layout,
}

/// How a service is to run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It is started if it does not run.
    Start,
    /// It is started anew even if it runs: one job of systemd, which it ends whoever dies.
    Restart,
}

impl Returning {
    /// Lets the service run, and disarms its timer.
    ///
    /// # Errors
    /// Why it is not known to run. Its timer, if it is armed, is left armed where nothing could be asked.
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
                    (None, _) => return Err("its transport answered another question".to_owned()),
                    (Some(failed), _) => match failed.error {
                        error @ OperationError::Busy => why = error.to_string(),
                        error => return Err(error.to_string()),
                    },
                },
                Err(TransportError::NeverRan { reason, .. }) => {
                    why = format!("it cannot be reached: {reason}");
                }
                Err(TransportError::FateUnknown { reason, .. }) => {
                    why = format!("its connection was lost: {reason}");
                }
            }
        }
        Err(why)
    }

    /// Whether it runs and is healthy by now, whoever started it.
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

/// Waits until all are proven healthy, as every rollout does; whoever is asked to stop has seen them start. Those that
/// are not, each with why.
pub(super) async fn prove(all: Vec<Started>, interrupt: &Interrupt) -> Vec<(String, String)> {
    let (names, proofs): (Vec<_>, Vec<_>) = all
        .into_iter()
        .map(|started| {
            let Started { name, returning: Returning { transport, layout }, seen } = started;
            let proof = async move {
                match gate::pass(&*transport, &layout, Serving::Wherever, Some(seen)).await {
                    // Where there is no way to ask, nobody could ask before either.
                    Ok(_) | Err(gate::Unproven::Unasked(_)) => None,
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
