//! Tests of `controllerManager.csrSigning`, on folders: the CA key lies on a master only if a flag
//! names it, and is removed only on request.

use std::fs;

use kcm_tests::Workspace;
use serde_json::{Value, json};

const CA: &str = "/opt/kubernetes/pki/ca/cert/ca.pem";
const CA_KEY: &str = "/opt/kubernetes/pki/ca/cert/ca-key.pem";
const MASTER: &str = "k8s-master-02";

/// A workspace that uploads the CA, with a separate key for service account tokens.
fn site(signing: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.bring_everything();
    workspace.edit("pki:\n", "pki:\n  serviceAccountKey: {file: pki/sa.key}\n");
    let manager = format!("controllerManager: {{csrSigning: {signing}}}\n");
    workspace.edit("masters:\n", &format!("{manager}masters:\n"));
    workspace
}

fn unit(workspace: &Workspace) -> String {
    let unit = "/etc/systemd/system/kube-controller-manager.service";
    fs::read_to_string(workspace.on_master(MASTER, unit)).unwrap()
}

#[test]
fn without_signing_no_ca_key_reaches_a_master() {
    let workspace = site("none");
    workspace.apply();
    assert!(workspace.on_master(MASTER, CA).exists());
    assert!(!workspace.on_master(MASTER, CA_KEY).exists());
    assert!(!unit(&workspace).contains("cluster-signing"), "{}", unit(&workspace));
    assert_eq!(workspace.plan()["masters"][1]["steps"], Value::Array(Vec::new()));
    let status = workspace.kcm(&["status", "--root", "out"]);
    assert!(!status.stdout.contains("ca-key-unread"), "{status:?}");
}

#[test]
fn a_ca_key_that_no_flag_names_is_reported_and_removed_on_request() {
    let workspace = site("ca");
    workspace.apply();
    let key = fs::read(workspace.on_master(MASTER, CA_KEY)).unwrap();
    workspace.edit("csrSigning: ca", "csrSigning: none");
    let applied = workspace.kcm(&["apply", "--root", "out", "--yes"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    assert!(applied.stderr.contains("[ca-key-unread]"), "{applied:?}");
    assert!(workspace.on_master(MASTER, CA_KEY).exists(), "it stays until asked for");

    let status = workspace.kcm(&["status", "--root", "out", "--keys", "-o", "json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let findings = status["findings"].as_array().unwrap();
    let unread = findings.iter().filter(|it| it["code"] == "ca-key-unread").count();
    assert_eq!(unread, 3, "{status}");
    let table = workspace.kcm(&["status", "--root", "out", "--keys"]).stdout;
    let line = |path: &str| {
        let row = format!("  {MASTER} ");
        let mut lines = table.lines().filter(|line| line.starts_with(&row));
        lines.find(|line| line.contains(path)).unwrap_or_else(|| panic!("{table}")).to_owned()
    };
    assert!(line(CA_KEY).contains("0600") && line(CA_KEY).ends_with("no flag"), "{table}");
    assert!(line("sa.key").ends_with("--service-account-private-key-file"), "{table}");
    assert!(line(".kubeconfig").contains("--kubeconfig"), "{table}");

    let removed = workspace.kcm(&["apply", "--root", "out", "--yes", "--remove-ca-key"]);
    assert_eq!(removed.code, 0, "{removed:?}");
    assert!(!workspace.on_master(MASTER, CA_KEY).exists());
    assert!(workspace.file("pki/ca/cert/ca-key.pem").exists(), "the key on this machine stays");
    assert_eq!(workspace.plan()["masters"][1]["steps"], Value::Array(Vec::new()));
    let again = workspace.kcm(&["apply", "--root", "out", "--yes", "--remove-ca-key"]);
    assert!(again.stdout.starts_with("Nothing to do"), "{again:?}");

    let back = workspace.kcm(&["rollback", "--root", "out", "--yes"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!(fs::read(workspace.on_master(MASTER, CA_KEY)).unwrap(), key);
}

#[test]
fn a_ca_key_that_a_flag_names_is_not_removed() {
    let workspace = site("ca");
    workspace.apply();
    let ran = workspace.kcm(&["apply", "--root", "out", "--remove-ca-key"]);
    assert!(ran.code == 0 && ran.stdout.starts_with("Nothing to do"), "{ran:?}");
    assert!(workspace.on_master(MASTER, CA_KEY).exists());
}

#[test]
fn each_signer_has_its_own_files() {
    let pair =
        "{cert: /etc/kubernetes/signing/kubelet.pem, key: /etc/kubernetes/signing/kubelet.key}";
    let workspace = site(&format!("{{kubelet-serving: {pair}}}"));
    workspace.apply();
    let unit = unit(&workspace);
    for flag in [
        "--cluster-signing-kubelet-serving-cert-file=/etc/kubernetes/signing/kubelet.pem",
        "--cluster-signing-kubelet-serving-key-file=/etc/kubernetes/signing/kubelet.key",
    ] {
        assert!(unit.contains(flag), "{unit}");
    }
    assert!(!unit.contains("--cluster-signing-cert-file"), "{unit}");
    assert!(!workspace.on_master(MASTER, CA_KEY).exists());
    assert_eq!(workspace.kcm(&["lint"]).code, 0);
}

#[test]
fn a_signing_flag_beside_the_setting_is_refused() {
    let workspace = site("none");
    workspace.edit(
        "csrSigning: none",
        "csrSigning: none, flags: {cluster-signing-key-file: /etc/ca.key}",
    );
    let ran = workspace.kcm(&["plan", "--root", "out", "-o", "json"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    let error: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(error.to_string().contains("conflicts with controllerManager.csrSigning"), "{error}");
    assert_eq!(error["kind"], json!("Error"));
}
