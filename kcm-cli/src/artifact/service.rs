//! Properties of the service that a rollout needs.

use std::net::SocketAddr;

use kcm_systemd::FlagName;
use serde::Serialize;

use crate::util::files::{Owner, RemotePath};

/// Properties of the service that a rollout needs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DesiredService {
    /// Names of the flags in its command line.
    pub flags: Vec<FlagName>,
    /// The files that flags name.
    pub files: Vec<RemotePath>,
    /// Files among `files` that hold a key: kubeconfigs and private keys.
    #[serde(skip)]
    pub(crate) secrets: Vec<RemotePath>,
    /// Files among `files` that must hold exactly one certificate, because the leader signs with
    /// it.
    #[serde(skip)]
    pub(crate) signing_certificates: Vec<RemotePath>,
    /// Certificates and keys that the leader signs with, except a CA that kcm distributes.
    #[serde(skip)]
    pub(crate) signers: Vec<SigningFiles>,
    /// Files among `files` that the process reads only at startup.
    pub read_once: Vec<RemotePath>,
    /// Path of the key that signs service account tokens.
    pub service_account_key: Option<String>,
    /// Address of the health endpoint, as seen from the master. `None` if a flag disables it.
    pub serving: Option<SocketAddr>,
    /// User whose file permissions bind the service: another user, or root without capabilities.
    /// `None` for root with capabilities.
    pub account: Option<Owner>,
    /// Name of the user in the cluster file. `None` for root.
    #[serde(skip)]
    pub(crate) user: Option<String>,
}

/// The certificate and key of one signer, as its flags name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SigningFiles {
    /// Flag that names the certificate.
    pub(crate) certificate_flag: String,
    /// Path of the certificate.
    pub(crate) certificate: RemotePath,
    /// Flag that names the key.
    pub(crate) key_flag: String,
    /// Path of the key.
    pub(crate) key: RemotePath,
}

impl DesiredService {
    /// Describes the user that the service runs as, for messages.
    pub(crate) fn runs_as(&self) -> String {
        match (&self.user, self.account) {
            (Some(user), _) => format!("user `{user}`"),
            (None, Some(_)) => "root without capabilities (systemd.hardening: strict)".to_owned(),
            (None, None) => "root".to_owned(),
        }
    }

    /// Reports whether the service generates its own serving certificate at startup, and never
    /// renews it.
    pub(crate) fn makes_its_certificate(&self) -> bool {
        self.serving.is_some() && !self.flags.iter().any(|flag| flag.as_str() == "tls-cert-file")
    }
}
