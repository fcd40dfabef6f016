//! Service account keys and tokens, which kube-apiserver and kube-controller-manager share.
//!
//! Upstream: `pkg/serviceaccount/` and `k8s.io/client-go/util/keyutil`. kcm's own reader of keys is
//! under test and is not used here.

mod keys;
mod token;

pub(in crate::standin) use keys::{PublicKey, SigningKey, read_public_keys};
pub(in crate::standin) use token::{LEGACY_ISSUER, Token, issue, legacy_claims};

/// Type of the Secrets that hold a legacy token.
pub(in crate::standin) const SECRET_TYPE: &str = "kubernetes.io/service-account-token";
/// Annotation of a token Secret with the name of its service account.
pub(in crate::standin) const NAME_ANNOTATION: &str = "kubernetes.io/service-account.name";
/// Annotation of a token Secret with the uid of its service account.
pub(in crate::standin) const UID_ANNOTATION: &str = "kubernetes.io/service-account.uid";
