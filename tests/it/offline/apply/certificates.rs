//! Tests of how `kcm apply` keeps, renews and issues certificates.

use std::fs;

use kcm_tests::Workspace;

use super::{CERTIFICATE, MASTERS, mode, nothing_to_do, steps};

#[test]
fn an_identity_that_only_the_masters_hold_stays_and_its_key_is_not_fetched() {
    let workspace = Workspace::new();
    workspace.apply();
    fs::remove_dir_all(workspace.file("pki/kube-controller-manager")).unwrap();
    let plan = workspace.plan();
    assert_eq!(
        (&plan["identity"]["decision"], &plan["identity"]["held"]),
        (&"keep".into(), &"byMasters".into())
    );
    assert_eq!(steps(&plan), nothing_to_do());
    workspace.apply();
    assert!(!workspace.file("pki/kube-controller-manager").exists());

    // A changed flag needs no key. A changed server does, because the kubeconfig contains the key.
    workspace.edit("masters:\n", "controllerManager: {flags: {v: 3}}\nmasters:\n");
    assert_eq!(steps(&workspace.plan()), vec![vec!["write unit"]; 3]);
    workspace.apply();
    workspace.edit("192.168.1.210", "192.168.1.211");
    let plan = workspace.plan();
    assert_eq!(plan["identity"]["why"][0]["reason"], "keyNotHere");
    workspace.apply();
    assert_eq!(steps(&workspace.plan()), nothing_to_do());
}

#[test]
fn a_certificate_is_renewed_when_its_time_comes_and_not_before() {
    let workspace = Workspace::new();
    workspace.edit(
        "keyAlgorithm: ecdsa-p256",
        "keyAlgorithm: ecdsa-p256\n  lifetime: 2h\n  renewBefore: 1h",
    );
    workspace.apply();
    let serial =
        |workspace: &Workspace| fs::read(workspace.on_master(MASTERS[2], CERTIFICATE)).unwrap();
    let first = serial(&workspace);
    workspace.apply();
    assert_eq!(serial(&workspace), first);
    workspace.edit("lifetime: 2h\n  renewBefore: 1h", "lifetime: 4h\n  renewBefore: 3h");
    let plan = workspace.plan();
    assert_eq!(plan["identity"]["why"][0]["reason"], "expires", "{plan}");
    let expected = ["write certificate", "write key", "write kubeconfig"].map(str::to_owned);
    assert_eq!(steps(&plan), vec![expected.to_vec(); 3]);
    workspace.apply();
    assert_ne!(serial(&workspace), first);
    assert_eq!(steps(&workspace.plan()), nothing_to_do());
}

#[test]
fn a_ca_is_made_for_a_first_try_and_then_used() {
    let workspace = Workspace::new();
    fs::remove_dir_all(workspace.file("pki")).unwrap();
    workspace.edit("  keyAlgorithm", "  createCa: true\n  keyAlgorithm");
    let first = workspace.apply();
    assert!(
        first.stderr.contains("created a root CA: pki/ca/cert/ca.pem (rsa-2048, valid until "),
        "{first:?}"
    );
    assert_eq!(mode(&workspace.file("pki/ca/cert/ca-key.pem")), 0o600);
    let ca = workspace.read("pki/ca/cert/ca.pem");
    workspace.apply();
    fs::remove_dir_all(workspace.file("out")).unwrap();
    workspace.apply();
    assert_eq!(workspace.read("pki/ca/cert/ca.pem"), ca);
}
