//! Whether what is on a master comes to the same as what kcm would write, where the cluster file asks for that
//! (`install.compare: meaning`). Pure.

use kcm_kubeconfig::Access;
use kcm_pki::Certificate;
use kcm_systemd::{ServiceMeaning, Surroundings, UnitFile, UnitName};

use crate::layout::Layout;
use crate::observe::ObservedMaster;
use crate::transport;
use crate::trust;

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
