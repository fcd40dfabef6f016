//! The state of a fake master, and the interaction of effects, faults and the observer.

mod setup;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use kcm_systemd::{KubernetesVersion, UnitName};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::fault::{Fault, FaultKind, FaultPoint, When};
use super::memory::{Memory, Node};
use super::service::World;
use super::unit::Units;
use crate::transport::{
    Activity, Enablement, JournalEntry, OperationError, Output, ProgramFacts, enable,
};
use crate::util::files::{
    Effect, FileError, FileErrorKind, FileSystem, NodeKind, Owner, RemotePath, Room, Stat,
};

/// A callback that receives the state after every single effect, with a description of the effect.
pub type Observer = Box<dyn FnMut(&mut FakeState, &str) + Send>;

/// The complete state of a fake master.
pub struct FakeState {
    /// Name of the master in messages.
    pub name: String,
    /// The kernel's host name.
    pub hostname: String,
    /// Power state.
    pub power: Power,
    /// True if it is a folder rather than a running machine.
    pub offline: bool,
    /// Scheduled faults.
    pub faults: Vec<Fault>,
    /// Called after every effect.
    pub observer: Option<Observer>,
    /// Batches carried out so far.
    pub exchanges: usize,
    /// Operations begun so far.
    pub operations: usize,
    /// Effects begun so far.
    pub effects: usize,
    /// Holder of the lock.
    pub lock: Option<String>,
    /// Processes started by hand, by executable.
    pub strangers: BTreeMap<String, Vec<u32>>,
    /// Users by name.
    pub accounts: BTreeMap<String, Owner>,
    /// Self-description of kube-controller-manager; the reason, if it cannot be run.
    pub program_facts: Result<ProgramFacts, String>,
    /// Addresses on which other processes listen.
    pub listeners: Vec<SocketAddr>,
    /// The journal of kube-controller-manager's unit, in its order.
    pub journal: Vec<JournalEntry>,
    /// Offset of the master's clock from this machine's.
    pub clock_offset: time::Duration,
    pub(super) full: bool,
    pub(super) exchange: Exchange,
    pub(super) memory: Memory,
    pub(super) units: Units,
    pub(super) world: World,
    pub(super) programs: BTreeMap<Vec<String>, Output>,
    /// Number of the current lock, so that the late drop of an old guard does not release a newer
    /// lock.
    pub(super) lock_number: u64,
}

/// The power state of a fake master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// The master has power.
    On,
    /// The master does not answer.
    Off,
}

/// The fate of the current exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    /// The exchange is undisturbed.
    Whole,
    /// The exchange runs to its end, but the replies are lost.
    Unheard,
    /// The exchange was stopped: no later effect happens, and the replies are lost.
    Stopped,
    /// The exchange runs to its end, but the calling process is dead.
    Orphaned,
}

impl FakeState {
    pub(super) fn new(name: String) -> Self {
        let mut state = Self {
            hostname: name.clone(),
            name,
            power: Power::On,
            offline: false,
            faults: Vec::new(),
            observer: None,
            exchanges: 0,
            operations: 0,
            effects: 0,
            lock: None,
            strangers: BTreeMap::new(),
            accounts: BTreeMap::new(),
            program_facts: Ok(program_facts(KubernetesVersion::v1(36))),
            listeners: Vec::new(),
            journal: Vec::new(),
            clock_offset: time::Duration::ZERO,
            full: false,
            exchange: Exchange::Whole,
            memory: Memory::new(),
            units: Units::default(),
            world: World { api_server: true, program: None },
            programs: BTreeMap::new(),
            lock_number: 0,
        };
        state.put_folder("/etc/systemd/system");
        state.put_folder("/opt");
        state
    }

    /// Reports whether a timer will start the unit.
    #[must_use]
    pub fn is_armed(&self, unit: &UnitName) -> bool {
        self.units.is_armed(unit)
    }

    /// Performs the automatic actions of systemd: expired timers, and restarts of services that
    /// ended.
    pub fn catch_up(&mut self) {
        if self.power == Power::On {
            self.units.catch_up(&self.world, &mut self.memory);
        }
    }

    /// Returns the file system, bypassing all faults and counts.
    pub fn files(&mut self) -> &mut dyn FileSystem {
        &mut self.memory
    }

    /// Returns the content of a regular file; `None` if the path is not one.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.memory.nodes().into_iter().find(|node| node.path.as_str() == path)?.content
    }

    /// Returns every path that exists with its kind, in order.
    #[must_use]
    pub fn tree(&self) -> Vec<(RemotePath, NodeKind)> {
        self.memory.nodes().into_iter().map(|node| (node.path, node.kind)).collect()
    }

    /// Returns every path that exists with its attributes and content, in order.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node<'_>> {
        self.memory.nodes()
    }

    /// Returns the activity of a unit.
    #[must_use]
    pub fn activity(&self, unit: &UnitName) -> Activity {
        if self.offline { Activity::Offline } else { self.units.activity(unit) }
    }

    /// Returns the time of the master's file system: each effect advances it by a second.
    #[must_use]
    pub fn time(&self) -> OffsetDateTime {
        self.memory.now()
    }

    /// Turns the power on again: durable files are kept, and enabled units start.
    ///
    /// # Errors
    /// Returns an error if an enabled unit cannot be read.
    pub fn power_on(&mut self, units: &[(UnitName, RemotePath)]) -> Result<(), OperationError> {
        self.power = Power::On;
        self.exchange = Exchange::Whole;
        let mut start = BTreeSet::new();
        for (unit, path) in units {
            if enable::enablement(&mut self.memory, unit, path)? == Enablement::Enabled {
                start.insert(unit.clone());
            }
        }
        self.units.boot(&self.world, &mut self.memory, &start)
    }

    fn power_off(&mut self) {
        self.power = Power::Off;
        self.lock = None;
        self.memory.power_off();
        self.units.stop_all();
    }

    /// Triggers the scheduled fault for this point, if there is one.
    pub(super) fn strike(&mut self, here: FaultPoint, path: &str) -> Result<(), FileError> {
        let interrupted = |detail: &str| FileError {
            path: path.to_owned(),
            kind: FileErrorKind::Interrupted,
            detail: detail.to_owned(),
        };
        if self.exchange == Exchange::Stopped {
            return Err(interrupted("the script was stopped"));
        }
        let Some(at) = self.faults.iter().position(|fault| fault.at == here) else {
            return Ok(());
        };
        match self.faults.remove(at).kind {
            FaultKind::Fails(kind) => {
                Err(FileError { path: path.to_owned(), kind, detail: "scheduled fault".to_owned() })
            }
            FaultKind::FillsDisk => {
                self.full = true;
                match here {
                    FaultPoint::Effect { when: When::Inside, .. } => Err(no_space(path)),
                    _ => Ok(()),
                }
            }
            FaultKind::LosesConnection => {
                self.exchange = Exchange::Unheard;
                Ok(())
            }
            FaultKind::KillsCaller => {
                self.exchange = Exchange::Orphaned;
                Ok(())
            }
            FaultKind::Stops => {
                self.exchange = Exchange::Stopped;
                Err(interrupted("the script was stopped"))
            }
            FaultKind::PowersOff => {
                self.power_off();
                self.exchange = Exchange::Stopped;
                Err(interrupted("the power went off"))
            }
        }
    }

    /// Makes one change under all scheduled faults and shows it to the observer.
    pub(super) fn effect(
        &mut self,
        what: &str,
        path: &str,
        part: impl FnOnce(&mut Self),
        whole: impl FnOnce(&mut Self) -> Result<(), OperationError>,
    ) -> Result<(), OperationError> {
        let index = self.effects;
        self.effects += 1;
        self.strike(FaultPoint::Effect { index, when: When::Before }, path)?;
        let inside = FaultPoint::Effect { index, when: When::Inside };
        if self.faults.iter().any(|fault| fault.at == inside) {
            part(self);
            self.strike(inside, path)?;
        }
        whole(self)?;
        if let Some(mut observer) = self.observer.take() {
            observer(self, what);
            self.observer.get_or_insert(observer);
        }
        Ok(self.strike(FaultPoint::Effect { index, when: When::After }, path)?)
    }
}

impl FileSystem for FakeState {
    fn stat(&mut self, path: &RemotePath) -> Result<Option<Stat>, FileError> {
        self.memory.stat(path)
    }

    fn read(&mut self, path: &RemotePath) -> Result<Zeroizing<Vec<u8>>, FileError> {
        self.memory.read(path)
    }

    fn list(&mut self, path: &RemotePath) -> Result<Vec<String>, FileError> {
        self.memory.list(path)
    }

    fn room(&mut self, folder: &RemotePath) -> Result<Room, FileError> {
        let room = self.memory.room(folder)?;
        Ok(if self.full { Room { available: 0, ..room } } else { room })
    }

    fn perform(&mut self, effect: Effect<'_>) -> Result<(), FileError> {
        let (what, path) = (format!("{effect:?}"), effect.path().to_string());
        let part = |state: &mut Self| {
            if let Effect::Write { path, content } = effect {
                let half = content.get(..content.len() / 2).unwrap_or_default();
                // The fault that follows is the one to report, not a failure of this half.
                let _ = state.memory.perform(Effect::Write { path, content: half });
            }
        };
        let whole = |state: &mut Self| {
            if state.full && needs_room(effect) {
                return Err(no_space(effect.path().as_str()).into());
            }
            Ok(state.memory.perform(effect)?)
        };
        self.effect(&what, &path, part, whole).map_err(|error| match error {
            OperationError::File(error) => error,
            other => FileError { path, kind: FileErrorKind::Other, detail: other.to_string() },
        })
    }

    fn can_set_owner(&self) -> bool {
        self.memory.can_set_owner
    }
}

fn no_space(path: &str) -> FileError {
    let detail = "no space left on device".to_owned();
    FileError { path: path.to_owned(), kind: FileErrorKind::NoSpace, detail }
}

/// Reports whether an effect can fail because the disk is full.
fn needs_room(effect: Effect<'_>) -> bool {
    matches!(
        effect,
        Effect::MakeFolder { .. }
            | Effect::Create { .. }
            | Effect::Write { .. }
            | Effect::Link { .. }
            | Effect::HardLink { .. }
    )
}

/// Returns the self-description of kube-controller-manager of a version.
fn program_facts(version: KubernetesVersion) -> ProgramFacts {
    let flags = kcm_systemd::known_in(version);
    ProgramFacts {
        version: format!("Kubernetes v{version}.0"),
        help: flags.fold(String::new(), |help, flag| help + "      --" + flag.name + "\n"),
    }
}
