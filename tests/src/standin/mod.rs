//! Stand-ins for kube-apiserver and kube-controller-manager, for machines without the real
//! programs.
//!
//! They behave like the real programs where tests of kcm can observe it, and are as strict where a
//! test relies on it: flags, files, certificates, permissions, conflicts, times. `it/lab/standin.rs` is
//! the contract that both keep.
//!
//! They sign and verify service account tokens with keys of their flags, but without bound objects
//! and without the cache of the real server, which accepts a token for up to ten more seconds.
//!
//! They intentionally omit HTTP/2, protobuf, server-side apply, strategic merge patches, the
//! enforcement of quotas at admission and rolling updates. They also omit all other resources and
//! controllers.

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
mod service_account;
mod tls;
pub(crate) mod version;
mod when;
