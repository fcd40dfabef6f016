use std::fmt;

use super::{Context, Kubeconfig, Named, User};
use crate::{CertificateSource, KeySource, Secret};

/// A credential of a user beside its client certificate, which clients may send instead of the
/// certificate or in addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StaleCredential {
    /// `token`.
    Token,
    /// `tokenFile`.
    TokenFile,
    /// `username`.
    Username,
    /// `password`.
    Password,
    /// `exec`.
    Exec,
    /// `auth-provider`.
    AuthProvider,
}

/// An entry that [`Kubeconfig::merge`] has ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shadowed {
    /// List of the entry: `clusters`, `contexts` or `users`.
    pub list: &'static str,
    /// Name of the entry.
    pub name: String,
}

/// An error for a context that does not exist and cannot become the current one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("context `{context}` does not exist")]
#[non_exhaustive]
pub struct SelectContextError {
    /// Requested name.
    pub context: String,
}

impl Kubeconfig {
    /// Applies `kubectl config set-cluster NAME --server --certificate-authority [--embed-certs]`.
    ///
    /// Other fields of an existing cluster are kept, except `insecure-skip-tls-verify`, which is
    /// reset because it excludes a CA.
    pub fn set_cluster(
        &mut self,
        name: &str,
        server: impl Into<String>,
        authority: CertificateSource,
    ) {
        let cluster = entry(&mut self.clusters, name);
        cluster.server = server.into();
        cluster.insecure_skip_tls_verify = false;
        (cluster.certificate_authority_data, cluster.certificate_authority) = match authority {
            CertificateSource::Embedded(pem) => (pem, String::new()),
            CertificateSource::File(path) => (Vec::new(), path),
        };
    }

    /// Applies `kubectl config set-credentials NAME --client-certificate --client-key
    /// [--embed-certs]`.
    ///
    /// Other fields of an existing user are kept, as in kubectl. The returned list names those that
    /// are credentials; [`User::remove_stale_credentials`] removes them.
    pub fn set_credentials(
        &mut self,
        name: &str,
        certificate: CertificateSource,
        key: KeySource,
    ) -> Vec<StaleCredential> {
        let user = entry(&mut self.users, name);
        (user.client_certificate_data, user.client_certificate) = match certificate {
            CertificateSource::Embedded(pem) => (pem, String::new()),
            CertificateSource::File(path) => (Vec::new(), path),
        };
        (user.client_key_data, user.client_key) = match key {
            KeySource::Embedded(pem) => (pem, String::new()),
            KeySource::File(path) => (Secret::default(), path),
        };
        user.stale_credentials()
    }

    /// Applies `kubectl config set-context NAME --cluster --user`. The namespace is kept.
    pub fn set_context(&mut self, name: &str, cluster: impl Into<String>, user: impl Into<String>) {
        let context: &mut Context = entry(&mut self.contexts, name);
        context.cluster = cluster.into();
        context.user = user.into();
    }

    /// Applies `kubectl config use-context NAME`.
    ///
    /// # Errors
    /// [`SelectContextError`] if the context does not exist. The document is unchanged then.
    pub fn use_context(&mut self, name: &str) -> Result<(), SelectContextError> {
        if self.context(name).is_none() {
            return Err(SelectContextError { context: name.to_owned() });
        }
        name.clone_into(&mut self.current_context);
        Ok(())
    }

    /// Adds entries and fields of `later` that this document lacks, as kubectl does with the files
    /// in `KUBECONFIG`: the first file with an entry wins.
    ///
    /// Returns the entries of `later` that were ignored although they differ.
    pub fn merge(&mut self, later: Kubeconfig) -> Vec<Shadowed> {
        let mut shadowed = Vec::new();
        add_missing(&mut self.clusters, later.clusters, "clusters", &mut shadowed);
        add_missing(&mut self.contexts, later.contexts, "contexts", &mut shadowed);
        add_missing(&mut self.users, later.users, "users", &mut shadowed);
        if self.current_context.is_empty() {
            self.current_context = later.current_context;
        }
        for (mine, theirs) in
            [(&mut self.preferences, later.preferences), (&mut self.other, later.other)]
        {
            for (key, value) in theirs.iter() {
                if mine.get(key).is_none() {
                    mine.insert(key, value.clone());
                }
            }
        }
        shadowed
    }
}

impl User {
    /// Returns the credentials that exist beside the client certificate.
    #[must_use]
    pub fn stale_credentials(&self) -> Vec<StaleCredential> {
        [
            (StaleCredential::Token, !self.token.expose_secret().is_empty()),
            (StaleCredential::TokenFile, !self.token_file.is_empty()),
            (StaleCredential::Username, !self.username.is_empty()),
            (StaleCredential::Password, !self.password.expose_secret().is_empty()),
            (StaleCredential::Exec, self.other.get("exec").is_some()),
            (StaleCredential::AuthProvider, self.other.get("auth-provider").is_some()),
        ]
        .into_iter()
        .filter_map(|(credential, present)| present.then_some(credential))
        .collect()
    }

    /// Removes the credentials that exist beside the client certificate, and returns them.
    pub fn remove_stale_credentials(&mut self) -> Vec<StaleCredential> {
        let removed = self.stale_credentials();
        self.token = Secret::default();
        self.token_file.clear();
        self.username.clear();
        self.password = Secret::default();
        self.other.remove("exec");
        self.other.remove("auth-provider");
        removed
    }
}

impl fmt::Display for StaleCredential {
    /// Writes the name of the field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token => "token",
            Self::TokenFile => "tokenFile",
            Self::Username => "username",
            Self::Password => "password",
            Self::Exec => "exec",
            Self::AuthProvider => "auth-provider",
        })
    }
}

/// Returns the entry with this name, created if missing.
fn entry<'a, T: Default>(entries: &'a mut Vec<Named<T>>, name: &str) -> &'a mut T {
    let index = entries.iter().position(|named| named.name == name).unwrap_or(entries.len());
    if index == entries.len() {
        entries.push(Named::new(name, T::default()));
    }
    #[expect(
        clippy::indexing_slicing,
        reason = "the index is of an entry found or pushed just now"
    )]
    &mut entries[index].entry
}

fn add_missing<T: PartialEq>(
    entries: &mut Vec<Named<T>>,
    later: Vec<Named<T>>,
    list: &'static str,
    shadowed: &mut Vec<Shadowed>,
) {
    for named in later {
        match entries.iter().find(|mine| mine.name == named.name) {
            None => entries.push(named),
            Some(mine) if *mine == named => {}
            Some(_) => shadowed.push(Shadowed { list, name: named.name }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cluster, Value};

    fn file(path: &str) -> CertificateSource {
        CertificateSource::File(path.into())
    }

    #[test]
    fn setting_a_cluster_keeps_what_it_does_not_set() {
        let mut document = Kubeconfig::default();
        document.clusters.push(Named::new("other", Cluster::default()));
        let mut cluster = Cluster {
            insecure_skip_tls_verify: true,
            proxy_url: "http://p".into(),
            ..Cluster::default()
        };
        cluster.certificate_authority = "old".into();
        cluster.other.insert("zone", Value::Null);
        document.clusters.push(Named::new("c", cluster));

        document.set_cluster("c", "https://a", CertificateSource::Embedded(b"pem".to_vec()));

        let cluster = document.cluster("c").unwrap();
        assert_eq!(
            (&*cluster.server, &*cluster.proxy_url, &*cluster.certificate_authority),
            ("https://a", "http://p", "")
        );
        assert_eq!(cluster.embedded_ca(), Some(&b"pem"[..]));
        assert!(!cluster.insecure_skip_tls_verify && cluster.other.get("zone").is_some());
        assert_eq!(document.clusters.len(), 2);

        document.set_cluster("c", "https://a", file("/ca.pem"));
        let cluster = document.cluster("c").unwrap();
        assert_eq!((cluster.embedded_ca(), &*cluster.certificate_authority), (None, "/ca.pem"));
    }

    #[test]
    fn stale_credentials_are_named_and_removed_when_asked() {
        let mut user =
            User { token: "t".to_owned().into(), username: "u".into(), ..User::default() };
        user.other.insert("exec", Value::Null);
        user.other.insert("as", Value::Null);
        let mut document =
            Kubeconfig { users: vec![Named::new("u", user)], ..Kubeconfig::default() };

        let stale =
            document.set_credentials("u", file("/both.pem"), KeySource::File("/both.pem".into()));

        assert_eq!(
            stale,
            [StaleCredential::Token, StaleCredential::Username, StaleCredential::Exec]
        );
        let user = &mut document.users[0].entry;
        assert_eq!(user.remove_stale_credentials(), stale);
        assert_eq!(user.stale_credentials(), []);
        assert!(user.other.get("as").is_some());
        assert_eq!((&*user.client_certificate, &*user.client_key), ("/both.pem", "/both.pem"));
    }

    #[test]
    fn only_a_context_that_exists_can_be_used() {
        let mut document = Kubeconfig::default();
        assert_eq!(document.use_context("x"), Err(SelectContextError { context: "x".into() }));
        document.set_context("x", "c", "u");
        assert_eq!(document.use_context("x"), Ok(()));
        assert_eq!(document.current_context, "x");
    }

    #[test]
    fn merging_keeps_the_first_and_names_what_it_leaves_out() {
        let mut first = Kubeconfig::default();
        first.set_context("same", "c", "u");
        first.set_context("differs", "c", "u");
        let mut later = Kubeconfig { current_context: "new".into(), ..Kubeconfig::default() };
        later.set_context("same", "c", "u");
        later.set_context("differs", "d", "u");
        later.set_context("new", "c", "u");

        let shadowed = first.merge(later);

        assert_eq!(shadowed, [Shadowed { list: "contexts", name: "differs".into() }]);
        assert_eq!(first.context("differs").unwrap().cluster, "c");
        assert_eq!((first.contexts.len(), &*first.current_context), (3, "new"));
    }
}
