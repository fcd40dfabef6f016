//! Tests of symbolic links at paths that flags name, and of every verb on folders.

use std::fs;
use std::os::unix::fs::symlink;

use kcm_tests::Workspace;

use super::{CA, CA_KEY, FIRST, Holder, TAMPERED, found, put, run, workspace};

#[test]
fn a_link_is_followed_to_the_file_that_the_service_reads() {
    let cases: [(&str, &[&str]); 5] = [
        ("/etc/pki/ca-key.pem", &[]),
        ("../../../../../etc/pki/ca-key.pem", &[]),
        ("/etc/pki/link", &[]),
        ("/etc/pki/other", &["ca-differs", "ca-key-mismatch"]),
        ("/etc/pki/circle", &["file-missing"]),
    ];
    for (target, expected) in cases {
        let workspace = workspace("embedded", Holder::MastersWithTheirCa);
        let key = workspace.read("pki/ca/cert/ca-key.pem");
        put(&workspace, TAMPERED, "/etc/pki/ca-key.pem", &key, 0o600);
        put(&workspace, TAMPERED, "/etc/pki/other", "another key\n", 0o600);
        let at = |path| workspace.on_master(TAMPERED, path);
        symlink("ca-key.pem", at("/etc/pki/link")).unwrap();
        symlink("circle", at("/etc/pki/circle")).unwrap();
        fs::remove_file(at(CA_KEY)).unwrap();
        symlink(target, at(CA_KEY)).unwrap();
        let (codes, exit) = found(&workspace);
        assert_eq!(codes.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{target}");
        assert_eq!(exit == 0, expected.is_empty(), "{target}");
    }
}

#[test]
fn a_linked_ca_certificate_is_compared_as_a_file_is() {
    let workspace = workspace("embedded", Holder::MastersWithTheirCa);
    let ca = workspace.on_master(TAMPERED, CA);
    fs::rename(&ca, ca.with_file_name("moved.pem")).unwrap();
    symlink("moved.pem", &ca).unwrap();
    assert_eq!(found(&workspace).1, 0);
    assert_eq!(run(&workspace, &["certs", "check"]).code, 0);
    fs::write(ca.with_file_name("moved.pem"), "garbage\n").unwrap();
    let (codes, exit) = found(&workspace);
    assert!(codes.contains("file-unusable") && exit == 1, "{codes:?}");
}

#[test]
fn other_files_that_flags_name_are_looked_at_too() {
    let flags = "service-account-private-key-file: /etc/sa.key, root-ca-file: /etc/root.pem";
    let workspace = Workspace::new();
    workspace.bring_everything();
    let flags = format!("controllerManager: {{flags: {{{flags}}}}}\nmasters:\n");
    workspace.edit("masters:\n", &flags);
    workspace.apply();
    let masters = [FIRST, TAMPERED, "k8s-master-03"];
    let (codes, exit) = found(&workspace);
    assert!(codes.contains("file-missing") && exit == 3, "{codes:?}");
    let plan = run(&workspace, &["plan", "--check"]);
    assert_eq!(plan.code, 3, "{plan:?}");
    assert!(plan.stderr.contains(&format!("{}: /etc/sa.key is missing", masters.join(", "))));
    for master in masters {
        put(&workspace, master, "/etc/sa.key", "a key\n", 0o600);
        put(&workspace, master, "/etc/root.pem", "a bundle\n", 0o644);
    }
    assert_eq!((found(&workspace).1, run(&workspace, &["plan", "--check"]).code), (0, 0));
    put(&workspace, TAMPERED, "/etc/sa.key", "", 0o600);
    assert!(found(&workspace).0.contains("file-unusable"));
    put(&workspace, TAMPERED, "/etc/sa.key", "another key\n", 0o600);
    assert!(found(&workspace).0.contains("service-account-key-differs"));
}

#[test]
fn certificates_are_renewed_in_folders_as_apply_writes_them() {
    for form in ["embedded", "embedded-only", "files"] {
        for further in [&[][..], &["--same-key"]] {
            let workspace = workspace(form, Holder::Operator);
            let before = workspace.tree().content();
            let renew = [&["certs", "renew", "--force"], further].concat();
            let ran = run(&workspace, &renew);
            assert_eq!(ran.code, 0, "{form} {further:?}: {ran:?}");
            assert_ne!(workspace.tree().content(), before);
            assert_eq!(found(&workspace).1, 0, "{form} {further:?}");
            assert_eq!(run(&workspace, &["plan", "--check"]).code, 0, "{form} {further:?}");
            assert_eq!(run(&workspace, &["certs", "check"]).code, 0, "{form} {further:?}");
            // After the renewal nothing is due.
            let again = run(&workspace, &["certs", "renew"]);
            assert!(again.code == 0 && again.stdout.contains("Nothing to do"), "{again:?}");
            let back = run(&workspace, &["rollback"]);
            assert_eq!(back.code, 0, "{back:?}");
        }
    }
}

#[test]
fn a_verb_that_needs_what_runs_refuses_folders_before_it_writes() {
    let workspace = workspace("embedded", Holder::Operator);
    workspace.write("admin.conf", "");
    let before = workspace.tree();
    let verbs: [&[&str]; 5] = [
        &["smoke", "--kubeconfig", "admin.conf"],
        &["drill"],
        &["drill", "--kill", "--svg", "picture.svg"],
        &["logs"],
        &["logs", "--follow"],
    ];
    for verb in verbs {
        let ran = run(&workspace, verb);
        assert_eq!(ran.code, 2, "{verb:?}: {ran:?}");
        assert!(ran.stderr.contains("--root"), "{verb:?}: {ran:?}");
        assert_eq!(workspace.tree(), before, "{verb:?}");
    }
}
