//! Tests of an apply that is killed at any system call. The next apply finishes the work, and no
//! file was ever partial or too widely readable.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kcm_pki::{Certificate, PrivateKey};
use kcm_tests::{Tree, Workspace, is_kept, kcm, peers};

const PAIR: &str = "pki/kube-controller-manager/cert";

/// System calls by which `kcm` changes something.
const CHANGES: &str = "write,fsync,rename,mkdir,chmod,fchmod,unlink,rmdir,symlink,lchown,openat";

#[test]
fn a_first_apply_killed_before_any_system_call_is_finished_by_the_next() {
    let fresh = || {
        // One master keeps the test short: every cut runs two processes.
        let workspace = Workspace::one_master();
        workspace.bring_everything();
        fs::remove_dir_all(workspace.file("pki")).unwrap();
        workspace.edit("  keyAlgorithm", "  createCa: true\n  keyAlgorithm");
        workspace
    };
    let cuts = cut_everywhere(fresh);
    assert!(cuts > 100, "only {cuts} cuts");
}

#[test]
fn a_renewal_killed_before_any_system_call_is_finished_by_the_next() {
    let applied = Workspace::one_master();
    applied.apply();
    let fresh = || {
        let workspace = Workspace::empty();
        let copy = ["-a", "--", "."].map(str::to_owned);
        let mut command = Command::new("cp");
        peers::run(command.args(copy).arg(workspace.path()).current_dir(applied.path()));
        workspace.edit("ecdsa-p256", "ecdsa-p384");
        workspace
    };
    let cuts = cut_everywhere(fresh);
    assert!(cuts > 60, "only {cuts} cuts");
}

/// A system call of a command, before which the command is killed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    call: &'static str,
    number: usize,
}

impl Cut {
    /// Returns `strace`, which runs the command of its further arguments up to this system call.
    pub(crate) fn strace(self) -> Command {
        let Self { call, number } = self;
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-e"]);
        command.arg(format!("inject={call}:signal=KILL:when={number}"));
        command
    }
}

/// Calls `run` for each system call of one command that changes something. `run` returns true if
/// the command ended before that call. Returns the number of cuts.
///
/// strace counts every kind of system call by itself, and so does this function.
pub(crate) fn at_every_call(mut run: impl FnMut(Cut) -> bool) -> usize {
    let further = ["fdatasync", "link", "linkat", "fchown", "ftruncate", "flock"];
    let mut cuts = 0;
    for call in CHANGES.split(',').chain(further) {
        let mut number = 1;
        while !run(Cut { call, number }) {
            number += 1;
        }
        cuts += number - 1;
    }
    cuts
}

/// Kills `kcm apply` before its first changing system call, its second, and so on until it
/// succeeds. Returns the number of cuts.
fn cut_everywhere(fresh: impl Fn() -> Workspace) -> usize {
    if !peers::has("strace") {
        return usize::MAX;
    }
    for cut in 1.. {
        let workspace = fresh();
        let old = Tree::of(&workspace.file("out")).content();
        let mut command = Command::new("strace");
        let inject = format!("inject={CHANGES}:signal=KILL:when={cut}");
        command.args(["-f", "-o", "/dev/null", "-e", &inject]).arg(kcm());
        command.args(["apply", "--root", "out"]).current_dir(workspace.path());
        let finished = peers::output(&mut command).status.success();
        no_key_is_too_wide(&workspace);
        let cut_off = Tree::of(&workspace.file("out")).content();
        let planned = workspace.kcm(&["plan", "--root", "out"]);
        assert_eq!(planned.code, 0, "cut {cut}: {planned:?}");
        assert_eq!(Tree::of(&workspace.file("out")).content(), cut_off, "a plan writes nothing");

        workspace.apply();
        assert!(workspace.apply().stdout.starts_with("Nothing to do"), "cut {cut}");
        pairs_match(&workspace);
        let new = Tree::of(&workspace.file("out")).content();
        each_file_is_old_or_new(&cut_off, &old, &new);
        let left =
            workspace.tree().0.into_keys().filter(|path| is_leftover(path) && !is_kept(path));
        let left: Vec<_> = left.collect();
        assert!(left.is_empty(), "cut {cut}: {left:?}");
        if finished {
            return cut - 1;
        }
    }
    unreachable!("the range has no end")
}

fn is_leftover(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn no_key_is_too_wide(workspace: &Workspace) {
    for (path, entry) in workspace.tree().0 {
        let text = String::from_utf8_lossy(&entry.content);
        if text.contains("PRIVATE KEY") || text.contains("client-key-data") {
            assert_eq!(entry.mode & 0o7777, 0o600, "{}", path.display());
        }
    }
}

type Content = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// Asserts that each managed file under its final name has its old or its new content.
fn each_file_is_old_or_new(cut_off: &Content, old: &Content, new: &Content) {
    for (path, entry) in cut_off {
        let is_staged = path.components().any(|part| is_leftover(Path::new(part.as_os_str())));
        if !is_staged && !entry.1.is_empty() {
            assert!([old.get(path), new.get(path)].contains(&Some(entry)), "{}", path.display());
        }
    }
}

/// Asserts that certificate and key match, on the operator's machine and on the master.
fn pairs_match(workspace: &Workspace) {
    let on_master = format!("out/k8s-master-01/opt/kubernetes/{PAIR}");
    for folder in [PAIR, &on_master] {
        let certificate = workspace.read(&format!("{folder}/kube-controller-manager.pem"));
        let key = workspace.read(&format!("{folder}/kube-controller-manager-key.pem"));
        let certificate = Certificate::from_pem(certificate.as_bytes()).unwrap();
        assert!(PrivateKey::from_pem(key.as_bytes()).unwrap().matches(&certificate), "{folder}");
    }
}

#[test]
fn a_signal_lets_the_master_at_hand_finish_and_the_next_apply_goes_on() {
    if !peers::has("strace") {
        return;
    }
    for signal in ["INT", "TERM", "HUP"] {
        let workspace = Workspace::new();
        workspace.apply();
        workspace.edit("masters:\n", "controllerManager: {flags: {v: 4}}\nmasters:\n");
        let mut command = Command::new("strace");
        // The first rename belongs to the first master.
        let inject = format!("inject=rename:signal={signal}:when=1");
        command.args(["-o", "/dev/null", "-e", &inject]).arg(kcm());
        command.args(["apply", "--root", "out", "-o", "json"]).current_dir(workspace.path());
        let output = peers::output(&mut command);
        assert_eq!(output.status.code(), Some(130), "{signal}: {output:?}");
        let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let masters = outcome["masters"].as_array().unwrap().iter();
        let results: Vec<_> = masters.map(|master| master["result"].as_str().unwrap()).collect();
        assert_eq!(results, ["done", "untouched", "untouched"], "{signal}");
        workspace.apply();
        assert!(workspace.apply().stdout.starts_with("Nothing to do"));
    }
}
