//! Powers machines on and off.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Machine, Opt};

/// Starts the machine, unless it is on.
pub(super) fn start(machine: &Machine) {
    if is_on(machine) {
        return;
    }
    fs::create_dir_all(&machine.cgroup).unwrap();
    let console = File::create(console(machine)).unwrap();
    let mut boot = Command::new("setsid");
    boot.args(["sh", "-c", BOOT, "boot"]).arg(&machine.cgroup).args(nspawn(machine));
    // The machine's systemd manages a separate control group below ours.
    boot.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1");
    boot.current_dir("/").stdin(Stdio::null());
    boot.stdout(console.try_clone().unwrap()).stderr(console);
    let child = boot.spawn().unwrap();
    *machine.child.lock().unwrap() = Some(child);
}

fn nspawn(machine: &Machine) -> Vec<String> {
    let mut nspawn = vec![
        "systemd-nspawn".to_owned(),
        "--quiet".to_owned(),
        format!("--directory={}", machine.root().display()),
        format!("--machine=kcm-lab-{}-{}", machine.lab, machine.name),
        format!("--hostname={}", machine.hostname()),
    ];
    let common = ["register=no", "keep-unit", "console=pipe", "resolv-conf=off", "timezone=off"];
    nspawn.extend(common.map(|option| format!("--{option}")));
    nspawn.push("--link-journal=no".to_owned());
    if machine.variant().opt != Opt::Folder {
        nspawn.push(format!("--bind={}:/opt", machine.folder().join("opt").display()));
    }
    if machine.variant().has_no_systemd {
        nspawn.extend(["--as-pid2", "/bin/sh", "-c", LONE_SSHD].map(str::to_owned));
    } else {
        nspawn.push("--boot".to_owned());
    }
    nspawn
}

/// Reports whether any process runs on the machine.
pub(super) fn is_on(machine: &Machine) -> bool {
    let events = fs::read_to_string(machine.cgroup.join("cgroup.events"));
    // The child joins the control group shortly after its start.
    let mut child = machine.child.lock().unwrap();
    let is_starting = child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
    is_starting || events.is_ok_and(|events| events.contains("populated 1"))
}

/// Kills all processes of the machine.
pub(super) fn kill(machine: &Machine) {
    if !is_on(machine) {
        return;
    }
    let child = machine.child.lock().unwrap().take();
    if let Some(mut child) = child {
        // The child may not have joined the control group yet.
        let _ = child.kill();
        let _ = child.wait();
    }
    fs::write(machine.cgroup.join("cgroup.kill"), "1").unwrap();
    wait_until_off(machine);
}

/// Waits until no process runs on the machine.
pub(super) fn wait_until_off(machine: &Machine) {
    until(machine, "is still on", || !is_on(machine));
    *machine.child.lock().unwrap() = None;
}

/// Waits until the machine accepts SSH connections and has finished booting.
pub(super) fn wait_until_up(machine: &Machine) {
    let address = SocketAddr::new(machine.address(), machine.port());
    until(machine, "has no sshd", || greets(&address) || !is_on(machine));
    let console = || fs::read_to_string(console(machine)).unwrap_or_default();
    assert!(is_on(machine), "{} went off again; its console:\n{}", machine.name(), console());
    if !machine.variant().has_no_systemd {
        let state = || machine.run(&["systemctl", "is-system-running", "--wait"]).stdout;
        until(machine, "does not finish to boot", || {
            matches!(state().trim(), "running" | "degraded")
        });
    }
}

fn greets(address: &SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(address, PATIENCE) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).is_ok() && greeting == *b"SSH-"
}

/// Returns the host's id of a process of the machine: its init process under systemd.
pub(super) fn any_process(machine: &Machine) -> Option<u32> {
    let payload = machine.cgroup.join("payload");
    let first = |group: &Path| processes(group).into_iter().min();
    first(&payload.join("init.scope")).or_else(|| first(&payload))
}

/// Returns the host's ids of the processes in a control group and in those below it.
pub(super) fn processes(group: &Path) -> Vec<u32> {
    let own = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut processes: Vec<u32> = own.lines().filter_map(|line| line.parse().ok()).collect();
    let below = fs::read_dir(group).into_iter().flatten().flatten().map(|entry| entry.path());
    processes.extend(below.filter(|path| path.is_dir()).flat_map(|path| self::processes(&path)));
    processes
}

fn until(machine: &Machine, complaint: &str, is_done: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_done() {
        let console = || fs::read_to_string(console(machine)).unwrap_or_default();
        let name = machine.name();
        assert!(start.elapsed() < PATIENCE, "{name} {complaint}; its console:\n{}", console());
        sleep(Duration::from_millis(10));
    }
}

fn console(machine: &Machine) -> impl AsRef<Path> + use<> {
    machine.folder().join("console")
}

const BOOT: &str = include_str!("boot.sh");
const PATIENCE: Duration = Duration::from_secs(60);

/// Command of a machine without systemd, where sshd needs a folder and a log file.
const LONE_SSHD: &str = "mkdir -p /run/sshd && exec /usr/sbin/sshd -D -E /var/log/sshd.log";
