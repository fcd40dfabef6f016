//! Copying of a fake in its current state.

use std::sync::{Arc, Mutex};

use super::Fake;
use super::machine::{Exchange, FakeState};

impl FakeState {
    /// Creates another, independent machine in the same state; an observer can do so in the middle
    /// of a batch. Faults, the observer and the lock are not copied, and the counts start at 0.
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
