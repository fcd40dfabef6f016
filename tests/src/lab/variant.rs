//! Differences between a machine and the tutorial's.

use std::path::PathBuf;

/// The configuration of a machine. The default is the tutorial's: user `kube`, `sudo` without a
/// password, and bash.
///
/// Each method changes one property; they combine.
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

/// The rights of user `kube` under `sudo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sudo {
    /// All commands, without a password.
    #[default]
    Free,
    /// All commands, with [`SUDO_PASSWORD`].
    Password,
    /// No commands: the user is not in sudoers.
    Forbidden,
    /// `sudo` is not installed.
    Absent,
}

/// Password of user `kube` under [`Sudo::Password`].
pub const SUDO_PASSWORD: &str = "correct-horse";

/// The file system of `/opt`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opt {
    /// A folder of the root file system.
    #[default]
    Folder,
    /// A file system of this many bytes. Its content persists while the machine is off.
    Sized(u64),
    /// A file system without free space. Empty files can still be created.
    Full,
    /// A read-only file system.
    ReadOnly,
}

impl Variant {
    /// Creates the configuration of the tutorial's machine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the kernel's host name, which is the machine's name by default.
    #[must_use]
    pub fn hostname(mut self, hostname: &str) -> Self {
        self.hostname = Some(hostname.to_owned());
        self
    }

    /// Sets root as the login user.
    #[must_use]
    pub fn root_login(mut self) -> Self {
        self.is_root_login = true;
        self
    }

    /// Sets the rights under `sudo`.
    #[must_use]
    pub fn sudo(mut self, sudo: Sudo) -> Self {
        self.sudo = sudo;
        self
    }

    /// Sets csh as the login shell.
    #[must_use]
    pub fn csh(mut self) -> Self {
        self.is_csh = true;
        self
    }

    /// Makes startup files write at every command: `.bashrc` to standard output and standard error,
    /// `.cshrc` to standard output.
    #[must_use]
    pub fn noisy(mut self) -> Self {
        self.is_noisy = true;
        self
    }

    /// Sets the file system of `/opt`.
    #[must_use]
    pub fn opt(mut self, opt: Opt) -> Self {
        self.opt = opt;
        self
    }

    /// Disables TCP forwarding in sshd.
    #[must_use]
    pub fn no_forwarding(self) -> Self {
        self.sshd("AllowTcpForwarding no")
    }

    /// Adds a line to sshd's configuration, with precedence over Debian's.
    #[must_use]
    pub fn sshd(mut self, line: &str) -> Self {
        self.sshd.push(line.to_owned());
        self
    }

    /// Makes sshd listen on `count` further addresses (at most 9), so that one machine can act as
    /// several.
    #[must_use]
    pub fn extra_addresses(mut self, count: u8) -> Self {
        self.extra_addresses = count;
        self
    }

    /// Makes sshd also listen on `::1`, at a separate port.
    #[must_use]
    pub fn ipv6(mut self) -> Self {
        self.has_ipv6 = true;
        self
    }

    /// Runs only sshd, without systemd.
    #[must_use]
    pub fn no_systemd(mut self) -> Self {
        self.has_no_systemd = true;
        self
    }

    /// Adds a file that exists before the first boot.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        self.files.push((path.into(), content.as_ref().to_owned(), mode));
        self
    }

    pub(super) fn user(&self) -> &'static str {
        if self.is_root_login { "root" } else { "kube" }
    }
}
