//! Snapshots of verbs that need running masters, and of unusable inputs on the operator's machine.

use std::fs;

use kcm_pki::KeyAlgorithm;
use kcm_tests::Site;

use super::Transcript;

#[test]
fn verbs_that_take_no_folders() {
    let site = Site::new();
    site.apply();
    Transcript::new(&site)
        .all(&["logs --root out", "logs --root out -o json", "logs --root out --follow"])
        .all(&["smoke --root out --kubeconfig x", "smoke --root out --kubeconfig x -o json"])
        .all(&["drill --root out", "drill --root out --all --kill -o json"])
        .assert_matches("refused-with-root");
}

#[test]
fn a_ca_that_cannot_be_used() {
    let site = Site::new();
    let mut transcript = Transcript::new(&site);
    fs::rename(site.file("pki/ca/cert/ca-key.pem"), site.file("safe")).unwrap();
    transcript.note("no CA key").all(&["plan --root out", "apply --root out -o json"]);
    let (_, other) = kcm_tests::ca(KeyAlgorithm::EcdsaP256, "kubernetes");
    site.write("pki/ca/cert/ca-key.pem", other);
    transcript.note("the key of another CA").kcm("apply --root out");
    site.write("pki/ca/cert/ca-key.pem", "garbage\n");
    transcript.note("a key that is none").kcm("apply --root out");
    site.write("pki/ca/cert/ca.pem", "garbage\n");
    transcript.note("a certificate that is none").all(&["plan --root out", "status --root out"]);
    fs::remove_dir_all(site.file("pki")).unwrap();
    transcript.note("no CA").all(&["plan --root out", "apply --root out", "status --root out"]);
    transcript.kcm("certs check --root out").kcm("certs renew --root out");
    transcript.assert_matches("refused-ca");
}

#[test]
fn folders_and_inputs_that_are_not_what_they_should_be() {
    let site = Site::new();
    let mut transcript = Transcript::new(&site);
    site.edit("masters:\n", "install: {binary: kube-controller-manager}\nmasters:\n");
    transcript.note("no program").all(&["plan --root out", "apply --root out -o json"]);
    site.write("kube-controller-manager", "text");
    transcript.note("a program that is none").kcm("plan --root out");
    site.write("kube-controller-manager", kcm_tests::program(3000));
    site.write("out/k8s-master-02", "a file");
    transcript.note("a master that is a file").all(&["plan --root out", "plan --root out -o json"]);
    transcript.all(&["apply --root out", "status --root out", "certs check --root out"]);
    transcript.all(&["remove --yes --root out --all", "rollback --root out"]);
    transcript.kcm("apply --root out --skip k8s-master-02");
    transcript.assert_matches("refused-inputs");
}
