//! One machine of a lab.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Mutex;

use super::boot;
use super::watcher;
use super::{Opt, SUDO_PASSWORD, Sudo, Variant};
use crate::Ran;
use crate::peers;
use crate::site::ran;

/// A real Debian system with systemd and sshd, on addresses of its own, sharing the host's network and kernel.
#[derive(Debug)]
pub struct Machine {
    pub(super) name: String,
    pub(super) variant: Variant,
    pub(super) addresses: Vec<Ipv4Addr>,
    pub(super) ipv6: Option<SocketAddr>,
    pub(super) port: u16,
    pub(super) lab: u8,
    pub(super) folder: PathBuf,
    pub(super) operator: PathBuf,
    pub(super) cgroup: PathBuf,
    /// The container manager, if it is this process's child.
    pub(super) child: Mutex<Option<Child>>,
}

/// Who and where it is.
impl Machine {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its kernel calls it.
    #[must_use]
    pub fn hostname(&self) -> &str {
        self.variant.hostname.as_deref().unwrap_or(&self.name)
    }

    /// The address its sshd listens on.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.addresses[0].into()
    }

    /// All IPv4 addresses its sshd listens on.
    #[must_use]
    pub fn addresses(&self) -> &[Ipv4Addr] {
        &self.addresses
    }

    /// Where its sshd listens under [`Variant::ipv6`].
    #[must_use]
    pub fn ipv6(&self) -> Option<SocketAddr> {
        self.ipv6
    }

    /// The port its sshd listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whom to log in as.
    #[must_use]
    pub fn user(&self) -> &str {
        self.variant.user()
    }

    /// What its `sudo` wants to hear, if anything.
    #[must_use]
    pub fn sudo_password(&self) -> Option<&'static str> {
        (self.variant.sudo == Sudo::Password).then_some(SUDO_PASSWORD)
    }

    /// The operator's private key.
    #[must_use]
    pub fn identity_file(&self) -> PathBuf {
        self.operator.join("id_ed25519")
    }

    /// The operator's `known_hosts`, with all machines' keys.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.operator.join("known_hosts")
    }

    /// The public half of its host key, as `known_hosts` has it: type and Base64.
    #[must_use]
    pub fn host_key(&self) -> String {
        let key = self.root().join("etc/ssh/ssh_host_ed25519_key.pub");
        let key = fs::read_to_string(key).unwrap();
        key.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// The system's `ssh` client, ready to log in; the remote command comes as further arguments.
    #[must_use]
    pub fn ssh(&self) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(self.operator.join("ssh_config")).arg(&self.name);
        ssh
    }

    pub(super) fn variant(&self) -> &Variant {
        &self.variant
    }
}

/// Its files, from outside.
impl Machine {
    /// Its root file system. What is mounted inside (`/run`, `/tmp`, and `/opt` under [`Variant::opt`]) is not seen.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// A file of it, also below `/opt` when that is a file system of its own.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        let path = Path::new(path.trim_start_matches('/'));
        match path.strip_prefix("opt") {
            Ok(rest) if self.variant.opt != Opt::Folder => self.folder.join("opt").join(rest),
            _ => self.root().join(path),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Its switch.
impl Machine {
    /// Whether anything runs on it.
    #[must_use]
    pub fn is_on(&self) -> bool {
        boot::is_on(self)
    }

    /// Cuts its power: every process ends at once. What was written stays.
    pub fn power_off(&self) {
        boot::kill(self);
    }

    /// Shuts it down in order.
    pub fn shutdown(&self) {
        if self.variant.has_no_systemd {
            return self.power_off();
        }
        // The answer may be lost with the machine.
        let _ = self.run(&["systemctl", "poweroff"]);
        boot::wait_until_off(self);
    }

    /// Switches it on and waits until it has booted. Nothing happens if it is on.
    pub fn power_on(&self) {
        boot::start(self);
        boot::wait_until_up(self);
    }
}

/// Its inside, past SSH.
impl Machine {
    /// A command that will run on it as root, with root's usual environment and nothing else.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let process = boot::any_process(self).unwrap_or_else(|| panic!("{} is off", self.name));
        let mut command = Command::new("nsenter");
        command.args(["--target", &process.to_string(), "--mount", "--uts", "--ipc", "--pid"]);
        command.args(["--cgroup", "--root", "--wd", "--"]).args(arguments).env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", "/root").env("LANG", "C.UTF-8");
        command
    }

    /// Runs a command on it as root, however that ends.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        ran(&mut self.command(arguments))
    }

    /// Runs a command on it that must succeed; returns its standard output.
    pub fn output(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{}: {arguments:?}: {ran:?}", self.name);
        ran.stdout
    }

    /// The host's numbers of its processes of this name, to trace them from outside.
    #[must_use]
    pub fn processes(&self, name: &str) -> Vec<u32> {
        let mut processes = boot::processes(&self.cgroup);
        processes.retain(|process| {
            fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|n| n.trim() == name)
        });
        processes
    }

    /// Whether a kube-controller-manager listens on it, as the kernel has it.
    #[must_use]
    pub fn serves(&self) -> bool {
        watcher::serves(self)
    }

    /// Its whole journal, of all boots; works while it is off, too.
    #[must_use]
    pub fn journal(&self) -> String {
        self.journal_of(&["--output=short-precise"])
    }

    /// What `journalctl` says with these arguments.
    #[must_use]
    pub fn journal_of(&self, arguments: &[&str]) -> String {
        if self.is_on() {
            self.output(&["journalctl", "--sync"]);
        }
        let mut journalctl = Command::new("journalctl");
        journalctl.args(["--no-pager", "--quiet", "--directory"]);
        journalctl.arg(self.root().join("var/log/journal")).args(arguments);
        peers::run(&mut journalctl)
    }
}
