use super::{Cluster, Context, Kubeconfig, Named, User};
use crate::Secret;

/// The context, cluster and user to which `current-context` resolves.
#[derive(Clone, Copy, Debug)]
pub struct Current<'a> {
    /// Current context with its name.
    pub context: &'a Named<Context>,
    /// Cluster of the context.
    pub cluster: &'a Named<Cluster>,
    /// User of the context.
    pub user: &'a Named<User>,
}

/// A reference to an entry that does not exist, or a missing server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// `current-context` is empty.
    #[error("current-context is not set; contexts: {}", listed(.contexts))]
    NoCurrentContext {
        /// Names of the contexts in the document.
        contexts: Vec<String>,
    },
    /// `current-context` refers to a context that does not exist.
    #[error("current-context `{context}` does not exist; contexts: {}", listed(.contexts))]
    NoSuchContext {
        /// Name of the missing context.
        context: String,
        /// Names of the contexts in the document.
        contexts: Vec<String>,
    },
    /// The context refers to a cluster that does not exist.
    #[error("cluster `{cluster}` of context `{context}` does not exist; clusters: {}", listed(.clusters))]
    NoSuchCluster {
        /// Name of the context.
        context: String,
        /// Name of the missing cluster.
        cluster: String,
        /// Names of the clusters in the document.
        clusters: Vec<String>,
    },
    /// The cluster of the current context has no server.
    #[error("cluster `{cluster}` has no server")]
    NoServer {
        /// Name of the cluster.
        cluster: String,
    },
    /// The context refers to a user that does not exist.
    #[error("user `{user}` of context `{context}` does not exist; users: {}", listed(.users))]
    NoSuchUser {
        /// Name of the context.
        context: String,
        /// Name of the missing user.
        user: String,
        /// Names of the users in the document.
        users: Vec<String>,
    },
}

impl Kubeconfig {
    /// Resolves `current-context` to its context, cluster and user.
    ///
    /// # Errors
    /// A [`LookupError`] with the first name that does not resolve.
    pub fn current(&self) -> Result<Current<'_>, LookupError> {
        let contexts = || names(&self.contexts);
        if self.current_context.is_empty() {
            return Err(LookupError::NoCurrentContext { contexts: contexts() });
        }
        let context = find(&self.contexts, &self.current_context).ok_or_else(|| {
            let context = self.current_context.clone();
            LookupError::NoSuchContext { context, contexts: contexts() }
        })?;
        let cluster = find(&self.clusters, &context.entry.cluster).ok_or_else(|| {
            LookupError::NoSuchCluster {
                context: context.name.clone(),
                cluster: context.entry.cluster.clone(),
                clusters: names(&self.clusters),
            }
        })?;
        let user =
            find(&self.users, &context.entry.user).ok_or_else(|| LookupError::NoSuchUser {
                context: context.name.clone(),
                user: context.entry.user.clone(),
                users: names(&self.users),
            })?;
        Ok(Current { context, cluster, user })
    }

    /// Returns the cluster with this name.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        find(&self.clusters, name).map(|named| &named.entry)
    }

    /// Returns the user with this name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        find(&self.users, name).map(|named| &named.entry)
    }

    /// Returns the context with this name.
    #[must_use]
    pub fn context(&self, name: &str) -> Option<&Context> {
        find(&self.contexts, name).map(|named| &named.entry)
    }
}

impl Cluster {
    /// Returns the embedded CA certificates in PEM, verbatim, if there are any.
    #[must_use]
    pub fn embedded_ca(&self) -> Option<&[u8]> {
        Some(self.certificate_authority_data.as_slice()).filter(|pem| !pem.is_empty())
    }
}

impl User {
    /// Returns the embedded client certificate in PEM, verbatim, if there is one.
    #[must_use]
    pub fn embedded_certificate(&self) -> Option<&[u8]> {
        Some(self.client_certificate_data.as_slice()).filter(|pem| !pem.is_empty())
    }

    /// Returns the embedded private key in PEM, verbatim, if there is one.
    #[must_use]
    pub fn embedded_key(&self) -> Option<&Secret<Vec<u8>>> {
        Some(&self.client_key_data).filter(|key| !key.expose_secret().is_empty())
    }
}

fn names<T>(entries: &[Named<T>]) -> Vec<String> {
    entries.iter().map(|named| named.name.clone()).collect()
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn find<'a, T>(entries: &'a [Named<T>], name: &str) -> Option<&'a Named<T>> {
    entries.iter().find(|named| named.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Kubeconfig {
        Kubeconfig {
            clusters: vec![Named::new("c", Cluster::default())],
            users: vec![Named::new("u", User::default())],
            contexts: vec![Named::new(
                "x",
                Context { cluster: "c".into(), user: "u".into(), ..Context::default() },
            )],
            current_context: "x".into(),
            ..Kubeconfig::default()
        }
    }

    #[test]
    fn current_resolves_all_three() {
        let document = document();
        let current = document.current().unwrap();
        assert_eq!(
            (&*current.context.name, &*current.cluster.name, &*current.user.name),
            ("x", "c", "u")
        );
    }

    #[test]
    fn current_says_which_name_dangles() {
        let mut none = document();
        none.current_context.clear();
        assert_eq!(
            none.current().unwrap_err(),
            LookupError::NoCurrentContext { contexts: vec!["x".into()] }
        );

        let mut no_context = document();
        no_context.contexts.clear();
        assert_eq!(
            no_context.current().unwrap_err(),
            LookupError::NoSuchContext { context: "x".into(), contexts: Vec::new() }
        );

        let mut no_cluster = document();
        no_cluster.clusters.clear();
        assert!(matches!(no_cluster.current(), Err(LookupError::NoSuchCluster { .. })));

        let mut no_user = document();
        no_user.users.clear();
        assert!(matches!(no_user.current(), Err(LookupError::NoSuchUser { .. })));
    }
}
