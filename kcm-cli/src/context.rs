//! The context of one invocation: its input, its masters and its event sink.

use std::fmt;

use time::OffsetDateTime;

use crate::cluster::Cluster;
use crate::event::EventSink;
use crate::fleet::Fleet;
use crate::util::interrupt::Interrupt;

/// The context of one invocation.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The cluster file.
    pub cluster: &'a Cluster,
    /// The masters.
    pub fleet: &'a Fleet,
    /// Current time, to evaluate and issue certificates.
    pub now: OffsetDateTime,
    /// Receiver of the events.
    pub events: &'a dyn EventSink,
    /// Request to stop at the next safe point.
    pub interrupt: &'a Interrupt,
    /// Risks that the operator accepted explicitly.
    pub consent: Consent,
}

/// The risks to a running cluster that an operator must accept explicitly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// Replace the CA of a running cluster with that of the cluster file.
    pub replace_ca: bool,
    /// Restart a running service with another key for service account tokens.
    pub replace_service_account_key: bool,
    /// Remove kube-controller-manager from the last healthy master.
    pub remove_last: bool,
}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("fleet", &self.fleet)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
