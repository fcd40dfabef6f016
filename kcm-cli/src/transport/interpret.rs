//! Interpretation of a batch as single effects, shared by `local` and `fake`.

mod commit;
mod read;
mod stage;

use std::collections::BTreeSet;

use kcm_systemd::UnitName;
use time::OffsetDateTime;

use super::folders::untrusted;
use super::unit_files;
use super::{
    Account, Batch, Examine, Examined, Exec, Inspect, Inspected, Observation, Operation,
    OperationError, OperationFailure, Output, Probe, ProbeReply, Replies, Reply, Settle, Settled,
    UnitAction, UnitState,
};
use crate::util::files::{FileSystem, Owner, RemotePath};
use commit::commit;
use read::{path_state, read};
use stage::{stage, unstage};

pub(super) use read::check_length;
pub(crate) use read::public_kubeconfig;
pub(super) use stage::stage_folders;
pub(crate) use stage::staged;

/// A master on which effects can be carried out one by one.
pub(super) trait Machine: FileSystem {
    /// Returns the kernel's host name, if there is a kernel.
    fn hostname(&self) -> Option<String>;
    fn unit_state(
        &mut self,
        unit: &UnitName,
        path: &RemotePath,
    ) -> Result<UnitState, OperationError>;
    fn act(&mut self, action: &UnitAction) -> Result<(), OperationError>;
    /// Returns the time by the master's clock.
    fn clock(&mut self) -> OffsetDateTime;
    fn settle(&mut self, settle: &Settle) -> Result<Settled, OperationError>;
    fn examine(&mut self, examine: &Examine) -> Result<Examined, OperationError>;
    fn inspect(&mut self, inspect: &Inspect) -> Result<Inspected, OperationError>;
    fn account(&mut self, account: &Account) -> Observation<Option<Owner>>;
    fn processes(&mut self, executable: &RemotePath) -> Observation<Vec<u32>>;
    fn exec(&mut self, exec: &Exec) -> Result<Output, OperationError>;
    /// Reports whether a user may do everything on the machine anyway: root, and the user that kcm
    /// runs as.
    fn trusts(&self, uid: u32) -> bool;
    /// Reports whether a group has no other members.
    fn trusts_group(&self, gid: u32) -> bool;

    /// Called before and after each operation, with its place in the batch.
    fn at_operation(&mut self, _moment: Moment) -> Result<(), OperationError> {
        Ok(())
    }
}

/// A moment between operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    After,
}

/// Carries out a batch up to the first operation that fails.
pub(super) fn interpret(machine: &mut dyn Machine, batch: &Batch) -> Replies {
    let mut done = Vec::with_capacity(batch.operations.len());
    for (index, operation) in batch.operations.iter().enumerate() {
        let reply = machine
            .at_operation(Moment::Before)
            .and_then(|()| carry_out(machine, operation))
            .and_then(|reply| machine.at_operation(Moment::After).map(|()| reply));
        match reply {
            Ok(reply) => done.push(reply),
            Err(error) => {
                let failed = OperationFailure { index, operation: operation.name(), error };
                return Replies { done, failed: Some(failed) };
            }
        }
    }
    Replies { done, failed: None }
}

fn carry_out(machine: &mut dyn Machine, operation: &Operation) -> Result<Reply, OperationError> {
    if let Some(folder) = untrusted(machine, &operation.written())?.first() {
        return Err(folder.to_error());
    }
    match operation {
        Operation::CheckFolders(check) => {
            untrusted(machine, &check.paths).map(Reply::CheckedFolders)
        }
        Operation::Probe(probe) => self::probe(machine, probe).map(Reply::Probe),
        Operation::Read(read) => self::read(machine, read).map(Reply::Read),
        Operation::FindUnit(find) => {
            let hostname = machine.hostname();
            let found = unit_files::find(machine, &find.unit, hostname.as_deref())?;
            Ok(Reply::FoundUnit(found))
        }
        Operation::Examine(examine) => machine.examine(examine).map(Reply::Examined),
        Operation::Inspect(inspect) => machine.inspect(inspect).map(Reply::Inspected),
        Operation::Stage(stage) => self::stage(machine, stage).map(|made| Reply::Staged { made }),
        Operation::Unstage(unstage) => self::unstage(machine, unstage).map(|()| Reply::Unstaged),
        Operation::Commit(commit) => self::commit(machine, commit).map(|()| Reply::Committed),
        Operation::Unit(action @ (UnitAction::Stop { .. } | UnitAction::Kill { .. })) => {
            machine.act(action).map(|()| Reply::Stopped { gone: machine.clock() })
        }
        Operation::Unit(action) => machine.act(action).map(|()| Reply::Unit),
        Operation::Settle(settle) => machine.settle(settle).map(Reply::Settled),
        // Reading a whole file is cheap on this machine, so no note is needed.
        Operation::NoteProgram(_) => Ok(Reply::Noted),
        Operation::Exec(exec) => machine.exec(exec).map(Reply::Exec),
    }
}

fn probe(machine: &mut dyn Machine, probe: &Probe) -> Result<ProbeReply, OperationError> {
    let mut paths = Vec::with_capacity(probe.paths.len());
    for path in &probe.paths {
        let state = path_state(machine, path)?;
        paths.push(if probe.unread.contains(path) { state.unread() } else { state });
    }
    let mut rooms = Vec::new();
    for folder in folders(&probe.paths) {
        rooms.push((folder.clone(), machine.room(&folder)?));
    }
    let mut leftovers = Vec::new();
    for folder in stage_folders(&probe.paths) {
        if machine.stat(&folder)?.is_some() {
            leftovers.push(folder);
        }
    }
    Ok(ProbeReply {
        hostname: machine.hostname(),
        can_set_owner: machine.can_set_owner(),
        paths,
        rooms,
        leftovers,
        unit: machine.unit_state(&probe.unit, &probe.unit_path)?,
        processes: machine.processes(&probe.executable),
        accounts: probe.accounts.iter().map(|account| machine.account(account)).collect(),
    })
}

/// Returns the folders of `paths`, each once.
pub(super) fn folders(paths: &[RemotePath]) -> BTreeSet<RemotePath> {
    paths.iter().filter_map(RemotePath::parent).collect()
}
