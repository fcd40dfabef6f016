//! A child process that does not outlive the test that started it.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A running program. It is killed when this value is dropped or when this process ends in any way.
#[derive(Debug)]
pub struct Process {
    child: Child,
    guard: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program and appends its output to `log`.
    #[must_use]
    pub fn start(program: &Path, arguments: &[String], log: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(arguments);
        Self::start_command(command, log)
    }

    /// Starts a prepared command and appends its output to `log`.
    #[must_use]
    pub fn start_command(mut command: Command, log: &Path) -> Self {
        let output = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // The guard's standard input is closed when this process ends.
        let mut guard = Command::new("setsid");
        guard.args(["sh", "-c", GUARD, "guard", &child.id().to_string()]).current_dir("/");
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let guard = guard.spawn().unwrap();
        Self { child, guard, log: log.to_owned() }
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the content of the log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns the exit code if the process has ended, 128 plus the signal number after a signal.
    pub fn code(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(code)
    }

    /// Waits for the end of the process; returns its exit code, or `None` after `patience`.
    pub fn wait(&mut self, patience: Duration) -> Option<i32> {
        let start = Instant::now();
        while start.elapsed() < patience {
            if let Some(code) = self.code() {
                return Some(code);
            }
            sleep(Duration::from_millis(10));
        }
        None
    }

    /// Sends SIGTERM.
    pub fn send_terminate(&self) {
        self.send(Signal::TERM);
    }

    /// Ends the process with SIGTERM and returns its exit code, 128 plus the signal number after a
    /// signal.
    ///
    /// Returns `None` if the process had to be killed after 30 seconds.
    #[must_use]
    pub fn terminate(mut self) -> Option<i32> {
        self.send_terminate();
        self.wait(Duration::from_secs(30))
    }

    /// Suspends the process, as on a machine that hangs.
    pub fn freeze(&self) {
        self.send(Signal::STOP);
    }

    /// Resumes the process.
    pub fn thaw(&self) {
        self.send(Signal::CONT);
    }

    fn send(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        // The process may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }

    /// Ends the process with SIGKILL.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard ends first: once the child is reaped, another process may get its id.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

const GUARD: &str = "trap '' HUP INT TERM; read -r word; kill -KILL \"$1\"";
