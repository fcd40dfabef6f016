//! Handling of SIGTERM and SIGINT, and termination by SIGTERM.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Signal as Number, getpid, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::DIES;

/// Receives the signals that end a service.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, String> {
        let heard = |kind| signal(kind).map_err(|error: io::Error| error.to_string());
        Ok(Self {
            terminate: heard(SignalKind::terminate())?,
            interrupt: heard(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}

/// Ends this process by SIGTERM although it handles the signal: executing the program again resets
/// the handlers.
pub(super) fn die_of_it() -> ! {
    let error = Command::new("/proc/self/exe").arg(DIES).exec();
    panic!("/proc/self/exe: {error}");
}

/// Ends this process by SIGTERM.
pub(super) fn die() -> ! {
    let _ = kill_process(getpid(), Number::TERM);
    loop {
        std::thread::park();
    }
}
