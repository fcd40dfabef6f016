//! Tests of a service with its own user and `hardening: strict`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use kcm_tests::control_plane::Binaries;
use kcm_tests::lab::Machine;

use super::{CA, CA_KEY, Ground, PROGRAM, UNIT, UNIT_FILE, assert_says, plain};

const ACCOUNT: &str = "systemd: {user: kcm, group: kcm-files, hardening: strict}\n";
const PLACED: [&str; 3] = [
    "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig",
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem",
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem",
];

/// Returns inode, owner, group, mode and ctime: every value that a chown or chmod would change.
fn touched(machine: &Machine, path: &str) -> (u64, u32, u32, u32, i64, i64) {
    let found = fs::metadata(machine.file(path)).unwrap();
    (found.ino(), found.uid(), found.gid(), found.mode(), found.ctime(), found.ctime_nsec())
}

fn owner(machine: &Machine, path: &str) -> (u32, u32) {
    let found = fs::metadata(machine.file(path)).unwrap();
    (found.uid(), found.gid())
}

/// Runs the command that a message about a missing account names.
fn follow(machine: &Machine, message: &str) {
    let (_, command) = message.split_once("run `").unwrap();
    let (command, _) = command.split_once('`').unwrap();
    assert_eq!(command, "systemd-sysusers --inline 'g kcm-files -' 'u kcm -:kcm-files'");
    machine.output(&["sh", "-c", command]);
}

fn exposure(machine: &Machine) -> f64 {
    let printed = machine.run(&["systemd-analyze", "security", "--no-pager", UNIT]).stdout;
    let (_, level) = printed.split_once("Overall exposure level for ").unwrap();
    let (_, level) = level.split_once(": ").unwrap();
    level.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_service_with_its_own_user_behind_the_preset_is_healthy() {
    let Some(ground) = Ground::with(&Binaries::find(), &plain(2)) else { return };
    // The CA exists with access for root only, and kcm must not distribute it.
    for machine in ground.lab.machines() {
        for (path, name, mode) in [(CA, "ca.pem", 0o644), (CA_KEY, "ca-key.pem", 0o600)] {
            let at = machine.file(path);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::copy(ground.workspace.file(&format!("pki/ca/cert/{name}")), &at).unwrap();
            fs::set_permissions(&at, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        }
    }
    ground.write_bare(ACCOUNT);
    let ran = ground.kcm(&["apply"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for machine in ground.lab.machines() {
        let line = ran.stderr.lines().find(|line| line.contains(machine.name())).unwrap();
        assert_says(line, &["`kcm`", "[account-missing]"]);
        follow(machine, &ran.stderr);
    }

    let before = |machine: &Machine| [CA, CA_KEY].map(|path| touched(machine, path));
    let untouched: Vec<_> = ground.lab.machines().iter().map(before).collect();
    let ran = ground.kcm(&["apply"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for machine in ground.lab.machines() {
        let line = ran.stderr.lines().find(|line| line.contains(machine.name())).unwrap();
        assert_says(line, &[CA_KEY, "`kcm`", "is not readable by", "[file-unreadable]"]);
    }
    // The operator grants the access.
    for machine in ground.lab.machines() {
        machine.output(&["chgrp", "kcm-files", CA_KEY]);
        machine.output(&["chmod", "0640", CA_KEY]);
    }
    let given: Vec<_> = ground.lab.machines().iter().map(before).collect();
    assert_ne!(untouched, given);
    ground.converges();
    for (machine, given) in ground.lab.machines().iter().zip(given) {
        assert_eq!(before(machine), given, "kcm touches nothing that it did not place");
        let numbers = |flag| machine.output(&["id", flag, "kcm"]).trim().parse::<u32>().unwrap();
        let kcm = (numbers("-u"), numbers("-g"));
        assert!(kcm.0 != 0 && kcm.1 != 0);
        for path in PLACED {
            assert_eq!(owner(machine, path), kcm, "{path}");
        }
        assert_eq!(owner(machine, UNIT_FILE), (0, 0), "the unit is systemd's");
        assert_eq!(owner(machine, PROGRAM), (0, 0), "kcm did not bring the program");
        let process = machine.output(&["systemctl", "show", "-P", "MainPID", UNIT]);
        let process = format!("/proc/{}", process.trim());
        let runs_as = machine.output(&["stat", "-c", "%u %g", &process]);
        assert_eq!(runs_as.trim(), format!("{} {}", kcm.0, kcm.1));
        let exposure = exposure(machine);
        println!("{}: systemd-analyze security says {exposure}", machine.name());
        assert!(exposure < 2.0, "{exposure}");
    }

    // With `distributeCa`, kcm uploads a missing CA and does not change an existing one.
    let [has_it, has_it_not] = ground.lab.machines() else { panic!() };
    let was = before(has_it);
    for path in [CA, CA_KEY] {
        fs::remove_file(has_it_not.file(path)).unwrap();
    }
    let mut binary = ground.program();
    if !ground.plane.binaries().are_real() {
        binary = ground.workspace.file("other");
        ground.plane.binaries().write_controller_manager("v1.36.1", &binary);
    }
    let install = format!("install: {{binary: {}, distributeCa: true}}\n", binary.display());
    ground.write_bare(&format!("{install}{ACCOUNT}"));
    ground.converges();
    assert_eq!(before(has_it), was);
    for path in [CA, CA_KEY] {
        assert_eq!(owner(has_it_not, path), owner(has_it_not, PLACED[0]), "{path}");
    }
    for machine in ground.lab.machines() {
        assert_eq!(owner(machine, PROGRAM), (0, 0), "who runs it cannot replace it");
    }
}
