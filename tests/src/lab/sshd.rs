//! A machine's sshd: counts of its events, and failures on demand.

use std::fs;
use std::ops::Sub;

use super::Machine;

/// Counts of sshd events since the machine was made. The difference of two is the count in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SshCounts {
    /// TCP connections, successful or not.
    pub connections: usize,
    /// Connections whose user was accepted.
    pub logins: usize,
    /// Commands, one per exchange. A forwarded stream does not count.
    pub commands: usize,
}

impl Sub for SshCounts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            connections: self.connections - earlier.connections,
            logins: self.logins - earlier.logins,
            commands: self.commands - earlier.commands,
        }
    }
}

impl Machine {
    /// Returns the log of sshd, oldest line first.
    #[must_use]
    pub fn ssh_log(&self) -> String {
        if self.variant().has_no_systemd {
            fs::read_to_string(self.root().join("var/log/sshd.log")).unwrap()
        } else {
            self.journal_of(&["--identifier=sshd", "--output=cat"])
        }
    }

    /// Counts the events in the log of sshd.
    #[must_use]
    pub fn ssh_counts(&self) -> SshCounts {
        let log = self.ssh_log();
        let count = |start| log.lines().filter(|line| line.starts_with(start)).count();
        SshCounts {
            connections: count("Connection from "),
            logins: count("Accepted publickey for "),
            commands: count("Starting session: command "),
        }
    }

    /// Stops sshd from listening. Open connections stay.
    pub fn stop_sshd(&self) {
        self.output(&["systemctl", "stop", "ssh.service"]);
    }

    /// Makes sshd listen again.
    pub fn start_sshd(&self) {
        self.output(&["systemctl", "start", "ssh.service"]);
    }

    /// Kills the sshd process of every open connection. Their commands go on running, and sshd
    /// still listens.
    pub fn drop_connections(&self) {
        self.output(&["sh", "-c", KILL_CONNECTIONS]);
    }
}

/// Script that kills the processes of connections: each sshd whose parent is an sshd.
const KILL_CONNECTIONS: &str = r#"
name() { cat "/proc/$1/comm" 2>/dev/null; }
victims=
for process in /proc/[0-9]*; do
  pid=${process#/proc/}
  [ "$(name "$pid")" = sshd ] || continue
  parent=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)
  [ "$(name "$parent")" != sshd ] || victims="$victims $pid"
done
[ -z "$victims" ] || kill -KILL $victims 2>/dev/null || :
"#;
