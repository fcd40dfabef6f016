//! Tests of `kcm kubeconfig`: its files are those of kubectl, and safer.

mod build;
mod check;
mod cuts;
mod lock;
mod writings;

use std::path::Path;
use std::process::Command;

use kcm_tests::{CommandOutput, Workspace, peers};

const CA: &str = "pki/ca/cert/ca.pem";
const CERTIFICATE: &str = "pki/kube-controller-manager/cert/kube-controller-manager.pem";
const KEY: &str = "pki/kube-controller-manager/cert/kube-controller-manager-key.pem";
const SERVER: &str = "https://192.168.1.210:6443";

/// Creates a folder with a CA and a client pair.
fn workspace() -> Workspace {
    let workspace = Workspace::one_master();
    workspace.apply();
    workspace
}

/// Returns the arguments of `kcm kubeconfig build` for the pair of the workspace.
fn arguments<'a>(further: &[&'a str]) -> Vec<&'a str> {
    let all = [
        "kubeconfig",
        "build",
        "--server",
        SERVER,
        "--certificate-authority",
        CA,
        "--client-certificate",
        CERTIFICATE,
        "--client-key",
        KEY,
    ];
    all.iter().chain(further).copied().collect()
}

fn build(workspace: &Workspace, further: &[&str]) -> CommandOutput {
    workspace.kcm(&arguments(further))
}

/// Builds an embedded kubeconfig, which must succeed.
fn built(workspace: &Workspace, out: &str) -> String {
    let ran = build(workspace, &["--embed-certs", "--out", out]);
    assert_eq!(ran.code, 0, "{ran:?}");
    workspace.read(out)
}

/// Runs a command of `kubectl config` on a file. The command must succeed.
fn kubectl(folder: &Path, file: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("kubectl");
    command.current_dir(folder).env("HOME", folder).env_remove("KUBECONFIG");
    command.args(["config", "--kubeconfig", file]).args(arguments);
    peers::run(&mut command)
}
