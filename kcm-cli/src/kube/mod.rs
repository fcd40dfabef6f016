//! The client of the API server: requests, connections and the rules of leader election.
//!
//! An [`ApiServer`] is reached [`Via`] a master or directly. A stream through a master proves that
//! this master can reach the API server.
//! Requests about the Lease authenticate as kube-controller-manager itself
//! ([`Credentials::Component`]). The stock role lets that user read and replace exactly this Lease.
//! [`check_identity`] checks everything that a start depends on. [`LeaseStore`] reads the Lease and
//! replaces it as read.
//!
//! # Guarantees
//!
//! - Every wait is bounded: [`Patience`] limits each connection, each handshake and each request.
//!   `kube` has no such limit.
//! - A request that writes is sent once. If its answer is lost, the caller must read the object
//!   again ([`ApiError::is_fate_unknown`]).
//! - An object is reported as absent only if the API itself says so. An error page of a load
//!   balancer does not count.
//! - Certificate, key and CA are passed as values and never written to disk. `Debug` and errors
//!   show no key.
//! - The server's certificate must be signed by the given CA and name the host of the URL. Only a
//!   kubeconfig can turn this check off.
//!
//! All cryptography is aws-lc-rs, as in the rest of kcm.
//!
//! ```no_run
//! # async fn example(
//! #     cluster: &kcm::Cluster, master: std::sync::Arc<dyn kcm::transport::Transport>,
//! #     ca: String, pair: kcm::pki::Pair,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use kcm::kube::{ApiServer, CLOCK_TOLERANCE, Credentials, LeaseStore, Patience, Via};
//!
//! let credentials = Credentials::Component { server: cluster.server.clone(), ca, pair };
//! let via = Via::Master { name: "k8s-master-01".to_owned(), transport: master };
//! let server = ApiServer::new(&credentials, via, Patience::USUAL).await?;
//!
//! let accepted = kcm::kube::check_identity(&server, CLOCK_TOLERANCE).await?;
//! println!("{} takes us for {:?}", accepted.version, accepted.user);
//! if let Some(lease) = server.lease().await? {
//!     println!("{:?} leads", lease.holder());
//! }
//! # Ok(())
//! # }
//! ```

mod candidates;
#[cfg(feature = "kube")]
mod client;
mod clock;
mod control_plane;
mod credentials;
mod error;
mod fake;
pub mod handover;
mod leader;
mod leader_watch;
mod lease;
mod published_trust;
mod token_keys;
mod via;

pub(crate) use candidates::{Candidates, Holding};
#[cfg(feature = "kube")]
pub use client::{ApiServer, Networked, Patience, ServerVersion, Verb, check_identity};
#[cfg(feature = "kube")]
pub(crate) use client::{Change, Etcd};
pub use clock::ClockOffset;
pub use control_plane::{Accepted, Api, CLOCK_TOLERANCE, ControlPlane, LeaseStore};
pub use credentials::{Credentials, KubeconfigContext};
pub use error::{ApiError, Problem, Step};
pub use fake::{FakeLeases, Scripted};
pub use leader::{LeaderChange, LeaderForecast};
pub(crate) use leader_watch::LeaderWatch;
pub use lease::{Holder, LEASE_NAME, LEASE_NAMESPACE, Lease, LeaseError};
pub use published_trust::PublishedTrust;
pub use token_keys::{LegacyToken, TokenVerification, VerificationKey};
pub use via::Via;
