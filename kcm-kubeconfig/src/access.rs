//! Compares the effective access of kubeconfigs that are written differently.

use thiserror::Error;

use crate::model::{Cluster, Kubeconfig, LookupError, User};
use crate::public_view::{DIGEST, ESCAPED, HIDDEN_REST, is_hidden};
use crate::{ReadError, Secret};

/// The server, the CA and the credentials that a client uses from the current context of a
/// kubeconfig.
///
/// Two values are equal if clients behave equally. Names and order of entries, other entries, YAML
/// style and line widths of PEM make no difference.
///
/// The source is a [`public_view`](crate::public_view), so that no private key is needed: keys are
/// compared by their digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    cluster: Cluster,
    user: User,
    namespace: String,
}

/// The reason the effective access of a kubeconfig is unknown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The text is not a kubeconfig that kubectl would accept.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The kubeconfig has no usable current context.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The public view hides a required value, because the value might be a secret.
    #[error("line {line}: {what}")]
    Hidden {
        /// Line of the value, counted from 1.
        line: usize,
        /// Description of the hidden value.
        what: String,
    },
}

impl AccessError {
    /// Returns the fix. The text contains nothing from the kubeconfig, which may be untrusted.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Lookup(
                LookupError::NoCurrentContext { contexts }
                | LookupError::NoSuchContext { contexts, .. },
            ) if contexts.is_empty() => "recreate the kubeconfig with a context",
            Self::Lookup(
                LookupError::NoCurrentContext { .. } | LookupError::NoSuchContext { .. },
            ) => "select a context with `kubectl config use-context CONTEXT --kubeconfig=FILE`",
            Self::Lookup(LookupError::NoSuchCluster { .. } | LookupError::NoSuchUser { .. }) => {
                "correct the context with `kubectl config set-context CONTEXT --cluster=CLUSTER --user=USER --kubeconfig=FILE`"
            }
            Self::Lookup(LookupError::NoServer { .. }) => {
                "set the server with `kubectl config set-cluster CLUSTER --server=https://HOST:6443 --kubeconfig=FILE`"
            }
            Self::Read(_) => {
                "correct the file and check the result with `kubectl config view --kubeconfig=FILE`"
            }
            Self::Hidden { .. } => {
                "rewrite the file in the format that `kubectl config view --raw --kubeconfig=FILE` prints"
            }
        }
    }
}

impl Access {
    /// Parses a public view with digests in hexadecimal.
    ///
    /// # Errors
    ///
    /// An [`AccessError`] if the view is not a kubeconfig with a usable current context, or hides a
    /// required value.
    pub fn of_public_view(view: &str) -> Result<Self, AccessError> {
        if let Some((above, _)) = view.split_once(HIDDEN_REST) {
            let what = "not YAML, or in a notation that cannot be read without the risk of exposing a secret";
            return Err(AccessError::Hidden { line: lines(above), what: what.to_owned() });
        }
        let document = Kubeconfig::from_view(view)?;
        let current = document.current()?;
        if current.cluster.entry.server.is_empty() {
            return Err(LookupError::NoServer { cluster: current.cluster.name.clone() }.into());
        }
        let mut cluster = current.cluster.entry.clone();
        let mut user = current.user.entry.clone();
        let namespace = current.context.entry.namespace.clone();
        for pem in [&mut cluster.certificate_authority_data, &mut user.client_certificate_data] {
            *pem = unwrapped(pem);
        }
        // Embedded data take precedence over paths, as in clients.
        if !cluster.certificate_authority_data.is_empty() {
            cluster.certificate_authority.clear();
        }
        if !user.client_certificate_data.is_empty() {
            user.client_certificate.clear();
        }
        if !user.client_key_data.expose_secret().is_empty() {
            user.client_key.clear();
        }
        let needed = [
            ("server", &cluster.server),
            ("proxy-url", &cluster.proxy_url),
            ("tls-server-name", &cluster.tls_server_name),
            ("certificate-authority", &cluster.certificate_authority),
            ("client-certificate", &user.client_certificate),
            ("client-key", &user.client_key),
            ("tokenFile", &user.token_file),
        ];
        let names = [&current.context.name, &current.cluster.name, &current.user.name];
        let hidden = needed.into_iter().find(|(_, value)| is_hidden(value));
        let escaped = names.into_iter().find(|name| name.starts_with(ESCAPED));
        if let Some((key, value)) = hidden.or(escaped.map(|name| ("name", name))) {
            let above = view.find(&**value).and_then(|at| view.get(..at)).unwrap_or_default();
            let what = format!("the value of `{key}` may contain a secret and is not read");
            return Err(AccessError::Hidden { line: lines(above), what });
        }
        Ok(Self { cluster, user, namespace })
    }

    /// Returns the access without the key, for comparisons that must ignore the key.
    #[must_use]
    pub fn without_key(mut self) -> Self {
        self.user.client_key_data = Secret::new(Vec::new());
        self
    }

    /// Returns the URL of the API server.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.cluster.server
    }

    /// Returns the embedded CA certificates; `None` if the kubeconfig has a path, or if the data
    /// contain no certificate.
    #[must_use]
    pub fn authority(&self) -> Option<&[u8]> {
        self.cluster.embedded_ca().filter(|data| !data.starts_with(DIGEST.as_bytes()))
    }

    /// Returns the path of the key file; `None` if the key is embedded.
    #[must_use]
    pub fn key_file(&self) -> Option<&str> {
        Some(&*self.user.client_key).filter(|path| !path.is_empty())
    }

    /// Returns the path of the CA file; `None` if the certificates are embedded.
    #[must_use]
    pub fn authority_file(&self) -> Option<&str> {
        Some(&*self.cluster.certificate_authority).filter(|path| !path.is_empty())
    }

    /// Returns the access with the given CA certificates in place of the CA file, for callers that
    /// have read the file.
    #[must_use]
    pub fn with_authority(mut self, pem: &[u8]) -> Self {
        self.cluster.certificate_authority_data = unwrapped(pem);
        self.cluster.certificate_authority.clear();
        self
    }

    /// Returns the embedded client certificate; `None` if the kubeconfig has a path, or if the data
    /// contain no certificate.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        self.user.embedded_certificate().filter(|data| !data.starts_with(DIGEST.as_bytes()))
    }

    /// Returns the digest of the embedded key from the public view; `None` if the kubeconfig has a
    /// path, or an invalid key.
    #[must_use]
    pub fn key_digest(&self) -> Option<&str> {
        let digest = self.user.embedded_key()?.expose_secret();
        std::str::from_utf8(digest).ok()?.strip_prefix(DIGEST)
    }

    /// Returns the path of the client certificate file; `None` if the certificate is embedded.
    #[must_use]
    pub fn certificate_file(&self) -> Option<&str> {
        Some(&*self.user.client_certificate).filter(|path| !path.is_empty())
    }
}

/// Returns the number of the line that follows `above`.
fn lines(above: &str) -> usize {
    above.matches('\n').count() + 1
}

/// Returns the PEM blocks without other text, each with its content in one line, since line widths
/// are irrelevant.
fn unwrapped(pem: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(pem) else { return pem.to_vec() };
    let (mut out, mut is_inside) = (String::with_capacity(text.len()), false);
    for line in text.lines().map(str::trim) {
        if line.starts_with("-----BEGIN ") {
            is_inside = true;
            out.push_str(line);
            out.push('\n');
        } else if line.starts_with("-----END ") {
            is_inside = false;
            out.push('\n');
            out.push_str(line);
            out.push('\n');
        } else if is_inside {
            out.push_str(line);
        }
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::public_view;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAABBBB\nCCCC\n-----END CERTIFICATE-----\n";

    /// Parses the view of a kubeconfig with readable base64 in place of digests.
    fn access(text: &str) -> Result<Access, AccessError> {
        Access::of_public_view(&public_view(text, |value| STANDARD.encode(value)))
    }

    fn reason(text: &str) -> String {
        access(text).unwrap_err().to_string()
    }

    fn text(cluster: &str, user: &str, context: &str, certificate: &str, key: &str) -> String {
        let certificate = STANDARD.encode(certificate);
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {context}\nclusters:\n- cluster:\n    \
             certificate-authority-data: {certificate}\n    server: https://10.0.0.1:6443\n  name: {cluster}\ncontexts:\n- \
             context:\n    cluster: {cluster}\n    user: {user}\n  name: {context}\nusers:\n- name: {user}\n  user:\n    \
             client-certificate-data: {certificate}\n    client-key-data: {key}\n"
        )
    }

    #[test]
    fn names_and_wrapping_make_no_difference() {
        let one = access(&text("kubernetes", "kcm", "default", PEM, "S0VZ")).unwrap();
        let wrapped = format!("subject=x\r\n{}", PEM.replace("BBBB\nCC", "BB\r\nBBCC"));
        let other = access(&text("c1", "system:kcm", "x@y", &wrapped, "S0VZ")).unwrap();
        assert_eq!(one, other);
        assert_eq!(one.server(), "https://10.0.0.1:6443");
        assert_eq!(one.key_digest(), Some("UzBWWg=="));
    }

    #[test]
    fn server_certificate_key_and_everything_else_make_one() {
        let ours = text("kubernetes", "kcm", "default", PEM, "S0VZ");
        let one = access(&ours).unwrap();
        for (from, to) in [
            ("10.0.0.1", "10.0.0.2"),
            ("S0VZ", "S0VX"),
            ("    server:", "    insecure-skip-tls-verify: true\n    server:"),
            ("    server:", "    proxy-url: http://10.0.0.9\n    server:"),
            ("    client-key-data", "    token: abc\n    client-key-data"),
            ("    user: kcm", "    namespace: x\n    user: kcm"),
        ] {
            let other = ours.replacen(from, to, 1);
            assert_ne!(other, ours, "{from}");
            assert!(access(&other).is_err() || access(&other).unwrap() != one, "{from} -> {to}");
        }
        let other = access(&text("kubernetes", "kcm", "default", &PEM.replace("CC", "CD"), "S0VZ"));
        assert_ne!(other.unwrap(), one);
        let other = access(&text("kubernetes", "kcm", "default", PEM, "S0VX")).unwrap();
        assert_ne!(other, one);
        assert_eq!(other.without_key(), one.without_key());
    }

    #[test]
    fn what_is_no_kubeconfig_is_an_error() {
        for text in ["", "- a", "kind: Config\napiVersion: v1\n", "a: [b"] {
            assert!(access(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_lacks_is_named_with_its_remedy() {
        let ours = text("kubernetes", "kcm", "default", PEM, "S0VZ");
        for (from, to, expected, help) in [
            (
                "current-context: default",
                "current-context: ''",
                "current-context is not set; contexts: default",
                "use-context CONTEXT",
            ),
            (
                "current-context: default",
                "current-context: other",
                "current-context `other` does not exist; contexts: default",
                "use-context CONTEXT",
            ),
            (
                "cluster: kubernetes",
                "cluster: c",
                "cluster `c` of context `default` does not exist; clusters: kubernetes",
                "set-context CONTEXT",
            ),
            (
                "user: kcm",
                "user: u",
                "user `u` of context `default` does not exist; users: kcm",
                "set-context CONTEXT",
            ),
            (
                "server: https://10.0.0.1:6443",
                "server: ''",
                "cluster `kubernetes` has no server",
                "set-cluster CLUSTER",
            ),
            (
                "https://10.0.0.1",
                "https://u:p@10.0.0.1",
                "line 7: the value of `server`",
                "view --raw",
            ),
            ("server: https:", "\"s\\u0065rver\": https:", "line 7: not YAML, or", "view --raw"),
            (
                "  name: kubernetes",
                "  name: \"a\\x20\"\n- name: kubernetes",
                "cluster `kubernetes` has no server",
                "",
            ),
            ("kind: Config", "kind: Config: a", "line 2: not YAML, or", "view --raw"),
            ("kind: Config", "kind: Config\n\t- a", "line 3: not YAML, or", "view --raw"),
            (
                "current-context: default",
                "current-context: default]",
                "current-context `default]` does not exist",
                "use-context CONTEXT",
            ),
            ("kind: Config", "kind: {Config}}", "line 2: not YAML, or", "view --raw"),
            ("kind: Config", "kind: [a", "line 3: not YAML, or", "view --raw"),
            ("kind: Config", "kind: *a", "line 2, column 7: not YAML: ", "kubectl config view"),
            (
                "kind: Config",
                "kind: 1",
                "line 2, column 7: `kind` must be a string",
                "kubectl config view",
            ),
        ] {
            let other = ours.replacen(from, to, 1);
            assert_ne!(other, ours, "{from}");
            let error = access(&other).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{to}: {error}");
            assert!(error.help().contains(help), "{}", error.help());
        }
        assert_eq!(reason("{}"), "current-context is not set; contexts: none");
        assert_eq!(reason(""), "current-context is not set; contexts: none");
    }

    #[test]
    fn a_key_is_not_shown() {
        let one = access(&text("kubernetes", "kcm", "default", PEM, "S0VZ")).unwrap();
        assert!(!format!("{one:?}").contains("S0VZ"));
    }
}
