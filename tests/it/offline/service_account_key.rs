//! Tests of a separate key for service account tokens, on folders: made once, uploaded with its
//! public part, never lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use kcm_tests::{Workspace, peers};
use serde_json::Value;

const SECTION: &str = "pki:\n  serviceAccountKey: {file: pki/sa.key}\n";
const KEY: &str = "/opt/kubernetes/pki/service-account/sa.key";
const PUBLIC: &str = "/opt/kubernetes/pki/service-account/sa.pub";
const UNIT: &str = "/etc/systemd/system/kube-controller-manager.service";

fn site() -> Workspace {
    let workspace = Workspace::new();
    workspace.edit("pki:\n", SECTION);
    workspace
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Returns what openssl takes for the public part of a key file.
fn public_part(workspace: &Workspace, key: &str) -> String {
    peers::run(&mut peers::openssl(workspace.path(), &["pkey", "-in", key, "-pubout"]))
}

#[test]
fn the_key_is_made_once_and_uploaded_with_its_public_part() {
    let workspace = site();
    let planned = workspace.kcm(&["plan", "--root", "out"]);
    assert!(planned.stdout.contains("a new private key, rsa-2048"), "{planned:?}");
    assert!(!workspace.file("pki/sa.key").exists(), "a plan writes nothing");

    workspace.apply();
    let key = workspace.read("pki/sa.key");
    assert_eq!(workspace.read("pki/sa.pub"), public_part(&workspace, "pki/sa.key"));
    assert_eq!(mode(&workspace.file("pki/sa.key")), 0o600);
    for master in ["k8s-master-01", "k8s-master-02", "k8s-master-03"] {
        let on = |path| workspace.on_master(master, path);
        assert_eq!(fs::read_to_string(on(KEY)).unwrap(), key);
        assert_eq!(fs::read_to_string(on(PUBLIC)).unwrap(), workspace.read("pki/sa.pub"));
        assert_eq!([mode(&on(KEY)), mode(&on(PUBLIC))], [0o600, 0o644]);
        let unit = fs::read_to_string(on(UNIT)).unwrap();
        assert!(unit.contains(&format!("--service-account-private-key-file={KEY} ")), "{unit}");
    }
    assert_eq!(workspace.plan()["masters"][0]["steps"], Value::Array(Vec::new()));
    workspace.apply();
    assert_eq!(workspace.read("pki/sa.key"), key);

    // The public part on this machine is written again where it is missing.
    fs::remove_file(workspace.file("pki/sa.pub")).unwrap();
    assert_eq!(workspace.plan()["masters"][0]["steps"], Value::Array(Vec::new()));
}

#[test]
fn an_ecdsa_key_signs_too_and_a_key_that_exists_is_used() {
    let workspace = site();
    workspace.edit("{file: pki/sa.key}", "{file: pki/sa.key, algorithm: ecdsa-p256}");
    workspace.apply();
    let text = ["pkey", "-in", "pki/sa.key", "-noout", "-text"];
    let text = peers::run(&mut peers::openssl(workspace.path(), &text));
    assert!(text.contains("prime256v1"), "{text}");

    let other = Workspace::new();
    other.edit("pki:\n", SECTION);
    let generate = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    let generate = [&generate[..], &["-out", "pki/sa.key"]].concat();
    peers::run(&mut peers::openssl(other.path(), &generate));
    let key = other.read("pki/sa.key");
    other.apply();
    assert_eq!(other.read("pki/sa.key"), key);
    let master = other.on_master("k8s-master-02", PUBLIC);
    assert_eq!(fs::read_to_string(master).unwrap(), public_part(&other, "pki/sa.key"));
}

#[test]
fn a_key_that_no_flag_names_any_more_stays_for_the_api_servers() {
    let workspace = site();
    workspace.apply();
    workspace.edit(SECTION, "pki:\n");
    workspace.apply();
    let master = |path| workspace.on_master("k8s-master-01", path);
    // An API server on the master may name it in --service-account-signing-key-file.
    assert!(master(KEY).exists() && master(PUBLIC).exists());
    let unit = fs::read_to_string(master(UNIT)).unwrap();
    assert!(
        unit.contains("--service-account-private-key-file=/opt/kubernetes/pki/ca/cert/ca-key.pem")
    );
    let keys = workspace.kcm(&["status", "--root", "out", "--keys"]);
    let line = keys.stdout.lines().find(|line| line.contains("sa.key")).unwrap();
    assert!(line.ends_with("no flag"), "{keys:?}");
}

#[test]
fn invalid_keys_and_settings_are_one_error_each() {
    let text = |section: &str| format!("pki:\n  serviceAccountKey: {section}\n");
    for (section, code, expected) in [
        ("{}", 2, "file"),
        ("{file: pki/sa.pub}", 2, "pki.serviceAccountKey.file: ends in .pub"),
        ("{file: pki/sa.key, algorithm: dsa}", 2, "pki.serviceAccountKey.algorithm"),
        ("{file: text}", 1, "text"),
        ("{file: .}", 2, "is not the path of a file"),
        ("{file: encrypted}", 1, "encrypted"),
    ] {
        let workspace = Workspace::new();
        workspace.edit("pki:\n", &text(section));
        workspace.write("text", "no key");
        let encrypt = ["ec", "-aes128", "-in", "pki/ca/cert/ca-key.pem", "-passout", "pass:x"];
        let encrypt = [&encrypt[..], &["-out", "encrypted"]].concat();
        peers::run(&mut peers::openssl(workspace.path(), &encrypt));
        let before = workspace.tree();
        let ran = workspace.kcm(&["apply", "--root", "out"]);
        assert_eq!(ran.code, code, "{section}: {ran:?}");
        assert_eq!(ran.stderr.matches("error: ").count(), 1, "{section}: {ran:?}");
        assert!(ran.stderr.contains(expected), "{section}: {ran:?}");
        assert!(workspace.tree() == before, "{section}");
    }
    let workspace = site();
    let flag = "controllerManager: {flags: {service-account-private-key-file: /etc/sa.key}}\n";
    workspace.edit("masters:\n", &format!("{flag}masters:\n"));
    let ran = workspace.kcm(&["plan", "--root", "out"]);
    assert!(ran.stderr.contains("conflicts with pki.serviceAccountKey"), "{ran:?}");
}

#[test]
fn an_unusable_public_file_is_named() {
    let workspace = site();
    workspace.apply();
    workspace.write("pki/sa.pub", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    let ran = workspace.kcm(&["plan", "--root", "out"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("sa.pub: cannot parse the public key"), "{ran:?}");
}
