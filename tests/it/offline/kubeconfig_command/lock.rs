//! The lock that kubectl and kcm share.

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

use kcm_tests::peers;

use super::{build, built, kubectl, workspace};

#[test]
fn a_lock_of_kubectl_is_honoured_and_one_of_kcm_is_released() {
    let workspace = workspace();
    built(&workspace, "x");
    assert!(!workspace.file("x.lock").exists());
    for content in ["", "of something else"] {
        workspace.write("x.lock", content);
        for embed in ["--embed-certs=true", "--embed-certs=false"] {
            let before = workspace.tree();
            let ran = build(&workspace, &[embed, "--out", "x"]);
            assert!(ran.code == 1 && ran.stderr.contains("x.lock: "), "{ran:?}");
            assert!(ran.stderr.contains("run the same command again"), "{ran:?}");
            assert_eq!(workspace.tree(), before, "{embed}");
        }
    }
}

#[test]
fn a_stale_lock_is_named_with_the_command_that_removes_it() {
    let workspace = workspace();
    workspace.write("x.lock", "");
    let lock = workspace.path().canonicalize().unwrap().join("x.lock");
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    fs::File::open(&lock).unwrap().set_modified(hour_ago).unwrap();
    let before = workspace.tree();
    let ran = build(&workspace, &["--embed-certs", "--out", "x"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("60 minutes old"), "{ran:?}");
    assert!(ran.stderr.contains(&format!("`rm {}`", lock.display())), "{ran:?}");
    assert_eq!(workspace.tree(), before);
    fs::remove_file(lock).unwrap();
    built(&workspace, "x");
}

#[test]
fn a_lock_that_a_killed_kcm_left_is_removed_by_the_next() {
    let workspace = workspace();
    let text = built(&workspace, "x");
    for before in ["", &text] {
        workspace.write("x", before);
        for (leftover, content) in
            [("x.lock", "kcm\n"), (".x.lock.new", "kcm\n"), (".x.new", "part of a key")]
        {
            workspace.write(leftover, content);
        }
        assert_eq!(built(&workspace, "x"), text);
        for leftover in ["x.lock", ".x.lock.new", ".x.new"] {
            assert!(!workspace.file(leftover).exists(), "{leftover}");
        }
    }
}

#[test]
fn kubectl_refuses_while_the_lock_of_kcm_exists_and_reads_what_kcm_wrote() {
    if !peers::has("kubectl") {
        return;
    }
    let workspace = workspace();
    built(&workspace, "x");
    let context = kubectl(workspace.path(), "x", &["current-context"]);
    assert_eq!(context, "default\n");
    workspace.write("x.lock", "kcm\n");
    let mut command = Command::new("kubectl");
    command.args(["config", "--kubeconfig", "x", "set-context", "other"]);
    assert!(!peers::output(command.current_dir(workspace.path())).status.success());
}

#[test]
fn of_writers_at_once_each_writes_whole_or_not_at_all() {
    let workspace = workspace();
    let text = built(&workspace, "y");
    let all: Vec<_> = std::thread::scope(|scope| {
        let run = || build(&workspace, &["--embed-certs", "--out", "new/x"]);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(all.iter().any(|ran| ran.code == 0), "{all:?}");
    for ran in all.iter().filter(|ran| ran.code != 0) {
        assert!(ran.code == 1 && ran.stderr.contains("run the same command again"), "{ran:?}");
    }
    assert_eq!(workspace.read("new/x"), text);
    assert_eq!(fs::read_dir(workspace.file("new")).unwrap().count(), 1);
}
