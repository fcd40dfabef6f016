//! Tests of files that every user can access, and of files that kcm did not create: their modes
//! stay.

use std::fs;
use std::process::Command;

use kcm_tests::peers;

use super::{
    BOTH, CA, CA_KEY, CERTIFICATE, Holder, KEY, KUBECONFIG, TAMPERED, UNIT, chmod, found, mode,
    put, run, workspace,
};

/// Runs the command in the help of a finding, as an operator on the master.
fn follow(workspace: &kcm_tests::Workspace, printed: &str) {
    let (_, command) = printed.split_once("run `").unwrap_or_else(|| panic!("{printed}"));
    let (command, _) = command.split_once('`').unwrap();
    if command == "kcm apply" {
        assert_eq!(run(workspace, &["apply"]).code, 0);
        return;
    }
    let root = workspace.file("out").join(TAMPERED);
    let command = command.replace(" /", &format!(" {}/", root.display()));
    peers::run(Command::new("sh").arg("-c").arg(command));
}

#[test]
fn what_is_open_to_everybody_is_found_and_closed_by_what_the_help_names() {
    let cases = [
        (Holder::Operator, KEY, 0o644, "secret-readable"),
        (Holder::Operator, KUBECONFIG, 0o604, "secret-readable"),
        (Holder::Operator, CA_KEY, 0o644, "secret-readable"),
        (Holder::Operator, CA, 0o666, "file-writable"),
        (Holder::Operator, UNIT, 0o646, "file-writable"),
        (Holder::Masters, KEY, 0o666, "secret-readable"),
        (Holder::Masters, CERTIFICATE, 0o666, "file-writable"),
        (Holder::Masters, KUBECONFIG, 0o607, "secret-readable"),
        (Holder::MastersWithTheirCa, CA_KEY, 0o640 | 0o004, "secret-readable"),
        (Holder::MastersWithTheirCa, CA, 0o777, "file-writable"),
    ];
    for (holder, path, open, code) in cases {
        let workspace = workspace("embedded", holder);
        chmod(&workspace.on_master(TAMPERED, path), open);
        let (codes, exit) = found(&workspace);
        assert!(codes.contains(code) && exit == 1, "{holder:?} {path}: {codes:?}");
        let status = run(&workspace, &["status"]);
        let mut lines = status.stdout.lines().skip_while(|line| !line.contains(code));
        let (finding, help) = (lines.next().unwrap(), lines.next().unwrap());
        follow(&workspace, help);
        let (codes, exit) = found(&workspace);
        assert!(codes.is_empty() && exit == 0, "{holder:?} {path}: {codes:?}, {finding}");
    }
}

#[test]
fn apply_says_of_an_open_ca_key_that_it_stays_and_how_to_close_it() {
    for holder in [Holder::Operator, Holder::MastersWithTheirCa] {
        let workspace = workspace("embedded", holder);
        let key = workspace.on_master(TAMPERED, CA_KEY);
        chmod(&key, 0o644);
        let ran = run(&workspace, &["apply"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let says = format!("run `chmod o-rwx {CA_KEY}` on the master");
        assert!(ran.stderr.contains(&says) && !ran.stderr.contains("certs renew"), "{ran:?}");
        assert_eq!(mode(&key), 0o644, "kcm did not create it");
        assert_eq!(run(&workspace, &["plan", "--check"]).code, 3);
    }
}

#[test]
fn the_mode_of_a_file_that_kcm_did_not_write_stays() {
    let workspace = workspace("embedded", Holder::Masters);
    workspace.edit("install: {", "install: {compare: semantic, ");
    let kubeconfig = workspace.on_master(TAMPERED, KUBECONFIG);
    let text = fs::read_to_string(&kubeconfig).unwrap();
    fs::write(&kubeconfig, text.replace("default", "by-hand")).unwrap();
    let unit = workspace.on_master(TAMPERED, UNIT);
    let text = fs::read_to_string(&unit).unwrap();
    fs::write(&unit, format!("# by hand\n{text}")).unwrap();
    let files = [(kubeconfig, 0o640), (unit, 0o600), (workspace.on_master(TAMPERED, CA), 0o640)];
    for (at, wanted) in &files {
        chmod(at, *wanted);
    }
    let ran = run(&workspace, &["apply"]);
    assert!(ran.code == 0 && ran.stdout.starts_with("Nothing to do"), "{ran:?}");
    for (at, wanted) in &files {
        assert_eq!(mode(at), *wanted, "{}", at.display());
    }
}

#[test]
fn a_file_that_kcm_did_not_write_is_not_removed_for_its_name() {
    const SERVING: &str =
        "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-serving.pem";
    let workspace = workspace("embedded", Holder::Operator);
    let (certificate, key) = kcm_tests::ca(kcm_pki::KeyAlgorithm::EcdsaP256, "somebody");
    for path in [BOTH, SERVING] {
        put(&workspace, TAMPERED, path, &format!("{certificate}{key}"), 0o600);
    }
    let ran = run(&workspace, &["apply"]);
    assert!(ran.code == 0 && ran.stdout.starts_with("Nothing to do"), "{ran:?}");
    for path in [BOTH, SERVING] {
        assert!(workspace.on_master(TAMPERED, path).exists(), "{path}");
    }
}

#[test]
fn what_kcm_wrote_is_removed_once_nothing_names_it() {
    let workspace = workspace("files", Holder::Operator);
    workspace.edit("credentials: files", "credentials: embedded");
    assert_eq!(run(&workspace, &["apply"]).code, 0);
    assert!(!workspace.on_master(TAMPERED, BOTH).exists());
}

#[test]
fn a_rollback_brings_a_file_back_with_the_mode_that_it_had() {
    for wanted in [0o600, 0o640, 0o644, 0o400, 0o660] {
        let workspace = workspace("embedded", Holder::Operator);
        let kubeconfig = workspace.on_master(TAMPERED, KUBECONFIG);
        fs::write(&kubeconfig, "by hand\n").unwrap();
        chmod(&kubeconfig, wanted);
        assert_eq!(run(&workspace, &["apply"]).code, 0);
        assert_eq!(mode(&kubeconfig), 0o600);
        let ran = run(&workspace, &["rollback"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(fs::read_to_string(&kubeconfig).unwrap(), "by hand\n");
        assert_eq!(mode(&kubeconfig), wanted);
    }
}
