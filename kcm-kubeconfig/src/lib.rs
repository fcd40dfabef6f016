//! kubeconfig documents: build them, read them, merge them, and print them with kubectl's own bytes.
//!
//! The centre is [`Kubeconfig`], the `v1` `Config` of kubectl as a value. [`ComponentKubeconfig`] makes the one that a
//! control plane component needs; [`Kubeconfig::from_yaml`] reads any; [`Kubeconfig::to_yaml`] prints; [`public_view`]
//! shows a kubeconfig's text to people and logs without its secrets; [`Access`] tells whether a client takes the same from
//! two of them.
//!
//! Same input, same bytes: what `kubectl config` 1.32 writes for the same parameters, down to quotes and folded lines.
//! Where kubectl loses something silently, this crate keeps it, says so, or refuses.
//!
//! It is *not* for loading credentials into a client (`KUBECONFIG`, exec plugins, token files: see `kube`), for
//! judging certificates beyond their PEM frame, or for files: the caller reads and writes them, with the mode and
//! the atomicity a private key deserves.
//!
//! ```
//! use kcm_kubeconfig::{CertificateSource, ComponentKubeconfig, KeySource, Kubeconfig};
//!
//! let kubeconfig = ComponentKubeconfig {
//!     cluster: "kubernetes".into(),
//!     server: "https://192.168.1.210:6443".parse()?,
//!     certificate_authority: CertificateSource::File("/opt/kubernetes/pki/ca/cert/ca.pem".into()),
//!     user: "kube-controller-manager".into(),
//!     client_certificate: CertificateSource::File("/opt/kubernetes/pki/kcm.pem".into()),
//!     client_key: KeySource::File("/opt/kubernetes/pki/kcm-key.pem".into()),
//!     context: "default".into(),
//! }
//! .build()?;
//! let text = kubeconfig.to_yaml();
//! assert!(text.starts_with("apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority: /opt/"));
//!
//! let parsed = Kubeconfig::from_yaml(&text)?;
//! assert_eq!(parsed.kubeconfig.current()?.user.name, "kube-controller-manager");
//! assert!(parsed.warnings.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod component;
mod file_path;
mod from_yaml;
mod model;
mod pem;
mod public_view;
mod secret;
mod server;
mod source;
mod to_yaml;
mod yaml;

pub use access::{Access, AccessError};
pub use component::{ComponentError, ComponentKubeconfig};
pub use file_path::path_in_kubeconfig;
pub use from_yaml::{Location, Parsed, ReadError, Warning};
pub use model::{
    Cluster, Context, Current, Fields, Kubeconfig, LookupError, Named, SelectContextError,
    Shadowed, StaleCredential, User, Value,
};
pub use pem::PemError;
pub use public_view::public_view;
pub use secret::Secret;
pub use server::{ServerUrl, ServerUrlError};
pub use source::{CertificateSource, KeySource};
