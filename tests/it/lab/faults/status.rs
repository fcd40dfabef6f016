//! Tests of `kcm status` on real masters, with every fault of a master at the same time.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use kcm_pki::KeyAlgorithm;
use kcm_tests::ca;
use kcm_tests::control_plane::Process;
use kcm_tests::lab::Machine;
use serde_json::Value;
use time::OffsetDateTime;

use super::{CA, Ground, PROGRAM, UNIT, UNIT_FILE, assert_says, plain, put_script, until};

const KEY: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem";
const KUBECONFIG: &str = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
const SERVED: &str = "/etc/serving.pem";
const SERVED_KEY: &str = "/etc/serving-key.pem";
const TOKENS: &str = "/etc/tokens.key";
const FLAGS: &str = "controllerManager:
  flags:
    tls-cert-file: /etc/serving.pem
    tls-private-key-file: /etc/serving-key.pem
    service-account-private-key-file: /etc/tokens.key
";

fn put(machine: &Machine, path: &str, content: &str, mode: u32) {
    fs::write(machine.file(path), content).unwrap();
    fs::set_permissions(machine.file(path), fs::Permissions::from_mode(mode)).unwrap();
}

/// Installs a serving certificate that expires in `days` days.
fn serve_for(ground: &Ground, machine: &Machine, days: i64) {
    let now = OffsetDateTime::now_utc();
    let (from, until) = (now - time::Duration::days(100), now + time::Duration::days(days));
    let identity = ground.plane.authority().valid_between("serving", &[], from, until);
    put(machine, SERVED, &identity.certificate, 0o644);
    put(machine, SERVED_KEY, &identity.key, 0o600);
}

/// Replaces a machine's host key in `known_hosts` with that of another machine.
fn forge_host_key(machine: &Machine, of: &Machine) {
    let known = fs::read_to_string(machine.known_hosts()).unwrap();
    let (mine, other) = (machine.host_key(), of.host_key());
    let key = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    fs::write(machine.known_hosts(), known.replace(&key(&mine), &key(&other))).unwrap();
}

/// Breaks every master except the first and the last; some have more than one fault.
fn spoil(ground: &Ground) -> Process {
    let [fine, stopped, failed, crashing, masked, unit, file, off, ..] = ground.lab.machines()
    else {
        panic!()
    };
    let (exposed, second) = (stopped, file);
    stopped.output(&["systemctl", "disable", "--now", UNIT]);
    let drop_in = format!("{UNIT_FILE}.d");
    fs::create_dir_all(failed.file(&drop_in)).unwrap();
    put(failed, &format!("{drop_in}/once.conf"), "[Service]\nRestart=no\n", 0o644);
    failed.output(&["systemctl", "daemon-reload"]);
    failed.output(&["systemctl", "kill", "--signal=KILL", UNIT]);
    fs::remove_file(crashing.file(PROGRAM)).unwrap();
    put_script(
        crashing,
        PROGRAM,
        "#!/bin/sh\n[ \"$1\" = --version ] && echo 'Kubernetes v1.36.0' && exit\nexit 7\n",
    );
    crashing.output(&["systemctl", "restart", UNIT]);
    until("systemd has restarted the service twice", Duration::from_secs(30), || {
        let restarts = crashing.output(&["systemctl", "show", "--value", "-p", "NRestarts", UNIT]);
        restarts.trim().parse::<u32>().unwrap() >= 2
    });
    masked.output(&["systemctl", "stop", UNIT]);
    fs::remove_file(masked.file(UNIT_FILE)).unwrap();
    std::os::unix::fs::symlink("/dev/null", masked.file(UNIT_FILE)).unwrap();
    masked.output(&["systemctl", "daemon-reload"]);
    let text = fs::read_to_string(unit.file(UNIT_FILE)).unwrap();
    put(unit, UNIT_FILE, &text.replace("[Service]", "[Service]\nNice=5"), 0o644);
    unit.output(&["hostname", fine.hostname()]);
    file.output(&["touch", CA]);
    let two_minutes = "#!/bin/sh\n/usr/bin/date.real -d '+2 minutes' \"$@\"\n";
    fs::rename(file.file("/usr/bin/date"), file.file("/usr/bin/date.real")).unwrap();
    put_script(file, "/usr/bin/date", two_minutes);
    let identity = ground.plane.authority().controller_manager();
    put(second, "/root/by-hand", &ground.plane.kubeconfig(&identity), 0o600);
    let mut by_hand =
        second.command(&[PROGRAM, "--kubeconfig=/root/by-hand", "--secure-port=10302"]);
    by_hand.stdin(Stdio::null());
    let by_hand = Process::start_command(by_hand, &ground.workspace.file("by-hand.log"));
    put(second, TOKENS, &ca(KeyAlgorithm::EcdsaP256, "tokens").1, 0o600);
    let now = OffsetDateTime::now_utc();
    let expired = ground.plane.authority().valid_between(
        "system:kube-controller-manager",
        &[],
        now - time::Duration::days(20),
        now - time::Duration::days(1),
    );
    put(exposed, KUBECONFIG, &ground.plane.kubeconfig(&expired), 0o600);
    fs::set_permissions(exposed.file(KEY), fs::Permissions::from_mode(0o644)).unwrap();
    put(exposed, CA, &ca(KeyAlgorithm::EcdsaP256, "kubernetes").0, 0o644);
    off.power_off();
    let listens = || std::net::TcpStream::connect("127.0.0.1:10302").is_ok();
    until("the second process runs", Duration::from_secs(10), listens);
    by_hand
}

fn finding<'f>(status: &'f Value, machine: &Machine, code: &str) -> Option<&'f Value> {
    let mut all = status["findings"].as_array().unwrap().iter();
    all.find(|it| it["code"] == code && it["master"] == machine.name())
}

fn facts<'f>(status: &'f Value, machine: &Machine) -> &'f Value {
    let mut all = status["masters"].as_array().unwrap().iter();
    &all.find(|it| it["name"] == machine.name()).unwrap()["seen"]["known"]
}

#[test]
fn every_state_of_a_master_is_recognised_at_once() {
    let Some(ground) = Ground::new(&plain(9)) else { return };
    let machines = ground.lab.machines();
    let [fine, stopped, failed, crashing, masked, unit, file, off, bare] = machines else {
        panic!()
    };
    // Some masters have more than one fault.
    let (exposed, ending, second) = (stopped, unit, file);
    let tokens = ca(KeyAlgorithm::EcdsaP256, "tokens").1;
    for machine in machines {
        serve_for(&ground, machine, if machine.name() == ending.name() { 5 } else { 400 });
        put(machine, TOKENS, &tokens, 0o600);
    }
    ground.write(FLAGS);
    // This master becomes the leader and stays so: the wrong clock of another one would make its
    // Lease look old.
    ground.apply(&["--master", fine.name()]);
    ground.apply(&["--skip", bare.name()]);
    let well = ground.kcm(&["status", "--skip", bare.name(), "--skip", ending.name()]);
    assert_eq!(well.code, 0, "{well:?}");
    assert_says(
        &well.stdout,
        &[
            "No findings: 7 masters.",
            "Leader: ",
            ", since ",
            "  leader ",
            "The same on all masters: CA, CA key, service-account key.",
        ],
    );
    assert!(well.stdout.lines().all(|line| line.chars().count() <= 100), "{}", well.stdout);

    // An unobserved master may be the leader.
    let skipped = [bare, ending, fine].map(|machine| ["--skip", machine.name()]).concat();
    let others = ground.kcm(&[&["status"], &skipped[..]].concat());
    assert_eq!(others.code, 0, "{others:?}");
    assert_says(&others.stdout, &[fine.name(), "Leader: ", ", since ", "No findings: 6 masters."]);

    let by_hand = spoil(&ground);

    let ran = ground.kcm(&["status"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let table = ran.stdout.split("\n\n").next().unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    let status = ground.kcm(&["status", "-o", "json", "--textfile", "metrics.prom"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let expected: &[(&Machine, &str, &[&str])] = &[
        (stopped, "service-stopped", &["is stopped", "kcm apply"]),
        (stopped, "not-enabled", &["boot"]),
        (stopped, "drift", &[KUBECONFIG, KEY]),
        (failed, "service-failed", &["signal"]),
        (failed, "drop-in", &["once.conf", "Restart"]),
        (crashing, "crash-looping", &["systemd", "restart"]),
        (crashing, "drift", &[PROGRAM]),
        (masked, "unit-masked", &["unmask"]),
        (unit, "drift", &[UNIT_FILE, "has not reloaded the unit"]),
        (unit, "hostname-duplicate", &[fine.hostname()]),
        (file, "restart-pending", &[CA, "changed after the process was started"]),
        (file, "clock-off", &["ahead", "s ahead of the clock of this machine"]),
        (second, "process-unmanaged", &[PROGRAM]),
        (second, "service-account-key-differs", &[TOKENS]),
        (second, "restart-pending", &[TOKENS]),
        (exposed, "certificate-expired", &["expired on", KUBECONFIG]),
        (exposed, "secret-readable", &[KEY, "0644"]),
        (exposed, "ca-differs", &[CA]),
        (exposed, "ca-mismatch", &[CA, "pki.caCert"]),
        (ending, "certificate-due", &["serving certificate"]),
        (off, "not-observed", &["Connection refused"]),
        (bare, "not-deployed", &["kcm apply"]),
    ];
    for (machine, code, parts) in expected {
        let found = finding(&status, machine, code);
        let found = found.unwrap_or_else(|| panic!("{}: no {code}", machine.name()));
        assert_says(&format!("{} {}", found["problem"], found["help"]), parts);
    }
    for finding in status["findings"].as_array().unwrap() {
        let of = &finding["master"];
        let is_expected = expected
            .iter()
            .any(|(machine, code, _)| of == machine.name() && finding["code"] == *code);
        assert!(is_expected, "too much: {finding}");
    }
    assert_eq!(facts(&status, fine)["service"]["state"], "running");
    assert_eq!(facts(&status, fine)["sync"]["sync"], "inSync");
    assert_eq!(facts(&status, fine)["health"]["health"], "healthy");
    let alike = &status["alike"];
    assert_eq!(alike["caCertificate"], false);
    assert_eq!((&alike["caKey"], &alike["serviceAccountKey"]), (&true.into(), &false.into()));
    let offset = facts(&status, file)["clockOffsetMilliseconds"].as_i64().unwrap();
    assert!((115_000..125_000).contains(&offset), "{offset}");
    let metrics = ground.workspace.read("metrics.prom");
    assert_says(
        &metrics,
        &[
            &format!("kcm_master_seen{{master=\"{}\"}} 0", off.name()),
            &format!("kcm_finding{{code=\"crash-looping\",master=\"{}\"}} 1", crashing.name()),
            &format!("kcm_service_running{{master=\"{}\"}} 1", fine.name()),
        ],
    );
    by_hand.kill();

    forge_host_key(bare, fine);
    let ran = ground.kcm(&["status", "--master", bare.name()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_says(&ran.stdout, &["not observed", "host key", "[not-observed]"]);
}
