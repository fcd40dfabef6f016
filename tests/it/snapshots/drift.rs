//! Snapshots of `kcm status` and `kcm plan` for masters that differ from the cluster file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use kcm_pki::KeyAlgorithm;
use kcm_tests::Site;

use super::Transcript;

const UNIT: &str = "/etc/systemd/system/kube-controller-manager.service";
const CERTIFICATE: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem";
const KEY: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem";
const KUBECONFIG: &str = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
const PROGRAM: &str = "/opt/kubernetes/bin/kube-controller-manager";
const CA: &str = "/opt/kubernetes/pki/ca/cert/ca.pem";

fn applied() -> Site {
    let site = Site::new();
    site.bring_everything();
    site.apply();
    site
}

fn replace(site: &Site, master: &str, path: &str, from: &str, to: &str) {
    let at = site.on_master(master, path);
    let text = fs::read_to_string(&at).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(at, text.replace(from, to)).unwrap();
}

/// Commands that show a difference, correct it, and verify the correction.
const SHOWN: [&str; 4] =
    ["status --root out", "plan --root out --check", "apply --root out", "status --root out"];

#[test]
fn status_before_the_first_deployment() {
    let site = Site::new();
    site.bring_everything();
    Transcript::new(&site)
        .all(&["status --root out", "status --root out -o json"])
        .assert_matches("status-not-deployed");
}

#[test]
fn status_for_programs() {
    let site = applied();
    Transcript::new(&site)
        .kcm("status --root out --master k8s-master-01 -o json")
        .kcm("status --root out --textfile status.prom")
        .cat("status.prom")
        .kcm("status --root out --textfile no/such/folder/status.prom")
        .assert_matches("status-json");
}

#[test]
fn one_master_was_changed_by_hand() {
    let site = applied();
    replace(&site, "k8s-master-02", UNIT, "--v=2", "--v=9");
    let key = site.on_master("k8s-master-03", KEY);
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    Transcript::new(&site)
        .all(&["status --root out -o json", "plan --root out -o json"])
        .assert_matches("drift-json");
    Transcript::new(&site).all(&SHOWN).assert_matches("drift");
}

#[test]
fn units_with_drop_ins_and_one_that_is_not_enabled() {
    let site = applied();
    let drop_in = format!("out/k8s-master-02{UNIT}.d/10-local.conf");
    site.write(&drop_in, "[Service]\nEnvironment=GOGC=50\n");
    let wanted = "/etc/systemd/system/multi-user.target.wants/kube-controller-manager.service";
    fs::remove_file(site.on_master("k8s-master-03", wanted)).unwrap();
    let mut transcript = Transcript::new(&site);
    transcript.all(&SHOWN);
    site.write(&drop_in, "[Service]\nRestartSec=30\n");
    transcript.note("a drop-in that sets what the unit sets").all(&SHOWN);
    transcript.assert_matches("drift-unit");
}

#[test]
fn a_missing_certificate() {
    let site = applied();
    fs::remove_file(site.on_master("k8s-master-02", CERTIFICATE)).unwrap();
    Transcript::new(&site)
        .all(&["certs check --root out", "certs check --root out -o json"])
        .all(&SHOWN)
        .assert_matches("missing-certificate");
}

#[test]
fn missing_and_spoiled_files() {
    let site = applied();
    fs::remove_file(site.on_master("k8s-master-01", PROGRAM)).unwrap();
    fs::write(site.on_master("k8s-master-02", KUBECONFIG), "no: [kubeconfig\n").unwrap();
    fs::write(site.on_master("k8s-master-03", CERTIFICATE), "garbage\n").unwrap();
    Transcript::new(&site)
        .all(&["certs check --root out"])
        .all(&SHOWN)
        .assert_matches("spoiled-files");
}

#[test]
fn a_master_with_another_ca() {
    let site = applied();
    let (other, _) = kcm_tests::ca(KeyAlgorithm::EcdsaP256, "kubernetes");
    fs::write(site.on_master("k8s-master-02", CA), other).unwrap();
    Transcript::new(&site)
        .all(&["status --root out", "plan --root out", "plan --root out -o json"])
        .all(&["apply --root out", "certs check --root out", "plan --root out --replace-ca"])
        .all(&["apply --root out --replace-ca", "plan --root out --check"])
        .assert_matches("another-ca");
}

#[test]
fn a_unit_that_kcm_did_not_write() {
    let site = Site::one_master();
    site.bring_everything();
    site.write(
        &format!("out/k8s-master-01{UNIT}"),
        "[Service]\nExecStart=/usr/local/bin/kube-controller-manager --profiling=false\n",
    );
    Transcript::new(&site).all(&SHOWN).assert_matches("foreign-unit");
}

#[test]
fn what_an_interrupted_run_left() {
    let site = applied();
    site.write("out/k8s-master-01/opt/kubernetes/kubeconfig/.kcm-stage/half", "ha");
    Transcript::new(&site).all(&SHOWN).kcm("plan --root out -o json").assert_matches("leftover");
}
