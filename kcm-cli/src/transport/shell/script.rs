//! Rendering of a batch as one POSIX script: the only place where kcm generates shell code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use kcm_systemd::{UNIT_FOLDERS, UnitName, drop_in_folders};

use crate::transport::interpret::{folders, stage_folders, staged};
use crate::transport::{
    Account, Attributes, Batch, CheckFolders, Commit, Enablement, Examine, Exec, ExpectedUnit,
    FindUnit, Inspect, JournalQuestion, JournalStart, NoteProgram, Operation, PathState, Probe,
    Read, Readable, Settle, Stage, UnitAction, Unquotable, Unstage, View, command_line,
};
use crate::util::files::{Owner, RemotePath};

/// Shell functions that implement the operations; the calls below use them.
const MEANING: &str = concat!(
    include_str!("scripts/common.sh"),
    include_str!("scripts/folders.sh"),
    include_str!("scripts/looking.sh"),
    include_str!("scripts/kubeconfig.sh"),
    include_str!("scripts/changing.sh"),
    include_str!("scripts/running.sh"),
    include_str!("scripts/killing.sh"),
    include_str!("scripts/whole.sh"),
);
/// Shell functions that read a journal.
const JOURNAL: &str = include_str!("scripts/journal.sh");
/// Maximum wait for the script of an earlier run. Half of the deadline leaves time for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A batch for a master's shell: a text, and the bytes that it reads from its standard input after
/// the text.
pub(super) struct Script<'b> {
    /// Definitions, then one line in braces that carries everything out. Truncated anywhere, it
    /// does nothing.
    pub(super) text: String,
    /// Files and inputs, in the order in which they are read.
    pub(super) contents: Vec<&'b [u8]>,
}

/// Reports whether a batch can change anything on a master.
pub(super) fn changes(batch: &Batch) -> bool {
    batch.operations.iter().any(Operation::changes)
}

impl<'b> Script<'b> {
    /// Renders `batch`; the master prints `end` on its own line after everything else.
    pub(super) fn of(batch: &'b Batch, end: &str) -> Result<Self, Unquotable> {
        let mut calls = Calls { text: String::new(), contents: Vec::new() };
        let patience = format!("{:.1}", (batch.deadline / 2).min(PATIENCE).as_secs_f64());
        let lock = if changes(batch) { "exclusive" } else { "shared" };
        calls.call("hold", [lock, &patience])?;
        for (index, operation) in batch.operations.iter().enumerate() {
            match (operation, batch.operations.get(index + 1)) {
                // `systemctl enable` reloads automatically, after it has created the links.
                (
                    Operation::Unit(UnitAction::Reload),
                    Some(Operation::Unit(UnitAction::Enable { .. })),
                ) => calls.call("finish", [])?,
                _ => calls.operation(operation)?,
            }
        }
        let Calls { text: batch, contents } = calls;
        let text = format!("{MEANING}\nbatch() {{\n{batch}}}\n{{ answer {end}; }}\n");
        Ok(Self { text, contents })
    }

    /// Renders a script that reads a journal as long as its standard input receives data.
    pub(super) fn of_journal(question: &JournalQuestion) -> Result<Self, Unquotable> {
        let from = match &question.from {
            JournalStart::Since(time) => format!("--since=@{}", time.unix_timestamp()),
            JournalStart::After(cursor) => format!("--after-cursor={cursor}"),
        };
        let unit = format!("--unit={}", question.unit.as_str());
        let mut words = vec!["read_journal", "--no-pager", "--output=export"];
        words.extend(["--output-fields=MESSAGE", &unit, &from]);
        // Without this, it begins with the last ten lines.
        words.extend(question.follow.then_some(["--follow", "--no-tail"]).into_iter().flatten());
        let call = command_line(words)?;
        Ok(Self { text: format!("{JOURNAL}\n{{ {call}; }}\n"), contents: Vec::new() })
    }

    /// Renders a script that holds the master's lock for `owner` as long as its standard input
    /// receives data.
    pub(super) fn of_lock(owner: &str) -> Result<Self, Unquotable> {
        let call = command_line(["keep_lock", owner])?;
        Ok(Self { text: format!("{MEANING}\n{{ {call}; }}\n"), contents: Vec::new() })
    }
}

struct Calls<'b> {
    text: String,
    contents: Vec<&'b [u8]>,
}

impl<'b> Calls<'b> {
    fn call<'w>(
        &mut self,
        function: &'w str,
        words: impl IntoIterator<Item = &'w str>,
    ) -> Result<(), Unquotable> {
        self.text.push_str(&command_line([function].into_iter().chain(words))?);
        self.text.push('\n');
        Ok(())
    }

    fn operation(&mut self, operation: &'b Operation) -> Result<(), Unquotable> {
        let written = operation.written();
        if !written.is_empty() {
            self.call("trust_folders", written.iter().map(RemotePath::as_str))?;
        }
        match operation {
            Operation::Probe(probe) => self.probe(probe)?,
            Operation::CheckFolders(CheckFolders { paths }) => {
                self.call("check_folders", paths.iter().map(RemotePath::as_str))?;
            }
            Operation::Read(Read { path, view }) => {
                let filter = match view {
                    View::Whole => "whole",
                    View::Certificates => "certificates",
                    View::KubeconfigPublic => "kubeconfig_public",
                    View::PublicPart => "public_part",
                };
                self.call("read_file", [path.as_str(), filter])?;
            }
            Operation::FindUnit(FindUnit { unit }) => self.find_unit(unit)?,
            Operation::Examine(examine) => self.examine(examine)?,
            Operation::Inspect(Inspect { unit, program }) => {
                self.call("probe_clock", [])?;
                if let Some(program) = program {
                    self.call("program_version", [program.as_str()])?;
                }
                self.call("inspect", [unit.as_str()])?;
            }
            Operation::Stage(stage) => self.stage(stage)?,
            Operation::Unstage(unstage) => self.unstage(unstage)?,
            Operation::Commit(commit) => self.commit(commit)?,
            Operation::Unit(action) => self.unit(action)?,
            Operation::Settle(Settle { unit, period, listens, connections, invocation }) => {
                let hundredths = |time: &Duration| (time.as_millis() / 10).to_string();
                let (period, listens) = (hundredths(period), hundredths(listens));
                let invocation = invocation.as_deref().unwrap_or_default();
                let asks = if *connections { "1" } else { "" };
                self.call("settle", [unit.as_str(), &period, &listens, invocation, asks])?;
            }
            Operation::NoteProgram(NoteProgram { program, note, digest }) => {
                let digest = if *digest { "1" } else { "" };
                self.call("note_program", [program.as_str(), note.as_str(), digest])?;
            }
            Operation::Exec(Exec { argv, stdin }) => {
                let size = stdin.len().to_string();
                let argv = argv.iter().map(String::as_str);
                self.call("execute", [size.as_str()].into_iter().chain(argv))?;
                self.contents.push(stdin);
            }
        }
        self.call("finish", [])
    }

    fn find_unit(&mut self, unit: &UnitName) -> Result<(), Unquotable> {
        let drop_ins = drop_in_folders(std::slice::from_ref(unit));
        let words = [unit.as_str()].into_iter().chain(UNIT_FOLDERS).chain(["--"]);
        self.call("find_unit", words.chain(drop_ins.iter().map(String::as_str)))
    }

    fn unit(&mut self, action: &UnitAction) -> Result<(), Unquotable> {
        match action {
            UnitAction::Reload => self.call("manager", ["systemd", "daemon-reload"]),
            UnitAction::Enable { unit, .. } => self.call("enable_unit", [unit.as_str()]),
            UnitAction::Disable { unit, path } => {
                self.call("disable_unit", [unit.as_str(), path.as_str()])
            }
            UnitAction::Restart { unit } => self.call("restart_unit", [unit.as_str()]),
            UnitAction::Stop { unit, back_after } => {
                let seconds = format!("{}ms", back_after.as_millis());
                self.call("stop_unit", [unit.as_str(), &seconds])
            }
            UnitAction::Kill { unit, back_after } => {
                let seconds = format!("{}ms", back_after.as_millis());
                self.call("kill_unit", [unit.as_str(), &seconds])
            }
            UnitAction::Start { unit } => self.call("start_unit", [unit.as_str()]),
            UnitAction::Disarm { unit } => self.call("disarm_unit", [unit.as_str()]),
        }
    }

    fn examine(&mut self, examine: &Examine) -> Result<(), Unquotable> {
        let Examine { unit, program, port, readable } = examine;
        self.call("probe_clock", [])?;
        if let Some(program) = program {
            self.call("examine_program", [program.as_str()])?;
        }
        match port {
            Some(port) => self.call("examine_port", [unit.as_str(), &format!("{port:04X}")])?,
            None => self.call("printf", ["strangers known\n"])?,
        }
        match readable {
            Some(Readable { by, privileged, paths }) if !paths.is_empty() => {
                let user = by.uid.to_string();
                let group = if *privileged { String::new() } else { by.gid.to_string() };
                let paths = paths.iter().map(RemotePath::as_str);
                let words = [user.as_str(), group.as_str()].into_iter().chain(paths);
                self.call("examine_readable", words)?;
            }
            _ => self.call("printf", ["unreadable known \n"])?,
        }
        Ok(())
    }

    fn probe(&mut self, probe: &Probe) -> Result<(), Unquotable> {
        self.call("probe_host", [])?;
        self.call("leave_unread", probe.unread.iter().map(RemotePath::as_str))?;
        if let Some(note) = &probe.note {
            self.call("recall", [probe.executable.as_str(), note.as_str()])?;
        }
        self.call("probe_paths", probe.paths.iter().map(RemotePath::as_str))?;
        let folders = folders(&probe.paths);
        if !folders.is_empty() {
            self.call("probe_rooms", folders.iter().map(RemotePath::as_str))?;
        }
        for folder in stage_folders(&probe.paths) {
            self.call("probe_leftover", [folder.as_str()])?;
        }
        self.call("probe_unit", [probe.unit.as_str(), &bus_path(&probe.unit)])?;
        self.call("probe_processes", [probe.executable.as_str()])?;
        for Account { user, group } in &probe.accounts {
            self.call("probe_account", [user.as_str(), group.as_deref().unwrap_or_default()])?;
        }
        Ok(())
    }

    fn stage(&mut self, stage: &'b Stage) -> Result<(), Unquotable> {
        let targets: Vec<_> = stage.targets().cloned().collect();
        let folders = stage_folders(&targets);
        self.call("stage_begin", [])?;
        self.call("stage_into", folders.iter().map(RemotePath::as_str))?;
        // Every process costs milliseconds: owners, modes and digests are set and read together.
        let (mut owners, mut modes) = (BTreeMap::new(), BTreeMap::new());
        let files: Vec<_> = targets.iter().map(staged).collect();
        for (file, path) in stage.files.iter().zip(&files) {
            let content = file.content.expose();
            self.call("stage_file", [path.as_str(), &content.len().to_string()])?;
            self.contents.push(content);
            let owner = format!("{}:{}", file.owner.uid, file.owner.gid);
            owners.entry(owner).or_insert_with(Vec::new).push(path.as_str());
            let mode = format!("{:o}", file.mode.bits());
            modes.entry(mode).or_insert_with(Vec::new).push(path.as_str());
        }
        let kept = stage.kept.iter().zip(files.iter().skip(stage.files.len()));
        for (kept, path) in kept {
            self.call("stage_kept", [kept.from.as_str(), path.as_str()])?;
            let owner = format!("{}:{}", kept.owner.uid, kept.owner.gid);
            owners.entry(owner).or_insert_with(Vec::new).push(path.as_str());
            let mode = format!("{:o}", kept.mode.bits());
            modes.entry(mode).or_insert_with(Vec::new).push(path.as_str());
        }
        for (owner, paths) in &owners {
            self.call("stage_owner", std::iter::once(owner.as_str()).chain(paths.iter().copied()))?;
        }
        for (mode, paths) in &modes {
            self.call("stage_mode", std::iter::once(mode.as_str()).chain(paths.iter().copied()))?;
        }
        let parents: Vec<_> = folders.iter().filter_map(RemotePath::parent).collect();
        if !files.is_empty() {
            let durable = files.iter().chain(&folders).chain(&parents);
            self.call("stage_sync", durable.map(RemotePath::as_str))?;
            self.call("stage_digests", files.iter().map(RemotePath::as_str))?;
        }
        for (file, path) in stage.files.iter().zip(&files) {
            self.call("stage_check", [path.as_str(), &file.content.digest().to_hex()])?;
        }
        for kept in &stage.kept {
            self.call("stage_check", [kept.from.as_str(), &kept.digest.to_hex()])?;
        }
        self.call("stage_end", [])
    }

    fn unstage(&mut self, unstage: &Unstage) -> Result<(), Unquotable> {
        let folders = stage_folders(&unstage.targets);
        self.call("remove_folders", folders.iter().map(RemotePath::as_str))?;
        let made =
            unstage.folders.iter().fold(String::new(), |made, path| made + path.as_str() + "\n");
        self.call("remove_made", [made.as_str()])
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), Unquotable> {
        let is_unread = |state: &PathState| matches!(state, PathState::Unread { .. });
        let unread = commit.expected.iter().filter(|(_, state)| is_unread(state));
        self.call("leave_unread", unread.map(|(path, _)| path.as_str()))?;
        self.call("survey", commit.expected.iter().map(|(path, _)| path.as_str()))?;
        for (path, expected) in &commit.expected {
            self.call("expect", [path.as_str(), &artifact(expected)])?;
        }
        if let Some(ExpectedUnit { unit, drop_ins, enablement, .. }) = &commit.unit {
            let words = [unit.as_str(), &drop_ins.join(" "), enablement_word(*enablement)];
            self.call("expect_unit", words)?;
        }
        if !commit.keep.is_empty() {
            let folders: BTreeSet<_> =
                commit.keep.iter().filter_map(|keep| keep.at.parent()).collect();
            self.call("keep_into", folders.iter().map(RemotePath::as_str))?;
            for keep in &commit.keep {
                self.call("keep", [keep.path.as_str(), keep.at.as_str()])?;
            }
            self.call("keep_end", commit.keep.iter().map(|keep| keep.at.as_str()))?;
        }
        for target in &commit.files {
            self.call("replace", [staged(target).as_str(), target.as_str()])?;
        }
        for rename in &commit.renames {
            self.call("replace", [rename.from.as_str(), rename.to.as_str()])?;
        }
        let renamed = commit.renames.iter().map(|rename| &rename.to);
        let named: Vec<_> = commit.files.iter().chain(renamed).map(RemotePath::as_str).collect();
        if !named.is_empty() {
            self.call("sync_parents", named)?;
        }
        for Attributes { path, mode, owner } in &commit.attributes {
            let owner =
                owner.map_or_else(String::new, |owner| format!("{}:{}", owner.uid, owner.gid));
            self.call("set_attributes", [path.as_str(), &format!("{:o}", mode.bits()), &owner])?;
        }
        if !commit.remove.is_empty() {
            self.call("remove_files", commit.remove.iter().map(RemotePath::as_str))?;
        }
        let mut emptied = stage_folders(&commit.files);
        emptied.extend(commit.leftovers.iter().cloned());
        self.call("remove_folders", emptied.iter().map(RemotePath::as_str))?;
        Ok(())
    }
}

/// Renders the state of a path as `look` prints it, with the parts that
/// [`PathState::is_same_artifact`] compares.
fn artifact(state: &PathState) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    match state {
        PathState::Absent => "absent".to_owned(),
        PathState::File { digest, mode, owner, .. } => {
            format!("file {} {:o} {} {}", digest.to_hex(), mode.bits(), owner.uid, owner.gid)
        }
        PathState::Unread { size, mode, owner, changed } => {
            let (seconds, fraction) = (changed.unix_timestamp(), changed.nanosecond());
            let (mode, Owner { uid, gid }) = (mode.bits(), owner);
            format!("unread {mode:o} {uid} {gid} {size} {seconds}.{fraction:09}")
        }
        PathState::Folder { mode, owner } => {
            format!("folder {:o} {} {}", mode.bits(), owner.uid, owner.gid)
        }
        PathState::Link { target } => format!("link {}", STANDARD.encode(target)),
        PathState::Other => "other".to_owned(),
    }
}

/// Renders an enablement as `expect_unit` expects it.
fn enablement_word(enablement: Enablement) -> &'static str {
    match enablement {
        Enablement::Absent => "absent",
        Enablement::Disabled => "disabled",
        Enablement::Enabled => "enabled",
        Enablement::Masked => "masked",
    }
}

/// Returns a unit's object path on the bus (systemd's `bus_label_escape`).
fn bus_path(unit: &UnitName) -> String {
    let mut path = "/org/freedesktop/systemd1/unit/".to_owned();
    for (index, byte) in unit.as_str().bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && index > 0) {
            path.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(path, "_{byte:02x}");
        }
    }
    path
}

#[cfg(test)]
mod tests;
