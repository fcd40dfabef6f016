//! Tests that kcm leaves nothing on the operator's machine, regardless of how it ends.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::LazyLock;

use kcm_tests::lab::{LabCluster, Machine, Variant};
use kcm_tests::{Workspace, peers};
use rustix::process::{Pid, Signal, kill_process};

use super::{Busy, assert_says, kcm_in, processes_with, until, workspace};

/// Shared lab for tests that change no machine.
static LAB: LazyLock<Option<LabCluster>> = LazyLock::new(|| LabCluster::up(&[Variant::new()]));

/// Parent folder of the folders for control sockets.
fn control(workspace: &Workspace) -> PathBuf {
    workspace.file("run/kcm")
}

fn folders(workspace: &Workspace) -> Vec<PathBuf> {
    let entries = fs::read_dir(control(workspace)).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Returns every `ssh` process that a kcm in this workspace has started.
fn ssh_of(workspace: &Workspace) -> Vec<(u32, String)> {
    processes_with(control(workspace).to_str().unwrap())
}

fn start(workspace: &Workspace, verb: &str) -> Child {
    let mut kcm = kcm_in(workspace, &[verb]);
    kcm.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Starts a kcm that has connected and waits.
fn waiting(workspace: &Workspace, machine: &Machine) -> Child {
    let before = machine.ssh_counts().commands;
    let kcm = start(workspace, "plan");
    until("it waits", || machine.ssh_counts().commands > before);
    kcm
}

fn signal(process: &Child, signal: Signal) {
    kill_process(Pid::from_child(process), signal).unwrap();
}

fn nothing_is_left(workspace: &Workspace) {
    assert!(folders(workspace).is_empty(), "{:?}", folders(workspace));
    // ssh was asked to end, and does so at once.
    until("no ssh is left", || ssh_of(workspace).is_empty());
}

#[test]
fn a_kcm_that_has_done_its_work_or_failed_leaves_nothing() {
    let Some(lab) = &*LAB else { return };
    let workspace = workspace(lab, lab.machine(0), "");
    let output = peers::output(&mut kcm_in(&workspace, &["plan"]));
    assert!(output.status.success(), "{output:?}");
    assert!(control(&workspace).is_dir(), "it was used");
    nothing_is_left(&workspace);

    // kcm fails after it has connected, because the program is missing on the master.
    workspace.edit("install: {binary: kube-controller-manager, distributeCa: true}\n", "");
    let output = peers::output(&mut kcm_in(&workspace, &["plan"]));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    nothing_is_left(&workspace);

    // kcm fails to connect.
    workspace.edit("ssh:\n", "ssh:\n  user: nobody-here\n");
    let output = peers::output(&mut kcm_in(&workspace, &["plan"]));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_says(&String::from_utf8(output.stderr).unwrap(), &["Permission denied"]);
    nothing_is_left(&workspace);
}

/// Returns all files and folders below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(
            |path| if path.is_dir() { [below(&path), vec![path]].concat() } else { vec![path] },
        )
        .collect()
}

#[test]
fn a_kcm_that_is_interrupted_leaves_nothing_and_a_killed_one_nothing_for_long() {
    let Some(lab) = LabCluster::up(&[Variant::new()]) else { return };
    let machine = lab.machine(0);
    let workspace = workspace(&lab, machine, "");
    let other = Busy::on(machine);
    let wait = |kcm: Child| kcm.wait_with_output().unwrap();
    for ask in [Signal::INT, Signal::TERM, Signal::HUP] {
        let kcm = waiting(&workspace, machine);
        assert_eq!(ssh_of(&workspace).len(), 1, "{:?}", ssh_of(&workspace));
        // The second signal does not wait for the running exchange.
        signal(&kcm, ask);
        std::thread::sleep(std::time::Duration::from_millis(100));
        signal(&kcm, ask);
        let output = wait(kcm);
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        assert_says(&String::from_utf8(output.stderr).unwrap(), &["interrupted"]);
        nothing_is_left(&workspace);
    }

    let kcm = waiting(&workspace, machine);
    // No other user can read kcm's folders and sockets.
    let [folder] = &folders(&workspace)[..] else { panic!("{:?}", folders(&workspace)) };
    for path in [vec![control(&workspace), folder.clone()], below(folder)].concat() {
        let seen = fs::symlink_metadata(&path).unwrap();
        assert_eq!(seen.mode() & 0o077, 0, "{}: {:o}", path.display(), seen.mode());
    }
    let sockets = below(folder)
        .into_iter()
        .filter(|path| fs::symlink_metadata(path).unwrap().file_type().is_socket());
    assert_eq!(sockets.count(), 1);

    signal(&kcm, Signal::KILL);
    assert_eq!(wait(kcm).status.code(), None);
    assert!(folder.is_dir(), "nobody was there to remove it");
    let orphans = ssh_of(&workspace);
    let [(orphan, line)] = &orphans[..] else { panic!("{orphans:?}") };
    assert_says(line, &["ControlPersist=60"]);
    drop(other);

    // The next kcm removes the leftovers, and nothing else.
    let foreign = control(&workspace).join("held");
    fs::create_dir(&foreign).unwrap();
    let held = fs::File::open(&foreign).unwrap();
    held.lock().unwrap();
    let output = peers::output(&mut kcm_in(&workspace, &["plan"]));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(folders(&workspace), [foreign]);
    // The orphaned ssh would end after it has been idle for a minute; the test does not wait.
    let pid = Pid::from_raw((*orphan).try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    until("no ssh is left", || ssh_of(&workspace).is_empty());
}
