//! Tests with strace that no program on a master receives a secret in its arguments or environment.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kcm::transport::{OpenSsh, Operation, ShellTransport, View};
use kcm_pki::KeyAlgorithm;
use kcm_tests::lab::{LabCluster, Machine, Variant};
use kcm_tests::{ca, peers};

use super::super::{assert_says, done, exec, master, on, probe, until};
use super::{commit, read, stage};

/// Traces every program that starts on a machine during `operations`, with its arguments and
/// environment.
fn traced(
    machine: &Machine,
    master: &Arc<ShellTransport<OpenSsh>>,
    operations: Vec<Operation>,
) -> Option<String> {
    if !peers::has("strace") {
        return None;
    }
    let trace = tempfile::NamedTempFile::new().unwrap();
    // The listener; other sshd processes serve connections, and process IDs wrap around.
    let listens = |process: &u32| {
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("[listener]")
    };
    let server = machine.processes("sshd").into_iter().find(listens).unwrap();
    let mut strace = Command::new("strace");
    strace.args([
        "-f",
        "-v",
        "-s",
        "10000000",
        "-e",
        "trace=execve",
        "-p",
        &server.to_string(),
        "-o",
    ]);
    strace.arg(trace.path()).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut strace = strace.spawn().unwrap();
    let status = format!("/proc/{server}/status");
    until("it is traced", || !fs::read_to_string(&status).unwrap().contains("TracerPid:\t0\n"));
    on(master, done(master, operations));
    let pid = rustix::process::Pid::from_child(&strace);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    strace.wait().unwrap();
    Some(fs::read_to_string(trace.path()).unwrap())
}

#[test]
fn no_program_there_is_given_a_secret_in_its_arguments_or_environment() {
    // The test needs its own machine: strace follows every connection of its sshd, and may end one
    // when it detaches.
    let Some(lab) = LabCluster::up(&[Variant::new()]) else { return };
    let machine = lab.machine(0);
    let (_, key) = ca(KeyAlgorithm::EcdsaP256, "a");
    let master = master(machine);
    let kubeconfig = format!(
        "users:\n- name: a\n  user:\n    token: hunter2\n    client-key-data: |\n      {}\n",
        key.replace('\n', "\n      ")
    );
    let operations = vec![
        stage(&[
            ("/srv-secret/key", key.as_bytes()),
            ("/srv-secret/kubeconfig", kubeconfig.as_bytes()),
        ]),
        commit(&["/srv-secret/key", "/srv-secret/kubeconfig"], vec![]),
        exec(&["cat"], key.as_bytes()),
        read("/srv-secret/kubeconfig", View::KubeconfigPublic),
        read("/srv-secret/key", View::Certificates),
        read("/srv-secret/key", View::Whole),
        probe(&["/srv-secret/key"]),
    ];
    let Some(trace) = traced(machine, &master, operations) else { return };
    assert_says(&trace, &["execve(", "sha256sum", "sudo", ".kcm-stage"]);
    for secret in key.lines().filter(|line| !line.starts_with('-')).chain(["hunter2"]) {
        let found = trace.lines().find(|line| line.contains(secret));
        assert!(found.is_none(), "{found:?}");
        let coded = STANDARD.encode(secret);
        assert!(!trace.contains(coded.trim_end_matches('=')), "in base64");
    }
}
