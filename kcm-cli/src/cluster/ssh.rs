//! SSH access to a master: the public types, and the scalars of the ssh section.

use std::path::PathBuf;
use std::time::Duration;

use kcm_pki::GoDuration;

use super::scalar::scalar;
use super::secret::SecretSource;
use super::value::{HostAddress, SshUser, invalid};

/// Default timeout for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// SSH access to a master. `None` leaves the choice to `ssh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssh {
    /// Login name.
    pub user: Option<SshUser>,
    /// TCP port.
    pub port: Option<u16>,
    /// Private key file.
    pub identity_file: Option<PathBuf>,
    /// Configuration file to use instead of `~/.ssh/config`.
    pub config_file: Option<PathBuf>,
    /// Jump hosts, first to last.
    pub jump: Vec<Jump>,
    /// Use of sudo.
    pub sudo: Sudo,
    /// Source of the password for [`Sudo::Password`].
    pub sudo_password: SecretSource,
    /// Policy for unknown host keys.
    pub host_keys: HostKeys,
    /// Timeout for a connection: whole seconds, from 1 to 300.
    pub connect_timeout: Duration,
}

/// A jump host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// Address of the jump host.
    pub host: HostAddress,
    /// Login name on the jump host.
    pub user: Option<SshUser>,
    /// TCP port of sshd on the jump host.
    pub port: Option<u16>,
    /// Private key file for the jump host.
    pub identity_file: Option<PathBuf>,
}

/// The use of sudo on a master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sudo {
    /// `sudo -n`, which never prompts, unless the login is root.
    #[default]
    Passwordless,
    /// `sudo` with a password, unless the login is root.
    Password,
    /// No sudo: every command runs as the login user.
    None,
}

/// The policy for unknown host keys. A changed host key is always refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostKeys {
    /// Refuses an unknown host key.
    #[default]
    Strict,
    /// Accepts an unknown host key at first contact, and remembers it.
    AcceptNew,
}

impl Default for Ssh {
    fn default() -> Self {
        Self {
            user: None,
            port: None,
            identity_file: None,
            config_file: None,
            jump: Vec::new(),
            sudo: Sudo::default(),
            sudo_password: SecretSource::default(),
            host_keys: HostKeys::default(),
            connect_timeout: CONNECT_TIMEOUT,
        }
    }
}

scalar!(
    Sudo,
    "a sudo mode",
    "passwordless",
    [("passwordless", Self::Passwordless), ("password", Self::Password), ("none", Self::None)],
    "write passwordless, password or none"
);

scalar!(
    HostKeys,
    "a host key policy",
    "strict",
    [("strict", Self::Strict), ("accept-new", Self::AcceptNew)],
    "write strict or accept-new"
);

/// Name of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VariableName(pub(super) String);

scalar!(VariableName, "an environment variable name", "KCM_SUDO_PASSWORD", |text| {
    let starts_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts_plain && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Ok(Self(text.to_owned()))
    } else {
        // The value may be the password itself.
        let reason = "use letters, digits and underscores, and do not write the password in the cluster file";
        Err(invalid::<Self>("…", reason))
    }
});

/// The timeout for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectTimeout(pub(super) Duration);

scalar!(ConnectTimeout, "a connection timeout", "10s", |text| {
    // `ssh` supports whole seconds only.
    let whole = |duration: &Duration| {
        duration.subsec_nanos() == 0 && (1..=300).contains(&duration.as_secs())
    };
    text.parse::<GoDuration>()
        .map(GoDuration::as_duration)
        .ok()
        .filter(whole)
        .map(Self)
        .ok_or_else(|| invalid::<Self>(text, "write whole seconds from 1s to 300s, as in 10s"))
});
