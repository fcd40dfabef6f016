//! Snapshots of verbs that need running masters, and of unusable inputs on the operator's machine.

use std::fs;

use kcm_pki::KeyAlgorithm;
use kcm_tests::Workspace;

use super::Transcript;

#[test]
fn verbs_that_take_no_folders() {
    let workspace = Workspace::new();
    workspace.apply();
    Transcript::new(&workspace)
        .all(&["logs --root out", "logs --root out -o json", "logs --root out --follow"])
        .all(&["smoke --root out --kubeconfig x", "smoke --root out --kubeconfig x -o json"])
        .all(&["drill --root out", "drill --root out --all --kill -o json"])
        .assert_matches("refused-with-root");
}

#[test]
fn a_ca_that_cannot_be_used() {
    let workspace = Workspace::new();
    let mut transcript = Transcript::new(&workspace);
    fs::rename(workspace.file("pki/ca/cert/ca-key.pem"), workspace.file("safe")).unwrap();
    transcript.note("no CA key").all(&["plan --root out", "apply --root out -o json"]);
    let (_, other) = kcm_tests::ca(KeyAlgorithm::EcdsaP256, "kubernetes");
    workspace.write("pki/ca/cert/ca-key.pem", other);
    transcript.note("the key of another CA").kcm("apply --root out");
    workspace.write("pki/ca/cert/ca-key.pem", "garbage\n");
    transcript.note("a key that is none").kcm("apply --root out");
    workspace.write("pki/ca/cert/ca.pem", "garbage\n");
    transcript.note("a certificate that is none").all(&["plan --root out", "status --root out"]);
    fs::remove_dir_all(workspace.file("pki")).unwrap();
    transcript.note("no CA").all(&["plan --root out", "apply --root out", "status --root out"]);
    transcript.kcm("certs check --root out").kcm("certs renew --root out");
    transcript.assert_matches("refused-ca");
}

#[test]
fn folders_and_inputs_that_are_not_what_they_should_be() {
    let workspace = Workspace::new();
    let mut transcript = Transcript::new(&workspace);
    workspace.edit("masters:\n", "install: {binary: kube-controller-manager}\nmasters:\n");
    transcript.note("no program").all(&["plan --root out", "apply --root out -o json"]);
    workspace.write("kube-controller-manager", "text");
    transcript.note("a program that is none").kcm("plan --root out");
    workspace.write("kube-controller-manager", kcm_tests::program(3000));
    workspace.write("out/k8s-master-02", "a file");
    transcript.note("a master that is a file").all(&["plan --root out", "plan --root out -o json"]);
    transcript.all(&["apply --root out", "status --root out", "certs check --root out"]);
    transcript.all(&["remove --yes --root out --all", "rollback --root out"]);
    transcript.kcm("apply --root out --skip k8s-master-02");
    transcript.assert_matches("refused-inputs");
}
