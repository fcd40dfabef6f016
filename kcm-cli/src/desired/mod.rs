//! Desired state of each master. Pure: the same cluster and identity give the same bytes.

mod kubeconfig;
pub(crate) mod meaning;
mod service;

use kcm_pki::PublicKey;
use serde::Serialize;
use thiserror::Error;

use crate::artifact::{DesiredService, view};
use crate::cluster::layout::{Layout, LayoutError, Role};
use crate::cluster::{Cluster, CredentialsForm};
use crate::desired::meaning::{EffectiveContent, Reference};
use crate::observed::ObservedMaster;
use crate::observed::accounts::Owners;
use crate::pki::token_key::{TokenKey, TokenKeyOrigin, key_id};
use crate::pki::{Binary, IdentityRequest, Pair};
use crate::util::explanation::Explanation;
use crate::util::files::{Bytes, Mode, Owner, RemotePath};

use self::kubeconfig::Kubeconfigs;
pub(crate) use self::service::{SIGNS_TOKENS, flags, known_services, unit_text};
use self::service::{Service, service};

/// The desired state of all masters, in the order of the cluster file.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Desired {
    /// The masters.
    pub masters: Vec<DesiredMaster>,
}

/// The desired state of one master.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DesiredMaster {
    /// Name of the master.
    pub name: String,
    /// The managed files, in the order in which they are written.
    pub artifacts: Vec<Artifact>,
    /// The files that the service reads when it starts, whether kcm manages them or not.
    pub reads: Vec<Role>,
    /// Path of the file with certificate and key that the kubeconfig may name. The file must not
    /// exist if it does not.
    #[serde(skip)]
    pub(crate) combined: RemotePath,
    /// Path of the file with serving certificate and key, with the same rule.
    #[serde(skip)]
    pub(crate) serving: RemotePath,
    /// The service.
    pub service: DesiredService,
}

/// One managed file.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Artifact {
    /// Role of the file.
    pub role: Role,
    /// Path of the file.
    pub path: RemotePath,
    /// Permission bits of the file.
    pub mode: Mode,
    /// Owner of the file.
    pub owner: Owner,
    /// Content of the file.
    pub content: Content,
    /// Content for display, with fingerprints in place of secrets.
    pub view: String,
    /// Effective content, if files are compared semantically.
    #[serde(skip)]
    pub(crate) meaning: Option<EffectiveContent>,
    /// Requirement on the file, if only the masters hold it.
    #[serde(skip)]
    pub(crate) reference: Option<Reference>,
}

/// The bytes of a managed file, as far as they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Known bytes.
    Known(Bytes),
    /// Bytes that are known once the identity or the CA is created.
    Pending,
    /// The observed content, which stays, because kcm does not hold the bytes.
    AsItIs,
}

impl Serialize for Content {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(bytes) => serializer.collect_str(&bytes.digest()),
            Self::Pending => serializer.serialize_str("pending"),
            Self::AsItIs => serializer.serialize_str("as it is"),
        }
    }
}

/// An error of rendering the desired state.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DesiredError {
    /// The unit of a master cannot be rendered.
    #[error("{master}: {}", why.problem)]
    Unit {
        /// The master.
        master: String,
        /// The problem and its fix.
        why: Explanation,
    },
    /// The kubeconfig cannot be rendered.
    #[error("cannot build the kubeconfig: {reason}")]
    Kubeconfig {
        /// The reason.
        reason: String,
    },
    /// A path on the masters is invalid.
    #[error("install.{key}: {}", why.problem)]
    Layout {
        /// The key below `install`.
        key: &'static str,
        /// The problem and its fix.
        why: Explanation,
    },
}

impl DesiredError {
    pub(crate) fn of_layout(error: LayoutError) -> Self {
        let LayoutError { key, reason } = error;
        Self::Layout { key, why: reason.into() }
    }

    /// Returns the problem and its fix.
    pub(crate) fn explanation(&self) -> Explanation {
        Explanation { problem: self.to_string(), help: self.help() }
    }

    /// Returns the fix, if one is known.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Unit { why, .. } | Self::Layout { why, .. } => why.help.clone(),
            Self::Kubeconfig { .. } => None,
        }
    }
}

/// The identity from which the artifacts are rendered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Identity<'a> {
    /// Certificate and key are on this machine.
    Pair(&'a Pair),
    /// Certificate and key will be issued.
    ToBeIssued(&'a IdentityRequest),
    /// The certificate is known; the key stays on the masters and is not fetched.
    OnMasters {
        /// The certificate, as PEM.
        certificate: &'a str,
        /// The master with whose files those of all masters are compared. `None` to render files
        /// without a comparison.
        master: Option<&'a ObservedMaster>,
    },
}

/// The materials from which the artifacts are rendered, besides the cluster file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Materials<'a> {
    pub(crate) identity: Identity<'a>,
    /// The serving identity, if kcm issues it.
    pub(crate) serving: Option<Identity<'a>>,
    /// PEM of the CA certificate; absent until it is created.
    pub(crate) ca: Option<&'a str>,
    /// PEM of all CA certificates that clients accept, if there are others than the CA's.
    pub(crate) trust: Option<&'a str>,
    /// The CA key, if it is distributed and is on this machine.
    pub(crate) ca_key: Option<&'a Bytes>,
    /// The separate key that signs service account tokens, if there is one.
    pub(crate) token_key: Option<&'a TokenKey>,
    /// The kube-controller-manager program, if it is distributed.
    pub(crate) binary: Option<&'a Binary>,
}

/// Renders the desired state of every master.
pub(crate) fn desired(
    cluster: &Cluster,
    layout: &Layout,
    owners: &[Owners],
    materials: Materials<'_>,
) -> Result<Desired, DesiredError> {
    let Materials { identity, serving, ca, trust, ca_key, token_key, binary } = materials;
    let mut shared = Vec::new();
    if cluster.install.distribute_ca {
        shared.extend([ca_certificate(layout, ca), self::ca_key(layout, ca, ca_key)]);
    }
    if cluster.credentials != CredentialsForm::EmbeddedOnly {
        shared.extend([certificate(layout, identity), key(layout, identity)]);
    }
    // Files that name another file are written after it.
    shared.extend(
        (cluster.credentials == CredentialsForm::Files)
            .then(|| both(layout, Role::Combined, identity)),
    );
    shared.extend(serving.map(|serving| both(layout, Role::Serving, serving)));
    shared.extend(token_key.into_iter().flat_map(|key| service_account_keys(layout, key)));
    let place_of_kubeconfig = shared.len();
    shared.extend(binary.map(|binary| self::binary(layout, binary)));
    let owners = owners.iter().copied().chain(std::iter::repeat(Owners::ROOT));
    let ca = trust.or(ca).filter(|_| ca.is_some());
    let mut kubeconfigs = Kubeconfigs { cluster, layout, identity, ca, made: Vec::new() };
    let masters = cluster.masters.iter().zip(owners).map(|(master, owners)| {
        let Service { unit, reads, known } = service(cluster, layout, master, owners)?;
        let mut artifacts = shared.clone();
        artifacts.insert(place_of_kubeconfig, kubeconfigs.of(&master.server)?);
        // The CA key lies on a master only if a flag names it.
        artifacts.retain(|it| it.role != Role::CaKey || reads.contains(&Role::CaKey));
        let trust = trust.filter(|_| reads.contains(&Role::Trust));
        artifacts.splice(0..0, trust.map(|pem| self::trust(layout, pem)));
        let owned = artifacts.into_iter().map(|artifact| match artifact.role {
            // The user that runs the program must not be able to replace it.
            Role::Binary | Role::Unit => artifact,
            _ => Artifact { owner: owners.files, ..artifact },
        });
        let artifacts = owned.chain([unit]).collect();
        Ok(DesiredMaster {
            name: master.name.to_string(),
            artifacts,
            reads,
            combined: layout.combined.clone(),
            serving: layout.serving.clone(),
            service: known,
        })
    });
    Ok(Desired { masters: masters.collect::<Result<_, DesiredError>>()? })
}

fn ca_certificate(layout: &Layout, ca: Option<&str>) -> Artifact {
    let (content, view) = match ca {
        Some(pem) => (Content::Known(Bytes::new(pem)), view::certificate(pem)),
        None => (Content::Pending, "a new CA certificate\n".to_owned()),
    };
    artifact(layout, Role::CaCertificate, content, view)
}

fn trust(layout: &Layout, pem: &str) -> Artifact {
    let content = Content::Known(Bytes::new(pem));
    artifact(layout, Role::Trust, content, view::certificates(pem))
}

fn ca_key(layout: &Layout, ca: Option<&str>, key: Option<&Bytes>) -> Artifact {
    let (content, view) = match (ca, key) {
        (None, _) => (Content::Pending, "a new private key\n".to_owned()),
        (Some(_), Some(bytes)) => (Content::Known(bytes.clone()), view::key(bytes.digest())),
        (Some(_), None) => (Content::AsItIs, String::new()),
    };
    artifact(layout, Role::CaKey, content, view)
}

/// Renders the key that signs service account tokens, and the public keys that verify them.
fn service_account_keys(layout: &Layout, key: &TokenKey) -> [Artifact; 2] {
    let private = Bytes::new(key.private.to_pem().as_bytes());
    let view = match key.origin {
        TokenKeyOrigin::New => {
            format!("a new private key, {}\n", key.private.public_key().key_type())
        }
        TokenKeyOrigin::Stored | TokenKeyOrigin::Next => view::key(private.digest()),
    };
    let private = artifact(layout, Role::ServiceAccountKey, Content::Known(private), view);
    let public = Content::Known(Bytes::new(key.bundle()));
    let line = |key: &PublicKey| format!("public key {}\n", key_id(key));
    let view = key.public_keys.iter().map(line).collect();
    [private, artifact(layout, Role::ServiceAccountPublicKeys, public, view)]
}

fn binary(layout: &Layout, binary: &Binary) -> Artifact {
    let bytes = &binary.bytes;
    let view = view::binary(bytes.expose().len() as u64, bytes.digest());
    let view = format!("{view}for {}\n", binary.machine);
    artifact(layout, Role::Binary, Content::Known(bytes.clone()), view)
}

fn artifact(layout: &Layout, role: Role, content: Content, view: String) -> Artifact {
    let path = layout.path(role).clone();
    Artifact {
        role,
        path,
        mode: role.mode(),
        owner: Owner::ROOT,
        content,
        view,
        meaning: None,
        reference: None,
    }
}

fn certificate(layout: &Layout, identity: Identity<'_>) -> Artifact {
    let (content, view) = match identity {
        Identity::Pair(Pair { certificate, .. }) => {
            (Content::Known(Bytes::new(certificate.as_str())), view::certificate(certificate))
        }
        // All masters hold this certificate. Its encoding does not matter.
        Identity::OnMasters { certificate, .. } => {
            (Content::AsItIs, view::certificate(certificate))
        }
        Identity::ToBeIssued(request) => (Content::Pending, view::request(request)),
    };
    Artifact {
        reference: Reference::of(identity, Role::Certificate),
        ..artifact(layout, Role::Certificate, content, view)
    }
}

fn key(layout: &Layout, identity: Identity<'_>) -> Artifact {
    let (content, view) = match identity {
        Identity::Pair(pair) => {
            let bytes = Bytes::new(pair.key.as_bytes());
            let view = view::key(bytes.digest());
            (Content::Known(bytes), view)
        }
        Identity::OnMasters { .. } => (Content::AsItIs, String::new()),
        Identity::ToBeIssued(request) => {
            (Content::Pending, format!("a new private key, {}\n", request.key_algorithm))
        }
    };
    Artifact {
        reference: Reference::of(identity, Role::Key),
        ..artifact(layout, Role::Key, content, view)
    }
}

/// Renders certificate and key as one file. A process that reads two files during their replacement
/// could get a key that does not belong to the certificate.
fn both(layout: &Layout, role: Role, identity: Identity<'_>) -> Artifact {
    let (content, view) = match identity {
        Identity::Pair(pair) => {
            let bytes = Bytes::new([pair.certificate.as_bytes(), pair.key.as_bytes()].concat());
            let view = view::combined(&pair.certificate, bytes.digest());
            (Content::Known(bytes), view)
        }
        Identity::OnMasters { .. } => (Content::AsItIs, String::new()),
        Identity::ToBeIssued(request) => {
            (Content::Pending, format!("{}with its private key\n", view::request(request)))
        }
    };
    Artifact { reference: Reference::of(identity, role), ..artifact(layout, role, content, view) }
}
