//! The masters of one invocation, each behind its transport.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::cluster::{Cluster, Master, Sudo, SudoPassword};
use crate::kube::{ControlPlane, Networked};
use crate::transport::{Connections, Local, Password, SshMaster, Transport};
use crate::util::files::{LONGEST_FILE, words};
use crate::util::tasks::{Panicked, at_once};

/// All masters of a cluster file, in its order, each with the way to it.
#[derive(Clone, Debug)]
pub struct Fleet {
    masters: Vec<(String, Arc<dyn Transport>)>,
    network: Network,
    control_plane: Option<Arc<dyn ControlPlane>>,
}

/// Whether kcm itself may use the network for questions that are not a master's to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// It may ask the API server.
    Allowed,
    /// No connection, no name lookup, nothing.
    Forbidden,
}

impl Fleet {
    /// Masters as folders `root/<name>`: the network is never touched.
    #[must_use]
    pub fn folders(cluster: &Cluster, root: &Path) -> Self {
        Self::new(cluster, Network::Forbidden, |name| Arc::new(Local::new(root.join(name))))
    }

    /// Masters behind `ssh`, as the cluster file says. Nothing is opened yet; [`Fleet::close`] ends what is.
    ///
    /// `ask` asks a person for the password of `sudo`; it is called at most once, and only if a master needs it.
    ///
    /// # Errors
    /// When a password cannot be read.
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
            let transport: Arc<dyn Transport> = Arc::new(SshMaster::new(
                name.as_str(),
                address.clone(),
                ssh.clone(),
                password,
                &connections,
            ));
            masters.push((name.as_str().to_owned(), transport));
        }
        let control_plane: Arc<dyn ControlPlane> = Arc::new(Networked);
        Ok(Self { masters, network: Network::Allowed, control_plane: Some(control_plane) })
    }

    /// Masters behind transports that `connect` makes, by name.
    pub fn new(
        cluster: &Cluster,
        network: Network,
        mut connect: impl FnMut(&str) -> Arc<dyn Transport>,
    ) -> Self {
        let names = cluster.masters.iter().map(|master| master.name.as_str());
        let masters = names.map(|name| (name.to_owned(), connect(name))).collect();
        Self { masters, network, control_plane: None }
    }

    /// The same with API servers to ask who leads, and to hand over the lead: [`Networked`], as [`Fleet::ssh`] has it.
    #[must_use]
    pub fn with_control_plane(self, control_plane: Arc<dyn ControlPlane>) -> Self {
        Self { control_plane: Some(control_plane), ..self }
    }

    /// The API servers; none where the masters are folders.
    pub(crate) fn control_plane(&self) -> Option<&Arc<dyn ControlPlane>> {
        self.control_plane.as_ref()
    }

    /// Whether kcm itself may use the network.
    #[must_use]
    pub fn network(&self) -> Network {
        self.network
    }

    /// Ends all connections.
    pub async fn close(&self) {
        for (_, transport) in &self.masters {
            transport.close().await;
        }
    }

    /// Asks every master, many at once. The answers are in the cluster file's order.
    pub(crate) fn each<'a, T, F: Future<Output = T>>(
        &'a self,
        ask: impl FnMut((&'a str, &'a Arc<dyn Transport>)) -> F,
    ) -> impl Future<Output = Vec<Result<T, Panicked>>> {
        at_once(self.masters().map(ask))
    }

    /// Names and transports, in the cluster file's order.
    pub fn masters(&self) -> impl Iterator<Item = (&str, &Arc<dyn Transport>)> {
        self.masters.iter().map(|(name, transport)| (name.as_str(), transport))
    }
}

/// Why a password for `sudo` cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// A file.
    #[error("ssh.sudoPassword.file: {file}: {reason}")]
    File {
        /// The file.
        file: String,
        /// Why, and how to mend it.
        reason: String,
    },
    /// An environment variable.
    #[error("ssh.sudoPassword.env: the environment has no text in {name}; set it to the password")]
    Env {
        /// The variable.
        name: String,
    },
    /// A person.
    #[error(
        "the password for sudo cannot be asked for: {reason}; name a file or a variable in ssh.sudoPassword"
    )]
    Terminal {
        /// Why.
        reason: String,
    },
}

/// Passwords, each read once.
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

/// A password file's first line: what follows is no part of the password.
fn first_line(file: &Path) -> Result<Zeroizing<String>, PasswordError> {
    let failed = |reason: String| PasswordError::File { file: file.display().to_string(), reason };
    // It may be a pipe.
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(file)
        .and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text))
        .map_err(|error| failed(words(&error)))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Zeroizing::new(line.to_owned())),
        _ => Err(failed("its first line is empty; write the password there".to_owned())),
    }
}
