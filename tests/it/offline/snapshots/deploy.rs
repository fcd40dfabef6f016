//! Snapshots of `kcm plan` and `kcm apply`, beginning with the first deployment.

use std::fs;

use kcm_tests::Workspace;

use super::Transcript;

#[test]
fn a_first_deployment() {
    let workspace = Workspace::new();
    Transcript::new(&workspace)
        .kcm("plan --root out")
        .kcm("apply --root out")
        .list("out")
        .list("pki/kube-controller-manager")
        .cat("out/k8s-master-01/etc/systemd/system/kube-controller-manager.service")
        .assert_matches("first-deployment");
}

#[test]
fn a_first_deployment_for_programs() {
    let workspace = Workspace::one_master();
    Transcript::new(&workspace)
        .kcm("plan --root out -o json")
        .kcm("apply --root out -o json")
        .assert_matches("first-deployment-json");
}

#[test]
fn nothing_to_do() {
    let workspace = Workspace::new();
    workspace.bring_everything();
    workspace.apply();
    Transcript::new(&workspace)
        .all(&["plan --root out", "plan --root out --check", "plan --root out -o json"])
        .all(&["apply --root out", "apply --root out -o json"])
        .all(&["status --root out", "certs check --root out", "certs renew --root out"])
        .assert_matches("nothing-to-do");
}

#[test]
fn one_changed_flag() {
    let workspace = Workspace::new();
    workspace.apply();
    workspace.edit("masters:\n", "controllerManager: {flags: {v: 4}}\nmasters:\n");
    Transcript::new(&workspace)
        .all(&["plan --root out", "plan --root out --check", "plan --root out -o json"])
        .all(&["status --root out", "apply --root out", "plan --root out --check"])
        .assert_matches("one-changed-flag");
    workspace.edit("{v: 4}", "{v: 5}");
    let mut transcript = Transcript::new(&workspace);
    transcript.kcm("apply --root out -o json").assert_matches("one-changed-flag-json");
}

#[test]
fn flags_of_one_master_and_a_choice_of_masters() {
    let workspace = Workspace::new();
    workspace.apply();
    workspace.edit("192.168.1.205}", "192.168.1.205, bindAddress: loopback, flags: {v: 6}}");
    workspace.edit("172.20.0.0/16", "172.21.0.0/16");
    Transcript::new(&workspace)
        .all(&["plan --root out --master k8s-master-01", "plan --root out --skip k8s-master-01"])
        .all(&["apply --root out --skip k8s-master-01 --skip k8s-master-03"])
        .all(&["apply --root out --master k8s-master-03 -o json", "plan --root out"])
        .all(&["status --root out --skip k8s-master-01"])
        .assert_matches("choice-of-masters");
}

#[test]
fn program_and_ca_are_brought() {
    let workspace = Workspace::one_master();
    workspace.bring_everything();
    let mut transcript = Transcript::new(&workspace);
    transcript.kcm("plan --root out").kcm("apply --root out").list("out");
    workspace.write("kube-controller-manager", kcm_tests::program(5000));
    transcript
        .note("another program")
        .all(&["plan --root out", "plan --root out -o json", "apply --root out"])
        .assert_matches("brought-files");
}

#[test]
fn named_credentials_and_a_serving_certificate() {
    let workspace = Workspace::one_master();
    workspace.bring_everything();
    workspace.edit("  keyAlgorithm", "  servingCertificate: true\n  keyAlgorithm");
    workspace.edit("masters:\n", "kubeconfig: {credentials: files}\nmasters:\n");
    Transcript::new(&workspace)
        .all(&["plan --root out", "apply --root out"])
        .list("out")
        .all(&["apply --root out", "status --root out", "certs check --root out"])
        .all(&["certs renew --force --root out"])
        .assert_matches("named-credentials");
}

#[test]
fn a_strict_unit_with_user_and_directives() {
    let workspace = Workspace::one_master();
    workspace.edit(
        "masters:\n",
        "systemd: {user: root, hardening: strict, directives: {Service: {Nice: 5}}}\nmasters:\n",
    );
    Transcript::new(&workspace)
        .all(&["lint", "plan --root out", "apply --root out", "plan --root out"])
        .assert_matches("strict-unit");
}

#[test]
fn an_identity_that_only_masters_hold() {
    let workspace = Workspace::new();
    workspace.apply();
    fs::remove_dir_all(workspace.file("pki/kube-controller-manager")).unwrap();
    let mut transcript = Transcript::new(&workspace);
    transcript.all(&["plan --root out", "plan --root out -o json", "status --root out"]);
    workspace.edit("192.168.1.210", "192.168.1.211");
    transcript
        .note("another API server, so the kubeconfig changes")
        .all(&["plan --root out", "apply --root out", "plan --root out --check"])
        .assert_matches("identity-on-masters");
}
