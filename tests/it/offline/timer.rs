//! Tests of `kcm certs timer`, verified by systemd.

use std::process::Command;

use kcm_tests::lab::{LabCluster, Variant};
use kcm_tests::{Workspace, kcm, peers};

#[test]
fn both_units_are_written_whole_once_and_nobody_elses_is_touched() {
    let workspace = Workspace::new();
    let write = |more: &[&str]| {
        workspace.kcm(
            &[&["certs", "timer", "--directory", "units", "--textfile", "m %x.prom"], more]
                .concat(),
        )
    };
    let ran = write(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("systemctl daemon-reload\n"), "{ran:?}");
    assert!(ran.stdout.contains("systemctl enable --now kcm-certs.timer\n"), "{ran:?}");
    let (service, timer) =
        (workspace.read("units/kcm-certs.service"), workspace.read("units/kcm-certs.timer"));
    let folder = workspace.path().canonicalize().unwrap();
    let exec = format!(
        "ExecStart={} certs check --file {1}/kcm.yaml --textfile \"{1}/m %%x.prom\"\n",
        kcm().display(),
        folder.display()
    );
    assert!(service.contains(&exec), "{exec}{service}");
    assert!(!service.contains("SuccessExitStatus"), "{service}");
    assert!(timer.ends_with(
        "[Timer]\nOnCalendar=daily\nRandomizedDelaySec=1h\nPersistent=yes\n\n[Install]\nWantedBy=timers.target\n"
    ), "{timer}");
    if peers::has("systemd-analyze") {
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no"]).current_dir(workspace.path());
        let ran =
            verify.args(["units/kcm-certs.service", "units/kcm-certs.timer"]).output().unwrap();
        let words = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success() && !words.contains("kcm-certs"), "{words}");
    }
    let tree = workspace.tree();
    let ran = write(&[]);
    assert!(ran.code == 0 && ran.stdout.starts_with("Nothing to do: "), "{ran:?}");
    assert_eq!(workspace.tree(), tree);
    assert_eq!(write(&["--due-succeeds"]).code, 0);
    assert!(workspace.read("units/kcm-certs.service").contains("\nSuccessExitStatus=3\n"));
    let ran = write(&["--renew"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(workspace.read("units/kcm-certs.service").contains(" certs renew --file "));

    workspace.write("units/kcm-certs.timer", "[Timer]\nOnCalendar=weekly\n");
    let tree = workspace.tree();
    let ran = write(&[]);
    assert!(ran.code == 1 && ran.stderr.contains("kcm did not create this file"), "{ran:?}");
    assert_eq!(workspace.tree(), tree);
    let mut wrongs = vec![["--name", "a/b"], ["--on-calendar", "daily\nx"], ["--on-calendar", " "]];
    if peers::has("systemd-analyze") {
        wrongs.push(["--on-calendar", "every tuesday"]);
    }
    for wrong in wrongs {
        let ran = write(&wrong);
        assert_eq!(ran.code, 2, "{ran:?}");
    }
    assert_eq!(workspace.tree(), tree);
}

#[test]
fn a_password_that_would_be_typed_is_refused_with_what_to_do() {
    let workspace = Workspace::new();
    workspace.write("kcm.yaml", workspace.read("kcm.yaml") + "ssh: {sudo: password}\n");
    let ran = workspace.kcm(&["certs", "timer", "--directory", "units"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("name a file in ssh.sudoPassword"), "{ran:?}");
    assert!(!workspace.file("units").exists());
}

#[test]
fn a_booted_machine_loads_the_timer_and_its_service_leaves_the_metrics() {
    let Some(lab) = LabCluster::up(&[Variant::new()]) else { return };
    let machine = lab.machine(0);
    let workspace = Workspace::new();
    workspace.bring_everything();
    // The machine acts as the operator's: it has kcm and a workspace, and cannot reach the masters.
    for (from, to) in [
        (kcm().to_path_buf(), "/usr/local/bin/kcm"),
        (workspace.path().to_path_buf(), "/srv/workspace"),
    ] {
        let mut copy = Command::new("cp");
        peers::run(copy.arg("-r").arg(from).arg(machine.file(to)));
    }
    let text = workspace.read("kcm.yaml");
    let text = text.replace("192.168.1.", "127.0.0.");
    std::fs::write(machine.file("/srv/workspace/kcm.yaml"), text).unwrap();
    std::fs::create_dir_all(machine.file("/srv/metrics")).unwrap();
    let write = "kcm certs timer -f /srv/workspace/kcm.yaml --textfile /srv/metrics/kcm.prom";
    machine.output(&["sh", "-c", write]);
    machine.output(&["systemctl", "daemon-reload"]);
    machine.output(&["systemctl", "enable", "--now", "kcm-certs.timer"]);
    let timers = machine.output(&["systemctl", "list-timers", "--no-pager"]);
    let line = timers.lines().find(|line| line.contains("kcm-certs.timer")).unwrap();
    assert!(line.contains(" left "), "{timers}");
    let ran = machine.run(&["systemctl", "start", "kcm-certs.service"]);
    assert_ne!(ran.code, 0, "masters that cannot be asked are no success: {ran:?}");
    let metrics = std::fs::read_to_string(machine.file("/srv/metrics/kcm.prom")).unwrap();
    assert!(metrics.contains("kcm_certificates_unseen{master=\"k8s-master-01\"} 1"), "{metrics}");
}
