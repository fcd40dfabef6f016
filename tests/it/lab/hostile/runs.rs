//! One run of kcm, with its output, its duration and its peak memory.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kcm_tests::hostile::Plan;
use kcm_tests::{Workspace, kcm};

/// Longest duration of a run.
const PATIENCE: Duration = Duration::from_secs(120);
/// Largest memory of a run, in kB.
const MOST_MEMORY: u64 = 200 << 10;

/// Result of a run of kcm.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) plan: Option<Plan>,
    pub(super) arguments: Vec<String>,
    /// Exit code; `None` if a signal ended kcm.
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) took: Duration,
    /// Peak of its memory (`VmHWM`), in kB.
    pub(super) peak: u64,
}

impl Run {
    /// Runs kcm in a workspace while a machine follows `plan`.
    pub(super) fn new(workspace: &Workspace, plan: Option<Plan>, arguments: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| folder.path().join(name));
        let mut command = Command::new(kcm());
        command.current_dir(workspace.path()).args(arguments).stdin(Stdio::null());
        // Every third seed forces the styles of a terminal.
        if plan.is_some_and(|plan| plan.seed.is_multiple_of(3)) {
            command.env("CLICOLOR_FORCE", "1");
        }
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let start = Instant::now();
        let mut child = command.spawn().unwrap();
        let (code, peak) = watched(&mut child, start);
        Self {
            plan,
            arguments: arguments.to_vec(),
            code,
            stdout: fs::read(stdout).unwrap(),
            stderr: fs::read(stderr).unwrap(),
            took: start.elapsed(),
            peak,
        }
    }

    /// Returns the verb, including the second word of `certs`.
    pub(super) fn verb(&self) -> String {
        let words = self.arguments.iter().take_while(|it| !it.starts_with('-'));
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn is_json(&self) -> bool {
        self.arguments.iter().any(|it| it == "json")
    }

    /// Returns the plan and the command line, for a repetition.
    pub(super) fn name(&self) -> String {
        let plan = self.plan.map_or_else(String::new, |plan| plan.to_string());
        format!("[{plan}] kcm {}", self.arguments.join(" "))
    }

    /// Returns the faults of the exit code, the duration and the memory.
    pub(super) fn excesses(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !matches!(self.code, Some(0..=4)) {
            found.push(format!("exit code {:?} after {:?}", self.code, self.took));
        }
        if self.took >= PATIENCE {
            found.push(format!("it took {:?}", self.took));
        }
        if self.peak > MOST_MEMORY {
            found.push(format!("its memory was {} MB", self.peak >> 10));
        }
        found
    }
}

fn watched(child: &mut Child, start: Instant) -> (Option<i32>, u64) {
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kilobytes.unwrap_or_default());
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code(), peak);
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            return (None, peak);
        }
        sleep(Duration::from_millis(10));
    }
}
