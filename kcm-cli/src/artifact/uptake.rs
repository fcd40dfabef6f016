//! Whether a service that runs uses the credentials file that its kubeconfig names. Pure.
//!
//! The service reads that file for each connection that it makes, so it uses the new one once no connection is left that
//! was there when the file came. The kernel tells nobody how old a socket is: its own times are all 0, and those of its
//! link in `/proc/PID/fd` are of when somebody first looked. So what was there is noted: kcm lists the connections *after*
//! the rename, when whatever connects finds the new file. One that connected in between is noted as well, though it has
//! the new certificate: that can only hide what is proven, never prove what is not.

use std::collections::BTreeSet;
use std::fmt;

use kcm_pki::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::transport::{Connection, Observation, Settled};

/// Whether a service that runs uses the certificate and key in the file that its kubeconfig names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "uptake", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Uptake {
    /// It does: it was started after the file came, or all its connections to the API server were made after that.
    Proven,
    /// It has connections from before. Those that it made with the certificate it closes within five minutes of the
    /// change; a leader also has some of controllers with tokens of their own, which stay, and look the same from outside.
    NotYet {
        /// How many of them are left.
        left: usize,
        /// How many there were.
        of: usize,
    },
    /// It cannot be told.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// What connections a service had right after its credentials file was replaced. It names no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Noted {
    /// SHA-256 of the file.
    pub file: Fingerprint,
    /// systemd's name for the service's run (`InvocationID`).
    pub invocation: String,
    /// The API server's port, by which the connections to it are known.
    pub port: u16,
    /// The connections to it.
    pub connections: BTreeSet<Connection>,
}

impl Noted {
    /// What is noted of a service that was seen right after the file came; why nothing, if its connections are not seen.
    pub(crate) fn of(file: Fingerprint, port: u16, seen: &Settled) -> Result<Self, String> {
        let connections = to_server(seen, port)?;
        Ok(Self { file, invocation: seen.invocation.clone(), port, connections })
    }

    /// Reads a note; one that is not of this version is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The note.
    pub(crate) fn to_note(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Whether none of the connections is left in the same run, and there are others.
    #[must_use]
    pub fn judge(&self, seen: &Settled) -> Uptake {
        if seen.invocation != self.invocation {
            // It was started again, and reads the file when it connects.
            return Uptake::Proven;
        }
        match to_server(seen, self.port) {
            Err(reason) => Uptake::Unknown { reason },
            Ok(now) if now.is_empty() => {
                Uptake::Unknown { reason: "it has no connection to the API server".to_owned() }
            }
            Ok(now) => match now.intersection(&self.connections).count() {
                0 => Uptake::Proven,
                left => Uptake::NotYet { left, of: self.connections.len() },
            },
        }
    }
}

/// The connections of a service to the API server, which is whatever it reaches on that port.
fn to_server(seen: &Settled, port: u16) -> Result<BTreeSet<Connection>, String> {
    match &seen.connections {
        Some(Observation::Known(all)) => {
            Ok(all.iter().filter(|connection| connection.remote.port() == port).copied().collect())
        }
        Some(Observation::Unknown(why)) => Err(why.clone()),
        None => Err("its connections were not asked for".to_owned()),
    }
}

impl fmt::Display for Uptake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proven => f.write_str("its process uses the certificate that is there"),
            Self::NotYet { left, of } if left == of => f.write_str(
                "not proven yet that its process uses the new certificate; it takes it within 5 minutes, without a restart, and `kcm plan` says when it has",
            ),
            Self::NotYet { left, of } => write!(
                f,
                "{} of its {of} connections from before the new certificate are closed; those left may be of controllers with tokens of their own, which stay",
                of - left
            ),
            Self::Unknown { reason } => write!(
                f,
                "whether its process uses the certificate that is there already is not proven ({reason}); it takes it within 5 minutes"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(invocation: &str, inodes: &[u64]) -> Settled {
        let connection = |inode: &u64| Connection {
            local: "10.0.0.1:40000".parse().unwrap(),
            remote: "10.0.0.9:6443".parse().unwrap(),
            inode: *inode,
        };
        let stranger = Connection { remote: "10.0.0.9:443".parse().unwrap(), ..connection(&9) };
        let all = inodes.iter().map(connection).chain([stranger]).collect();
        Settled {
            invocation: invocation.to_owned(),
            main_pid: 1,
            listening: Observation::Known(Vec::new()),
            connections: Some(Observation::Known(all)),
        }
    }

    #[test]
    fn it_is_proven_only_when_all_connections_are_newer_than_the_file_and_there_is_one() {
        let noted = Noted::of(Fingerprint::of(b"file"), 6443, &seen("run", &[1, 2])).unwrap();
        assert_eq!(noted.connections.len(), 2, "{noted:?}");
        assert_eq!(noted.judge(&seen("run", &[1, 2])), Uptake::NotYet { left: 2, of: 2 });
        assert_eq!(noted.judge(&seen("run", &[2, 3])), Uptake::NotYet { left: 1, of: 2 });
        assert_eq!(noted.judge(&seen("run", &[3])), Uptake::Proven);
        assert!(matches!(noted.judge(&seen("run", &[])), Uptake::Unknown { .. }));
        assert_eq!(noted.judge(&seen("another run", &[])), Uptake::Proven);
        let unseen = Settled { connections: None, ..seen("run", &[]) };
        assert!(matches!(noted.judge(&unseen), Uptake::Unknown { .. }));
        assert_eq!(Noted::parse(&noted.to_note()), Some(noted));
        assert_eq!(Noted::parse("{}"), None);
    }
}
