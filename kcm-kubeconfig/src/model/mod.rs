//! The document: what a kubeconfig holds, as kubectl's `v1` `Config` has it.

mod edit;
mod lookup;
mod value;

pub use edit::{SelectContextError, Shadowed, StaleCredential};
pub use lookup::{Current, LookupError};
pub use value::{Fields, Value};

use crate::Secret;

/// A kubeconfig document of `apiVersion: v1`, `kind: Config`.
///
/// As in kubectl, an empty field and a missing one are the same thing. What this crate does not know is kept in
/// `other` at every level and printed again.
///
/// Reference: <https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kubeconfig {
    /// The clusters. Names are unique in every document that was read or edited by this crate.
    pub clusters: Vec<Named<Cluster>>,
    /// The contexts.
    pub contexts: Vec<Named<Context>>,
    /// The users, which kubectl's code also calls auth infos and its command line credentials.
    pub users: Vec<Named<User>>,
    /// The name of the context in use, or empty.
    pub current_context: String,
    /// The preferences, which kubectl always prints.
    pub preferences: Fields,
    /// `extensions` and unknown fields.
    pub other: Fields,
}

/// An entry of one of the three lists: `- name: …` beside `cluster:`, `context:` or `user:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named<T> {
    /// The name by which contexts and `current-context` refer to it.
    pub name: String,
    /// What the name stands for.
    pub entry: T,
    /// Unknown fields beside `name`.
    pub other: Fields,
}

/// How to reach an API server, and how to know that it is the right one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// `server`: the URL of the API server.
    pub server: String,
    /// `certificate-authority`: the path of a CA file. Overridden by the embedded data if both are given.
    pub certificate_authority: String,
    /// `certificate-authority-data`: the CA certificates, PEM, embedded.
    pub certificate_authority_data: Vec<u8>,
    /// `insecure-skip-tls-verify`: whether the server's certificate goes unchecked.
    pub insecure_skip_tls_verify: bool,
    /// `tls-server-name`: the name to expect in the server's certificate instead of the URL's host.
    pub tls_server_name: String,
    /// `proxy-url`: the proxy to go through.
    pub proxy_url: String,
    /// `disable-compression`: whether responses are asked for uncompressed.
    pub disable_compression: bool,
    /// `extensions` and unknown fields.
    pub other: Fields,
}

/// What a client proves its identity with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// `client-certificate`: the path of a certificate file. Overridden by the embedded data if both are given.
    pub client_certificate: String,
    /// `client-certificate-data`: the certificate and its intermediates, PEM, embedded.
    pub client_certificate_data: Vec<u8>,
    /// `client-key`: the path of a private key file. Overridden by the embedded data if both are given.
    pub client_key: String,
    /// `client-key-data`: the private key, PEM, embedded.
    pub client_key_data: Secret<Vec<u8>>,
    /// `token`: a bearer token.
    pub token: Secret<String>,
    /// `tokenFile`: the path of a bearer token. Takes precedence over `token` if both are given.
    pub token_file: String,
    /// `username` for basic authentication.
    pub username: String,
    /// `password` for basic authentication.
    pub password: Secret<String>,
    /// `exec`, `auth-provider`, the impersonation fields (`as`, `as-uid`, `as-groups`, `as-user-extra`),
    /// `extensions` and unknown fields.
    pub other: Fields,
}

/// A cluster, a user, and the namespace to work in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The name of the cluster.
    pub cluster: String,
    /// The name of the user.
    pub user: String,
    /// The namespace, or empty for `default`.
    pub namespace: String,
    /// `extensions` and unknown fields.
    pub other: Fields,
}

impl<T> Named<T> {
    /// Names an entry.
    pub fn new(name: impl Into<String>, entry: T) -> Self {
        Self { name: name.into(), entry, other: Fields::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_user_shows_no_credential() {
        let mut user = User {
            client_key_data: b"hunter2-key".to_vec().into(),
            token: "hunter2-token".to_owned().into(),
            password: "hunter2-password".to_owned().into(),
            ..User::default()
        };
        user.other.insert("exec", Value::Text("hunter2-exec".to_owned().into()));
        let shown = format!("{user:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains("104, 117, 110"), "{shown}");
    }
}
