//! Tests that the examples for embedders run and print the expected lines.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the built example. `cargo test --workspace` builds it beside the folder of the test
/// binary.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let example = profile.join("examples").join(name);
    assert!(
        example.is_file(),
        "{} is missing; build it with `cargo build --workspace --examples --locked`",
        example.display()
    );
    example
}

/// Runs an example, which must succeed and print this line.
fn prints(name: &str, line: &str) {
    let output = Command::new(built(name)).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{name}: {stdout}{stderr}");
    assert!(stdout.lines().any(|printed| printed == line), "{name} lacks {line:?}: {stdout}");
}

#[test]
fn approve_executes_what_was_planned_and_leaves_nothing_to_do() {
    prints("approve", "steps of the second plan: 0");
}

#[test]
fn issue_certificate_names_the_subject() {
    prints(
        "issue_certificate",
        "subject: C=CN, ST=Beijing, L=XS, O=system:kube-controller-manager, \
         CN=system:kube-controller-manager",
    );
}

#[test]
fn render_unit_reports_the_flag_that_the_version_lacks() {
    prints("render_unit", "error[flag-removed]: --port: removed in Kubernetes 1.24");
}

#[test]
fn build_kubeconfig_shows_a_digest_in_place_of_the_key() {
    let digest = "cd4f6194269e7ff6f629e66ad05002fcd469895621c13cac799e54f5015d014f";
    prints("build_kubeconfig", &format!("    client-key-data: sha256:{digest}"));
}

#[test]
fn unit_test_with_fake_sees_a_rollback_and_an_error() {
    prints("unit_test_with_fake", "deployed, rolled back, and reported a lost connection");
}

#[test]
fn another_ssh_library_keeps_the_contract_and_runs_a_batch() {
    prints("another_ssh_library", "a command of a batch");
}
