//! Tests of a deployment from bare masters to an elected leader, over SSH and with real systemd.

mod secrets;
mod trouble;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use kcm_tests::control_plane::{Authority, Binaries, ControlPlane};
use kcm_tests::lab::{LabCluster, Machine};
use kcm_tests::{CommandOutput, Workspace};

/// Paths of the tutorial, with their modes.
const FILES: [(&str, u32); 7] = [
    ("/etc/systemd/system/kube-controller-manager.service", 0o644),
    ("/opt/kubernetes/bin/kube-controller-manager", 0o755),
    ("/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig", 0o600),
    ("/opt/kubernetes/pki/ca/cert/ca-key.pem", 0o600),
    ("/opt/kubernetes/pki/ca/cert/ca.pem", 0o644),
    ("/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem", 0o600),
    ("/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem", 0o644),
];

const UNIT: &str = "kube-controller-manager.service";

/// A workspace with the lab's masters, whose cluster file uploads the program and the CA.
fn workspace(lab: &LabCluster, server: &str, binaries: &Binaries) -> Workspace {
    let workspace = Workspace::new();
    let text = workspace.read("kcm.yaml");
    let (head, _) = text.split_once("masters:\n").unwrap();
    let binary = binaries.controller_manager_binary().display();
    let install = format!("install:\n  binary: {binary}\n  distributeCa: true\n");
    let text = format!("{head}{install}{}", lab.cluster_sections());
    workspace.write("kcm.yaml", text.replace("https://192.168.1.210:6443", server));
    workspace
}

fn authority(workspace: &Workspace) -> Authority {
    Authority::read(&workspace.file("pki/ca/cert"))
}

/// Returns the state of a master that a run without changes must preserve.
fn state(machine: &Machine) -> (String, BTreeMap<&'static str, (u64, i64, i64)>) {
    let invocation = machine.output(&["systemctl", "show", "-p", "InvocationID,NRestarts", UNIT]);
    let files = FILES.map(|(path, _)| {
        let found = fs::metadata(machine.file(path)).unwrap();
        (path, (found.ino(), found.ctime(), found.ctime_nsec()))
    });
    (invocation, files.into())
}

fn apply(workspace: &Workspace) -> CommandOutput {
    let ran = workspace.kcm(&["apply"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

/// Waits until the Lease has a holder, and returns it.
fn leader(plane: &ControlPlane) -> String {
    let start = Instant::now();
    loop {
        match plane.admin().holder() {
            Some(holder) if !holder.is_empty() => return holder,
            _ => assert!(start.elapsed() < Duration::from_secs(30), "nobody leads"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn fresh_masters_get_a_leader_and_a_second_apply_touches_nothing() {
    let Some(lab) = LabCluster::three() else { return };
    let binaries = Binaries::find();
    let at = lab.address(20);
    let workspace = workspace(&lab, &format!("https://{at}:6443"), &binaries);
    let plane = ControlPlane::start(&binaries, at, 6443, &authority(&workspace));

    let before: Vec<_> = lab.machines().iter().map(Machine::ssh_counts).collect();
    let start = Instant::now();
    apply(&workspace);
    println!("fresh apply: {:?}", start.elapsed());
    for (machine, before) in lab.machines().iter().zip(before) {
        let after = machine.ssh_counts();
        assert_eq!(after.connections - before.connections, 1, "{}", machine.name());
        let exchanges = after.commands - before.commands;
        println!("{}: fresh: {exchanges} exchanges", machine.name());
        assert!((1..=6).contains(&exchanges), "{}: {exchanges}", machine.name());
        assert_eq!(machine.output(&["systemctl", "is-enabled", UNIT]).trim(), "enabled");
        assert_eq!(machine.output(&["systemctl", "is-active", UNIT]).trim(), "active");
        for (path, mode) in FILES {
            let found = fs::metadata(machine.file(path)).unwrap();
            assert_eq!((found.mode() & 0o7777, found.uid(), found.gid()), (mode, 0, 0), "{path}");
        }
    }

    let holder = leader(&plane);
    let is_ours = |machine: &Machine| holder.starts_with(&format!("{}_", machine.hostname()));
    assert!(lab.machines().iter().any(is_ours), "{holder}");
    let written = plane.requests().into_iter().find(|request| {
        request.path().ends_with("/leases/kube-controller-manager")
            && request.verb == "update"
            && request.code == 200
    });
    let written = written.unwrap();
    assert_eq!(written.user.as_deref(), Some("system:kube-controller-manager"));
    if let Some(seen) = written.certificate {
        let pem = workspace.read("pki/kube-controller-manager/cert/kube-controller-manager.pem");
        let ours = kcm_pki::Certificate::from_pem(pem.as_bytes()).unwrap().fingerprint();
        assert_eq!(seen, ours.to_hex(), "with the certificate that kcm issued");
    }

    let before: Vec<_> = lab.machines().iter().map(|it| (it.ssh_counts(), state(it))).collect();
    let second = apply(&workspace);
    assert!(second.stdout.starts_with("Nothing to do"), "{second:?}");
    for (machine, (counts, state_before)) in lab.machines().iter().zip(before) {
        let after = machine.ssh_counts();
        assert_eq!(after.connections - counts.connections, 1, "{}", machine.name());
        let exchanges = after.commands - counts.commands;
        println!("{}: nothing to do: {exchanges} exchanges", machine.name());
        assert!((1..=2).contains(&exchanges), "{}: {exchanges}", machine.name());
        assert_eq!(state(machine), state_before, "{}", machine.name());
    }

    // With one more flag, kcm writes only the unit and restarts every master once.
    let binary = "install:\n";
    workspace.edit(
        binary,
        "controllerManager:\n  flags:\n    concurrent-deployment-syncs: \"7\"\ninstall:\n",
    );
    let states: Vec<_> = lab.machines().iter().map(state).collect();
    let changed = apply(&workspace);
    assert_eq!(
        changed.stdout.matches("done: 1 file written, 1 service started").count(),
        3,
        "{changed:?}"
    );
    for (machine, (invocation, files)) in lab.machines().iter().zip(states) {
        let (invocation_now, files_now) = state(machine);
        assert_ne!(invocation, invocation_now);
        let changed: Vec<_> = files.iter().filter(|(path, it)| files_now[*path] != **it).collect();
        assert_eq!(changed.len(), 1, "{}: {changed:?}", machine.name());
    }
    leader(&plane);
}
