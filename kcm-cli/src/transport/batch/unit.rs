//! Operations on a systemd unit: start, stop, enable, and the wait until it stays up.

use std::time::Duration;

use kcm_systemd::UnitName;

use crate::util::files::RemotePath;

/// An action on a unit, named as in `systemctl`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnitAction {
    /// Makes systemd read unit files again (`daemon-reload`).
    Reload,
    /// Creates the links that the unit's `[Install]` section requests (`enable`).
    Enable {
        /// The unit.
        unit: UnitName,
        /// Path of the unit file.
        path: RemotePath,
    },
    /// Removes those links (`disable`).
    Disable {
        /// The unit.
        unit: UnitName,
        /// Path of the unit file.
        path: RemotePath,
    },
    /// Starts the unit, or restarts it if it runs (`restart`). This is one systemd job; it
    /// completes even if kcm dies.
    Restart {
        /// The unit.
        unit: UnitName,
    },
    /// Stops the unit and waits until its processes are gone. First arms a timer on the master that
    /// starts it again, unless [`Start`](Self::Start) or [`Disarm`](Self::Disarm) comes before.
    Stop {
        /// The unit.
        unit: UnitName,
        /// Delay of the timer, from the beginning of the stop.
        back_after: Duration,
    },
    /// Kills the unit's main process at once, as a crash would (SIGKILL), and waits until it is
    /// gone. Arms the timer of [`Stop`](Self::Stop) first. The unit's `Restart=` decides whether
    /// systemd starts it again.
    Kill {
        /// The unit.
        unit: UnitName,
        /// Delay of the timer, from the kill.
        back_after: Duration,
    },
    /// Starts the unit, then disarms its timer.
    Start {
        /// The unit.
        unit: UnitName,
    },
    /// Disarms the timer: the unit must stay down.
    Disarm {
        /// The unit.
        unit: UnitName,
    },
}

/// Waits until a unit has been active for `period`, as one invocation and without a restart in
/// between. Fails as soon as that is impossible, with the last lines of its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// The unit.
    pub unit: UnitName,
    /// Time it must stay up from now on; zero only checks that it is up.
    pub period: Duration,
    /// Additional time for its main process to listen on a TCP port. Not listening is not a
    /// failure.
    pub listens: Duration,
    /// True if the connections of its main process are reported.
    pub connections: bool,
    /// The required invocation; any if `None`.
    pub invocation: Option<String>,
}

impl Settle {
    /// Creates a check of the current state of the service.
    pub(crate) fn now(unit: &UnitName, invocation: Option<String>) -> Self {
        let (period, listens) = (Duration::ZERO, Duration::ZERO);
        Self { unit: unit.clone(), period, listens, connections: false, invocation }
    }

    /// Creates a query for the current connections of the service.
    pub(crate) fn connections(unit: &UnitName, invocation: Option<String>) -> Self {
        Self { connections: true, ..Self::now(unit, invocation) }
    }
}
