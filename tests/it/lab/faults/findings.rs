//! Tests of preflight findings on real masters: kcm reports all of them at once and changes
//! nothing.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use kcm_pki::KeyAlgorithm;
use kcm_tests::control_plane::{Binaries, Process};
use kcm_tests::lab::{Machine, Variant};
use kcm_tests::{SLEEPER, ca};

use super::{
    CA, CA_KEY, Ground, PROGRAM, UNIT_FILE, assert_says, line_of, plain, put_script, until,
};

fn put(machine: &Machine, path: &str, content: &str, mode: u32) {
    let at = machine.file(path);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::write(&at, content).unwrap();
    fs::set_permissions(&at, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// Starts a background process on a machine.
fn run_on(ground: &Ground, machine: &Machine, arguments: &[&str]) -> Process {
    let mut command: Command = machine.command(arguments);
    command.stdin(Stdio::null());
    Process::start_command(command, &ground.workspace.file(&format!("{}.log", machine.name())))
}

#[test]
fn everything_that_stands_in_the_way_is_told_at_once_and_nothing_changes() {
    let mut variants = vec![Variant::new(); 9];
    variants[1] = Variant::new().hostname("k8s-master-01");
    let Some(ground) = Ground::new(&variants) else { return };
    let machines = ground.lab.machines();
    let [meant, twin, stray, port, masked, old, broken, ca_apart, unreadable] = machines else {
        panic!()
    };
    for machine in machines {
        if machine.name() != stray.name() {
            put_script(machine, PROGRAM, SLEEPER);
        }
        put(machine, CA, &ground.workspace.read("pki/ca/cert/ca.pem"), 0o644);
        put(machine, CA_KEY, &ground.workspace.read("pki/ca/cert/ca-key.pem"), 0o600);
    }
    put(meant, &format!("{UNIT_FILE}.d/more.conf"), "[Service]\nNice=5\n", 0o644);
    put(
        twin,
        &format!("{UNIT_FILE}.d/other.conf"),
        "[Service]\nExecStart=\nExecStart=/bin/true\n",
        0o644,
    );
    let identity = ground.plane.authority().controller_manager();
    put(stray, "/root/by-hand", &ground.plane.kubeconfig(&identity), 0o600);
    let by_hand =
        run_on(&ground, stray, &[PROGRAM, "--kubeconfig=/root/by-hand", "--secure-port=10301"]);
    let at = format!("{}:10257", port.address());
    let listener = run_on(&ground, port, &["systemd-socket-activate", "-l", &at, "/bin/cat"]);
    until("the port is taken", std::time::Duration::from_secs(10), || port.serves());
    std::os::unix::fs::symlink("/dev/null", masked.file(UNIT_FILE)).unwrap();
    put_script(old, PROGRAM, &SLEEPER.replace("v1.36.0", "v1.30.4"));
    put_script(broken, PROGRAM, "#!/bin/sh\necho 'cannot allocate a thing' >&2\nexit 7\n");
    put(ca_apart, CA, &ca(KeyAlgorithm::EcdsaP256, "kubernetes").0, 0o644);
    fs::remove_file(ca_apart.file(CA_KEY)).unwrap();
    std::os::unix::fs::chown(unreadable.file(CA_KEY), Some(1000), Some(1000)).unwrap();
    fs::create_dir_all(
        unreadable.file("/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig"),
    )
    .unwrap();
    for machine in machines {
        machine.output(&["systemctl", "daemon-reload"]);
    }

    ground.write_bare(
        "controllerManager: {flags: {concurrent-daemonset-syncs: 2}}\nsystemd: {hardening: strict}\n",
    );
    let expected: &[(&Machine, &str, &[&str])] = &[
        (twin, "hostname-duplicate", &["`k8s-master-01`", meant.name(), "hostnamectl"]),
        (twin, "drop-in", &["other.conf", "ExecStart"]),
        (stray, "process-unmanaged", &[PROGRAM, "stop the unmanaged process"]),
        (port, "port-taken", &[&at, "process", "--secure-port"]),
        (masked, "unit-masked", &[UNIT_FILE, "systemctl unmask"]),
        (old, "flag-unknown", &["1.30", "--concurrent-daemonset-syncs", "null"]),
        (broken, "program-fails", &[PROGRAM, "cannot allocate a thing"]),
        (ca_apart, "ca-differs", &[CA, meant.name()]),
        (ca_apart, "file-missing", &[CA_KEY, "is missing", "install.distributeCa"]),
        (unreadable, "file-unreadable", &[CA_KEY, "is not readable by"]),
        (unreadable, "not-a-file", &["kubeconfig", "is a folder"]),
    ];
    for verb in ["plan", "apply"] {
        let ran = ground.kcm(&[verb]);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        assert_says(&ran.stderr, &["no master has changed"]);
        let warning = ran.stderr.lines().find(|line| line.contains("more.conf")).unwrap();
        assert_says(warning, &["warning", meant.name(), "[drop-in]"]);
        let one_line = ran.stderr.replace("\n  help: ", "; ");
        let mut reported: BTreeSet<_> =
            one_line.lines().filter(|line| line.starts_with("error[")).collect();
        for (machine, code, says) in expected {
            let label = format!("error[{code}]: {}: ", machine.name());
            let is_it = |line: &&&str| line.starts_with(&label);
            let line = *reported.iter().find(is_it).unwrap_or_else(|| panic!("no {code}"));
            assert_says(line, says);
            reported.remove(line);
        }
        assert!(reported.is_empty(), "and nothing else: {reported:?}");
    }
    for machine in machines {
        let made = machine.file("/opt/kubernetes/pki/kube-controller-manager");
        assert!(!made.exists(), "{}", machine.name());
    }
    assert!(!ground.workspace.file("pki/kube-controller-manager").exists(), "no key was made");
    drop((by_hand, listener));
}

#[test]
fn a_program_newer_than_the_api_server_is_refused_where_it_is_and_where_it_is_brought() {
    let folder = tempfile::tempdir().unwrap();
    let older = Binaries::standins().with_api_server("v1.35.1", &folder.path().join("server"));
    let Some(ground) = Ground::with(&older, &plain(1)) else { return };
    let machine = ground.lab.machine(0);
    for (file, mode) in [(CA, 0o644), (CA_KEY, 0o600)] {
        let (_, name) = file.rsplit_once('/').unwrap();
        put(machine, file, &ground.workspace.read(&format!("pki/ca/cert/{name}")), mode);
    }
    let says = ["1.36", "newer than the API server", "1.35", "[program-too-new]"];
    ground.write_bare("");
    let refuses = |verb| {
        let ran = ground.kcm(&[verb]);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        assert_says(&ran.stderr, &says);
    };
    // The first `apply` issues the certificate for the requests to the API server.
    ["apply", "plan"].into_iter().for_each(refuses);

    fs::remove_file(machine.file(PROGRAM)).unwrap();
    ground.write("");
    ["plan", "apply"].into_iter().for_each(refuses);

    // A program that cannot run on this machine is run on the master.
    let silent = ground.workspace.file("silent");
    fs::copy(ground.program(), &silent).unwrap();
    fs::set_permissions(&silent, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    ground.write_bare(&format!("install: {{binary: {}}}\n", silent.display()));
    let ran = ground.kcm(&["apply"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_says(line_of(&ran.stdout, machine), &says);
    assert!(!machine.file(UNIT_FILE).exists() && !machine.file(PROGRAM).exists());

    let fits = ground.workspace.file("fits");
    ground.plane.binaries().write_controller_manager("v1.35.0", &fits);
    ground.write_bare(&format!("install: {{binary: {}}}\n", fits.display()));
    ground.converges();
}
