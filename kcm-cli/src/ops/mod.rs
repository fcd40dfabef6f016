//! Operations of kcm, one module each. An operation observes, plans, and executes its plan if it
//! changes masters.

pub(crate) mod adopt;
pub(crate) mod apply;
#[cfg(feature = "cli")]
pub(crate) mod cert;
pub(crate) mod certs;
#[cfg(feature = "kube")]
pub mod drill;
pub(crate) mod kubeconfig;
pub(crate) mod logs;
pub(crate) mod remove;
pub(crate) mod renew;
pub(crate) mod rollback;
pub mod rotate;
#[cfg(feature = "kube")]
pub mod smoke;
mod sources;
pub mod status;
pub(crate) mod timer;
pub(crate) mod unit;
