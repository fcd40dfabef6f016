use super::{Cluster, Context, Kubeconfig, Named, User};
use crate::Secret;

/// What `current-context` comes to.
#[derive(Clone, Copy, Debug)]
pub struct Current<'a> {
    /// The context, by name.
    pub context: &'a Named<Context>,
    /// The cluster it points to.
    pub cluster: &'a Named<Cluster>,
    /// The user it points to.
    pub user: &'a Named<User>,
}

/// A name that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// `current-context` is empty.
    #[error("current-context is not set; choose one with `kubectl config use-context`")]
    NoCurrentContext,
    /// `current-context` names a context that is not in the document.
    #[error("current-context is `{context}`, but there is no such context")]
    NoSuchContext {
        /// The dangling name.
        context: String,
    },
    /// The context names a cluster that is not in the document.
    #[error("context `{context}` points to cluster `{cluster}`, but there is no such cluster")]
    NoSuchCluster {
        /// The context that points there.
        context: String,
        /// The dangling name.
        cluster: String,
    },
    /// The context names a user that is not in the document.
    #[error("context `{context}` points to user `{user}`, but there is no such user")]
    NoSuchUser {
        /// The context that points there.
        context: String,
        /// The dangling name.
        user: String,
    },
}

impl Kubeconfig {
    /// Resolves `current-context` to its context, cluster and user.
    ///
    /// # Errors
    /// Says which name dangles.
    pub fn current(&self) -> Result<Current<'_>, LookupError> {
        if self.current_context.is_empty() {
            return Err(LookupError::NoCurrentContext);
        }
        let context = find(&self.contexts, &self.current_context)
            .ok_or_else(|| LookupError::NoSuchContext { context: self.current_context.clone() })?;
        let cluster = find(&self.clusters, &context.entry.cluster).ok_or_else(|| {
            LookupError::NoSuchCluster {
                context: context.name.clone(),
                cluster: context.entry.cluster.clone(),
            }
        })?;
        let user =
            find(&self.users, &context.entry.user).ok_or_else(|| LookupError::NoSuchUser {
                context: context.name.clone(),
                user: context.entry.user.clone(),
            })?;
        Ok(Current { context, cluster, user })
    }

    /// Looks a cluster up by name.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        find(&self.clusters, name).map(|named| &named.entry)
    }

    /// Looks a user up by name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        find(&self.users, name).map(|named| &named.entry)
    }

    /// Looks a context up by name.
    #[must_use]
    pub fn context(&self, name: &str) -> Option<&Context> {
        find(&self.contexts, name).map(|named| &named.entry)
    }
}

impl Cluster {
    /// Returns the embedded CA certificates, PEM as they were given, if there are any.
    #[must_use]
    pub fn embedded_ca(&self) -> Option<&[u8]> {
        Some(self.certificate_authority_data.as_slice()).filter(|pem| !pem.is_empty())
    }
}

impl User {
    /// Returns the embedded client certificate, PEM as it was given, if there is one.
    #[must_use]
    pub fn embedded_certificate(&self) -> Option<&[u8]> {
        Some(self.client_certificate_data.as_slice()).filter(|pem| !pem.is_empty())
    }

    /// Returns the embedded private key, PEM as it was given, if there is one.
    #[must_use]
    pub fn embedded_key(&self) -> Option<&Secret<Vec<u8>>> {
        Some(&self.client_key_data).filter(|key| !key.expose_secret().is_empty())
    }
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
        assert_eq!(none.current().unwrap_err(), LookupError::NoCurrentContext);

        let mut no_context = document();
        no_context.contexts.clear();
        assert_eq!(
            no_context.current().unwrap_err(),
            LookupError::NoSuchContext { context: "x".into() }
        );

        let mut no_cluster = document();
        no_cluster.clusters.clear();
        assert!(matches!(no_cluster.current(), Err(LookupError::NoSuchCluster { .. })));

        let mut no_user = document();
        no_user.users.clear();
        assert!(matches!(no_user.current(), Err(LookupError::NoSuchUser { .. })));
    }
}
