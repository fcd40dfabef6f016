//! Whether what is on a master comes to the same as what kcm would write, where the cluster file asks for that
//! (`install.compare: meaning`). Pure.

use kcm_kubeconfig::Access;
use kcm_pki::{Certificate, Fingerprint};
use kcm_systemd::{ServiceMeaning, Surroundings, UnitFile, UnitName};

use crate::artifact::view;
use crate::cluster::layout::{Layout, Role};
use crate::observed::{ObservedMaster, trust};
use crate::transport::{self, PathState};

/// What an artifact comes to.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are two on each master")]
pub(crate) enum Meaning {
    /// A unit, as systemd runs it.
    Unit(ServiceMeaning),
    /// A kubeconfig, as a client takes it.
    Kubeconfig {
        access: Access,
        /// Where the kubeconfig is, and the file with CA certificates that it may name.
        layout: Box<Layout>,
    },
}

impl Meaning {
    /// Of a unit that kcm writes; nothing where the cluster file's directives make that untellable.
    pub(crate) fn of_unit(text: &str, unit: &UnitName) -> Option<Self> {
        let around = Surroundings::of(unit.clone());
        ServiceMeaning::of(&UnitFile::parse(text), &around).ok().map(Self::Unit)
    }

    /// Of a kubeconfig that kcm writes.
    pub(crate) fn of_kubeconfig(text: &str, layout: &Layout) -> Option<Self> {
        let view = transport::public_kubeconfig(text);
        let access = comparable(Access::of_public_view(&view).ok()?);
        Some(Self::Kubeconfig { access, layout: Box::new(layout.clone()) })
    }

    /// Whether a master has it, drop-ins and environment included. What cannot be told is not the same.
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

    /// The same but for the key, which is not here.
    pub(crate) fn is_on_but_for_key(&self, observed: &ObservedMaster) -> bool {
        let Self::Kubeconfig { access: wanted, layout } = self else {
            return self.is_on(observed);
        };
        access(observed, layout).map(Access::without_key) == Some(wanted.clone().without_key())
    }
}

/// What a client takes from the kubeconfig there. A file that it names for its CA certificates is taken in, if it is observed.
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

/// The CA certificates in an order of their own, each once: a client asks for no order.
fn comparable(access: Access) -> Access {
    let pem = access.authority().and_then(|pem| Certificate::all_from_pem(pem).ok());
    let Some(mut all) = pem else { return access };
    all.sort_by_key(Certificate::fingerprint);
    all.dedup();
    let pem: String = all.iter().map(Certificate::to_pem).collect();
    access.with_authority(pem.as_bytes())
}

/// What a file that only the masters hold must be, as far as it can be determined without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// A certificate, in any writing.
    Certificate(Fingerprint),
    /// These bytes, which are the same on every master: a file with a key.
    Bytes(Fingerprint),
    /// A kubeconfig with the content of this view, and a key with this digest if one is known.
    Kubeconfig {
        /// The view of what kcm would write.
        view: String,
        /// Digest of the embedded key.
        key: Option<String>,
    },
}

impl Held {
    /// Whether the file of this role on a master is that.
    pub(crate) fn is_on(
        &self,
        role: Role,
        meaning: Option<&Meaning>,
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

/// The digest of the key in a master's kubeconfig.
pub(crate) fn embedded_key(observed: &ObservedMaster) -> Option<String> {
    let text = observed.files.kubeconfig.text.as_deref()?;
    Access::of_public_view(text).ok()?.key_digest().map(ToString::to_string)
}
