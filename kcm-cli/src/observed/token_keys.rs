//! Observes who signs and who verifies service account tokens: the private keys on the masters, and
//! the keys of every API server.

use std::sync::Arc;

use kcm_kubeconfig::ServerUrl;
use kcm_pki::{Fingerprint, PublicKey};

use crate::context::Run;
use crate::kube::{Credentials, TokenVerification, Via};
use crate::observed::read_on;
use crate::transport::{Transport, View, public_part};
use crate::util::files::RemotePath;
use crate::util::tasks::at_once;

/// An API server and the keys with which it verifies tokens.
#[derive(Clone, Debug)]
pub(crate) struct VerifyingServer {
    pub(crate) url: ServerUrl,
    /// The keys, or the reason why they are unknown.
    pub(crate) keys: Result<TokenVerification, String>,
}

impl VerifyingServer {
    /// Reports whether the server verifies tokens that this key signed.
    pub(crate) fn verifies(&self, key: Fingerprint) -> bool {
        let keys = self.keys.iter().flat_map(|it| &it.keys);
        keys.into_iter().any(|it| it.public_part == Some(key))
    }

    /// Reports whether the server verifies tokens of the key with this public part.
    pub(crate) fn verifies_public(&self, key: &PublicKey) -> bool {
        public_part(key).is_some_and(|key| self.verifies(key))
    }
}

/// Queries every API server of the cluster through a master. The servers are those of the Service
/// `default/kubernetes`; without it, those of the cluster file.
///
/// The first answer lists the servers, so this takes two rounds.
pub(crate) async fn verifying_servers(
    run: Run<'_>,
    credentials: &Credentials,
) -> Vec<VerifyingServer> {
    let mut configured: Vec<ServerUrl> = Vec::new();
    for master in &run.cluster.masters {
        if !configured.contains(&master.server) {
            configured.push(master.server.clone());
        }
    }
    let first = ask_all(run, credentials, configured).await;
    let mut listed: Vec<ServerUrl> = Vec::new();
    for server in first.iter().filter_map(|it| it.keys.as_ref().ok()).flat_map(|it| &it.servers) {
        if !listed.contains(server) {
            listed.push(server.clone());
        }
    }
    if listed.is_empty() {
        return first;
    }
    listed.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    let is_known = |url: &ServerUrl| first.iter().find(|it| it.url == *url).cloned();
    let (known, unknown): (Vec<_>, Vec<_>) =
        listed.into_iter().partition(|it| is_known(it).is_some());
    let mut servers: Vec<_> = known.iter().filter_map(is_known).collect();
    servers.extend(ask_all(run, credentials, unknown).await);
    // A server of the cluster file that did not answer may be missing from the list.
    let silent = first.into_iter().filter(|it| it.keys.is_err());
    for server in silent {
        if !servers.iter().any(|it| it.url == server.url) {
            servers.push(server);
        }
    }
    servers
}

async fn ask_all(
    run: Run<'_>,
    credentials: &Credentials,
    servers: Vec<ServerUrl>,
) -> Vec<VerifyingServer> {
    let asked = at_once(servers.iter().map(async |url| ask(run, &credentials.at(url), url).await));
    let answers = asked.await.into_iter();
    let answers = answers.map(|it| it.unwrap_or_else(|panicked| Err(panicked.to_string())));
    servers.iter().cloned().zip(answers).map(|(url, keys)| VerifyingServer { url, keys }).collect()
}

async fn ask(
    run: Run<'_>,
    credentials: &Credentials,
    url: &ServerUrl,
) -> Result<TokenVerification, String> {
    let control_plane = run.fleet.control_plane().ok_or("the masters are folders")?;
    let masters: Vec<(&str, &Arc<dyn Transport>)> = run.fleet.masters().collect();
    // A master may reach only the server on its own host.
    let is_own = |name: &str| {
        run.cluster
            .master(name)
            .is_some_and(|master| master.server == *url || master.address.to_string() == url.host())
    };
    let own = masters.iter().find(|(name, _)| is_own(name)).or(masters.first());
    let (name, transport) = own.ok_or("no master is selected")?;
    let via = Via::of_master(run.cluster.api_via, name, transport);
    let answer = control_plane.token_verification(credentials, via).await;
    answer.map_err(|error| error.problem.to_string())
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
