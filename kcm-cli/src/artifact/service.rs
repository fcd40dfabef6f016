//! The service: what a rollout has to know of it.

use std::net::SocketAddr;

use kcm_systemd::FlagName;
use serde::Serialize;

use crate::util::files::{Owner, RemotePath};

/// What a rollout has to know of the service.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredService {
    /// The flags that it is started with, by name.
    pub flags: Vec<FlagName>,
    /// The files that flags name.
    pub files: Vec<RemotePath>,
    /// Those of them that hold a key: kubeconfigs and private keys.
    #[serde(skip)]
    pub(crate) secrets: Vec<RemotePath>,
    /// Those of them that must hold one certificate and no more: it signs with them once it leads.
    #[serde(skip)]
    pub(crate) signing_certificates: Vec<RemotePath>,
    /// The certificates and keys that it signs with once it leads, but for those that kcm puts there itself.
    #[serde(skip)]
    pub(crate) signers: Vec<SigningFiles>,
    /// Those of them that it reads when it starts, and then never again.
    pub read_once: Vec<RemotePath>,
    /// The key that it signs tokens with.
    pub service_account_key: Option<String>,
    /// Where it answers for its health, as seen from the master; nowhere if a flag says so.
    pub serving: Option<SocketAddr>,
    /// As whom it runs where that user has no more rights than its files give; root with all of root's if none.
    pub account: Option<Owner>,
    /// The name of the user that the cluster file has it run as; none for root.
    #[serde(skip)]
    pub(crate) user: Option<String>,
}

/// A certificate and the key beside it, as the flags of one signer name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SigningFiles {
    /// The flag of the certificate.
    pub(crate) certificate_flag: String,
    /// The certificate's path.
    pub(crate) certificate: RemotePath,
    /// The flag of the key.
    pub(crate) key_flag: String,
    /// The key's path.
    pub(crate) key: RemotePath,
}

impl DesiredService {
    /// Names the user that it runs as, for messages.
    pub(crate) fn runs_as(&self) -> String {
        match (&self.user, self.account) {
            (Some(user), _) => format!("user `{user}`"),
            (None, Some(_)) => "root without capabilities (systemd.hardening: strict)".to_owned(),
            (None, None) => "root".to_owned(),
        }
    }

    /// Whether it makes the certificate that it shows for itself when it starts, and never renews it.
    pub(crate) fn makes_its_certificate(&self) -> bool {
        self.serving.is_some() && !self.flags.iter().any(|flag| flag.as_str() == "tls-cert-file")
    }
}
