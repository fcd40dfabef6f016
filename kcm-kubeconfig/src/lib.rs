//! kubeconfig documents: build, parse, merge, and print them byte for byte as kubectl does.
//!
//! The central type is [`Kubeconfig`], the `v1` `Config` of kubectl as a value.
//! [`ComponentKubeconfig`] builds the kubeconfig of a control plane component.
//! [`Kubeconfig::from_yaml`] parses and [`Kubeconfig::to_yaml`] prints a kubeconfig.
//! [`public_view`] hides the secrets of a kubeconfig's text for people and logs. [`Access`]
//! compares the effective access of two kubeconfigs.
//!
//! The same input always gives the same bytes: the output of `kubectl config` 1.32 for the same
//! parameters, including quotes and folded lines. This crate keeps, reports or rejects parts that
//! kubectl silently loses.
//!
//! The crate does *not* load credentials into a client (`KUBECONFIG`, exec plugins, token files:
//! see `kube`). It checks only the PEM encoding of certificates. It does not access files: the
//! caller reads and writes them, with the mode and the atomicity that a private key requires.
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
