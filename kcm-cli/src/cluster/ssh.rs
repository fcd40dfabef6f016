//! How to reach a master: the public values, and the scalars that only the ssh section has.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use kcm_pki::GoDuration;

use super::scalar::Scalar;
use super::value::{HostAddress, InvalidValue, SshUser, invalid};

/// How long `ssh` may take to connect, if the file does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach a master. `None` is what `ssh` itself would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssh {
    /// Login name.
    pub user: Option<SshUser>,
    /// TCP port.
    pub port: Option<u16>,
    /// Private key file.
    pub identity_file: Option<PathBuf>,
    /// Configuration file in place of `~/.ssh/config`.
    pub config_file: Option<PathBuf>,
    /// Hosts to jump through, first to last.
    pub jump: Vec<Jump>,
    /// How root's part is done.
    pub sudo: Sudo,
    /// Where the password for [`Sudo::Password`] is read.
    pub sudo_password: SudoPassword,
    /// What becomes of a host key that is not known.
    pub host_keys: HostKeys,
    /// How long connecting may take: whole seconds, from 1 to 300.
    pub connect_timeout: Duration,
}

/// A host to jump through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// Where it is.
    pub host: HostAddress,
    /// Login name there.
    pub user: Option<SshUser>,
    /// TCP port there.
    pub port: Option<u16>,
    /// Private key file for it.
    pub identity_file: Option<PathBuf>,
}

/// How root's part is done on a master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sudo {
    /// Through `sudo -n`, which asks for no password, unless the login is root's.
    #[default]
    Passwordless,
    /// Through `sudo` with a password, unless the login is root's.
    Password,
    /// Not at all: nothing is run as another user than the login's.
    None,
}

/// Where the password for `sudo` is read. The password itself is never in a cluster file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SudoPassword {
    /// From the terminal, asked for once.
    #[default]
    Terminal,
    /// From this file.
    File(PathBuf),
    /// From the environment variable of this name.
    Env(String),
}

/// What becomes of a host key that is not known. One that has changed is refused in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostKeys {
    /// It is refused.
    #[default]
    Strict,
    /// It is accepted and remembered at first contact.
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
            sudo_password: SudoPassword::default(),
            host_keys: HostKeys::default(),
            connect_timeout: CONNECT_TIMEOUT,
        }
    }
}

impl Scalar for Sudo {
    const EXPECTED: &'static str = "a choice of sudo";
    const EXAMPLE: &'static str = "passwordless";
}

impl FromStr for Sudo {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "passwordless" => Ok(Self::Passwordless),
            "password" => Ok(Self::Password),
            "none" => Ok(Self::None),
            _ => Err(invalid::<Self>(text, "write passwordless, password or none")),
        }
    }
}

impl Scalar for HostKeys {
    const EXPECTED: &'static str = "a choice of what to do with new host keys";
    const EXAMPLE: &'static str = "strict";
}

impl FromStr for HostKeys {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "strict" => Ok(Self::Strict),
            "accept-new" => Ok(Self::AcceptNew),
            _ => Err(invalid::<Self>(text, "write strict or accept-new")),
        }
    }
}

/// Name of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VariableName(pub(super) String);

impl Scalar for VariableName {
    const EXPECTED: &'static str = "the name of an environment variable";
    const EXAMPLE: &'static str = "KCM_SUDO_PASSWORD";
}

impl FromStr for VariableName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let starts_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if starts_plain && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            Ok(Self(text.to_owned()))
        } else {
            // What stands here may be the password.
            let reason = "use letters, digits and underscores; the password itself never stands in this file";
            Err(invalid::<Self>("…", reason))
        }
    }
}

/// How long connecting may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectTimeout(pub(super) Duration);

impl Scalar for ConnectTimeout {
    const EXPECTED: &'static str = "a time to wait for a connection";
    const EXAMPLE: &'static str = "10s";
}

impl FromStr for ConnectTimeout {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        // `ssh` counts in whole seconds.
        let whole = |duration: &Duration| {
            duration.subsec_nanos() == 0 && (1..=300).contains(&duration.as_secs())
        };
        text.parse::<GoDuration>()
            .map(GoDuration::as_duration)
            .ok()
            .filter(whole)
            .map(Self)
            .ok_or_else(|| invalid::<Self>(text, "write whole seconds from 1s to 300s, as in 10s"))
    }
}
