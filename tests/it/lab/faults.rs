//! Tests of faults during a rollout, on real systems. The report names the masters and the fix, and
//! the next apply finishes the work.

mod account;
mod adopt;
mod api_server;
mod certs;
mod drill;
mod findings;
mod interrupted;
mod killed;
mod lead;
mod logs;
mod lost;
mod named;
mod renew;
mod room;
mod rotate;
mod rotate_ca;
mod service;
mod serving;
mod signers;
mod smoke;
mod status;
mod tapped;
mod verbs;
mod watched;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::{Condvar, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kcm_tests::control_plane::{Authority, Binaries, ControlPlane, Process};
use kcm_tests::lab::{LabCluster, Machine, Variant};
use kcm_tests::{CommandOutput, Workspace, kcm};

pub(crate) const UNIT: &str = "kube-controller-manager.service";
const UNIT_FILE: &str = "/etc/systemd/system/kube-controller-manager.service";
const PROGRAM: &str = "/opt/kubernetes/bin/kube-controller-manager";
const CA: &str = "/opt/kubernetes/pki/ca/cert/ca.pem";
const CA_KEY: &str = "/opt/kubernetes/pki/ca/cert/ca-key.pem";

/// Masters, an API server, and an operator's folder for both.
pub(crate) struct Ground {
    pub(crate) workspace: Workspace,
    pub(crate) plane: ControlPlane,
    pub(crate) lab: LabCluster,
    _places: Places,
}

/// Number of machines that these tests run at once. Each takes 7 of the 128 inotify instances that
/// Linux gives a user.
const AT_ONCE: usize = 14;
static TAKEN: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Reserved machines, which are released on drop.
struct Places(usize);

impl Places {
    fn take(number: usize) -> Self {
        let (taken, changed) = &TAKEN;
        let is_full = |taken: &mut usize| *taken + number > AT_ONCE;
        *changed.wait_while(taken.lock().unwrap(), is_full).unwrap() += number;
        Self(number)
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        let (taken, changed) = &TAKEN;
        *taken.lock().unwrap() -= self.0;
        changed.notify_all();
    }
}

/// Returns the variants of `masters` plain machines.
pub(crate) fn plain(masters: usize) -> Vec<Variant> {
    vec![Variant::new(); masters]
}

impl Ground {
    /// Starts bare masters that already have the program, which saves its upload.
    pub(crate) fn new(variants: &[Variant]) -> Option<Self> {
        Self::with(&Binaries::standins(), variants)
    }

    /// Starts masters with these programs.
    fn with(binaries: &Binaries, variants: &[Variant]) -> Option<Self> {
        let places = Places::take(variants.len());
        let lab = LabCluster::up(variants)?;
        let workspace = Workspace::new();
        let authority = Authority::read(&workspace.file("pki/ca/cert"));
        let plane = ControlPlane::start(binaries, lab.address(20), 6443, &authority);
        let ground = Self { workspace, plane, lab, _places: places };
        for machine in ground.lab.machines() {
            ground.bring_program(machine, PROGRAM);
        }
        ground.write("");
        Some(ground)
    }

    /// Starts masters with a deployed service.
    pub(crate) fn deployed(variants: &[Variant]) -> Option<Self> {
        let ground = Self::new(variants)?;
        ground.apply(&[]);
        Some(ground)
    }

    /// Returns the stand-in in the workspace. It has no debug symbols, because it is copied and digested
    /// often.
    fn program(&self) -> std::path::PathBuf {
        let program = self.workspace.file("kube-controller-manager");
        if !program.exists() {
            let built = self.plane.binaries().controller_manager_binary();
            let mut copy = Command::new("sh");
            copy.args(["-c", "strip -o \"$2\" \"$1\" 2>/dev/null || cp \"$1\" \"$2\"", "copy"]);
            kcm_tests::peers::run(copy.arg(built).arg(&program));
        }
        program
    }

    fn bring_program(&self, machine: &Machine, path: &str) {
        let at = machine.file(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        // `cp` avoids ETXTBSY: a child of another thread could inherit a descriptor of this process
        // that is open for writing.
        let mut copy = Command::new("cp");
        kcm_tests::peers::run(copy.arg(self.program()).arg(at));
    }

    /// Writes the cluster file, with further sections.
    pub(crate) fn write(&self, sections: &str) {
        let binary = self.program();
        let install = format!("install: {{binary: {}, distributeCa: true}}\n", binary.display());
        self.write_bare(&format!("{install}{sections}"));
    }

    /// Writes the cluster file like [`Ground::write`], without `install` unless `sections` contains
    /// it.
    fn write_bare(&self, sections: &str) {
        let text = Workspace::new().read("kcm.yaml");
        let (head, _) = text.split_once("masters:\n").unwrap();
        let head = head.replace("https://192.168.1.210:6443", &self.plane.server());
        self.workspace
            .write("kcm.yaml", format!("{head}{sections}{}", self.lab.cluster_sections()));
    }

    /// Writes a cluster file that differs for every `number`.
    fn change(&self, number: usize) {
        self.write(&changed(number));
    }

    fn kcm(&self, arguments: &[&str]) -> CommandOutput {
        let ran = self.workspace.kcm(arguments);
        println!("$ kcm {}\n{}{}= {}", arguments.join(" "), ran.stderr, ran.stdout, ran.code);
        ran
    }

    /// Starts kcm with its output in a file.
    fn start(&self, arguments: &[&str]) -> Process {
        let mut command = Command::new(kcm());
        command.current_dir(self.workspace.path()).args(arguments);
        let (log, _) =
            tempfile::NamedTempFile::new_in(self.workspace.path()).unwrap().keep().unwrap();
        drop(log);
        let log = self
            .workspace
            .file(&format!("log-{}", fs::read_dir(self.workspace.path()).unwrap().count()));
        Process::start_command(command, &log)
    }

    pub(crate) fn apply(&self, arguments: &[&str]) -> CommandOutput {
        let ran = self.kcm(&[&["apply"], arguments].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    }

    /// Asserts that the next apply finishes the work, and that the one after it has nothing to do.
    fn converges(&self) -> CommandOutput {
        let first = self.apply(&[]);
        let second = self.apply(&[]);
        assert!(second.stdout.starts_with("Nothing to do"), "{second:?}");
        self.is_whole();
        first
    }

    /// Asserts that every service is healthy, and that no leftovers exist.
    fn is_whole(&self) {
        for machine in self.lab.machines() {
            let name = machine.name();
            assert!(machine.serves(), "{name}");
            assert_eq!(machine.output(&["systemctl", "is-enabled", UNIT]).trim(), "enabled");
            assert_eq!(leftovers(machine), "", "{name}");
        }
    }
}

pub(crate) fn changed(number: usize) -> String {
    format!("controllerManager: {{flags: {{concurrent-deployment-syncs: {}}}}}\n", 5 + number)
}

/// Returns the files and timers on a machine that exist only during a rollout.
fn leftovers(machine: &Machine) -> String {
    let staged = "/opt/kubernetes /etc/systemd/system -name .kcm-stage";
    let pending = "/opt/kubernetes/.kcm -name pending.json";
    let timers = "/run/systemd/transient -name kcm-start-*";
    let find =
        format!("for it in '{staged}' '{pending}' '{timers}'; do find $it 2>/dev/null; done; :");
    machine.output(&["sh", "-fc", &find])
}

/// Waits at least a minute, because a machine may be busy.
fn until(what: &str, patience: Duration, is_so: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    let patience = patience.max(Duration::from_secs(60));
    while !is_so() {
        assert!(start.elapsed() < patience, "never: {what}");
        sleep(Duration::from_millis(40));
    }
    start.elapsed()
}

/// Waits until the output of kcm contains `text`.
fn until_said(kcm: &Process, text: &str) {
    let start = Instant::now();
    while !kcm.log().contains(text) {
        let log = kcm.log();
        assert!(start.elapsed() < Duration::from_secs(60), "never {text:?} in:\n{log}");
        sleep(Duration::from_millis(5));
    }
}

/// Waits until kcm ends; returns its exit code and its output.
fn ended(mut kcm: Process) -> (i32, String) {
    let code = kcm.wait(Duration::from_secs(120)).unwrap();
    println!("{}= {code}", kcm.log());
    (code, kcm.log())
}

/// Returns the last line of a report about a machine.
fn line_of<'r>(report: &'r str, machine: &Machine) -> &'r str {
    let mut lines = report.lines().filter(|line| line.starts_with(machine.name()));
    lines.next_back().unwrap_or_else(|| panic!("no word of {} in:\n{report}", machine.name()))
}

fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

/// Installs a script at the path of the program.
fn put_script(machine: &Machine, path: &str, script: &str) {
    let at = machine.file(path);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::write(&at, script).unwrap();
    fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs everything at once, each in its own thread, because the tests mostly wait. Reports the
/// failures after all output.
fn together(all: Vec<Box<dyn FnOnce() + Send>>) {
    let threads: Vec<_> = all.into_iter().map(std::thread::spawn).collect();
    let ended = threads.into_iter().map(std::thread::JoinHandle::join);
    let failed: Vec<_> = ended.filter_map(Result::err).map(|panic| message(&*panic)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}
