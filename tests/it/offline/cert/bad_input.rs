//! Tests of invalid input: one clear error each, nothing written, no panic.

use kcm_tests::Workspace;

use super::{SIGN, site};

/// Exit code of a usage, JSON or configuration error.
const USAGE: i32 = 2;
/// Exit code of a run that failed.
const FAILED: i32 = 1;

/// Returns broken CSR files: each is a mistake of the operator.
fn csr_files() -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        "x",
        "{",
        "[]",
        "null",
        "1",
        "{}",
        "{\"CN\": 1}",
        "{\"CN\": \"\"}",
        "{\"CN\": null}",
        "{\"CN\": \"x\"} x",
        "\u{feff}{\"CN\": \"x\"}",
        "{\"CN\": \"a\\u0000b\"}",
        "{\"CN\": \"x\", \"hosts\": {}}",
        "{\"CN\": \"x\", \"names\": [1]}",
        "{\"CN\": \"x\", \"names\": {}}",
        "{\"CN\": \"x\", \"key\": \"rsa\"}",
        "{\"CN\": \"x\", \"ca\": 1}",
        "// comment\n{\"CN\": \"x\"}",
        "{\"CN\": \"x\",}",
    ]
    .map(str::to_owned)
    .into();
    for host in [
        "",
        " ",
        "10.0.0.1:6443",
        "a b",
        "é",
        "*",
        "a..b",
        "-a",
        "10.0.0.0/8",
        "[::1]",
        "x@",
        "http://",
    ] {
        all.push(format!("{{\"CN\": \"x\", \"hosts\": [{host:?}]}}"));
    }
    for key in [
        r#"{"algo": "rsa"}"#,
        r#"{"algo": "rsa", "size": 1024}"#,
        r#"{"algo": "rsa", "size": 2049}"#,
        r#"{"algo": "ecdsa", "size": 512}"#,
        r#"{"algo": "ed25519"}"#,
        r#"{"algo": 1}"#,
        r#"{"size": "256"}"#,
        r#"{"algo": "rsa", "size": -1}"#,
        r#"{"size": 1e400}"#,
    ] {
        all.push(format!("{{\"CN\": \"x\", \"key\": {key}}}"));
    }
    for ca in [
        r#"{"expiry": "1y"}"#,
        r#"{"expiry": "-1h"}"#,
        r#"{"expiry": 1}"#,
        r#"{"pathlen": -1}"#,
        r#"{"pathlen": 256}"#,
        r#"{"pathlen": "1"}"#,
    ] {
        all.push(format!("{{\"CN\": \"x\", \"ca\": {ca}}}"));
    }
    all.push(format!("{{\"CN\": \"{}\"}}", "x".repeat(2000)));
    all
}

/// Asserts one error with this exit code, and an unchanged folder.
fn refused(workspace: &Workspace, arguments: &[&str], code: i32) {
    let before = workspace.tree();
    let ran = workspace.kcm(&[&["cert"], arguments].concat());
    assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
    // A failure is a document in the formats for programs.
    let is_document = ["json", "sarif"].iter().any(|form| arguments.contains(form));
    assert!(ran.stdout.is_empty() || is_document, "{arguments:?}: {ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{arguments:?}: {ran:?}");
    let errors = ran.stderr.lines().filter(|line| line.starts_with("error")).count();
    assert_eq!(errors, 1, "{arguments:?}: {ran:?}");
    assert!(workspace.tree() == before, "{arguments:?} wrote a file");
}

fn with_ca<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &SIGN].concat()
}

#[test]
fn a_broken_csr_file_is_one_usage_error() {
    let workspace = site();
    let files = csr_files();
    for content in &files {
        workspace.write("bad.json", content);
        refused(&workspace, &["request", "bad.json", "--out", "new"], USAGE);
        refused(&workspace, &["new-ca", "bad.json", "--out", "new"], USAGE);
        refused(&workspace, &with_ca(&["issue", "bad.json", "--out", "new"]), USAGE);
    }
    assert!(files.len() * 3 > 100);
    for missing in ["missing.json", ".", "/dev/null/x"] {
        refused(&workspace, &["request", missing, "--out", "new"], USAGE);
    }
    refused(&workspace, &with_ca(&["issue", "ca-csr.json", "--out", "new"]), USAGE);
}

#[test]
fn a_broken_signing_config_is_one_usage_error() {
    let workspace = site();
    let sign = |config: &str, profile: &str| {
        workspace.write("bad-config.json", config);
        let ca =
            ["issue", "leaf-csr.json", "--out", "new", "--ca", "ca.pem", "--ca-key", "ca-key.pem"];
        let policy = ["--config", "bad-config.json", "--profile", profile];
        refused(&workspace, &[&ca[..], &policy].concat(), USAGE);
    };
    for config in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"signing": 1}"#,
        r#"{"signing": {"profiles": {"p": {}}}}"#,
        r#"{"signing": {"profiles": {"p": {"usages": ["signin"], "expiry": "1h"}}}}"#,
        r#"{"signing": {"profiles": {"p": {"usages": ["signing"], "expiry": "1 h"}}}}"#,
        r#"{"signing": {"profiles": {"p": {"usages": ["signing"], "expiry": "-1h"}}}}"#,
        r#"{"signing": {"profiles": {"p": {"usages": [], "expiry": "1h"}}}}"#,
    ] {
        sign(config, "p");
    }
    sign(super::CONFIG, "kubernets");
    sign(super::CONFIG, "");
}

#[test]
fn unusable_options_are_one_usage_error() {
    let workspace = site();
    for arguments in [
        &["request", "leaf-csr.json"][..],
        &["new-ca", "ca-csr.json"],
        &["new-ca", "ca-csr.json", "--out", "ca"],
        &["request", "leaf-csr.json", "-o", "json"],
        &["request", "leaf-csr.json", "--out", "x", "-o", "cfssl"],
        &["request", "leaf-csr.json", "--out", ""],
        &["request", "leaf-csr.json", "--out", "x/"],
        &["request", "leaf-csr.json", "--out", ".."],
        &["request", "leaf-csr.json", "--out", "x", "-o", "sarif"],
        &["show", "ca.pem", "-o", "cfssl"],
        &["verify", "ca.pem"],
        &["verify", "ca.pem", "--ca", "ca.pem", "--usage", "both"],
        &["verify", "ca.pem", "--ca", "ca.pem", "--within", "1y"],
        &["verify", "ca.pem", "--ca", "ca.pem", "--hostname", "a b"],
        &["issue", "leaf-csr.json", "--ca", "ca.pem", "--out", "x"],
    ] {
        refused(&workspace, arguments, USAGE);
    }
    for hosts in ["a b", "a,,b", "10.0.0.1:80", "é.example", ","] {
        refused(
            &workspace,
            &with_ca(&["issue", "leaf-csr.json", "--out", "x", "--hostname", hosts]),
            USAGE,
        );
    }
}

#[test]
fn an_unusable_ca_or_file_is_one_failure() {
    let workspace = site();
    workspace.write("text", "text");
    workspace.write("two.pem", workspace.read("ca.pem").repeat(2));
    let other = workspace.kcm(&["cert", "request", "leaf-csr.json", "--out", "other"]);
    assert_eq!(other.code, 0, "{other:?}");
    let ca = |certificate: &str, key: &str| {
        let issue =
            ["issue", "leaf-csr.json", "--out", "new", "--ca", certificate, "--ca-key", key];
        refused(&workspace, &issue, FAILED);
    };
    for (certificate, key) in [
        ("missing", "ca-key.pem"),
        ("text", "ca-key.pem"),
        (".", "ca-key.pem"),
        ("two.pem", "ca-key.pem"),
        ("ca-key.pem", "ca-key.pem"),
        ("ca.pem", "missing"),
        ("ca.pem", "text"),
        ("ca.pem", "."),
        ("ca.pem", "ca.pem"),
        ("ca.pem", "other-key.pem"),
        ("ca.pem", "/dev/null"),
    ] {
        ca(certificate, key);
    }
    let pem = workspace.read("other.csr");
    let octets = pem.len();
    for at in (30..octets - 30).step_by(octets / 60) {
        let mut changed = pem.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        workspace.write("changed.csr", &changed);
        refused(&workspace, &with_ca(&["sign", "changed.csr", "--out", "new"]), FAILED);
        workspace.write("cut.csr", &pem[..at]);
        refused(&workspace, &with_ca(&["sign", "cut.csr", "--out", "new"]), FAILED);
    }
    for file in ["missing", "text", ".", "ca-key.pem", "/dev/null"] {
        refused(&workspace, &["show", file], FAILED);
        refused(&workspace, &["verify", file, "--ca", "ca.pem"], FAILED);
        refused(&workspace, &["verify", "ca.pem", "--ca", file], FAILED);
    }
}
