//! A second fake in the state of a first.

use std::sync::{Arc, Mutex};

use super::Fake;
use super::machine::{Exchange, FakeState};

impl FakeState {
    /// Another machine in the same state, which goes its own way from here: an observer can make one in the middle of a
    /// batch. Faults, the observer and the lock are not copied, and its counts begin again.
    #[must_use]
    pub fn fork(&self) -> Fake {
        let state = Self {
            name: self.name.clone(),
            hostname: self.hostname.clone(),
            power: self.power,
            offline: self.offline,
            faults: Vec::new(),
            observer: None,
            exchanges: 0,
            operations: 0,
            effects: 0,
            lock: None,
            strangers: self.strangers.clone(),
            accounts: self.accounts.clone(),
            program_facts: self.program_facts.clone(),
            listeners: self.listeners.clone(),
            journal: self.journal.clone(),
            clock_offset: self.clock_offset,
            full: self.full,
            exchange: Exchange::Whole,
            memory: self.memory.clone(),
            units: self.units.clone(),
            world: self.world.clone(),
            programs: self.programs.clone(),
            lock_number: 0,
        };
        Fake { state: Arc::new(Mutex::new(state)) }
    }
}
