//! Tests of how `kcm apply` keeps, renews and issues certificates.

use std::fs;

use kcm_tests::Site;

use super::{CERTIFICATE, MASTERS, mode, nothing_to_do, steps};

#[test]
fn an_identity_that_only_the_masters_hold_stays_and_its_key_is_not_fetched() {
    let site = Site::new();
    site.apply();
    fs::remove_dir_all(site.file("pki/kube-controller-manager")).unwrap();
    let plan = site.plan();
    assert_eq!(
        (&plan["identity"]["decision"], &plan["identity"]["held"]),
        (&"keep".into(), &"byMasters".into())
    );
    assert_eq!(steps(&plan), nothing_to_do());
    site.apply();
    assert!(!site.file("pki/kube-controller-manager").exists());

    // A changed flag needs no key. A changed server does, because the kubeconfig contains the key.
    site.edit("masters:\n", "controllerManager: {flags: {v: 3}}\nmasters:\n");
    assert_eq!(steps(&site.plan()), vec![vec!["write unit"]; 3]);
    site.apply();
    site.edit("192.168.1.210", "192.168.1.211");
    let plan = site.plan();
    assert_eq!(plan["identity"]["why"][0]["reason"], "keyNotHere");
    site.apply();
    assert_eq!(steps(&site.plan()), nothing_to_do());
}

#[test]
fn a_certificate_is_renewed_when_its_time_comes_and_not_before() {
    let site = Site::new();
    site.edit(
        "keyAlgorithm: ecdsa-p256",
        "keyAlgorithm: ecdsa-p256\n  lifetime: 2h\n  renewBefore: 1h",
    );
    site.apply();
    let serial = |site: &Site| fs::read(site.on_master(MASTERS[2], CERTIFICATE)).unwrap();
    let first = serial(&site);
    site.apply();
    assert_eq!(serial(&site), first);
    site.edit("lifetime: 2h\n  renewBefore: 1h", "lifetime: 4h\n  renewBefore: 3h");
    let plan = site.plan();
    assert_eq!(plan["identity"]["why"][0]["reason"], "expires", "{plan}");
    let expected = ["write certificate", "write key", "write kubeconfig"].map(str::to_owned);
    assert_eq!(steps(&plan), vec![expected.to_vec(); 3]);
    site.apply();
    assert_ne!(serial(&site), first);
    assert_eq!(steps(&site.plan()), nothing_to_do());
}

#[test]
fn a_ca_is_made_for_a_first_try_and_then_used() {
    let site = Site::new();
    fs::remove_dir_all(site.file("pki")).unwrap();
    site.edit("  keyAlgorithm", "  createCa: true\n  keyAlgorithm");
    let first = site.apply();
    assert!(
        first.stderr.contains("created a root CA: pki/ca/cert/ca.pem (rsa-2048, valid until "),
        "{first:?}"
    );
    assert_eq!(mode(&site.file("pki/ca/cert/ca-key.pem")), 0o600);
    let ca = site.read("pki/ca/cert/ca.pem");
    site.apply();
    fs::remove_dir_all(site.file("out")).unwrap();
    site.apply();
    assert_eq!(site.read("pki/ca/cert/ca.pem"), ca);
}
