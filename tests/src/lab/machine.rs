//! A machine of a lab.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Mutex;

use super::boot;
use super::watcher;
use super::{Opt, SUDO_PASSWORD, Sudo, Variant};
use crate::CommandOutput;
use crate::peers;
use crate::workspace::ran;

/// A Debian system with systemd and sshd on its own addresses, which shares the host's network and
/// kernel.
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
    /// The `systemd-nspawn` process, if it is a child of this process.
    pub(super) child: Mutex<Option<Child>>,
}

/// Names, addresses and credentials.
impl Machine {
    /// Name of the machine in the cluster file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Host name that the kernel reports.
    #[must_use]
    pub fn hostname(&self) -> &str {
        self.variant.hostname.as_deref().unwrap_or(&self.name)
    }

    /// First IPv4 address on which sshd listens.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.addresses[0].into()
    }

    /// All IPv4 addresses on which sshd listens.
    #[must_use]
    pub fn addresses(&self) -> &[Ipv4Addr] {
        &self.addresses
    }

    /// IPv6 address and port on which sshd listens under [`Variant::ipv6`].
    #[must_use]
    pub fn ipv6(&self) -> Option<SocketAddr> {
        self.ipv6
    }

    /// Port on which sshd listens on the IPv4 addresses.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Login user.
    #[must_use]
    pub fn user(&self) -> &str {
        self.variant.user()
    }

    /// Password for `sudo`, if it asks for one.
    #[must_use]
    pub fn sudo_password(&self) -> Option<&'static str> {
        (self.variant.sudo == Sudo::Password).then_some(SUDO_PASSWORD)
    }

    /// Path of the operator's private key.
    #[must_use]
    pub fn identity_file(&self) -> PathBuf {
        self.operator.join("id_ed25519")
    }

    /// Path of the operator's `known_hosts`, which has the keys of all machines.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.operator.join("known_hosts")
    }

    /// Returns the machine's public host key as in `known_hosts`: type and base64.
    #[must_use]
    pub fn host_key(&self) -> String {
        let key = self.root().join("etc/ssh/ssh_host_ed25519_key.pub");
        let key = fs::read_to_string(key).unwrap();
        key.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// Returns an `ssh` command that logs in. Further arguments are the remote command.
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

/// Files of the machine, as seen from the host.
impl Machine {
    /// Path of the root file system, without the mounts of the machine (`/run`, `/tmp`, and `/opt`
    /// under [`Variant::opt`]).
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Path on the host of a file of the machine, also below a mounted `/opt`.
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

/// Power of the machine.
impl Machine {
    /// Reports whether any process runs on the machine.
    #[must_use]
    pub fn is_on(&self) -> bool {
        boot::is_on(self)
    }

    /// Cuts the power: every process ends at once. Written files stay.
    pub fn power_off(&self) {
        boot::kill(self);
    }

    /// Shuts the machine down in order.
    pub fn shutdown(&self) {
        if self.variant.has_no_systemd {
            return self.power_off();
        }
        // The machine may go down before the command returns.
        let _ = self.run(&["systemctl", "poweroff"]);
        boot::wait_until_off(self);
    }

    /// Powers the machine on, unless it is on, and waits until it has booted.
    pub fn power_on(&self) {
        boot::start(self);
        boot::wait_until_up(self);
    }
}

/// Processes and logs of the machine, without SSH.
impl Machine {
    /// Returns a command that runs on the machine as root, with only root's usual environment.
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

    /// Runs a command on the machine as root, whatever its exit status.
    pub fn run(&self, arguments: &[&str]) -> CommandOutput {
        ran(&mut self.command(arguments))
    }

    /// Runs a command on the machine that must succeed; returns its standard output.
    pub fn output(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{}: {arguments:?}: {ran:?}", self.name);
        ran.stdout
    }

    /// Returns the host's ids of the machine's processes of this name, to trace them from the host.
    #[must_use]
    pub fn processes(&self, name: &str) -> Vec<u32> {
        let mut processes = boot::processes(&self.cgroup);
        processes.retain(|process| {
            fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|n| n.trim() == name)
        });
        processes
    }

    /// Reports whether the kernel has a listener on kube-controller-manager's port of the machine.
    #[must_use]
    pub fn serves(&self) -> bool {
        watcher::serves(self)
    }

    /// Returns the whole journal of all boots, also while the machine is off.
    #[must_use]
    pub fn journal(&self) -> String {
        self.journal_of(&["--output=short-precise"])
    }

    /// Returns the output of `journalctl` with these arguments.
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
