//! Snapshots of `kcm status` and `kcm plan` for masters that differ from the cluster file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use kcm_pki::KeyAlgorithm;
use kcm_tests::Workspace;

use super::Transcript;

const UNIT: &str = "/etc/systemd/system/kube-controller-manager.service";
const CERTIFICATE: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem";
const KEY: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem";
const KUBECONFIG: &str = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
const PROGRAM: &str = "/opt/kubernetes/bin/kube-controller-manager";
const CA: &str = "/opt/kubernetes/pki/ca/cert/ca.pem";

fn applied() -> Workspace {
    let workspace = Workspace::new();
    workspace.bring_everything();
    workspace.apply();
    workspace
}

fn replace(workspace: &Workspace, master: &str, path: &str, from: &str, to: &str) {
    let at = workspace.on_master(master, path);
    let text = fs::read_to_string(&at).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(at, text.replace(from, to)).unwrap();
}

/// Commands that show a difference, correct it, and verify the correction.
const SHOWN: [&str; 4] =
    ["status --root out", "plan --root out --check", "apply --root out", "status --root out"];

#[test]
fn status_before_the_first_deployment() {
    let workspace = Workspace::new();
    workspace.bring_everything();
    Transcript::new(&workspace)
        .all(&["status --root out", "status --root out -o json"])
        .assert_matches("status-not-deployed");
}

#[test]
fn status_for_programs() {
    let workspace = applied();
    Transcript::new(&workspace)
        .kcm("status --root out --master k8s-master-01 -o json")
        .kcm("status --root out --textfile status.prom")
        .cat("status.prom")
        .kcm("status --root out --textfile no/such/folder/status.prom")
        .assert_matches("status-json");
}

#[test]
fn one_master_was_changed_by_hand() {
    let workspace = applied();
    replace(&workspace, "k8s-master-02", UNIT, "--v=2", "--v=9");
    let key = workspace.on_master("k8s-master-03", KEY);
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    Transcript::new(&workspace)
        .all(&["status --root out -o json", "plan --root out -o json"])
        .assert_matches("drift-json");
    Transcript::new(&workspace).all(&SHOWN).assert_matches("drift");
}

#[test]
fn units_with_drop_ins_and_one_that_is_not_enabled() {
    let workspace = applied();
    let drop_in = format!("out/k8s-master-02{UNIT}.d/10-local.conf");
    workspace.write(&drop_in, "[Service]\nEnvironment=GOGC=50\n");
    let wanted = "/etc/systemd/system/multi-user.target.wants/kube-controller-manager.service";
    fs::remove_file(workspace.on_master("k8s-master-03", wanted)).unwrap();
    let mut transcript = Transcript::new(&workspace);
    transcript.all(&SHOWN);
    workspace.write(&drop_in, "[Service]\nRestartSec=30\n");
    transcript.note("a drop-in that sets what the unit sets").all(&SHOWN);
    transcript.assert_matches("drift-unit");
}

#[test]
fn a_missing_certificate() {
    let workspace = applied();
    fs::remove_file(workspace.on_master("k8s-master-02", CERTIFICATE)).unwrap();
    Transcript::new(&workspace)
        .all(&["certs check --root out", "certs check --root out -o json"])
        .all(&SHOWN)
        .assert_matches("missing-certificate");
}

#[test]
fn missing_and_spoiled_files() {
    let workspace = applied();
    fs::remove_file(workspace.on_master("k8s-master-01", PROGRAM)).unwrap();
    fs::write(workspace.on_master("k8s-master-02", KUBECONFIG), "no: [kubeconfig\n").unwrap();
    fs::write(workspace.on_master("k8s-master-03", CERTIFICATE), "garbage\n").unwrap();
    Transcript::new(&workspace)
        .all(&["certs check --root out"])
        .all(&SHOWN)
        .assert_matches("spoiled-files");
}

#[test]
fn a_master_with_another_ca() {
    let workspace = applied();
    let (other, _) = kcm_tests::ca(KeyAlgorithm::EcdsaP256, "kubernetes");
    fs::write(workspace.on_master("k8s-master-02", CA), other).unwrap();
    Transcript::new(&workspace)
        .all(&["status --root out", "plan --root out", "plan --root out -o json"])
        .all(&["apply --root out", "certs check --root out", "plan --root out --replace-ca"])
        .all(&["apply --root out --replace-ca", "plan --root out --check"])
        .assert_matches("another-ca");
}

#[test]
fn a_unit_that_kcm_did_not_write() {
    let workspace = Workspace::one_master();
    workspace.bring_everything();
    workspace.write(
        &format!("out/k8s-master-01{UNIT}"),
        "[Service]\nExecStart=/usr/local/bin/kube-controller-manager --profiling=false\n",
    );
    Transcript::new(&workspace).all(&SHOWN).assert_matches("foreign-unit");
}

#[test]
fn what_an_interrupted_run_left() {
    let workspace = applied();
    workspace.write("out/k8s-master-01/opt/kubernetes/kubeconfig/.kcm-stage/half", "ha");
    Transcript::new(&workspace)
        .all(&SHOWN)
        .kcm("plan --root out -o json")
        .assert_matches("leftover");
}
