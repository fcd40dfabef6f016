//! `kubeconfig`: builds, shows and checks a kubeconfig on this machine. Editing and merging are left
//! to kubectl.

mod build;
mod check;
mod losses;
mod place;
mod show;

pub use build::{BuiltKubeconfig, KubeconfigRequest, build_kubeconfig};
pub use check::{KubeconfigCheck, KubeconfigCheckRequest, check_kubeconfig};
pub use place::{WriteKubeconfig, write_kubeconfig};
pub use show::{KubeconfigView, view_kubeconfig};
