//! Data model of a kubeconfig: kubectl's `v1` `Config`.

mod edit;
mod lookup;
mod value;

pub use edit::{SelectContextError, Shadowed, StaleCredential};
pub use lookup::{Current, LookupError};
pub use value::{Fields, Value};

use crate::Secret;

/// A kubeconfig document of `apiVersion: v1`, `kind: Config`.
///
/// As in kubectl, an empty field is equal to a missing one. Unknown fields are kept in `other` at
/// every level and printed again.
///
/// Reference: <https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kubeconfig {
    /// Clusters. Names are unique in every document that this crate has parsed or edited.
    pub clusters: Vec<Named<Cluster>>,
    /// Contexts.
    pub contexts: Vec<Named<Context>>,
    /// Users; kubectl also calls them auth infos in its code, and credentials on its command line.
    pub users: Vec<Named<User>>,
    /// Name of the current context, or empty.
    pub current_context: String,
    /// Preferences, which kubectl always prints.
    pub preferences: Fields,
    /// `extensions` and unknown fields.
    pub other: Fields,
}

/// An entry of a list: `- name: …` beside `cluster:`, `context:` or `user:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named<T> {
    /// Name to which contexts and `current-context` refer.
    pub name: String,
    /// Cluster, context or user with this name.
    pub entry: T,
    /// Unknown fields beside `name`.
    pub other: Fields,
}

/// Address of an API server, and settings to verify its identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// `server`: the URL of the API server.
    pub server: String,
    /// `certificate-authority`: path of a CA file. The embedded data take precedence.
    pub certificate_authority: String,
    /// `certificate-authority-data`: embedded CA certificates in PEM.
    pub certificate_authority_data: Vec<u8>,
    /// `insecure-skip-tls-verify`: true if clients do not verify the server's certificate.
    pub insecure_skip_tls_verify: bool,
    /// `tls-server-name`: name to verify in the server's certificate instead of the URL's host.
    pub tls_server_name: String,
    /// `proxy-url`: URL of the proxy.
    pub proxy_url: String,
    /// `disable-compression`: true if clients request uncompressed responses.
    pub disable_compression: bool,
    /// `extensions` and unknown fields.
    pub other: Fields,
}

/// Credentials with which a client authenticates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// `client-certificate`: path of a certificate file. The embedded data take precedence.
    pub client_certificate: String,
    /// `client-certificate-data`: embedded certificate and intermediates in PEM.
    pub client_certificate_data: Vec<u8>,
    /// `client-key`: path of a private key file. The embedded data take precedence.
    pub client_key: String,
    /// `client-key-data`: embedded private key in PEM.
    pub client_key_data: Secret<Vec<u8>>,
    /// `token`: a bearer token.
    pub token: Secret<String>,
    /// `tokenFile`: path of a file with a bearer token. Takes precedence over `token`.
    pub token_file: String,
    /// `username` for basic authentication.
    pub username: String,
    /// `password` for basic authentication.
    pub password: Secret<String>,
    /// `exec`, `auth-provider`, the impersonation fields (`as`, `as-uid`, `as-groups`,
    /// `as-user-extra`), `extensions` and unknown fields.
    pub other: Fields,
}

/// A cluster, a user and a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Name of the cluster.
    pub cluster: String,
    /// Name of the user.
    pub user: String,
    /// Namespace, or empty for `default`.
    pub namespace: String,
    /// `extensions` and unknown fields.
    pub other: Fields,
}

impl<T> Named<T> {
    /// Creates an entry with this name.
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
