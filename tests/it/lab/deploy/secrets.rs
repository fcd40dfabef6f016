//! Tests of the system calls on both ends of an apply over SSH.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kcm_pki::KeyAlgorithm;
use kcm_tests::control_plane::Binaries;
use kcm_tests::lab::{LabCluster, Machine};
use kcm_tests::{SERVES_NOT, SLEEPER, ca, kcm, peers};

use crate::offline::trace::{may_hold_a_key, recognisable, unescaped};

const CALLS: &str =
    "trace=execve,read,write,pread64,pwrite64,readv,writev,sendto,sendmsg,recvfrom,recvmsg";

fn strace(output: &std::path::Path) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-v", "-y", "-xx", "-s", "10000000", "-e", CALLS, "-o"]).arg(output);
    strace
}

/// Traces sshd and all processes that it starts.
fn attach(machine: &Machine, output: &std::path::Path) -> Child {
    let mut strace = strace(output);
    for process in machine.processes("sshd") {
        strace.args(["-p", &process.to_string()]);
    }
    let child = strace.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let is_traced = || {
        machine.processes("sshd").iter().all(|process| {
            let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            !status.contains("TracerPid:\t0\n")
        })
    };
    let start = Instant::now();
    while !is_traced() {
        assert!(start.elapsed() < Duration::from_secs(20), "strace does not attach");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// Asserts that keys occur only in reads and writes of pipes and of their files; returns the number
/// of occurrences.
fn only_on_the_way(trace: &str, parts: &[String]) -> usize {
    let mut seen = 0;
    for line in trace.lines().filter(|line| parts.iter().any(|part| line.contains(part))) {
        let call = line.split_once(' ').unwrap().1.trim_start();
        let shown: String = unescaped(&call.chars().take(200).collect::<String>());
        // strace prints an interrupted call in two lines; the second has no descriptor.
        let resumed = call.starts_with("<... read resumed>");
        let path = call.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
        let path = path.map(|(path, _)| unescaped(path)).unwrap_or_default();
        let transfer = call.starts_with("read(") || call.starts_with("write(");
        let place = path.starts_with("pipe:") || may_hold_a_key(&path);
        assert!(resumed || (transfer && place), "{shown}");
        seen += 1;
    }
    seen
}

#[test]
fn no_byte_of_a_key_is_at_either_end_but_on_its_way_to_its_file() {
    if !peers::has("strace") {
        return;
    }
    let Some(lab) = LabCluster::three() else { return };
    let workspace = super::workspace(&lab, "https://127.0.0.1:6443", &Binaries::standins());
    // A real program would produce a trace of gigabytes.
    workspace.edit("  binary: ", "  # binary: ");
    workspace.edit("install:\n", &format!("{SERVES_NOT}install:\n"));
    for machine in lab.machines() {
        let program = machine.file("/opt/kubernetes/bin/kube-controller-manager");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(&program, SLEEPER).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // RSA keys are long enough to be recognised in parts.
    let (certificate, key) = ca(KeyAlgorithm::Rsa2048, "kubernetes");
    workspace.write("pki/ca/cert/ca.pem", certificate);
    workspace.write("pki/ca/cert/ca-key.pem", key);
    workspace.edit("ecdsa-p256", "rsa-2048");

    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    let machine = lab.machine(0);
    let mut tracer = attach(machine, &there);
    let mut command = strace(&here);
    command.arg(kcm()).arg("apply").current_dir(workspace.path());
    peers::run(&mut command);
    // On SIGTERM, strace detaches from its processes and writes the rest.
    peers::run(Command::new("kill").arg(tracer.id().to_string()));
    tracer.wait().unwrap();

    let keys = [
        "pki/ca/cert/ca-key.pem",
        "pki/kube-controller-manager/cert/kube-controller-manager-key.pem",
    ];
    let parts: Vec<_> = keys.iter().flat_map(|key| recognisable(&workspace.read(key))).collect();
    for (trace, least) in [(&here, 6), (&there, 6)] {
        let trace = fs::read_to_string(trace).unwrap();
        let seen = only_on_the_way(&trace, &parts);
        assert!(seen >= least, "the keys were seen {seen} times only");
        assert!(trace.contains("execve("), "programs are followed");
    }
    for path in [
        "/opt/kubernetes/pki/ca/cert/ca-key.pem",
        "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem",
    ] {
        assert!(machine.file(path).exists(), "{path}");
    }
}
