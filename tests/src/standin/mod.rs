//! Stand-ins for kube-apiserver and kube-controller-manager, for machines that have no real ones.
//!
//! They do what tests of kcm can see of the real ones, and are as strict where strictness is what a test relies on:
//! flags, files, certificates, permissions, conflicts, times. `it/standin.rs` is the contract that both keep.
//!
//! What they leave out, knowingly: HTTP/2, protobuf, server-side apply and strategic merge patches, the enforcement of
//! quotas at admission, rolling updates, and every resource and controller that is not named here.

pub mod api_server;
mod client;
pub mod controller_manager;
pub mod etcd;
pub mod flags;
mod http;
mod kubeconfig;
mod log;
mod random;
pub mod scripted;
mod tls;
pub(crate) mod version;
mod when;
