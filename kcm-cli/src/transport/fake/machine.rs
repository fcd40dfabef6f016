//! The state of a fake master, and how effects, faults and the observer meet.

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

/// Sees the state after every single effect, with the effect in words.
pub type Observer = Box<dyn FnMut(&mut FakeState, &str) + Send>;

/// Everything a fake master is.
pub struct FakeState {
    /// How messages name it.
    pub name: String,
    /// The kernel's host name.
    pub hostname: String,
    /// Whether it answers at all.
    pub power: Power,
    /// Whether it is a folder rather than a running machine.
    pub offline: bool,
    /// Faults to come.
    pub faults: Vec<Fault>,
    /// Called after every effect.
    pub observer: Option<Observer>,
    /// Batches carried out so far.
    pub exchanges: usize,
    /// Operations begun so far.
    pub operations: usize,
    /// Effects begun so far.
    pub effects: usize,
    /// Who holds the lock.
    pub lock: Option<String>,
    /// Processes started by hand, by executable.
    pub strangers: BTreeMap<String, Vec<u32>>,
    /// Users by name.
    pub accounts: BTreeMap<String, Owner>,
    /// What kube-controller-manager says of itself; if it cannot be run, why.
    pub program_facts: Result<ProgramFacts, String>,
    /// Addresses on which others listen.
    pub listeners: Vec<SocketAddr>,
    /// The journal of kube-controller-manager's unit, in its order.
    pub journal: Vec<JournalEntry>,
    /// How far its clock is ahead of this machine's.
    pub clock_offset: time::Duration,
    pub(super) full: bool,
    pub(super) exchange: Exchange,
    pub(super) memory: Memory,
    pub(super) units: Units,
    pub(super) world: World,
    pub(super) programs: BTreeMap<Vec<String>, Output>,
    /// Which lock it is, so that one that is let go late takes no other's away.
    pub(super) lock_number: u64,
}

/// Whether a fake master has power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// It runs, or can be asked.
    On,
    /// It answers nothing.
    Off,
}

/// What became of the exchange that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    /// Nothing befell it.
    Whole,
    /// It goes on to its end, but nobody hears the replies.
    Unheard,
    /// It was ended: nothing of it happens any more, and nobody hears why.
    Stopped,
    /// It goes on to its end, but whoever sent it is dead.
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

    /// Whether a timer will start the unit.
    #[must_use]
    pub fn is_armed(&self, unit: &UnitName) -> bool {
        self.units.is_armed(unit)
    }

    /// Runs what systemd runs by itself: timers that are due, services that are started again after an end.
    pub fn catch_up(&mut self) {
        if self.power == Power::On {
            self.units.catch_up(&self.world, &mut self.memory);
        }
    }

    /// The files themselves, past all faults and counts.
    pub fn files(&mut self) -> &mut dyn FileSystem {
        &mut self.memory
    }

    /// Every path that exists with what it names, in order.
    #[must_use]
    pub fn tree(&self) -> Vec<(RemotePath, NodeKind)> {
        self.memory.nodes().into_iter().map(|node| (node.path, node.kind)).collect()
    }

    /// Every path that exists with what is there, in order.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node<'_>> {
        self.memory.nodes()
    }

    /// What runs: unit by unit.
    #[must_use]
    pub fn activity(&self, unit: &UnitName) -> Activity {
        if self.offline { Activity::Offline } else { self.units.activity(unit) }
    }

    /// The time there: a second passes with all that is done.
    #[must_use]
    pub fn time(&self) -> OffsetDateTime {
        self.memory.now()
    }

    /// Turns it on again: what was durable is there, enabled units run.
    ///
    /// # Errors
    /// When an enabled unit cannot be read.
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

    /// Lets a scheduled fault strike, if there is one here.
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
                // Whatever becomes of the half, the fault that follows is what is reported.
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

/// Whether an effect can fail because the disk is full.
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

/// What kube-controller-manager of a version says of itself.
fn program_facts(version: KubernetesVersion) -> ProgramFacts {
    let flags = kcm_systemd::known_in(version);
    ProgramFacts {
        version: format!("Kubernetes v{version}.0"),
        help: flags.fold(String::new(), |help, flag| help + "      --" + flag.name + "\n"),
    }
}
