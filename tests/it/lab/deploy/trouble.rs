//! Tests of faults of one master: one clear error names it, and no other master changes.

use kcm_tests::control_plane::Binaries;
use kcm_tests::lab::{LabCluster, Machine, Opt, Sudo, Variant};
use kcm_tests::{CommandOutput, Workspace};

/// A workspace with these masters and further lines for the `ssh` section.
fn workspace(lab: &LabCluster, masters: &[&Machine], ssh: &str, binary: &str) -> Workspace {
    let workspace = Workspace::new();
    let text = workspace.read("kcm.yaml");
    let (head, _) = text.split_once("masters:\n").unwrap();
    let masters: String = masters
        .iter()
        .map(|it| format!("  - {{name: {}, address: {}}}\n", it.name(), it.address()))
        .collect();
    let config = lab.operator().join("ssh_config");
    let text = format!(
        "{head}install:\n  binary: {binary}\n  distributeCa: true\nmasters:\n{masters}ssh:\n  configFile: {}\n{ssh}",
        config.display()
    );
    workspace.write("kcm.yaml", text.replace("192.168.1.210", "127.0.0.1"));
    workspace
}

struct Trouble {
    variant: Variant,
    is_off: bool,
    ssh: &'static str,
    /// Part of the error about the master.
    says: &'static str,
}

fn trouble(variant: Variant, ssh: &'static str, says: &'static str) -> Trouble {
    Trouble { variant, is_off: false, ssh, says }
}

#[test]
fn one_master_in_trouble_is_named_with_the_mend_and_no_master_changes() {
    let troubles = [
        Trouble {
            is_off: true,
            ..trouble(Variant::new(), "", "Connection refused; check that sshd runs")
        },
        trouble(Variant::new().no_systemd(), "", "use a master that runs systemd"),
        trouble(
            Variant::new().opt(Opt::Full),
            "",
            "free some space and run the same command again",
        ),
        trouble(
            Variant::new().opt(Opt::ReadOnly),
            "",
            "mounted read-only; remount the file system for writing",
        ),
        trouble(Variant::new().sudo(Sudo::Forbidden), "", "sudo on the master requires a password"),
        trouble(Variant::new().sudo(Sudo::Absent), "", "sudo is not installed on the master"),
        trouble(
            Variant::new().sudo(Sudo::Password),
            "  sudo: password\n  sudoPassword: {file: wrong}\n",
            "sudo on the master rejected the password",
        ),
        trouble(Variant::new().sudo(Sudo::Password).csh(), "", "set `sudo: password` under `ssh`"),
    ];
    let variants: Vec<_> = std::iter::once(Variant::new())
        .chain(troubles.iter().map(|trouble| trouble.variant.clone()))
        .collect();
    let Some(lab) = LabCluster::up(&variants) else { return };
    let binaries = Binaries::find();
    let binary = binaries.controller_manager_binary().display().to_string();
    let good = lab.machine(0);
    for (trouble, bad) in troubles.iter().zip(&lab.machines()[1..]) {
        if trouble.is_off {
            bad.power_off();
        }
        let workspace = workspace(&lab, &[good, bad], trouble.ssh, &binary);
        workspace.write("wrong", "not-the-password\n");
        for verb in ["plan", "apply"] {
            let CommandOutput { code, stdout, stderr } = workspace.kcm(&[verb]);
            let context = format!("{verb} {}: {stdout}{stderr}", trouble.says);
            assert_eq!(code, 1, "{context}");
            let named = format!("{}: ", bad.name());
            let one_line = stderr.replace("\n  help: ", "; ");
            let lines: Vec<_> = one_line.lines().filter(|line| line.contains(&named)).collect();
            assert_eq!(lines.len(), 1, "{context}");
            assert!(lines[0].contains(trouble.says), "{context}");
            assert!(!stderr.contains("not-the-password"), "{context}");
            assert_eq!(stdout, "", "{context}");
        }
        assert!(!good.file("/opt/kubernetes").exists(), "{}", trouble.says);
    }
}

#[test]
fn a_program_for_another_machine_is_found_before_any_master_changes() {
    let Some(lab) = LabCluster::up(&[Variant::new(), Variant::new().csh().noisy()]) else { return };
    let workspace = workspace(&lab, &[lab.machine(0), lab.machine(1)], "", "foreign");
    let mut foreign = kcm_tests::program(4096);
    // `e_machine` is AArch64.
    foreign[18..20].copy_from_slice(&[0xb7, 0]);
    workspace.write("foreign", foreign);
    let ran = workspace.kcm(&["apply"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for machine in lab.machines() {
        let line = ran.stdout.lines().find(|line| line.starts_with(machine.name()));
        assert!(line.is_some_and(|line| line.contains("untouched")), "{ran:?}");
    }
    assert!(ran.stdout.contains("Exec format error"), "{}", ran.stdout);
}
