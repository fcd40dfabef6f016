//! Observes who signs and who verifies service account tokens: the private keys on the masters, and
//! the keys of every API server.

use std::sync::Arc;

use kcm_kubeconfig::ServerUrl;
use kcm_pki::{Fingerprint, PublicKey};

use super::api_servers::{Asked, every_api_server};
use crate::context::Run;
use crate::kube::{ControlPlane, Credentials, TokenVerification};
use crate::observed::read_on;
use crate::transport::{Transport, View, public_part};
use crate::util::files::RemotePath;

/// An API server and the keys with which it verifies tokens.
pub(crate) type VerifyingServer = Asked<TokenVerification>;

impl VerifyingServer {
    /// Reports whether the server verifies tokens that this key signed.
    pub(crate) fn verifies(&self, key: Fingerprint) -> bool {
        let keys = self.answer.iter().flat_map(|it| &it.keys);
        keys.into_iter().any(|it| it.public_part == Some(key))
    }

    /// Reports whether the server verifies tokens of the key with this public part.
    pub(crate) fn verifies_public(&self, key: &PublicKey) -> bool {
        public_part(key).is_some_and(|key| self.verifies(key))
    }
}

/// Queries every API server of the cluster through a master.
pub(crate) async fn verifying_servers(
    run: Run<'_>,
    credentials: &Credentials,
) -> Vec<VerifyingServer> {
    let ask = |control_plane: Arc<dyn ControlPlane>, url: ServerUrl, via| {
        let credentials = credentials.at(&url);
        async move { control_plane.token_verification(&credentials, via).await }
    };
    every_api_server(run, ask, |answer| &answer.servers).await
}

/// Reads the public part of a private key on a master. `None` if the file does not exist, or holds
/// no key whose public part the master can determine.
pub(crate) async fn public_part_on(
    transport: &dyn Transport,
    path: &RemotePath,
) -> Result<Option<Fingerprint>, String> {
    let digest = read_on(transport, path, View::PublicPart).await?;
    Ok(digest.and_then(|digest| {
        let digest = std::str::from_utf8(&digest).ok()?;
        format!("sha256:{}", digest.trim()).parse().ok()
    }))
}
