//! The state of a fake master, and how effects, faults and the observer meet.

use std::collections::{BTreeMap, BTreeSet};

use kcm_systemd::UnitName;
use zeroize::Zeroizing;

use super::fault::{Fault, FaultKind, FaultPoint, When};
use super::memory::Memory;
use super::unit::Units;
use crate::files::{
    Effect, FileError, FileErrorKind, FileSystem, Mode, NodeKind, Owner, RemotePath, Room, Stat,
};
use crate::transport::interpret::{Machine, Moment};
use crate::transport::{
    Activity, Exec, Observation, OperationError, Output, Settle, UnitAction, UnitState, enable,
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
    pub(super) exchange: Exchange,
    memory: Memory,
    units: Units,
    programs: BTreeMap<Vec<String>, Output>,
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
            exchange: Exchange::Whole,
            memory: Memory::new(),
            units: Units::default(),
            programs: BTreeMap::new(),
        };
        state.put_folder("/etc/systemd/system");
        state.put_folder("/opt");
        state
    }

    /// Places a file with its folders, durable: how a test sets the scene.
    ///
    /// # Panics
    /// When `path` is not absolute and normal, or a folder.
    #[expect(clippy::panic, reason = "a test that sets an impossible scene must fail at once")]
    pub fn put_file(&mut self, path: &str, content: &[u8], mode: u32) {
        let put = |memory: &mut Memory| -> Result<(), String> {
            let path = RemotePath::new(path).map_err(|error| error.to_string())?;
            if let Some(parent) = path.parent() {
                crate::files::make_folders(memory, &parent).map_err(|e| e.to_string())?;
            }
            crate::files::remove_if_present(memory, &path)
                .and_then(|()| {
                    let mode = Mode::from_bits(mode);
                    let owner = memory.can_set_owner.then_some(Owner::ROOT);
                    crate::files::write_new(memory, &path, content, mode, owner)
                })
                .map_err(|error| error.to_string())
        };
        if let Err(error) = put(&mut self.memory) {
            panic!("{}: {error}", self.name);
        }
        self.memory.sync_all();
    }

    /// Makes a folder with its parents, durable.
    ///
    /// # Panics
    /// When `path` is not absolute and normal, or something else is there.
    #[expect(clippy::panic, reason = "a test that sets an impossible scene must fail at once")]
    pub fn put_folder(&mut self, path: &str) {
        let made = RemotePath::new(path).map_err(|error| error.to_string()).and_then(|path| {
            crate::files::make_folders(&mut self.memory, &path).map_err(|e| e.to_string())
        });
        if let Err(error) = made {
            panic!("{}: {error}", self.name);
        }
        self.memory.sync_all();
    }

    /// Tells the fake what a program does. One it was not told about is an error.
    pub fn expect_program(&mut self, argv: &[&str], output: Output) {
        self.programs.insert(argv.iter().map(|word| (*word).to_owned()).collect(), output);
    }

    /// The files themselves, past all faults and counts.
    pub fn files(&mut self) -> &mut dyn FileSystem {
        &mut self.memory
    }

    /// Every path that exists with what it names, in order.
    #[must_use]
    pub fn tree(&self) -> Vec<(RemotePath, NodeKind)> {
        self.memory.tree()
    }

    /// What runs: unit by unit.
    #[must_use]
    pub fn activity(&self, unit: &UnitName) -> Activity {
        if self.offline { Activity::Offline } else { self.units.activity(unit) }
    }

    /// Gives files to other users or not, as root can or not.
    pub fn set_can_set_owner(&mut self, can: bool) {
        self.memory.can_set_owner = can;
    }

    /// What a question for room is answered with.
    pub fn set_room(&mut self, room: Room) {
        self.memory.room = room;
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
            if enable::enablement(&mut self.memory, unit, path)?
                == super::super::Enablement::Enabled
            {
                start.insert(unit.clone());
            }
        }
        self.units.boot(&mut self.memory, &start)
    }

    fn power_off(&mut self) {
        self.power = Power::Off;
        self.lock = None;
        self.memory.power_off();
        self.units.stop_all();
    }

    /// Lets a scheduled fault strike, if there is one here.
    fn strike(&mut self, here: FaultPoint, path: &str) -> Result<(), FileError> {
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
            FaultKind::LosesConnection => {
                self.exchange = Exchange::Unheard;
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
    fn effect(
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
        self.memory.room(folder)
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
        let whole = |state: &mut Self| Ok(state.memory.perform(effect)?);
        self.effect(&what, &path, part, whole).map_err(|error| match error {
            OperationError::File(error) => error,
            other => FileError { path, kind: FileErrorKind::Other, detail: other.to_string() },
        })
    }

    fn can_set_owner(&self) -> bool {
        self.memory.can_set_owner
    }
}

impl Machine for FakeState {
    fn hostname(&self) -> Option<String> {
        (!self.offline).then(|| self.hostname.clone())
    }

    fn unit_state(
        &mut self,
        unit: &UnitName,
        path: &RemotePath,
    ) -> Result<UnitState, OperationError> {
        let enablement = enable::enablement(&mut self.memory, unit, path)?;
        let needs_reload =
            !self.offline && self.units.needs_reload(unit, path, &mut self.memory)?;
        Ok(UnitState { enablement, activity: self.activity(unit), needs_reload })
    }

    fn act(&mut self, action: &UnitAction) -> Result<(), OperationError> {
        match action {
            UnitAction::Enable { unit, path } => enable::enable(self, unit, path),
            UnitAction::Reload | UnitAction::Restart { .. } if self.offline => {
                Err(OperationError::Unsupported {
                    transport: "a folder".to_owned(),
                    reason: "no systemd runs in it".to_owned(),
                })
            }
            UnitAction::Reload => self.effect(
                "reload units",
                "systemd",
                |_| {},
                |state| state.units.reload(&mut state.memory),
            ),
            UnitAction::Restart { unit } => self.effect(
                &format!("restart {unit}"),
                unit.as_str(),
                |_| {},
                |state| state.units.restart(unit, state.memory.tick()),
            ),
        }
    }

    fn settle(&mut self, settle: &Settle) -> Result<(), OperationError> {
        let unit = settle.unit.to_string();
        match self.activity(&settle.unit) {
            Activity::Offline => Err(OperationError::Unsupported {
                transport: "a folder".to_owned(),
                reason: "no systemd runs in it".to_owned(),
            }),
            Activity::Active { .. } => Ok(()),
            Activity::Inactive => {
                Err(OperationError::Unit { unit, reason: "it does not run".to_owned() })
            }
            Activity::Failed { result } => {
                Err(OperationError::Unit { unit, reason: format!("it failed: {result}") })
            }
        }
    }

    fn processes(&mut self, executable: &RemotePath) -> Observation<Vec<u32>> {
        let strangers = self.strangers.get(executable.as_str()).into_iter().flatten().copied();
        Observation::Known(strangers.chain(self.units.main_pids()).collect())
    }

    fn exec(&mut self, exec: &Exec) -> Result<Output, OperationError> {
        self.programs.get(&exec.argv).cloned().ok_or_else(|| OperationError::Unsupported {
            transport: format!("the fake {}", self.name),
            reason: format!("it was not told about the program {:?}", exec.argv),
        })
    }

    fn at_operation(&mut self, moment: Moment) -> Result<(), OperationError> {
        let (index, when) = match moment {
            Moment::Before => (self.operations, When::Before),
            Moment::After => (self.operations.saturating_sub(1), When::After),
        };
        if moment == Moment::Before {
            self.operations += 1;
        }
        let name = self.name.clone();
        Ok(self.strike(FaultPoint::Operation { index, when }, &name)?)
    }
}
