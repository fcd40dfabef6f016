//! Measures complete applies over SSH relative to one `ssh host true`. Exits with 1 if a bound is
//! exceeded.
//!
//! Each of the three masters is a booted system on the local machine. Its program only sleeps, so
//! that only kcm is measured, and is as long as kube-controller-manager.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking and prints its table"
)]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kcm_benches::{REAL_SIZE, median};
use kcm_tests::lab::{LabCluster, Machine};
use kcm_tests::{SERVES_NOT, SLEEPER, Workspace, peers, proxy};

const ROUNDS: usize = 15;
/// Time for which a unit must stay active before an apply is complete.
const SETTLE: Duration = kcm::rollout::FIRST_LOOK.saturating_add(kcm::rollout::SETTLE);
/// Delay of a connection in each direction.
const DELAY: Duration = Duration::from_millis(25);
const UNIT: &str = "kube-controller-manager.service";

fn main() -> ExitCode {
    let Some(lab) = LabCluster::three() else { return ExitCode::SUCCESS };
    lab.machines().iter().for_each(furnish);
    let near = workspace(&lab, &lab.cluster_sections());
    let one = || peers::run(lab.machine(0).ssh().arg("true"));
    let local = measure(&lab, &near, ROUNDS, one);

    let (sections, alias) = far(&lab);
    let distant = workspace(&lab, &sections);
    distant.write("ssh_config", &alias);
    let config = distant.file("ssh_config");
    let one = || {
        let mut ssh = std::process::Command::new("ssh");
        peers::run(ssh.arg("-F").arg(&config).arg(lab.address(60).to_string()).arg("true"))
    };
    let remote = measure(&lab, &distant, 3, one);

    println!("{:<34} {:>12} {:>8}  bound", "three masters", "median", "ratio");
    let held = [
        line("one `ssh host true`", &local, local.login, None),
        line("apply, nothing to do", &local, local.unchanged, Some(1.6)),
        line("apply, fresh, less the settle time", &local, local.fresh, Some(4.0)),
        line("50 ms away: one `ssh host true`", &remote, remote.login, None),
        line("50 ms away: nothing to do", &remote, remote.unchanged, None),
        line("50 ms away: fresh", &remote, remote.fresh, None),
    ];
    if held.iter().all(|held| *held) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Medians {
    login: Duration,
    unchanged: Duration,
    fresh: Duration,
}

fn measure<R>(
    lab: &LabCluster,
    workspace: &Workspace,
    rounds: usize,
    login: impl Fn() -> R,
) -> Medians {
    let apply = || {
        let start = Instant::now();
        let ran = workspace.kcm(&["apply"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        (start.elapsed(), ran.stdout)
    };
    lab.machines().iter().for_each(wipe);
    // Creates the key, which later applies reuse.
    apply();
    let mut measured = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        lab.machines().iter().for_each(wipe);
        let (fresh, _) = apply();
        let start = Instant::now();
        login();
        let login = start.elapsed();
        let (unchanged, said) = apply();
        assert!(said.starts_with("Nothing to do"), "{said}");
        measured[0].push(login);
        measured[1].push(unchanged);
        measured[2].push(fresh.saturating_sub(SETTLE));
    }
    let [login, unchanged, fresh] = measured.map(median);
    Medians { login, unchanged, fresh }
}

fn line(name: &str, medians: &Medians, time: Duration, bound: Option<f64>) -> bool {
    let ratio = time.as_secs_f64() / medians.login.as_secs_f64();
    let held = bound.is_none_or(|bound| ratio <= bound);
    let bound = bound.map_or_else(String::new, |bound| {
        format!("{bound} {}", if held { "held" } else { "NOT HELD" })
    });
    println!("{name:<34} {:>9.0} ms {ratio:>8.2}  {bound}", time.as_secs_f64() * 1000.0);
    held
}

/// Creates the tutorial's cluster on the lab's masters.
fn workspace(lab: &LabCluster, sections: &str) -> Workspace {
    let workspace = Workspace::new();
    let text = workspace.read("kcm.yaml");
    let (head, _) = text.split_once("masters:\n").unwrap();
    let text = format!("{head}{SERVES_NOT}install:\n  distributeCa: true\n{sections}");
    workspace.write("kcm.yaml", text.replace("192.168.1.210", &lab.address(1).to_string()));
    workspace
}

/// Returns sections of the cluster file for masters behind a slow line, and the SSH configuration
/// that they require.
fn far(lab: &LabCluster) -> (String, String) {
    let far = lab.machines().iter().zip(60..).map(|(machine, last)| {
        let (here, there) = (lab.address(last), machine.address());
        let port = machine.port();
        proxy::delaying(SocketAddr::new(here, port), SocketAddr::new(there, port), DELAY);
        let master = format!("  - {{name: {}, address: {here}}}\n", machine.name());
        let config = format!(
            "Host {here}\n  HostKeyAlias {there}\n  User {}\n  Port {port}\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
            machine.user(),
            machine.identity_file().display(),
            machine.known_hosts().display(),
        );
        (master, config)
    });
    let (masters, config): (String, String) = far.unzip();
    (format!("masters:\n{masters}ssh:\n  configFile: ssh_config\n"), config)
}

fn furnish(machine: &Machine) {
    let program = machine.file("/opt/kubernetes/bin/kube-controller-manager");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    let end = format!("{SLEEPER}exit\n");
    fs::write(&program, [end.as_bytes(), &vec![b'#'; REAL_SIZE]].concat()).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Restores the state before the first apply, except for the program.
fn wipe(machine: &Machine) {
    let all = format!(
        "systemctl disable --now {UNIT}; rm -rf /opt/kubernetes/pki /opt/kubernetes/kubeconfig /etc/systemd/system/{UNIT}; systemctl daemon-reload"
    );
    machine.output(&["sh", "-c", &all]);
}
