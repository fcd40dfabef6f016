//! Faults on schedule.

use crate::util::files::FileErrorKind;

/// One fault: where it strikes and what it does. It strikes once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub at: FaultPoint,
    /// What.
    pub kind: FaultKind,
}

/// Where a fault strikes. Both counts start at 0 and run over the whole life of the fake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPoint {
    /// Before or after the operation with this number.
    Operation {
        /// Its number.
        index: usize,
        /// Before or after; [`When::Inside`] is never reached here, effects are the inside.
        when: When,
    },
    /// Before, inside or after the effect with this number.
    Effect {
        /// Its number.
        index: usize,
        /// Before, inside or after.
        when: When,
    },
}

/// The moment of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing of it has happened.
    Before,
    /// A write has written half; any other effect is indivisible and has not happened.
    Inside,
    /// All of it has happened.
    After,
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The operation fails with this cause.
    Fails(FileErrorKind),
    /// The disk is full from here on: nothing that needs room can be made, until [`FakeState::set_full`] says otherwise.
    ///
    /// [`FakeState::set_full`]: super::FakeState::set_full
    FillsDisk,
    /// The connection is lost; what runs on the master runs on to its end.
    LosesConnection,
    /// Whoever sent it is killed; what runs on the master runs on to its end.
    KillsCaller,
    /// The connection is lost and what runs on the master is stopped there.
    Stops,
    /// The master loses power: what was not synced is lost too.
    PowersOff,
}
