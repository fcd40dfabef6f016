//! Semantic comparison of files on a master with the rendered ones, if the cluster file asks for it
//! (`install.compare: semantic`). Pure.

use kcm_kubeconfig::Access;
use kcm_pki::{Certificate, Fingerprint};
use kcm_systemd::{EffectiveService, Surroundings, UnitFile, UnitName};

use super::Identity;
use crate::artifact::view;
use crate::cluster::layout::{Layout, Role};
use crate::observed::{ObservedMaster, trust};
use crate::transport::{self, PathState};

/// The effective content of an artifact.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are two on each master")]
pub(crate) enum EffectiveContent {
    /// A unit as systemd applies it.
    Unit(EffectiveService),
    /// A kubeconfig as a client uses it.
    Kubeconfig {
        access: Access,
        /// Paths of the kubeconfig and of the file with CA certificates that it may name.
        layout: Box<Layout>,
    },
}

impl EffectiveContent {
    /// Returns the effective content of a rendered unit. `None` if directives of the cluster file
    /// make it impossible to determine.
    pub(crate) fn of_unit(text: &str, unit: &UnitName) -> Option<Self> {
        let around = Surroundings::of(unit.clone());
        EffectiveService::of(&UnitFile::parse(text), &around).ok().map(Self::Unit)
    }

    /// Returns the effective content of a rendered kubeconfig.
    pub(crate) fn of_kubeconfig(text: &str, layout: &Layout) -> Option<Self> {
        let view = transport::public_kubeconfig(text);
        let access = comparable(Access::of_public_view(&view).ok()?);
        Some(Self::Kubeconfig { access, layout: Box::new(layout.clone()) })
    }

    /// Reports whether a master has the same effective content, including drop-ins and environment.
    /// Content that cannot be determined is not equal.
    pub(crate) fn is_on(&self, observed: &ObservedMaster) -> bool {
        match self {
            Self::Unit(wanted) => {
                let Some(unit) = &observed.effective else { return false };
                let feeding = unit.feeding();
                let found = unit.meaning().map(|found| found.without_environment_files(&feeding));
                let wanted = wanted.clone().without_environment_files(&feeding);
                found.is_ok_and(|found| found == wanted)
            }
            Self::Kubeconfig { access: wanted, layout } => {
                access(observed, layout).as_ref() == Some(wanted)
            }
        }
    }

    /// Compares like [`is_on`](Self::is_on), but without the key, which is not on this machine.
    pub(crate) fn is_on_but_for_key(&self, observed: &ObservedMaster) -> bool {
        let Self::Kubeconfig { access: wanted, layout } = self else {
            return self.is_on(observed);
        };
        access(observed, layout).map(Access::without_key) == Some(wanted.clone().without_key())
    }
}

/// Returns the access that the observed kubeconfig gives a client, including CA certificates from a
/// named file, if observed.
fn access(observed: &ObservedMaster, layout: &Layout) -> Option<Access> {
    let access = Access::of_public_view(observed.files.kubeconfig.text.as_deref()?).ok()?;
    let named = match trust::named_by(&access, observed, layout) {
        trust::Named::Known(pem) => Some(pem.to_owned()),
        trust::Named::Nothing | trust::Named::Unknown(_) => None,
    };
    Some(comparable(match named {
        Some(pem) => access.with_authority(pem.as_bytes()),
        None => access,
    }))
}

/// Sorts the CA certificates and removes duplicates: their order does not matter to a client.
fn comparable(access: Access) -> Access {
    let pem = access.authority().and_then(|pem| Certificate::all_from_pem(pem).ok());
    let Some(mut all) = pem else { return access };
    all.sort_by_key(Certificate::fingerprint);
    all.dedup();
    let pem: String = all.iter().map(Certificate::to_pem).collect();
    access.with_authority(pem.as_bytes())
}

/// The requirement on a file that only the masters hold, as far as it can be determined without its
/// key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// A certificate, in any PEM encoding.
    Certificate(Fingerprint),
    /// The digest of a file with a key, which must be the same on every master.
    Bytes(Fingerprint),
    /// A kubeconfig with the content of this view and, if known, a key with this digest.
    Kubeconfig {
        /// View of the rendered kubeconfig.
        view: String,
        /// Digest of the embedded key.
        key: Option<String>,
    },
}

impl Reference {
    /// Returns the requirement on the file of this role, if only the masters hold the identity.
    pub(super) fn of(identity: Identity<'_>, role: Role) -> Option<Self> {
        let Identity::OnMasters { certificate, master } = identity else { return None };
        let file = master?.files.of(role);
        let certificate = view::leaf(certificate.as_bytes());
        // The bytes of a combined file with another certificate must not become the reference.
        let is_of_another = role == Role::Combined && file.leaf() != certificate;
        match file.state {
            PathState::File { digest, .. } if role != Role::Certificate && !is_of_another => {
                Some(Self::Bytes(digest))
            }
            _ => certificate.map(Self::Certificate),
        }
    }

    /// Reports whether the file of this role on a master meets the requirement.
    pub(crate) fn is_on(
        &self,
        role: Role,
        meaning: Option<&EffectiveContent>,
        observed: &ObservedMaster,
    ) -> bool {
        let found = observed.files.of(role);
        let text = found.text.as_deref();
        match self {
            Self::Certificate(fingerprint) => found.leaf() == Some(*fingerprint),
            Self::Bytes(wanted) => {
                matches!(found.state, PathState::File { digest, .. } if digest == *wanted)
            }
            Self::Kubeconfig { view, key } => {
                let shown = text.map(view::kubeconfig);
                let is_same = meaning.is_some_and(|meaning| meaning.is_on_but_for_key(observed))
                    || shown
                        .is_some_and(|shown| view::without_key(&shown).eq(view::without_key(view)));
                is_same && (key.is_none() || embedded_key(observed) == *key)
            }
        }
    }
}

/// Returns the digest of the key in a master's kubeconfig.
pub(crate) fn embedded_key(observed: &ObservedMaster) -> Option<String> {
    let text = observed.files.kubeconfig.text.as_deref()?;
    Access::of_public_view(text).ok()?.key_digest().map(ToString::to_string)
}
