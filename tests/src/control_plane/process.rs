//! A process that does not outlive the test that started it.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A running program. Dropping it kills it, and so does the end of this process, in whatever way.
#[derive(Debug)]
pub struct Process {
    child: Child,
    guard: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program that writes to `log`, appending.
    #[must_use]
    pub fn start(program: &Path, arguments: &[String], log: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(arguments);
        Self::start_command(command, log)
    }

    /// Starts a prepared command that writes to `log`, appending.
    #[must_use]
    pub fn start_command(mut command: Command, log: &Path) -> Self {
        let output = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // Its standard input ends with us.
        let mut guard = Command::new("setsid");
        guard.args(["sh", "-c", GUARD, "guard", &child.id().to_string()]).current_dir("/");
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let guard = guard.spawn().unwrap();
        Self { child, guard, log: log.to_owned() }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All it has written.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its exit code if it has ended: of a signal, 128 and its number.
    pub fn code(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(code)
    }

    /// Waits for its end.
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

    /// Ends it with SIGTERM; returns its exit code (of a signal, 128 and its number), or none if it had to be killed
    /// after half a minute.
    #[must_use]
    pub fn terminate(mut self) -> Option<i32> {
        self.send_terminate();
        self.wait(Duration::from_secs(30))
    }

    /// Lets it do nothing, as a machine that hangs does.
    pub fn freeze(&self) {
        self.send(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.send(Signal::CONT);
    }

    fn send(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        // It may just have ended.
        let _ = kill_process(pid, signal);
    }

    /// Ends it with SIGKILL.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard goes first: once the child is reaped, its number may be somebody else's.
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
