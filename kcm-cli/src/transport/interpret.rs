//! The meaning of a batch, in terms of single effects: what `local` and `fake` share.

use std::collections::BTreeSet;

use kcm_pki::Fingerprint;
use kcm_systemd::UnitName;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::folders::untrusted;
use super::reply::describe_unit;
use super::{
    Account, Batch, Commit, Examine, Examined, Exec, ExpectedUnit, Inspect, Inspected, Keep,
    KeptFile, Observation, Operation, OperationError, OperationFailure, Output, PathState, Probe,
    ProbeReply, Read, Replies, Reply, STAGE_FOLDER, Settle, Settled, Stage, UnitAction, UnitState,
    Unstage, View,
};
use super::{public_part, unit_files};
use crate::util::files::{
    self, Effect, FileError, FileErrorKind, FileSystem, LONGEST_FILE, Mode, NodeKind, Owner,
    RemotePath, Stat,
};

/// A master that effects can be carried out on, one after the other.
pub(super) trait Machine: FileSystem {
    /// The kernel's host name, if there is a kernel.
    fn hostname(&self) -> Option<String>;
    fn unit_state(
        &mut self,
        unit: &UnitName,
        path: &RemotePath,
    ) -> Result<UnitState, OperationError>;
    fn act(&mut self, action: &UnitAction) -> Result<(), OperationError>;
    /// The time by its clock.
    fn clock(&mut self) -> OffsetDateTime;
    fn settle(&mut self, settle: &Settle) -> Result<Settled, OperationError>;
    fn examine(&mut self, examine: &Examine) -> Result<Examined, OperationError>;
    fn inspect(&mut self, inspect: &Inspect) -> Result<Inspected, OperationError>;
    fn account(&mut self, account: &Account) -> Observation<Option<Owner>>;
    fn processes(&mut self, executable: &RemotePath) -> Observation<Vec<u32>>;
    fn exec(&mut self, exec: &Exec) -> Result<Output, OperationError>;
    /// Tells whether a user may do everything here anyway: root, and whoever does the work.
    fn trusts(&self, uid: u32) -> bool;
    /// Tells whether nobody else is in a group.
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
        // Files are read at once here.
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

/// Everything kcm observes about one path.
fn path_state(files: &mut dyn Machine, path: &RemotePath) -> Result<PathState, FileError> {
    let Some(stat) = files.stat(path)? else {
        return Ok(PathState::Absent);
    };
    Ok(match stat.kind {
        NodeKind::File => PathState::File {
            digest: Fingerprint::of(&files.read(path)?),
            size: stat.size,
            mode: stat.mode,
            owner: stat.owner,
            changed: stat.changed,
        },
        NodeKind::Folder => PathState::Folder { mode: stat.mode, owner: stat.owner },
        NodeKind::Link(target) => PathState::Link { target },
        NodeKind::Other => PathState::Other,
    })
}

fn read(
    machine: &mut dyn Machine,
    read: &Read,
) -> Result<Option<Zeroizing<Vec<u8>>>, OperationError> {
    // A pipe would be waited for, a link may lead anywhere.
    match machine.stat(&read.path)? {
        Some(stat) if stat.kind == NodeKind::File => check_length(&read.path, &stat)?,
        _ => return Ok(None),
    }
    let content = machine.read(&read.path)?;
    Ok(Some(match read.view {
        View::Whole => content,
        View::Certificates => Zeroizing::new(certificates(&content)),
        View::KubeconfigPublic => {
            let text = Zeroizing::new(String::from_utf8_lossy(&content).into_owned());
            Zeroizing::new(public_kubeconfig(&text).into_bytes())
        }
        View::PublicPart => {
            let digest = public_part::of_key(&content).map(|digest| digest.to_hex());
            Zeroizing::new(digest.unwrap_or_default().into_bytes())
        }
    }))
}

/// A file that is too long for a unit, a kubeconfig or a certificate is not read.
pub(super) fn check_length(path: &RemotePath, stat: &Stat) -> Result<(), FileError> {
    if stat.size <= LONGEST_FILE {
        return Ok(());
    }
    let detail = "is longer than 1 MiB, so it is no unit, kubeconfig or certificate; look at it and move it away";
    Err(FileError::new(path, FileErrorKind::Other, detail))
}

/// What [`View::Certificates`] shows of a file.
fn certificates(content: &[u8]) -> Vec<u8> {
    let mut inside = false;
    let mut shown = Vec::new();
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"-----BEGIN ") {
            // A certificate that is cut off ends here, too.
            inside = line.starts_with(b"-----BEGIN CERTIFICATE-----");
        }
        if inside {
            shown.extend_from_slice(line);
        }
        inside &= !line.starts_with(b"-----END ");
    }
    shown
}

/// What [`View::KubeconfigPublic`] shows of a kubeconfig.
pub(crate) fn public_kubeconfig(text: &str) -> String {
    kcm_kubeconfig::public_view(text, |value| Fingerprint::of(value).to_hex())
}

fn stage(machine: &mut dyn Machine, stage: &Stage) -> Result<Vec<RemotePath>, OperationError> {
    let targets: Vec<_> = stage.targets().cloned().collect();
    let mut folders = Vec::new();
    match write_beside(machine, stage, &targets, &mut folders) {
        Ok(()) => Ok(folders),
        Err(error) => {
            // The first error is the one to mend; what cannot be taken back, the next run finds.
            let _ = unstage(machine, &Unstage { targets, folders });
            Err(error)
        }
    }
}

fn write_beside(
    machine: &mut dyn Machine,
    stage: &Stage,
    targets: &[RemotePath],
    made: &mut Vec<RemotePath>,
) -> Result<(), OperationError> {
    for folder in stage_folders(targets) {
        empty_stage_folder(machine, &folder, made)?;
    }
    let owns = machine.can_set_owner();
    for file in &stage.files {
        let staged = staged(&file.target);
        let owner = owns.then_some(file.owner);
        files::write_new(machine, &staged, file.content.expose(), file.mode, owner)?;
        if Fingerprint::of(&machine.read(&staged)?) != file.content.digest() {
            return Err(OperationError::Corrupt { path: staged });
        }
    }
    for kept in &stage.kept {
        bring_back(machine, kept)?;
    }
    for path in stage_folders(targets) {
        machine.perform(Effect::SyncFolder { path: &path })?;
    }
    Ok(())
}

fn bring_back(machine: &mut dyn Machine, kept: &KeptFile) -> Result<(), OperationError> {
    let KeptFile { from, target, digest, mode, owner } = kept;
    let content = machine.read(from)?;
    if Fingerprint::of(&content) != *digest {
        return Err(OperationError::Corrupt { path: from.clone() });
    }
    let owner = machine.can_set_owner().then_some(*owner);
    Ok(files::write_new(machine, &staged(target), &content, *mode, owner)?)
}

fn unstage(machine: &mut dyn Machine, unstage: &Unstage) -> Result<(), OperationError> {
    let mut result = Ok(());
    for folder in stage_folders(&unstage.targets) {
        result = result.and(remove_folder(machine, &folder));
    }
    for path in unstage.folders.iter().rev() {
        result = result.and(remove_if_empty(machine, path));
    }
    Ok(result?)
}

/// Makes the folder, or empties the one that an interrupted run left.
fn empty_stage_folder(
    machine: &mut dyn Machine,
    folder: &RemotePath,
    made: &mut Vec<RemotePath>,
) -> Result<(), FileError> {
    match machine.stat(folder)? {
        None => {
            if let Some(parent) = folder.parent() {
                files::make_folders_into(machine, &parent, made)?;
            }
            machine.perform(Effect::MakeFolder { path: folder, mode: Mode::PRIVATE_FOLDER })
        }
        Some(stat) if stat.kind == NodeKind::Folder => {
            machine.perform(Effect::SetMode { path: folder, mode: Mode::PRIVATE_FOLDER })?;
            remove_content(machine, folder)
        }
        Some(_) => {
            let detail = "is in the way: kcm stages files in a folder of this name; remove it";
            Err(FileError::new(folder, FileErrorKind::WrongKind, detail))
        }
    }
}

fn commit(machine: &mut dyn Machine, commit: &Commit) -> Result<(), OperationError> {
    for (path, expected) in &commit.expected {
        let found = path_state(machine, path)?;
        if !found.is_same_artifact(expected) {
            return Err(OperationError::Changed {
                path: path.clone(),
                expected: expected.describe(),
                found: found.describe(),
            });
        }
    }
    if let Some(expected) = &commit.unit {
        check_unit(machine, expected)?;
    }
    for keep in &commit.keep {
        self::keep(machine, keep)?;
    }
    for target in &commit.files {
        files::replace(machine, &staged(target), target)?;
    }
    for rename in &commit.renames {
        files::replace(machine, &rename.from, &rename.to)?;
    }
    for attributes in &commit.attributes {
        let path = &attributes.path;
        if let Some(owner) = attributes.owner {
            machine.perform(Effect::SetOwner { path, owner })?;
        }
        machine.perform(Effect::SetMode { path, mode: attributes.mode })?;
        machine.perform(Effect::Sync { path })?;
    }
    for path in &commit.remove {
        if machine.stat(path)?.is_some() {
            machine.perform(Effect::Remove { path })?;
            if let Some(parent) = path.parent() {
                machine.perform(Effect::SyncFolder { path: &parent })?;
            }
        }
    }
    let mut emptied: BTreeSet<_> = stage_folders(&commit.files);
    emptied.extend(commit.leftovers.iter().cloned());
    for folder in &emptied {
        remove_folder(machine, folder)?;
    }
    Ok(())
}

fn check_unit(machine: &mut dyn Machine, expected: &ExpectedUnit) -> Result<(), OperationError> {
    let found = machine.unit_state(&expected.unit, &expected.path)?;
    let was = (&expected.drop_ins, expected.enablement);
    if was == (&found.drop_ins, found.enablement) {
        return Ok(());
    }
    Err(OperationError::UnitChanged {
        unit: expected.unit.to_string(),
        expected: describe_unit(was.0, was.1),
        found: describe_unit(&found.drop_ins, found.enablement),
    })
}

/// The second name is durable before the first is replaced.
fn keep(machine: &mut dyn Machine, keep: &Keep) -> Result<(), FileError> {
    let Some(folder) = keep.at.parent() else { return Ok(()) };
    if machine.stat(&folder)?.is_none() {
        machine.perform(Effect::MakeFolder { path: &folder, mode: Mode::PRIVATE_FOLDER })?;
        if let Some(parent) = folder.parent() {
            machine.perform(Effect::SyncFolder { path: &parent })?;
        }
    }
    files::remove_if_present(machine, &keep.at)?;
    machine.perform(Effect::HardLink { path: &keep.at, original: &keep.path })?;
    machine.perform(Effect::SyncFolder { path: &folder })
}

/// Where a file waits for its commit.
pub(crate) fn staged(target: &RemotePath) -> RemotePath {
    target.sibling(STAGE_FOLDER).child(target.name())
}

/// The folders of `paths`, each once.
pub(super) fn folders(paths: &[RemotePath]) -> BTreeSet<RemotePath> {
    paths.iter().filter_map(RemotePath::parent).collect()
}

/// The stage folders beside `targets`, each once.
pub(super) fn stage_folders(targets: &[RemotePath]) -> BTreeSet<RemotePath> {
    targets.iter().map(|target| target.sibling(STAGE_FOLDER)).collect()
}

fn remove_folder(machine: &mut dyn Machine, folder: &RemotePath) -> Result<(), FileError> {
    match machine.stat(folder)?.map(|stat| stat.kind) {
        None => return Ok(()),
        Some(NodeKind::Folder) => {
            remove_content(machine, folder)?;
            machine.perform(Effect::RemoveFolder { path: folder })?;
        }
        Some(_) => machine.perform(Effect::Remove { path: folder })?,
    }
    match folder.parent() {
        Some(parent) => machine.perform(Effect::SyncFolder { path: &parent }),
        None => Ok(()),
    }
}

fn remove_if_empty(machine: &mut dyn Machine, path: &RemotePath) -> Result<(), FileError> {
    match machine.stat(path)? {
        Some(_) if machine.list(path)?.is_empty() => machine.perform(Effect::RemoveFolder { path }),
        _ => Ok(()),
    }
}

/// Removes the files in a stage folder. kcm makes no folders there: one is somebody else's, and stops it.
fn remove_content(machine: &mut dyn Machine, folder: &RemotePath) -> Result<(), FileError> {
    for name in machine.list(folder)? {
        machine.perform(Effect::Remove { path: &folder.child(&name) })?;
    }
    Ok(())
}
