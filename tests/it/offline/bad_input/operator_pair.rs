//! Tests of an invalid kube-controller-manager pair on the operator's machine, and of unreadable
//! files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use kcm_tests::{Workspace, peers};

use super::operator_files::{CA, CA_KEY, PAIR, PAIR_KEY, remove};
use super::{Case, FAILED, check};

#[test]
fn a_pair_that_cannot_be_read_is_refused() {
    check([
        Case::new(
            "a key without its certificate",
            FAILED,
            |workspace| {
                workspace.apply();
                remove(workspace, PAIR);
            },
            "kube-controller-manager's key pair (pki.directory) pki/kube-controller-manager/cert/kube-controller-manager-key.pem: the certificate for this key is missing | help: restore the certificate, or move the key away for a new key pair",
        ),
        Case::new(
            "a certificate that is a folder",
            FAILED,
            |workspace| {
                fs::create_dir_all(workspace.file(PAIR)).unwrap();
            },
            "kube-controller-manager's key pair (pki.directory) pki/kube-controller-manager/cert/kube-controller-manager.pem: is a directory | help: replace the directory with the file or correct the path",
        ),
        Case::new(
            "a pair whose key is no text",
            FAILED,
            |workspace| {
                workspace.apply();
                workspace.write(PAIR_KEY, b"\xff\xfe");
            },
            "kube-controller-manager's key pair (pki.directory) pki/kube-controller-manager/cert/kube-controller-manager-key.pem: not PEM text | help: replace the file or move the file away",
        ),
        Case::new(
            "a file in place of its folder",
            FAILED,
            |workspace| {
                workspace.write("pki/kube-controller-manager", "");
            },
            "kube-controller-manager's key pair (pki.directory) pki/kube-controller-manager/cert/kube-controller-manager.pem: pki/kube-controller-manager is not a directory | help: move the file away or correct the path",
        ),
        Case::new(
            "a link to nothing as folder",
            FAILED,
            |workspace| {
                symlink("gone", workspace.file("pki/kube-controller-manager")).unwrap();
            },
            "kube-controller-manager's key pair (pki.directory) pki/kube-controller-manager/cert/kube-controller-manager.pem: pki/kube-controller-manager is a dangling symbolic link | help: correct or remove the link",
        ),
        Case::new(
            "an interrupted run's pair, broken",
            FAILED,
            |workspace| {
                workspace.write(
                    "pki/kube-controller-manager/cert/.kube-controller-manager-key.pem.pair",
                    "",
                );
            },
            "kube-controller-manager's key pair (pki.directory) pki/kube-controller-manager/cert/.kube-controller-manager-key.pem.pair: does not contain a certificate with its key, although kcm wrote both | help: move the file away to continue with the old key pair",
        ),
    ]);
}

#[test]
fn files_that_the_user_may_not_read_are_refused() {
    if !peers::is_root() || !peers::has("setpriv") {
        return;
    }
    let closed = |workspace: &Workspace, name: &str| {
        fs::set_permissions(workspace.file(name), fs::Permissions::from_mode(0o000)).unwrap();
    };
    let cases = vec![
        Case::new(
            "a closed cluster file",
            super::USAGE,
            move |workspace| closed(workspace, "kcm.yaml"),
            "kcm.yaml: permission denied | help: run as a user with permission, or correct the permissions",
        ),
        Case::new(
            "a closed CA certificate",
            FAILED,
            move |workspace| closed(workspace, CA),
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: permission denied | help: run as a user with permission, or correct the permissions",
        ),
        Case::new(
            "a closed CA key",
            FAILED,
            move |workspace| {
                fs::set_permissions(workspace.path(), fs::Permissions::from_mode(0o777)).unwrap();
                fs::set_permissions(workspace.file("pki"), fs::Permissions::from_mode(0o777))
                    .unwrap();
                closed(workspace, CA_KEY);
            },
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: permission denied | help: run as a user with permission, or correct the permissions",
        ),
        Case::new(
            "a closed pair",
            FAILED,
            move |workspace| {
                workspace.apply();
                closed(workspace, PAIR_KEY);
            },
            "kube-controller-manager's key pair (pki.directory) pki/kube-controller-manager/cert/kube-controller-manager-key.pem: permission denied | help: run as a user with permission, or correct the permissions",
        ),
        Case::new(
            "a closed folder of the pair",
            FAILED,
            move |workspace| {
                workspace.apply();
                closed(workspace, "pki/kube-controller-manager");
            },
            "kube-controller-manager's key pair (pki.directory) pki/kube-controller-manager/cert/kube-controller-manager.pem: permission denied | help: run as a user with permission, or correct the permissions",
        ),
        Case::new(
            "a closed folder for a new pair",
            FAILED,
            |workspace| {
                fs::create_dir(workspace.file("out")).unwrap();
                fs::set_permissions(workspace.file("out"), fs::Permissions::from_mode(0o777))
                    .unwrap();
            },
            "error[not-writable]: kube-controller-manager's key pair (pki.directory) pki/kube-controller-manager/cert: cannot write files: permission denied | help: run as a user with write permission, or correct the permissions\nerror: 1 preflight check failed; no master has changed",
        ),
    ];
    check(cases.into_iter().map(super::targets::as_nobody));
}

/// Another user who can change a parent folder could redirect the key. The command in the message
/// fixes the folder.
#[test]
fn a_key_is_not_written_below_a_folder_that_somebody_else_can_change() {
    if !peers::is_root() {
        return;
    }
    let change: [(&str, &[&str], &str); 4] = [
        ("the folder of another user", &["chown", "1999"], "user 1999 owns"),
        ("a folder that everybody can change", &["chmod", "777"], "every user can change"),
        ("a folder that a group can change", &["chown", "0:1999"], "group 1999 can change"),
        ("a link of another user", &["chown", "-h", "1999"], "user 1999 owns"),
    ];
    for (what, words, problem) in change {
        let workspace = Workspace::one_master();
        let folder = workspace.file("pki/kube-controller-manager");
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o775)).unwrap();
        if what.starts_with("a link") {
            fs::rename(&folder, workspace.file("pki/real")).unwrap();
            std::os::unix::fs::symlink("real", &folder).unwrap();
        }
        peers::run(Command::new(words[0]).args(&words[1..]).arg(&folder));
        let before = workspace.tree().content();
        let ran = workspace.kcm(&["apply", "--root", "out"]);
        assert_eq!(ran.code, 1, "{what}: {ran:?}");
        assert_eq!(workspace.tree().content(), before, "{what}");
        assert!(ran.stderr.contains(problem), "{what}: {ran:?}");
        let command = ran.stderr.rsplit("run `").next().unwrap().split('`').next().unwrap();
        peers::run(Command::new("sh").args(["-c", command]));
        workspace.apply();
    }
}
