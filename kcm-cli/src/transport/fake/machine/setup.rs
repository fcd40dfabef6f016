//! Methods that set up a fake master: files, programs, services and its disk.

use std::sync::{Arc, Mutex};

use kcm_systemd::{KubernetesVersion, UnitName};

use super::{FakeState, program_facts};
use crate::transport::fake::Fake;
use crate::transport::fake::memory::Memory;
use crate::transport::fake::service::Behaviour;
use crate::transport::{Connection, Output};
use crate::util::files::{
    FileSystem, Mode, Owner, RemotePath, Room, make_folders, remove_if_present, write_new,
};

impl FakeState {
    /// Creates another, independent machine in the same state; an observer can do so in the middle
    /// of a batch. Faults, the observer and the lock are not copied, and the counts start at 0.
    #[must_use]
    pub fn fork(&self) -> Fake {
        let state = Self {
            hostname: self.hostname.clone(),
            power: self.power,
            offline: self.offline,
            strangers: self.strangers.clone(),
            accounts: self.accounts.clone(),
            program_facts: self.program_facts.clone(),
            listeners: self.listeners.clone(),
            journal: self.journal.clone(),
            clock_offset: self.clock_offset,
            full: self.full,
            memory: self.memory.clone(),
            units: self.units.clone(),
            world: self.world.clone(),
            programs: self.programs.clone(),
            ..Self::new(self.name.clone())
        };
        Fake { state: Arc::new(Mutex::new(state)) }
    }

    /// Places a file with its folders, durable.
    ///
    /// # Panics
    /// Panics if `path` is not absolute and normal, or is a folder.
    #[expect(clippy::panic, reason = "a test that sets an impossible scene must fail at once")]
    pub fn put_file(&mut self, path: &str, content: &[u8], mode: u32) {
        let put = |memory: &mut Memory| -> Result<(), String> {
            let path = RemotePath::new(path).map_err(|error| error.to_string())?;
            if let Some(parent) = path.parent() {
                make_folders(memory, &parent).map_err(|e| e.to_string())?;
            }
            remove_if_present(memory, &path)
                .and_then(|()| {
                    let mode = Mode::from_bits(mode);
                    let owner = memory.can_set_owner.then_some(Owner::ROOT);
                    write_new(memory, &path, content, mode, owner)
                })
                .map_err(|error| error.to_string())
        };
        if let Err(error) = put(&mut self.memory) {
            panic!("{}: {error}", self.name);
        }
        self.memory.sync_all();
    }

    /// Creates a folder with its parents, durable.
    ///
    /// # Panics
    /// Panics if `path` is not absolute and normal, or is not a folder.
    #[expect(clippy::panic, reason = "a test that sets an impossible scene must fail at once")]
    pub fn put_folder(&mut self, path: &str) {
        let made = RemotePath::new(path)
            .map_err(|error| error.to_string())
            .and_then(|path| make_folders(&mut self.memory, &path).map_err(|e| e.to_string()));
        if let Err(error) = made {
            panic!("{}: {error}", self.name);
        }
        self.memory.sync_all();
    }

    /// Declares the output of a program. Running an undeclared program is an error.
    pub fn expect_program(&mut self, argv: &[&str], output: Output) {
        self.programs.insert(argv.iter().map(|word| (*word).to_owned()).collect(), output);
    }

    /// Sets the behaviour of services that find everything they need. The default is healthy.
    pub fn expect_services(
        &mut self,
        program: impl Fn(&mut dyn FileSystem) -> Behaviour + Send + Sync + 'static,
    ) {
        self.world.program = Some(Arc::new(program));
    }

    /// Sets whether an API server answers, at any address. Services that start without one end at
    /// once.
    pub fn set_api_server(&mut self, answers: bool) {
        self.world.api_server = answers;
    }

    /// Sets the version of kube-controller-manager.
    pub fn set_version(&mut self, version: KubernetesVersion) {
        self.program_facts = Ok(program_facts(version));
    }

    /// Sets whether files can be given to other users, as only root can.
    pub fn set_can_set_owner(&mut self, can: bool) {
        self.memory.can_set_owner = can;
    }

    /// Sets the free space that is reported.
    pub fn set_room(&mut self, room: Room) {
        self.memory.room = room;
    }

    /// Fills the disk, or frees it again.
    pub fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// Makes a service end on its own, with this text in its journal.
    pub fn end_service(&mut self, unit: &UnitName, why: &str) {
        self.units.end(unit, why);
    }

    /// Sets the connections of a running service.
    pub fn connect_service(&mut self, unit: &UnitName, connections: &[Connection]) {
        self.units.connect(unit, connections);
    }
}
