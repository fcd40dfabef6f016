//! A fleet behind the system's `ssh`, and the passwords for `sudo` on its masters.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;
use zeroize::Zeroizing;

use super::{Fleet, Network};
use crate::cluster::{Cluster, Master, Sudo, SudoPassword};
use crate::transport::{Connections, OpenSsh, Password, Transport};
use crate::util::files::{LONGEST_FILE, words};

impl Fleet {
    /// Returns a fleet behind `ssh`, by the settings of the cluster file.
    ///
    /// No connection is opened yet; [`Fleet::close`] closes those opened later.
    ///
    /// `ask` prompts for the password of `sudo`. It is called at most once, and only if a master
    /// needs it.
    ///
    /// # Errors
    /// If a password cannot be read.
    pub fn ssh(
        cluster: &Cluster,
        ask: impl FnMut() -> io::Result<Zeroizing<String>>,
    ) -> Result<Self, PasswordError> {
        let connections = Connections::new();
        let mut passwords = Passwords { ask, known: Vec::new() };
        let mut masters = Vec::with_capacity(cluster.masters.len());
        for master in &cluster.masters {
            let Master { name, address, ssh, .. } = master;
            let password = match ssh.sudo {
                Sudo::Password => Some(passwords.read(&ssh.sudo_password)?),
                Sudo::Passwordless | Sudo::None => None,
            };
            let shell = OpenSsh::new(address.clone(), ssh.clone(), &connections);
            let transport: Arc<dyn Transport> =
                Arc::new(shell.into_transport(name.as_str(), password));
            masters.push((name.as_str().to_owned(), transport));
        }
        let fleet = Self { masters, network: Network::Allowed, control_plane: None };
        #[cfg(feature = "kube")]
        let fleet = fleet.with_control_plane(Arc::new(crate::kube::Networked));
        Ok(fleet)
    }
}

/// An error of reading a password for `sudo`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The password file cannot be read, or its first line is empty.
    #[error("ssh.sudoPassword.file: {file}: {reason}")]
    File {
        /// Path of the file.
        file: String,
        /// The cause and its fix.
        reason: String,
    },
    /// The environment variable is not set, or is not valid UTF-8.
    #[error(
        "ssh.sudoPassword.env: environment variable {name} is not set or not UTF-8; set the variable to the password"
    )]
    Env {
        /// Name of the variable.
        name: String,
    },
    /// The terminal prompt failed.
    #[error(
        "cannot prompt for the sudo password: {reason}; set `file` or `env` in ssh.sudoPassword"
    )]
    Terminal {
        /// The cause.
        reason: String,
    },
}

/// Passwords by source, each read once.
struct Passwords<A> {
    ask: A,
    known: Vec<(SudoPassword, Password)>,
}

impl<A: FnMut() -> io::Result<Zeroizing<String>>> Passwords<A> {
    fn read(&mut self, source: &SudoPassword) -> Result<Password, PasswordError> {
        if let Some((_, password)) = self.known.iter().find(|(known, _)| known == source) {
            return Ok(password.clone());
        }
        let password = Password::new(match source {
            SudoPassword::Terminal => {
                (self.ask)().map_err(|error| PasswordError::Terminal { reason: words(&error) })?
            }
            SudoPassword::File(file) => first_line(file)?,
            SudoPassword::Env(name) => std::env::var(name)
                .map(Zeroizing::new)
                .map_err(|_| PasswordError::Env { name: name.clone() })?,
        });
        self.known.push((source.clone(), password.clone()));
        Ok(password)
    }
}

/// Returns the first line of a password file. Further lines are ignored.
fn first_line(file: &Path) -> Result<Zeroizing<String>, PasswordError> {
    let failed = |reason: String| PasswordError::File { file: file.display().to_string(), reason };
    // The file may be a pipe, which has no size to check.
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(file)
        .and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text))
        .map_err(|error| failed(words(&error)))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Zeroizing::new(line.to_owned())),
        _ => {
            Err(failed("the first line is empty; write the password on the first line".to_owned()))
        }
    }
}
