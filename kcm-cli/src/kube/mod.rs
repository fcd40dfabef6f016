//! What kcm asks the API server, and how it gets there.
//!
//! An [`ApiServer`] is asked [`Via`] a master's stream, which proves the path from where it counts, or directly. It
//! authenticates as kube-controller-manager itself ([`Credentials::Component`]): the stock role lets that user read and
//! replace exactly the one Lease, and nothing that kcm asks here needs more. [`check_identity`] asks everything that a
//! start depends on; [`LeaseStore`] reads the Lease and replaces it as read.
//!
//! # Guarantees
//!
//! - Nothing waits without end: [`Patience`] bounds each connection, each handshake and each request. `kube` has no
//!   such bound of its own.
//! - A request that writes is sent once. Who does not hear its answer asks again what is there
//!   ([`ApiError::is_fate_unknown`]).
//! - Only the API itself can say that something is absent: a page that a load balancer makes is no "no".
//! - Certificate, key and CA are values; nothing of them is written to disk, and `Debug` and errors show no key.
//! - The server's certificate must be signed by the CA that was given and name the host of its URL; there is no way to
//!   leave that out, but a kubeconfig that says so itself.
//!
//! The cryptography is aws-lc-rs, as everywhere in kcm.
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

mod check;
mod clock;
mod connect;
mod control_plane;
mod credentials;
mod error;
mod etcd;
mod fake;
pub mod handover;
mod lead;
mod lease;
mod leases;
mod objects;
mod review;
mod server;
mod tls;
mod via;

pub use check::{Accepted, CLOCK_TOLERANCE, check_identity};
pub use clock::ClockOffset;
pub use connect::Patience;
pub use control_plane::{Api, ControlPlane, Networked};
pub use error::{ApiError, Problem, Step};
pub(crate) use etcd::Etcd;
pub use fake::{FakeLeases, Scripted};
pub use lead::{LeadChange, LeadForecast};
pub use lease::{Holder, LEASE_NAME, LEASE_NAMESPACE, Lease, LeaseError};
pub use leases::LeaseStore;
pub(crate) use objects::Change;
pub use review::{ServerVersion, Verb};
pub use server::{ApiServer, Credentials};
pub use via::Via;
