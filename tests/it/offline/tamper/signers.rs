//! Tests of keys on the masters that do not match their certificate, where kcm does not distribute
//! the CA.

use std::fs;

use kcm_pki::KeyAlgorithm;
use kcm_tests::{Workspace, ca, peers};

use super::{CA, CA_KEY, FIRST, Holder, TAMPERED, found, put, run, workspace};

const MISMATCH: &str = "ca-key-mismatch";

fn everywhere(workspace: &Workspace, path: &str, content: &str, mode: u32) {
    for master in [FIRST, TAMPERED] {
        put(workspace, master, path, content, mode);
    }
}

/// Asserts that `plan`, `apply` and `status` report a key that does not match its certificate.
fn is_reported(workspace: &Workspace, words: &[&str]) {
    let (codes, status) = found(workspace);
    assert!(codes.contains(MISMATCH) && status == 3, "{codes:?}");
    let (plan, apply) = (run(workspace, &["plan", "--check"]), run(workspace, &["apply"]));
    assert_eq!(plan.code, 3, "{plan:?}");
    for printed in [&plan.stderr, &apply.stderr] {
        let line = printed.lines().find(|line| line.contains(MISMATCH));
        let line = line.unwrap_or_else(|| panic!("{printed}"));
        for word in words.iter().chain(&[FIRST, TAMPERED]) {
            assert!(line.contains(word), "{word}: {line}");
        }
    }
}

#[test]
fn a_ca_key_of_another_ca_on_all_masters_is_reported() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Rsa2048] {
        let workspace = workspace("embedded", Holder::MastersWithTheirCa);
        everywhere(&workspace, CA_KEY, &ca(algorithm, "kubernetes").1, 0o600);
        is_reported(&workspace, &[CA_KEY, CA, "(--cluster-signing-key-file)", "is not the key"]);
        everywhere(&workspace, CA_KEY, &workspace.read("pki/ca/cert/ca-key.pem"), 0o600);
        assert_eq!(run(&workspace, &["status"]).code, 0, "{algorithm}");
    }
}

#[test]
fn another_ca_with_its_key_on_all_masters_is_reported() {
    let workspace = workspace("embedded", Holder::MastersWithTheirCa);
    let (certificate, key) = ca(KeyAlgorithm::EcdsaP256, "kubernetes");
    everywhere(&workspace, CA, &certificate, 0o644);
    everywhere(&workspace, CA_KEY, &key, 0o600);
    let (codes, status) = found(&workspace);
    assert!(codes.contains("ca-mismatch") && !codes.contains(MISMATCH) && status == 3, "{codes:?}");
    assert_eq!(run(&workspace, &["plan", "--check"]).code, 3);
}

#[test]
fn a_key_of_another_form_belongs_to_its_certificate() {
    let workspace = workspace("embedded", Holder::MastersWithTheirCa);
    let key = "pki/ca/cert/ca-key.pem";
    let arguments = ["ec", "-in", key, "-out", "sec1.pem"];
    peers::run(&mut peers::openssl(workspace.path(), &arguments));
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let form = format!("{parameters}{}", workspace.read("sec1.pem")).replace('\n', "\r\n");
    everywhere(&workspace, CA_KEY, &form, 0o600);
    assert_eq!(run(&workspace, &["status"]).code, 0);

    peers::run(&mut peers::openssl(
        workspace.path(),
        &["pkey", "-aes256", "-passout", "pass:x", "-in", key, "-out", "encrypted"],
    ));
    everywhere(&workspace, CA_KEY, &workspace.read("encrypted"), 0o600);
    is_reported(&workspace, &[CA_KEY, "cannot determine"]);
}

#[test]
fn a_key_of_one_signer_that_is_not_its_certificates_is_reported() {
    let flags = ["kubelet-client", "kubelet-serving", "kube-apiserver-client", "legacy-unknown"];
    for signer in flags {
        let workspace = workspace("embedded", Holder::MastersWithTheirCa);
        let (certificate, key) = ca(KeyAlgorithm::EcdsaP256, "signer");
        let (cert_path, key_path) = ("/etc/signer/ca.crt", "/etc/signer/ca.key");
        everywhere(&workspace, cert_path, &certificate, 0o644);
        everywhere(&workspace, key_path, &key, 0o600);
        let flags = format!(
            "controllerManager:\n  flags:\n    cluster-signing-cert-file: null\n    cluster-signing-key-file: null\n    cluster-signing-{signer}-cert-file: {cert_path}\n    cluster-signing-{signer}-key-file: {key_path}\n"
        );
        workspace.edit("masters:\n", &format!("{flags}masters:\n"));
        workspace.apply();
        assert_eq!(run(&workspace, &["status"]).code, 0, "{signer}");
        let other = ca(KeyAlgorithm::EcdsaP256, "signer").1;
        everywhere(&workspace, key_path, &other, 0o600);
        let flag = format!("(--cluster-signing-{signer}-key-file)");
        is_reported(&workspace, &[key_path, cert_path, &flag]);
        fs::remove_file(workspace.on_master(FIRST, key_path)).unwrap();
        assert!(found(&workspace).0.contains("file-missing"));
    }
}
