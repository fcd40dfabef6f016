//! Checks of the ssh section of all masters and of single masters.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::At;
use super::pki::secret;
use crate::cluster::error::ClusterFileError;
use crate::cluster::file::{JumpEntry, SshSection};
use crate::cluster::locate::Step;
use crate::cluster::locate::Step::{Index, Key};
use crate::cluster::value::SshUser;
use crate::cluster::{HostKeys, Jump, SecretSource, Ssh, Sudo};

/// The keys that a section sets. The others come from the other section or the defaults.
#[derive(Clone, Default)]
pub(super) struct SshChoices {
    user: Option<SshUser>,
    port: Option<u16>,
    identity_file: Option<PathBuf>,
    config_file: Option<PathBuf>,
    jump: Option<Vec<Jump>>,
    sudo: Option<Sudo>,
    sudo_password: Option<SecretSource>,
    host_keys: Option<HostKeys>,
    connect_timeout: Option<Duration>,
}

impl SshChoices {
    /// Checks the section of all masters.
    pub(super) fn of_all(
        at: &At<'_>,
        section: Option<SshSection>,
        folder: &Path,
    ) -> Result<Self, ClusterFileError> {
        let path = [Key("ssh")];
        let choices = choices(at, &path, section, folder)?;
        check_password(at, &path, &choices, choices.sudo)?;
        Ok(choices)
    }

    /// Checks the section of a master at `path`, and completes it with that of all masters.
    pub(super) fn of_master(
        &self,
        at: &At<'_>,
        path: &[Step<'_>],
        section: Option<SshSection>,
        folder: &Path,
    ) -> Result<Ssh, ClusterFileError> {
        let own = choices(at, path, section, folder)?;
        check_password(at, path, &own, own.sudo.or(self.sudo))?;
        let all = self.clone();
        let default = Ssh::default();
        Ok(Ssh {
            user: own.user.or(all.user),
            port: own.port.or(all.port),
            identity_file: own.identity_file.or(all.identity_file),
            config_file: own.config_file.or(all.config_file),
            jump: own.jump.or(all.jump).unwrap_or(default.jump),
            sudo: own.sudo.or(all.sudo).unwrap_or(default.sudo),
            sudo_password: own.sudo_password.or(all.sudo_password).unwrap_or(default.sudo_password),
            host_keys: own.host_keys.or(all.host_keys).unwrap_or(default.host_keys),
            connect_timeout: own
                .connect_timeout
                .or(all.connect_timeout)
                .unwrap_or(default.connect_timeout),
        })
    }
}

fn choices(
    at: &At<'_>,
    path: &[Step<'_>],
    section: Option<SshSection>,
    folder: &Path,
) -> Result<SshChoices, ClusterFileError> {
    let Some(section) = section else { return Ok(SshChoices::default()) };
    let jump = section.jump.map(|jump| jumps(at, path, jump, folder)).transpose()?;
    let sudo_password = section
        .sudo_password
        .map(|of| secret(at, &below(path, Key("sudoPassword")), of, folder))
        .transpose()?;
    Ok(SshChoices {
        user: section.user.map(|user| user.0),
        port: port(at, path, section.port)?,
        identity_file: section.identity_file.map(|path| path.0.from(folder)),
        config_file: section.config_file.map(|path| path.0.from(folder)),
        jump,
        sudo: section.sudo.map(|sudo| sudo.0),
        sudo_password,
        host_keys: section.host_keys.map(|keys| keys.0),
        connect_timeout: section.connect_timeout.map(|timeout| timeout.0.0),
    })
}

fn jumps(
    at: &At<'_>,
    path: &[Step<'_>],
    entries: Vec<JumpEntry>,
    folder: &Path,
) -> Result<Vec<Jump>, ClusterFileError> {
    let jump = |(index, entry): (usize, JumpEntry)| {
        let here = below(&below(path, Key("jump")), Index(index));
        Ok(Jump {
            host: entry.host.0,
            user: entry.user.map(|user| user.0),
            port: port(at, &here, entry.port)?,
            identity_file: entry.identity_file.map(|path| path.0.from(folder)),
        })
    };
    entries.into_iter().enumerate().map(jump).collect()
}

fn port(
    at: &At<'_>,
    path: &[Step<'_>],
    port: Option<u16>,
) -> Result<Option<u16>, ClusterFileError> {
    match port {
        Some(0) => {
            let problem = "0 is not a valid port; write a port from 1 to 65535";
            Err(at.error(&below(path, Key("port")), problem))
        }
        port => Ok(port),
    }
}

/// Refuses a password source without `sudo: password`, because it would have no effect.
fn check_password(
    at: &At<'_>,
    path: &[Step<'_>],
    choices: &SshChoices,
    sudo: Option<Sudo>,
) -> Result<(), ClusterFileError> {
    if choices.sudo_password.is_some() && sudo != Some(Sudo::Password) {
        let problem =
            "has no effect without `sudo: password`; set `sudo: password`, or remove this key";
        return Err(at.error(&below(path, Key("sudoPassword")), problem));
    }
    Ok(())
}

fn below<'s>(path: &[Step<'s>], step: Step<'s>) -> Vec<Step<'s>> {
    path.iter().copied().chain([step]).collect()
}
