//! What should be on each master. Pure: the same cluster and identity give the same bytes.

mod held;
mod kubeconfig;
pub(crate) mod meaning;
mod service;

use serde::Serialize;
use thiserror::Error;

use crate::artifact::{DesiredService, view};
use crate::cluster::layout::{Layout, LayoutError, Role};
use crate::cluster::{Cluster, CredentialsForm};
use crate::desired::meaning::{Held, Meaning};
use crate::observed::accounts::Owners;
use crate::pki::{Binary, IdentityRequest, Pair};
use crate::util::files::{Bytes, Mode, Owner, RemotePath};

pub(crate) use self::held::HeldPair;
use self::kubeconfig::Kubeconfigs;
use self::service::{Service, service};
pub(crate) use self::service::{flags, known_services};

/// What should be there, in the cluster file's order.
#[derive(Clone, Debug, Serialize)]
pub struct Desired {
    /// The masters.
    pub masters: Vec<DesiredMaster>,
}

/// What should be on one master.
#[derive(Clone, Debug, Serialize)]
pub struct DesiredMaster {
    /// Its name.
    pub name: String,
    /// The managed files, in the order in which they are put in place.
    pub artifacts: Vec<Artifact>,
    /// The files that the service reads when it starts, whether kcm manages them or not.
    pub reads: Vec<Role>,
    /// Where certificate and key are in one file if the kubeconfig names it, and nothing is if it does not.
    #[serde(skip)]
    pub(crate) combined: RemotePath,
    /// The same for what is served with.
    #[serde(skip)]
    pub(crate) serving: RemotePath,
    /// The service.
    pub service: DesiredService,
}

/// One managed file.
#[derive(Clone, Debug, Serialize)]
pub struct Artifact {
    /// What it is.
    pub role: Role,
    /// Where it is.
    pub path: RemotePath,
    /// Its permission bits.
    pub mode: Mode,
    /// Its owner.
    pub owner: Owner,
    /// Its bytes.
    pub content: Content,
    /// Its content for people, with fingerprints in place of secrets.
    pub view: String,
    /// What it comes to, where that is what counts.
    #[serde(skip)]
    pub(crate) meaning: Option<Meaning>,
    /// What it must be where only the masters hold it.
    #[serde(skip)]
    pub(crate) held: Option<Held>,
}

/// The bytes of a managed file, as far as they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These.
    Known(Bytes),
    /// Known once the identity or the CA is made.
    Pending,
    /// Whatever is there: it is held by the masters, and as far as it can be told it is right.
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

/// What cannot be rendered from the cluster file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DesiredError {
    /// A unit.
    #[error("{master}: {reason}")]
    Unit {
        /// The master.
        master: String,
        /// Why, and how to mend it.
        reason: String,
    },
    /// The kubeconfig.
    #[error("the kubeconfig cannot be made: {reason}")]
    Kubeconfig {
        /// Why.
        reason: String,
    },
    /// A path on the masters.
    #[error("install.{key}: {reason}")]
    Layout {
        /// The key below `install`.
        key: &'static str,
        /// Why.
        reason: String,
    },
}

impl DesiredError {
    pub(crate) fn of_layout(error: LayoutError) -> Self {
        let LayoutError { key, reason } = error;
        Self::Layout { key, reason }
    }
}

/// The identity that the artifacts are made from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Identity<'a> {
    /// Certificate and key are here.
    Pair(&'a Pair),
    /// They will be made.
    ToBeIssued(&'a IdentityRequest),
    /// The certificate is known; the key is on the masters and stays there.
    OnMasters(HeldPair<'a>),
}

/// What the artifacts are made from, beside the cluster file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Materials<'a> {
    pub(crate) identity: Identity<'a>,
    /// What is served with, if it is issued.
    pub(crate) serving: Option<Identity<'a>>,
    /// The CA certificate's PEM, absent while it is to be made.
    pub(crate) ca: Option<&'a str>,
    /// The PEM of every CA certificate that clients accept, if it is not the CA's alone.
    pub(crate) trust: Option<&'a str>,
    /// The CA key, if it is to be distributed and is here.
    pub(crate) ca_key: Option<&'a Bytes>,
    /// kube-controller-manager, if it is to be distributed.
    pub(crate) binary: Option<&'a Binary>,
}

/// Renders everything for every master.
pub(crate) fn desired(
    cluster: &Cluster,
    layout: &Layout,
    owners: &[Owners],
    materials: Materials<'_>,
) -> Result<Desired, DesiredError> {
    let Materials { identity, serving, ca, trust, ca_key, binary } = materials;
    let mut shared = Vec::new();
    if cluster.install.distribute_ca {
        shared.extend([ca_certificate(layout, ca), self::ca_key(layout, ca, ca_key)]);
    }
    if cluster.credentials != CredentialsForm::EmbeddedOnly {
        shared.extend([certificate(layout, identity), key(layout, identity)]);
    }
    // What names a file comes after it.
    shared.extend(
        (cluster.credentials == CredentialsForm::Files)
            .then(|| both(layout, Role::Combined, identity)),
    );
    shared.extend(serving.map(|serving| both(layout, Role::Serving, serving)));
    let place_of_kubeconfig = shared.len();
    shared.extend(binary.map(|binary| self::binary(layout, binary)));
    let owners = owners.iter().copied().chain(std::iter::repeat(Owners::ROOT));
    let ca = trust.or(ca).filter(|_| ca.is_some());
    let mut kubeconfigs = Kubeconfigs { cluster, layout, identity, ca, made: Vec::new() };
    let masters = cluster.masters.iter().zip(owners).map(|(master, owners)| {
        let Service { unit, reads, known } = service(cluster, layout, master, owners)?;
        let mut artifacts = shared.clone();
        artifacts.insert(place_of_kubeconfig, kubeconfigs.of(&master.server)?);
        let trust = trust.filter(|_| reads.contains(&Role::Trust));
        artifacts.splice(0..0, trust.map(|pem| self::trust(layout, pem)));
        let owned = artifacts.into_iter().map(|artifact| match artifact.role {
            // Whoever runs the program must not be able to replace it.
            Role::Binary | Role::Unit => artifact,
            _ => Artifact { owner: owners.files, ..artifact },
        });
        let artifacts = owned.chain([unit]).collect();
        let (combined, serving) = (layout.combined.clone(), layout.serving.clone());
        let name = master.name.to_string();
        Ok(DesiredMaster { name, artifacts, reads, combined, serving, service: known })
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
        held: None,
    }
}

fn certificate(layout: &Layout, identity: Identity<'_>) -> Artifact {
    let (content, view) = match identity {
        Identity::Pair(Pair { certificate, .. }) => {
            (Content::Known(Bytes::new(certificate.as_str())), view::certificate(certificate))
        }
        // All hold this one; in which bytes is of no matter.
        Identity::OnMasters(held) => (Content::AsItIs, view::certificate(held.certificate)),
        Identity::ToBeIssued(request) => (Content::Pending, view::request(request)),
    };
    Artifact {
        held: identity.held(Role::Certificate),
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
        Identity::OnMasters(_) => (Content::AsItIs, String::new()),
        Identity::ToBeIssued(request) => {
            (Content::Pending, format!("a new private key, {}\n", request.key_algorithm))
        }
    };
    Artifact { held: identity.held(Role::Key), ..artifact(layout, Role::Key, content, view) }
}

/// One file, because a process that reads two while they are replaced would find a key that is not the certificate's.
fn both(layout: &Layout, role: Role, identity: Identity<'_>) -> Artifact {
    let (content, view) = match identity {
        Identity::Pair(pair) => {
            let bytes = Bytes::new([pair.certificate.as_bytes(), pair.key.as_bytes()].concat());
            let view = view::combined(&pair.certificate, bytes.digest());
            (Content::Known(bytes), view)
        }
        Identity::OnMasters(_) => (Content::AsItIs, String::new()),
        Identity::ToBeIssued(request) => {
            (Content::Pending, format!("{}with its private key\n", view::request(request)))
        }
    };
    Artifact { held: identity.held(role), ..artifact(layout, role, content, view) }
}
