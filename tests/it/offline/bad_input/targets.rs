//! Tests of unusable targets on the masters: occupied, read-only, inaccessible or full.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use kcm_tests::{Workspace, peers};

use super::operator_files::CA_KEY;
use super::{Case, FAILED, check};

const CERTIFICATE: &str =
    "out/k8s-master-02/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem";
const UNIT: &str = "out/k8s-master-02/etc/systemd/system/kube-controller-manager.service";
const LINK: &str =
    "out/k8s-master-02/etc/systemd/system/multi-user.target.wants/kube-controller-manager.service";

#[test]
fn what_is_in_the_way_on_a_master_is_named_and_left_alone() {
    check([
        Case::new(
            "a folder in place of a file",
            FAILED,
            |workspace| {
                fs::create_dir_all(workspace.file(CERTIFICATE)).unwrap();
            },
            "error[not-a-file]: k8s-master-02: /opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem is a folder, but kcm manages only regular files | help: move this path away or replace it with a regular file\nerror: 1 preflight check failed; no master has changed",
        ),
        Case::new(
            "a pipe in place of a file",
            FAILED,
            |workspace| {
                fs::create_dir_all(workspace.file(UNIT).parent().unwrap()).unwrap();
                peers::run(Command::new("mkfifo").arg(workspace.file(UNIT)));
            },
            "error[not-a-file]: k8s-master-02: /etc/systemd/system/kube-controller-manager.service is a special file, but kcm manages only regular files | help: move this path away or replace it with a regular file\nerror: 1 preflight check failed; no master has changed",
        ),
        Case::new(
            "a link in place of a file",
            FAILED,
            |workspace| {
                workspace.write("out/k8s-master-02/srv/a.pem", "");
                link("/srv/a.pem", workspace, CERTIFICATE);
            },
            "error[not-a-file]: k8s-master-02: /opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem is a symbolic link to /srv/a.pem, but kcm manages only regular files | help: move this path away or replace it with a regular file\nerror: 1 preflight check failed; no master has changed",
        ),
        Case::new(
            "a masked unit",
            FAILED,
            |workspace| link("/dev/null", workspace, UNIT),
            "error[unit-masked]: k8s-master-02: /etc/systemd/system/kube-controller-manager.service is masked | help: run `systemctl unmask kube-controller-manager.service` on the master\nerror: 1 preflight check failed; no master has changed",
        ),
        Case::new(
            "a unit that is a link",
            FAILED,
            |workspace| {
                workspace
                    .write("out/k8s-master-02/usr/lib/systemd/system/kcm.service", "[Service]\n");
                link("/usr/lib/systemd/system/kcm.service", workspace, UNIT);
            },
            "error[not-a-file]: k8s-master-02: /etc/systemd/system/kube-controller-manager.service is a symbolic link to /usr/lib/systemd/system/kcm.service, but kcm manages only regular files | help: move this path away or replace it with a regular file\nerror: 1 preflight check failed; no master has changed",
        ),
        Case::new(
            "a unit that is a link to nothing",
            FAILED,
            |workspace| link("gone", workspace, UNIT),
            "error[not-a-file]: k8s-master-02: /etc/systemd/system/kube-controller-manager.service is a symbolic link to gone, but kcm manages only regular files | help: move this path away or replace it with a regular file\nerror: 1 preflight check failed; no master has changed",
        ),
        Case::new(
            "a file in place of the enabling link",
            FAILED,
            |workspace| {
                workspace.apply();
                fs::remove_file(workspace.file(LINK)).unwrap();
                workspace.write(LINK, "");
            },
            "cannot observe 1 of 3 masters; no master has changed\n  k8s-master-02: /etc/systemd/system/multi-user.target.wants/kube-controller-manager.service: exists and is not a symbolic link; move this path away | help: add `--skip k8s-master-02` to continue without them",
        ),
        Case::new(
            "a file in place of a master",
            FAILED,
            |workspace| workspace.write("out/k8s-master-02", ""),
            "cannot observe 1 of 3 masters; no master has changed\n  k8s-master-02: out/k8s-master-02: not a directory; move the file away | help: add `--skip k8s-master-02` to continue without them",
        ),
        Case::new(
            "a link in place of a master, to a folder elsewhere",
            FAILED,
            |workspace| {
                fs::create_dir(workspace.file("elsewhere")).unwrap();
                link("../elsewhere", workspace, "out/k8s-master-02");
            },
            "cannot observe 1 of 3 masters; no master has changed\n  k8s-master-02: out/k8s-master-02: is a symbolic link, and kcm would write files to its target; replace the link with a folder | help: add `--skip k8s-master-02` to continue without them",
        ),
        Case::new(
            "a file in place of a folder",
            FAILED,
            |workspace| {
                workspace.write("out/k8s-master-02/opt", "");
            },
            "cannot observe 1 of 3 masters; no master has changed\n  k8s-master-02: out/k8s-master-02/opt: not a directory; move the file away | help: add `--skip k8s-master-02` to continue without them",
        ),
        Case::new(
            "a file in place of the root",
            FAILED,
            |workspace| workspace.write("out", ""),
            "cannot observe 3 of 3 masters; no master has changed\n  k8s-master-01: out: not a directory; move the file away\n  k8s-master-02: out: not a directory; move the file away\n  k8s-master-03: out: not a directory; move the file away",
        ),
        Case::new(
            "a link in circles on the way",
            FAILED,
            |workspace| {
                link("opt", workspace, "out/k8s-master-02/opt");
            },
            "cannot observe 1 of 3 masters; no master has changed\n  k8s-master-02: out/k8s-master-02/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem: cannot resolve the symbolic links in the path: too many levels, or a target that is not UTF-8 | help: add `--skip k8s-master-02` to continue without them",
        ),
    ]);
}

#[test]
fn a_target_that_the_user_may_not_write_is_refused() {
    if !peers::is_root() || !peers::has("setpriv") {
        return;
    }
    let cases = vec![
        Case::new(
            "a closed root",
            FAILED,
            |workspace| {
                fs::create_dir(workspace.file("out")).unwrap();
            },
            "error[not-writable]: kube-controller-manager's key pair (pki.directory) pki/kube-controller-manager/cert: cannot write files: permission denied | help: run as a user with write permission, or correct the permissions\nerror[not-writable]: k8s-master-01, k8s-master-02, k8s-master-03: /etc/systemd/system: cannot write files: permission denied | help: run as a user with write permission, or correct the permissions\nerror: 4 preflight checks failed; no master has changed",
        ),
        Case::new(
            "a closed master",
            FAILED,
            |workspace| {
                fs::create_dir_all(workspace.file("out/k8s-master-02")).unwrap();
                open(workspace, "out");
            },
            "error[not-writable]: kube-controller-manager's key pair (pki.directory) pki/kube-controller-manager/cert: cannot write files: permission denied | help: run as a user with write permission, or correct the permissions\nerror[not-writable]: k8s-master-02: /etc/systemd/system: cannot write files: permission denied | help: run as a user with write permission, or correct the permissions\nerror: 2 preflight checks failed; no master has changed",
        ),
        Case::new(
            "a closed folder",
            FAILED,
            |workspace| {
                fs::create_dir_all(workspace.file("out/k8s-master-02/etc/systemd/system")).unwrap();
                open(workspace, "out");
                open(workspace, "out/k8s-master-02");
            },
            "error[not-writable]: kube-controller-manager's key pair (pki.directory) pki/kube-controller-manager/cert: cannot write files: permission denied | help: run as a user with write permission, or correct the permissions\nerror[not-writable]: k8s-master-02: /etc/systemd/system: cannot write files: permission denied | help: run as a user with write permission, or correct the permissions\nerror: 2 preflight checks failed; no master has changed",
        ),
        Case::new(
            "a master's key that is root's",
            FAILED,
            |workspace| {
                workspace.apply();
                open(workspace, "pki/kube-controller-manager/cert/kube-controller-manager-key.pem");
            },
            "cannot observe 3 of 3 masters; no master has changed\n  k8s-master-01: out/k8s-master-01/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem: permission denied; run as a user with permission, or correct the permissions\n  k8s-master-02: out/k8s-master-02/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem: permission denied; run as a user with permission, or correct the permissions\n  k8s-master-03: out/k8s-master-03/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem: permission denied; run as a user with permission, or correct the permissions",
        ),
    ];
    check(cases.into_iter().map(as_nobody));
}

#[test]
fn a_target_that_is_read_only_is_refused() {
    if !peers::is_root() || !peers::has("unshare") {
        return;
    }
    check([
        Case::new("a root mounted read-only", FAILED, |workspace| {
            fs::create_dir(workspace.file("out")).unwrap();
        }, "error[not-writable]: k8s-master-01, k8s-master-02, k8s-master-03: /etc/systemd/system: the file system is mounted read-only | help: remount the file system for writing\nerror: 3 preflight checks failed; no master has changed").within("unshare -m sh -euc 'mount -t tmpfs -o ro none out; exec \"$@\"' sh \"$@\""),
        Case::new("a folder mounted read-only", FAILED, |workspace| {
            workspace.apply();
            workspace.edit("192.168.1.205", "192.168.1.215");
        }, "error[not-writable]: k8s-master-02: /etc/systemd/system: the file system is mounted read-only | help: remount the file system for writing\nerror: 1 preflight check failed; no master has changed").within("unshare -m sh -euc 'mount --bind out/k8s-master-02/etc out/k8s-master-02/etc; mount -o remount,bind,ro out/k8s-master-02/etc; exec \"$@\"' sh \"$@\""),
        Case::new("the operator's folder mounted read-only", FAILED, |_| {}, "error[not-writable]: kube-controller-manager's key pair (pki.directory) pki/kube-controller-manager/cert: the file system is mounted read-only | help: remount the file system for writing\nerror: 1 preflight check failed; no master has changed")
            .within("unshare -m sh -euc 'mount --bind pki pki; mount -o remount,bind,ro pki; exec \"$@\"' sh \"$@\""),
    ]);
}

/// Runs the arguments with a small file system at `out` that has `$left` bytes free. Its content
/// must not change.
macro_rules! full {
    ($size:literal, $left:literal) => {
        concat!(
            "unshare -m sh -euc 'mount -t tmpfs -o size=", $size, " none out
            head -c ", $size, " /dev/zero > out/fill 2>/dev/null || :
            truncate -s -", $left, " out/fill
            before=$(find out -exec stat -c \"%n %F %a %s\" {} + | sort)
            \"$@\" || code=$?
            test \"$before\" = \"$(find out -exec stat -c \"%n %F %a %s\" {} + | sort)\" || { echo changed; exit 99; }
            exit ${code:-0}' sh \"$@\""
        )
    };
}

#[test]
fn a_target_that_is_full_is_refused() {
    if !peers::is_root() || !peers::has("unshare") {
        return;
    }
    let empty = |workspace: &Workspace| fs::create_dir(workspace.file("out")).unwrap();
    check([
        Case::new("a full root", FAILED, empty, "error[disk-space]: k8s-master-01, k8s-master-02, k8s-master-03: /etc/systemd/system: the file system has 0 KiB free, but 114 KiB are required | help: free some space and run the same command again\nerror: 3 preflight checks failed; no master has changed").within(full!("64k", "0")),
        Case::new("a root with too little room", FAILED, empty, "error[disk-space]: k8s-master-01, k8s-master-02, k8s-master-03: /etc/systemd/system: the file system has 40 KiB free, but 114 KiB are required | help: free some space and run the same command again\nerror: 3 preflight checks failed; no master has changed").within(full!("256k", "40k")),
        Case::new("the operator's folder is full", FAILED, |_| {}, "error[disk-space]: kube-controller-manager's key pair (pki.directory) pki/kube-controller-manager/cert: the file system has 0 KiB free, but 64 KiB are required | help: free some space and run the same command again\nerror: 1 preflight check failed; no master has changed").within(
            "unshare -m sh -euc 'cp -a pki copy; mount -t tmpfs -o size=64k none pki; cp -a copy/. pki; rm -r copy; head -c 64k /dev/zero > pki/fill 2>/dev/null || :; exec \"$@\"' sh \"$@\"",
        ),
    ]);
}

#[test]
fn a_target_that_fills_up_meanwhile_is_left_as_it_was_and_the_next_run_goes_on() {
    if !peers::is_root() || !peers::has("unshare") {
        return;
    }
    let workspace = Workspace::new();
    // Each master has enough space, but all share one file system.
    let more = (1..=7)
        .fold(String::new(), |list, n| format!("{list}  - {{name: m{n}, address: 10.0.0.{n}}}\n"));
    workspace.write("kcm.yaml", workspace.read("kcm.yaml") + &more);
    fs::create_dir(workspace.file("out")).unwrap();
    let script = "unshare -m sh -euc 'mount -t tmpfs -o size=120k none out
        ! \"$@\" 2>progress
        test -z \"$(ls -A out)\"
        mount -o remount,size=1m out
        \"$@\" >second 2>&1' sh \"$@\"";
    let ran = Case::new("", FAILED, |_| {}, "")
        .within(script)
        .ran(&workspace, &["apply", "--root", "out"]);
    assert_eq!((ran.code, &*ran.stderr), (0, ""), "{ran:?}");
    assert!(ran.stdout.ends_with("Failed: no master has changed.\n"), "{ran:?}");
    let full = "no space left on device; free some space and run the same command again";
    assert!(ran.stdout.contains(full), "{ran:?}");
    assert!(workspace.read("second").ends_with("Done: 10 masters as specified in kcm.yaml.\n"));
}

/// Runs a case without root privileges, in a workspace that every user may read.
pub(super) fn as_nobody(case: Case) -> Case {
    let spoil = case.spoil;
    let spoil = Box::new(move |workspace: &Workspace| {
        if workspace.path().metadata().unwrap().permissions().mode() & 0o005 == 0 {
            fs::set_permissions(workspace.path(), fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::os::unix::fs::chown(workspace.file(CA_KEY), Some(65534), None).unwrap();
        spoil(workspace);
    });
    let script = "cp \"$1\" /tmp/kcm-of-nobody.$$; trap 'rm /tmp/kcm-of-nobody.$$' EXIT; shift
        setpriv --reuid 65534 --regid 65534 --clear-groups /tmp/kcm-of-nobody.$$ \"$@\"";
    Case { spoil, ..case }.within(script)
}

fn link(target: &str, workspace: &Workspace, name: &str) {
    let path = workspace.file(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

fn open(workspace: &Workspace, name: &str) {
    fs::set_permissions(workspace.file(name), fs::Permissions::from_mode(0o777)).unwrap();
}
