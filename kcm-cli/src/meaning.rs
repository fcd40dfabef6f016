//! Whether what is on a master comes to the same as what kcm would write, where the cluster file asks for that
//! (`install.compare: meaning`). Pure.

use kcm_kubeconfig::Access;
use kcm_systemd::{ServiceMeaning, Surroundings, UnitFile, UnitName};

use crate::observe::ObservedMaster;
use crate::transport;

/// What an artifact comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there are two on each master")]
pub(crate) enum Meaning {
    /// A unit, as systemd runs it.
    Unit(ServiceMeaning),
    /// A kubeconfig, as a client takes it.
    Kubeconfig(Access),
}

impl Meaning {
    /// Of a unit that kcm writes; nothing where the cluster file's directives make that untellable.
    pub(crate) fn of_unit(text: &str, unit: &UnitName) -> Option<Self> {
        let around = Surroundings::of(unit.clone());
        ServiceMeaning::of(&UnitFile::parse(text), &around).ok().map(Self::Unit)
    }

    /// Of a kubeconfig that kcm writes.
    pub(crate) fn of_kubeconfig(text: &str) -> Option<Self> {
        let view = transport::public_kubeconfig(text);
        Access::of_public_view(&view).ok().map(Self::Kubeconfig)
    }

    /// Whether a master has it, drop-ins and environment included. What cannot be told is not the same.
    pub(crate) fn is_on(&self, observed: &ObservedMaster) -> bool {
        match self {
            Self::Unit(wanted) => {
                let found = observed.effective.as_ref().and_then(|unit| unit.meaning().ok());
                found.as_ref() == Some(wanted)
            }
            Self::Kubeconfig(wanted) => access(observed).as_ref() == Some(wanted),
        }
    }

    /// The same but for the key, which is not here.
    pub(crate) fn is_on_but_for_key(&self, observed: &ObservedMaster) -> bool {
        let Self::Kubeconfig(wanted) = self else { return self.is_on(observed) };
        access(observed).map(Access::without_key) == Some(wanted.clone().without_key())
    }
}

fn access(observed: &ObservedMaster) -> Option<Access> {
    Access::of_public_view(observed.files.kubeconfig.text.as_deref()?).ok()
}
