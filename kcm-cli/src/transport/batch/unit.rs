//! Operations on a systemd unit: start, stop, enable, and the wait until it stays up.

use std::time::Duration;

use kcm_systemd::UnitName;

use crate::util::files::RemotePath;

/// An action on a unit, as `systemctl` knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnitAction {
    /// Makes systemd read unit files again (`daemon-reload`).
    Reload,
    /// Makes the links that the unit's `[Install]` section asks for (`enable`).
    Enable {
        /// The unit.
        unit: UnitName,
        /// Its file.
        path: RemotePath,
    },
    /// Removes those links (`disable`).
    Disable {
        /// The unit.
        unit: UnitName,
        /// Its file.
        path: RemotePath,
    },
    /// Starts the unit, or starts it again if it runs (`restart`): one job of systemd, which it ends whoever dies.
    Restart {
        /// The unit.
        unit: UnitName,
    },
    /// Stops the unit and waits until its processes are gone. First arms a timer of the master's own that starts it
    /// again, unless [`Start`](Self::Start) or [`Disarm`](Self::Disarm) comes before.
    Stop {
        /// The unit.
        unit: UnitName,
        /// How long after the stop begins the timer waits.
        back_after: Duration,
    },
    /// Ends the unit's main process at once, as a crash would (SIGKILL), and waits until it is gone. Arms the timer of
    /// [`Stop`](Self::Stop) first: whether systemd starts the unit again is for its `Restart=` to say.
    Kill {
        /// The unit.
        unit: UnitName,
        /// How long after the end begins the timer waits.
        back_after: Duration,
    },
    /// Starts the unit, then disarms its timer.
    Start {
        /// The unit.
        unit: UnitName,
    },
    /// Takes back the timer: the unit is to stay down.
    Disarm {
        /// The unit.
        unit: UnitName,
    },
}

/// Waits until a unit has been active for `period`, as one invocation and without a restart in between. Fails as soon
/// as that can no longer be, with the last lines of its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// The unit.
    pub unit: UnitName,
    /// How long it must stay up from now on; nothing to see whether it is up.
    pub period: Duration,
    /// How much longer its main process may take until it listens for TCP somewhere; it need not.
    pub listens: Duration,
    /// Whether the connections of its main process are asked for.
    pub connections: bool,
    /// The invocation that it must be; any, if it is not said.
    pub invocation: Option<String>,
}

impl Settle {
    /// A look at how the service is now.
    pub(crate) fn now(unit: &UnitName, invocation: Option<String>) -> Self {
        let (period, listens) = (Duration::ZERO, Duration::ZERO);
        Self { unit: unit.clone(), period, listens, connections: false, invocation }
    }

    /// A look at what the service is connected to.
    pub(crate) fn connections(unit: &UnitName, invocation: Option<String>) -> Self {
        Self { connections: true, ..Self::now(unit, invocation) }
    }
}
