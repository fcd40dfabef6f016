//! The fake's systemd: what it loaded, what runs.

use std::collections::{BTreeMap, BTreeSet};

use kcm_pki::Fingerprint;
use kcm_systemd::UnitName;
use time::OffsetDateTime;

use super::memory::Memory;
use crate::files::{FileSystem as _, NodeKind, RemotePath};
use crate::transport::{Activity, OperationError};

const FOLDER: &str = "/etc/systemd/system";

#[derive(Debug, Default)]
pub(super) struct Units {
    /// Units as last read, by name: a file that changed since needs a reload, as with systemd.
    loaded: BTreeMap<String, Fingerprint>,
    running: BTreeMap<String, Activity>,
    runs: u32,
}

impl Units {
    pub(super) fn activity(&self, unit: &UnitName) -> Activity {
        self.running.get(unit.as_str()).cloned().unwrap_or(Activity::Inactive)
    }

    pub(super) fn main_pids(&self) -> impl Iterator<Item = u32> {
        self.running.values().filter_map(|activity| match activity {
            Activity::Active { main_pid, .. } => Some(*main_pid),
            _ => None,
        })
    }

    pub(super) fn reload(&mut self, files: &mut Memory) -> Result<(), OperationError> {
        let folder = RemotePath::new(FOLDER).map_err(|error| unit_error(FOLDER, &error))?;
        self.loaded.clear();
        for name in files.list(&folder)? {
            let path = folder.child(&name);
            if files.stat(&path)?.is_some_and(|stat| stat.kind == NodeKind::File) {
                self.loaded.insert(name, Fingerprint::of(&files.read(&path)?));
            }
        }
        Ok(())
    }

    /// Whether the unit's file is other than what was last read of it.
    pub(super) fn needs_reload(
        &self,
        unit: &UnitName,
        path: &RemotePath,
        files: &mut Memory,
    ) -> Result<bool, OperationError> {
        let found = match files.stat(path)? {
            Some(stat) if stat.kind == NodeKind::File => Some(Fingerprint::of(&files.read(path)?)),
            _ => None,
        };
        Ok(self.loaded.get(unit.as_str()) != found.as_ref())
    }

    pub(super) fn restart(
        &mut self,
        unit: &UnitName,
        now: OffsetDateTime,
    ) -> Result<(), OperationError> {
        if !self.loaded.contains_key(unit.as_str()) {
            let reason = "Unit not found: its file was not there at the last reload";
            return Err(unit_error(unit.as_str(), &reason));
        }
        self.runs += 1;
        let run = Activity::Active {
            invocation: format!("{:032x}", self.runs),
            main_pid: 1000 + self.runs,
            since: now,
        };
        self.running.insert(unit.as_str().to_owned(), run);
        Ok(())
    }

    pub(super) fn stop_all(&mut self) {
        self.running.clear();
        self.loaded.clear();
    }

    pub(super) fn boot(
        &mut self,
        files: &mut Memory,
        start: &BTreeSet<UnitName>,
    ) -> Result<(), OperationError> {
        self.reload(files)?;
        start.iter().try_for_each(|unit| self.restart(unit, files.tick()))
    }
}

fn unit_error(unit: &str, reason: &impl ToString) -> OperationError {
    OperationError::Unit { unit: unit.to_owned(), reason: reason.to_string() }
}
