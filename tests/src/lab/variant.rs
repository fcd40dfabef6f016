//! How a machine differs from the tutorial's.

use std::path::PathBuf;

/// A machine: by itself the tutorial's, with user `kube`, `sudo` without a password, and bash. Every method makes
/// one thing different; they combine.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the differences do not depend on each other")]
pub struct Variant {
    pub(super) hostname: Option<String>,
    pub(super) is_root_login: bool,
    pub(super) is_csh: bool,
    pub(super) is_noisy: bool,
    pub(super) has_no_systemd: bool,
    pub(super) has_ipv6: bool,
    pub(super) extra_addresses: u8,
    pub(super) sudo: Sudo,
    pub(super) opt: Opt,
    pub(super) sshd: Vec<String>,
    pub(super) files: Vec<(PathBuf, Vec<u8>, u32)>,
}

/// What `sudo` does for user `kube`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sudo {
    /// Everything, unasked.
    #[default]
    Free,
    /// Everything, for [`SUDO_PASSWORD`].
    Password,
    /// Nothing: the user is not in sudoers.
    Forbidden,
    /// It is not installed.
    Absent,
}

/// The password of user `kube` under [`Sudo::Password`].
pub const SUDO_PASSWORD: &str = "correct-horse";

/// What is mounted on `/opt`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opt {
    /// Nothing: it is a folder of the root file system.
    #[default]
    Folder,
    /// A file system of this many bytes. It keeps its content when the machine is switched off.
    Sized(u64),
    /// A file system with no byte left; names can still be made.
    Full,
    /// A file system that takes no writes.
    ReadOnly,
}

impl Variant {
    /// The tutorial's machine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the kernel calls the machine, if not its name.
    #[must_use]
    pub fn hostname(mut self, hostname: &str) -> Self {
        self.hostname = Some(hostname.to_owned());
        self
    }

    /// One logs in as root.
    #[must_use]
    pub fn root_login(mut self) -> Self {
        self.is_root_login = true;
        self
    }

    /// What `sudo` does.
    #[must_use]
    pub fn sudo(mut self, sudo: Sudo) -> Self {
        self.sudo = sudo;
        self
    }

    /// The login shell is csh.
    #[must_use]
    pub fn csh(mut self) -> Self {
        self.is_csh = true;
        self
    }

    /// `.bashrc` and `.cshrc` write to standard output and standard error at every command.
    #[must_use]
    pub fn noisy(mut self) -> Self {
        self.is_noisy = true;
        self
    }

    /// What is mounted on `/opt`.
    #[must_use]
    pub fn opt(mut self, opt: Opt) -> Self {
        self.opt = opt;
        self
    }

    /// sshd forwards nothing.
    #[must_use]
    pub fn no_forwarding(self) -> Self {
        self.sshd("AllowTcpForwarding no")
    }

    /// One more line in sshd's configuration; it counts before Debian's.
    #[must_use]
    pub fn sshd(mut self, line: &str) -> Self {
        self.sshd.push(line.to_owned());
        self
    }

    /// sshd listens on `count` further addresses (at most 9), so that one machine can stand for several.
    #[must_use]
    pub fn extra_addresses(mut self, count: u8) -> Self {
        self.extra_addresses = count;
        self
    }

    /// sshd listens on `::1` too, at a port of its own.
    #[must_use]
    pub fn ipv6(mut self) -> Self {
        self.has_ipv6 = true;
        self
    }

    /// The first process is sshd; there is no systemd to talk to.
    #[must_use]
    pub fn no_systemd(mut self) -> Self {
        self.has_no_systemd = true;
        self
    }

    /// A file that is there at first boot.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        self.files.push((path.into(), content.as_ref().to_owned(), mode));
        self
    }

    pub(super) fn user(&self) -> &'static str {
        if self.is_root_login { "root" } else { "kube" }
    }
}
