//! Scheduled faults.

use crate::util::files::FileErrorKind;

/// One fault: its time and its effect. It occurs once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The point at which it occurs.
    pub at: FaultPoint,
    /// The effect.
    pub kind: FaultKind,
}

/// The point at which a fault occurs. Both counts start at 0 and run over the whole life of the
/// fake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPoint {
    /// Before or after the operation with this number.
    Operation {
        /// Number of the operation.
        index: usize,
        /// Before or after; [`When::Inside`] never occurs here, because effects are the inside.
        when: When,
    },
    /// Before, inside or after the effect with this number.
    Effect {
        /// Number of the effect.
        index: usize,
        /// Before, inside or after.
        when: When,
    },
}

/// The moment of a fault, relative to an operation or effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before any part of it has happened.
    Before,
    /// After half of a write; any other effect is indivisible and has not happened.
    Inside,
    /// After all of it has happened.
    After,
}

/// The effect of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The operation fails with this cause.
    Fails(FileErrorKind),
    /// The disk is full from now on: nothing that needs space can be created, until
    /// [`FakeState::set_full`] changes it.
    ///
    /// [`FakeState::set_full`]: super::FakeState::set_full
    FillsDisk,
    /// The connection is lost; the script on the master runs to its end.
    LosesConnection,
    /// The calling process is killed; the script on the master runs to its end.
    KillsCaller,
    /// The connection is lost, and the script on the master stops at this point.
    Stops,
    /// The master loses power: everything that was not synced is lost.
    PowersOff,
}
