//! One invocation: what is asked for, where it happens, and who is told.

use std::fmt;

use time::OffsetDateTime;

use crate::cluster::Cluster;
use crate::event::EventSink;
use crate::fleet::Fleet;
use crate::interrupt::Interrupt;

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
}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("fleet", &self.fleet)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
