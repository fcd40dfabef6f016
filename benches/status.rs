//! Measures `status` and idle applies relative to `ssh host true`. Exits with 1 if a bound is
//! exceeded.
//!
//! The three masters run a program that is as long and as slow as kube-controller-manager. The
//! hundred masters are ten systems with ten addresses each, all on the local machine. The argument
//! `three` skips the hundred.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking and prints its table"
)]

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use kcm_benches::median;
use kcm_tests::control_plane::{Authority, Binaries, ControlPlane};
use kcm_tests::lab::{LabCluster, Machine, Variant};
use kcm_tests::{Workspace, kcm, peers};

/// Maximum resident memory of kcm with a hundred masters, in KiB.
const MEMORY: u64 = 100 * 1024;

fn main() -> ExitCode {
    let Some(lab) = LabCluster::three() else { return ExitCode::SUCCESS };
    let binaries = Binaries::find();
    println!("{:<42} {:>12} {:>8}  bound", "", "median", "ratio");
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("kube-controller-manager");
    let three = three(&lab, &binaries.clone().with_real_size(&program));
    drop(lab);
    let hundred = std::env::args().any(|word| word == "three") || hundred(&binaries);
    if three && hundred { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn three(lab: &LabCluster, binaries: &Binaries) -> bool {
    let (workspace, _plane) = deployed(lab, binaries);
    let plain = workspace.read("kcm.yaml");
    let program =
        format!("install: {{binary: {}, ", binaries.controller_manager_binary().display());
    let brings = plain.replace("install: {", &program);
    let says = |arguments: &[&str], expected: &str| {
        timed(|| {
            let ran = workspace.kcm(arguments);
            assert!(ran.code == 0 && ran.stdout.contains(expected), "{ran:?}");
        })
    };
    // A change of one flag, with which kcm records the program.
    workspace.write(
        "kcm.yaml",
        plain.replace("install:", "controllerManager: {flags: {v: 3}}\ninstall:"),
    );
    let first = says(&["apply"], "");
    workspace.write("kcm.yaml", &brings);
    says(&["apply"], "");
    let mut measured = [const { Vec::new() }; 5];
    for _ in 0..15 {
        workspace.write("kcm.yaml", &plain);
        measured[0].push(timed(|| drop(peers::run(lab.machine(0).ssh().arg("true")))));
        measured[1].push(says(&["apply"], "Nothing to do"));
        measured[2].push(says(&["status"], ""));
        measured[3].push(says(&["certs", "check"], ""));
        workspace.write("kcm.yaml", &brings);
        measured[4].push(says(&["apply"], "Nothing to do"));
    }
    let [login, apply, status, check, brings] = measured.map(median);
    line("one `ssh host true`", login, login, None);
    line("apply of one flag", first, login, None);
    let held = [
        line("apply, nothing to do", apply, login, Some(1.6)),
        line("status", status, login, Some(1.8)),
        line("certs check", check, login, Some(1.8)),
        line("apply with install.binary, nothing to do", brings, login, None),
    ];
    held.iter().all(|held| *held)
}

fn hundred(binaries: &Binaries) -> bool {
    let five = |of: &str| -> Vec<_> {
        let machine = |place| Variant::new().hostname(&format!("{of}-{place}")).extra_addresses(9);
        (1..=5).map(machine).collect()
    };
    let (Some(one), Some(other)) = (LabCluster::up(&five("a")), LabCluster::up(&five("b"))) else {
        return true;
    };
    let workspace = Workspace::new();
    let authority = Authority::read(&workspace.file("pki/ca/cert"));
    let plane = ControlPlane::start(binaries, one.address(20), 6443, &authority);
    let mut masters = String::from("masters:\n");
    let mut config = String::new();
    let mut addresses = Vec::new();
    for machine in one.machines().iter().chain(other.machines()) {
        furnish(machine, binaries);
        for address in machine.addresses() {
            let name = format!("m-{}", address.to_string().replace('.', "-"));
            writeln!(masters, "  - {{name: {name}, address: {address}}}").unwrap();
            config += &host(machine, (*address).into());
            addresses.push(address.to_string());
        }
    }
    workspace.write("ssh_config", config);
    let ssh = format!("{masters}ssh: {{configFile: ssh_config}}\n");
    let mut firsts = String::from("masters:\n");
    for (place, line) in masters.lines().skip(1).enumerate() {
        if place % 10 == 0 {
            writeln!(firsts, "{line}").unwrap();
        }
    }
    write(&workspace, &plane, &format!("{firsts}ssh: {{configFile: ssh_config}}\n"));
    let applied = workspace.kcm(&["apply"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    write(&workspace, &plane, &ssh);

    let config = workspace.file("ssh_config");
    let (mut logins, mut statuses, mut memory) = (Vec::new(), Vec::new(), 0);
    for _ in 0..5 {
        logins.push(timed(|| all_log_in(&config, &addresses)));
        statuses.push(timed(|| memory = memory.max(look(&workspace, addresses.len()))));
    }
    let logins = median(logins);
    line("a hundred `ssh host true` at once", logins, logins, None);
    let held = line("status of a hundred masters", median(statuses), logins, Some(1.5));
    let small = memory < MEMORY;
    println!(
        "{:<42} {:>9} KiB {:>8}  {MEMORY} KiB {}",
        "kcm's own resident memory, at most",
        memory,
        "",
        if small { "held" } else { "NOT HELD" }
    );
    held && small
}

/// Creates the tutorial's cluster with an API server and deployed services.
fn deployed(lab: &LabCluster, binaries: &Binaries) -> (Workspace, ControlPlane) {
    let workspace = Workspace::new();
    let authority = Authority::read(&workspace.file("pki/ca/cert"));
    let plane = ControlPlane::start(binaries, lab.address(20), 6443, &authority);
    lab.machines().iter().for_each(|machine| furnish(machine, binaries));
    write(&workspace, &plane, &lab.cluster_sections());
    let applied = workspace.kcm(&["apply"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    (workspace, plane)
}

fn write(workspace: &Workspace, plane: &ControlPlane, sections: &str) {
    let text = Workspace::new().read("kcm.yaml");
    let (head, _) = text.split_once("masters:\n").unwrap();
    let head = head.replace("https://192.168.1.210:6443", &plane.server());
    workspace.write("kcm.yaml", format!("{head}install: {{distributeCa: true}}\n{sections}"));
}

fn furnish(machine: &Machine, binaries: &Binaries) {
    let at = machine.file("/opt/kubernetes/bin/kube-controller-manager");
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::copy(binaries.controller_manager_binary(), &at).unwrap();
    fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
}

fn host(machine: &Machine, address: IpAddr) -> String {
    format!(
        "Host {address}\n  HostKeyAlias {}\n  User {}\n  Port {}\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
        machine.address(),
        machine.user(),
        machine.port(),
        machine.identity_file().display(),
        machine.known_hosts().display(),
    )
}

/// Logs in to all addresses at once with one `ssh` each.
fn all_log_in(config: &std::path::Path, addresses: &[String]) {
    let start = |address: &String| {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(config).arg(address).arg("true").stdin(Stdio::null());
        ssh.stderr(Stdio::null()).spawn().unwrap()
    };
    let all: Vec<_> = addresses.iter().map(start).collect();
    let mut refused = 0;
    for mut ssh in all {
        refused += usize::from(!ssh.wait().unwrap().success());
    }
    if refused > 0 {
        println!("{refused} of {} logins were refused", addresses.len());
    }
}

/// Runs `kcm status` once and returns its peak resident memory in KiB.
fn look(workspace: &Workspace, masters: usize) -> u64 {
    let mut kcm = Command::new(kcm());
    kcm.current_dir(workspace.path()).args(["status", "-o", "json"]).stderr(Stdio::null());
    let out = workspace.file("status.json");
    kcm.stdout(fs::File::create(&out).unwrap());
    let mut kcm = kcm.spawn().unwrap();
    let mut memory = 0;
    while kcm.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", kcm.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok());
        memory = memory.max(peak.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(10));
    }
    let seen = fs::read_to_string(&out).unwrap().matches("\"hostname\"").count();
    if seen != masters {
        println!("{seen} of {masters} masters were seen");
    }
    memory
}

fn timed(act: impl FnOnce()) -> Duration {
    let start = Instant::now();
    act();
    start.elapsed()
}

fn line(name: &str, time: Duration, reference: Duration, bound: Option<f64>) -> bool {
    let ratio = time.as_secs_f64() / reference.as_secs_f64();
    let held = bound.is_none_or(|bound| ratio <= bound);
    let bound = bound.map_or_else(String::new, |bound| {
        format!("{bound} {}", if held { "held" } else { "NOT HELD" })
    });
    println!("{name:<42} {:>9.0} ms {ratio:>8.2}  {bound}", time.as_secs_f64() * 1000.0);
    held
}
