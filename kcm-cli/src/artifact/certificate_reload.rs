//! Reports whether a running service has reloaded the credentials file that its kubeconfig names.
//! Pure.
//!
//! The service reads the file for each new connection. So it uses the new certificate once all
//! connections from before the file was replaced are closed.
//!
//! The kernel does not report the age of a socket. Its timestamps are 0, and those of the link in
//! `/proc/PID/fd` are of the first access. So kcm notes the connections, and does so *after* the
//! rename, when new connections already use the new file. A connection made in between is noted
//! although it uses the new certificate. That can delay the proof of a reload, but never give a
//! wrong one.

use std::collections::BTreeSet;
use std::fmt;

use kcm_pki::Fingerprint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::transport::{Connection, Observation, Settled};

/// State of the certificate reload of a running service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "certificateReload", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum CertificateReload {
    /// The service uses the current file. It started after the file was replaced, or all its
    /// connections to the API server are newer.
    Proven,
    /// The service still has connections from before the file was replaced.
    ///
    /// Those authenticated by the certificate close within five minutes of the change. A leader
    /// also has connections of controllers that use their own tokens. These stay open and cannot be
    /// distinguished from outside.
    NotYet {
        /// Number of old connections that are still open.
        left: usize,
        /// Number of old connections at first.
        of: usize,
    },
    /// The state cannot be determined.
    Unknown {
        /// The reason.
        reason: String,
    },
}

/// The connections of a service right after its credentials file was replaced. Contains no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Noted {
    /// SHA-256 of the file.
    pub file: Fingerprint,
    /// systemd's ID of the service's run (`InvocationID`).
    pub invocation: String,
    /// Port of the API server, which identifies connections to it.
    pub port: u16,
    /// The connections to the API server.
    pub connections: BTreeSet<Connection>,
}

impl Noted {
    /// Creates the note of a service observed right after the file was replaced.
    ///
    /// # Errors
    /// The reason why the connections are unknown.
    pub(crate) fn of(file: Fingerprint, port: u16, seen: &Settled) -> Result<Self, String> {
        let connections = to_server(seen, port)?;
        Ok(Self { file, invocation: seen.invocation.clone(), port, connections })
    }

    /// Parses a note. `None` if the note is not valid for this version.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Returns the note as JSON.
    pub(crate) fn to_note(&self) -> String {
        // Serialization of these types cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Evaluates the reload from the current connections.
    ///
    /// It is proven by a new invocation, or if no noted connection is open and at least one other
    /// is.
    #[must_use]
    pub fn evaluate(&self, seen: &Settled) -> CertificateReload {
        if seen.invocation != self.invocation {
            // A new process reads the file when it connects.
            return CertificateReload::Proven;
        }
        match to_server(seen, self.port) {
            Err(reason) => CertificateReload::Unknown { reason },
            Ok(now) if now.is_empty() => CertificateReload::Unknown {
                reason: "the process has no connection to the API server".to_owned(),
            },
            Ok(now) => match now.intersection(&self.connections).count() {
                0 => CertificateReload::Proven,
                left => CertificateReload::NotYet { left, of: self.connections.len() },
            },
        }
    }
}

/// Returns the connections of a service to the API server: all to that remote port.
fn to_server(seen: &Settled, port: u16) -> Result<BTreeSet<Connection>, String> {
    match &seen.connections {
        Some(Observation::Known(all)) => {
            Ok(all.iter().filter(|connection| connection.remote.port() == port).copied().collect())
        }
        Some(Observation::Unknown(why)) => Err(why.clone()),
        None => Err("the connections were not queried".to_owned()),
    }
}

impl fmt::Display for CertificateReload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proven => f.write_str("the running process uses the current certificate"),
            Self::NotYet { left, of } if left == of => f.write_str(
                "certificate reload not verified yet; the process reloads the certificate within 5 minutes without a restart, and `kcm plan` reports the reload",
            ),
            Self::NotYet { left, of } => write!(
                f,
                "{} of {of} connections opened before the new certificate are closed; the others may belong to controllers with their own tokens, which keep their connections",
                of - left
            ),
            Self::Unknown { reason } => write!(
                f,
                "cannot verify the certificate reload ({reason}); the process reloads the certificate within 5 minutes"
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
        let unmanaged_leader =
            Connection { remote: "10.0.0.9:443".parse().unwrap(), ..connection(&9) };
        let all = inodes.iter().map(connection).chain([unmanaged_leader]).collect();
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
        assert_eq!(
            noted.evaluate(&seen("run", &[1, 2])),
            CertificateReload::NotYet { left: 2, of: 2 }
        );
        assert_eq!(
            noted.evaluate(&seen("run", &[2, 3])),
            CertificateReload::NotYet { left: 1, of: 2 }
        );
        assert_eq!(noted.evaluate(&seen("run", &[3])), CertificateReload::Proven);
        assert!(matches!(noted.evaluate(&seen("run", &[])), CertificateReload::Unknown { .. }));
        assert_eq!(noted.evaluate(&seen("another run", &[])), CertificateReload::Proven);
        let unseen = Settled { connections: None, ..seen("run", &[]) };
        assert!(matches!(noted.evaluate(&unseen), CertificateReload::Unknown { .. }));
        assert_eq!(Noted::parse(&noted.to_note()), Some(noted));
        assert_eq!(Noted::parse("{}"), None);
    }
}
