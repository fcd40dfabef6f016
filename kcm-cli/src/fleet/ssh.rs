//! A fleet behind the system's `ssh`, and the passwords for `sudo` on its masters.

use std::io;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Fleet, Network};
use crate::cluster::{Cluster, Master, SecretError, SecretSource, Sudo};
use crate::transport::{Connections, OpenSsh, Password, Transport};

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
    ) -> Result<Self, SecretError> {
        let connections = Connections::new();
        connections.hide(cluster.secret_variables.iter().map(String::as_str));
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

/// Passwords by source, each read once.
struct Passwords<A> {
    ask: A,
    known: Vec<(SecretSource, Password)>,
}

impl<A: FnMut() -> io::Result<Zeroizing<String>>> Passwords<A> {
    fn read(&mut self, source: &SecretSource) -> Result<Password, SecretError> {
        if let Some((_, password)) = self.known.iter().find(|(known, _)| known == source) {
            return Ok(password.clone());
        }
        let password = Password::new(source.read("ssh.sudoPassword", &mut self.ask)?);
        self.known.push((source.clone(), password.clone()));
        Ok(password)
    }
}
