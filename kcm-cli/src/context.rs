//! One invocation: what is asked for, where it happens, and who is told.

use std::fmt;

use time::OffsetDateTime;

use crate::cluster::Cluster;
use crate::event::EventSink;
use crate::fleet::Fleet;
use crate::util::interrupt::Interrupt;

/// One invocation: what is asked for, where it happens, and who is told.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The cluster file.
    pub cluster: &'a Cluster,
    /// The masters.
    pub fleet: &'a Fleet,
    /// The time to judge and issue certificates by.
    pub now: OffsetDateTime,
    /// Who is told what happens.
    pub events: &'a dyn EventSink,
    /// Asks it to stop where that is safe.
    pub interrupt: &'a Interrupt,
    /// What was asked for by name that would be refused otherwise.
    pub consent: Consent,
}

/// What an operator asks for by name, because it can cost a cluster that runs dearly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// The CA of a cluster that runs is replaced by that of the cluster file.
    pub replace_ca: bool,
    /// A service that runs goes on with another key for service-account tokens.
    pub replace_service_account_key: bool,
    /// kube-controller-manager is taken off the last master that is healthy.
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
