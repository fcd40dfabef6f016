//! The facts from which the stage of a rotation follows.

use kcm_pki::{Fingerprint, PublicKey};

use crate::cluster::layout::Role;
use crate::context::Run;
use crate::desired::SIGNS_TOKENS;
use crate::error::Error;
use crate::kube::{Credentials, LegacyToken, Via};
use crate::observed::token_keys::{VerifyingServer, public_part_on, verifying_servers};
use crate::ops::sources::Sources;
use crate::pki::token_key::TokenKeys;
use crate::plan;
use crate::preflight::unit_flag;
use crate::transport::{PathState, public_part};
use crate::util::files::{Bytes, RemotePath};

/// The files that decide which key a running service signs with.
const READ: [Role; 2] = [Role::ServiceAccountKey, Role::Unit];

/// The facts.
pub(super) struct Evidence {
    /// The keys on this machine.
    pub(super) keys: TokenKeys,
    /// The key that masters signed with before the separate key, if it is the CA key.
    pub(super) former: Option<PublicKey>,
    pub(super) masters: Vec<Signer>,
    /// The API servers; empty if this machine has no identity to query them with.
    pub(super) servers: Vec<VerifyingServer>,
    /// Tokens in Secrets, or the reason why they are unknown.
    pub(super) legacy: Result<Vec<LegacyToken>, String>,
    /// Path of the public keys on the masters.
    pub(super) public_file: RemotePath,
    /// Path of the key on the masters.
    pub(super) key_file: RemotePath,
}

/// A master, and the key that its service signs with.
pub(super) struct Signer {
    pub(super) name: String,
    /// Path of the key, by the flags of the deployed unit. `None` if nothing is deployed.
    pub(super) file: Option<RemotePath>,
    /// Public part of the key, or the reason why it is unknown.
    pub(super) public_part: Result<Option<Fingerprint>, String>,
    /// True if the running service has read the key and the unit as they are.
    pub(super) is_current: bool,
    /// True if the file of public keys on the master is that of this machine.
    pub(super) has_public_keys: bool,
}

impl Evidence {
    pub(super) async fn collect(
        run: Run<'_>,
        sources: &Sources,
        keys: TokenKeys,
    ) -> Result<Self, Error> {
        let (layout, observed) = (sources.layout(), sources.observed());
        let signers = run.fleet.each(async |(name, transport)| {
            let master = observed.masters.iter().find(|it| it.name == name)?;
            let file =
                unit_flag(master, SIGNS_TOKENS).and_then(|path| RemotePath::new(path).ok())?;
            Some((public_part_on(&**transport, &file).await, file))
        });
        let signers = signers.await.into_iter().map(Result::ok).map(Option::flatten);
        let published = Bytes::new(keys.bundle());
        let masters = observed.masters.iter().zip(signers).map(|(master, signer)| {
            let state = &master.files.of(Role::ServiceAccountPublicKeys).state;
            let (public_part, file) = match signer {
                Some((public_part, file)) => (public_part, Some(file)),
                None => (Ok(None), None),
            };
            let has_public_keys =
                matches!(state, PathState::File { digest, .. } if *digest == published.digest());
            let is_current = plan::is_running_what_is_there(&READ, master);
            Signer { name: master.name.clone(), file, public_part, is_current, has_public_keys }
        });
        let masters: Vec<_> = masters.collect();
        let inputs = sources.inputs();
        let ca = inputs.ca.present().map(|ca| ca.certificate().public_key().clone());
        let signs = |key: &PublicKey| {
            let part = public_part(key);
            masters.iter().any(|it| part.is_some() && it.public_part == Ok(part))
        };
        let former = ca.filter(signs);
        let credentials = Credentials::of_cluster(run.cluster, inputs.pair.clone())?;
        let (servers, legacy) = match &credentials {
            Some(credentials) => {
                (verifying_servers(run, credentials).await, legacy_tokens(run, credentials).await)
            }
            None => (Vec::new(), Err("this machine has no client certificate".to_owned())),
        };
        let public_file = layout.path(Role::ServiceAccountPublicKeys).clone();
        let key_file = layout.path(Role::ServiceAccountKey).clone();
        Ok(Self { keys, former, masters, servers, legacy, public_file, key_file })
    }
}

async fn legacy_tokens(
    run: Run<'_>,
    credentials: &Credentials,
) -> Result<Vec<LegacyToken>, String> {
    let control_plane = run.fleet.control_plane().ok_or("the masters are folders")?;
    let (name, transport) = run.fleet.masters().next().ok_or("no master is selected")?;
    let via = Via::of_master(run.cluster.api_via, name, transport);
    let credentials = credentials.at(run.cluster.server_of(name));
    let tokens = control_plane.legacy_tokens(&credentials, via).await;
    tokens.map_err(|error| error.problem.to_string())
}
