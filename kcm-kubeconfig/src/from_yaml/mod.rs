//! Converts a YAML tree to a document, and rejects what a document cannot represent.

mod error;
mod fields;

use std::collections::BTreeSet;

use fields::{data, each, flag, key_data, map, other, secret_text, text};

pub use crate::yaml::read::Location;
pub use error::{ReadError, Warning};

use crate::model::{Cluster, Context, Fields, Kubeconfig, Named, User};
use crate::yaml::read::{self, Entry, Node};

/// A parsed document with warnings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parsed {
    /// The document.
    pub kubeconfig: Kubeconfig,
    /// Warnings in the order of the text about parts that [`Kubeconfig::to_yaml`] cannot keep or
    /// kubectl ignores. Empty if nothing is lost.
    pub warnings: Vec<Warning>,
}

impl Kubeconfig {
    /// Parses a kubeconfig in YAML or JSON. An empty text is an empty document, as in kubectl.
    ///
    /// The result has the same meaning as in kubectl, and unknown fields are kept. Comments are a
    /// warning. So are parts that kubectl silently ignores: a second document, keys in the wrong
    /// case, all but the last of duplicate keys.
    ///
    /// # Errors
    /// A [`ReadError`] with line and column, and the fix. Errors never quote a value, which might
    /// be a secret.
    pub fn from_yaml(text: &str) -> Result<Parsed, ReadError> {
        Self::read(text, false)
    }

    /// Parses a public view: as [`Self::from_yaml`], but accepts digests in place of embedded data.
    pub(crate) fn from_view(view: &str) -> Result<Self, ReadError> {
        Self::read(view, true).map(|parsed| parsed.kubeconfig)
    }

    fn read(text: &str, is_view: bool) -> Result<Parsed, ReadError> {
        let document = read::document(text)?;
        let mut reader = Reader { warnings: Vec::new(), is_view };
        if let Some(&first) = document.comments.first() {
            reader
                .warnings
                .push(Warning::CommentsDropped { first, count: document.comments.len() });
        }
        let second = document.second.map(|at| Warning::SecondDocument { at });
        let duplicates = document.duplicates.into_iter();
        let duplicates = duplicates.map(|(at, key)| Warning::DuplicateKey { at, key });
        reader.warnings.extend(duplicates.chain(second));
        let kubeconfig = match document.root {
            Some(root) => reader.root(root)?,
            None => Kubeconfig::default(),
        };
        reader.warnings.sort_by_key(Warning::at);
        Ok(Parsed { kubeconfig, warnings: reader.warnings })
    }
}

/// Converts nodes and collects warnings.
struct Reader {
    warnings: Vec<Warning>,
    is_view: bool,
}

const ROOT: &[&str] = &[
    "apiVersion",
    "clusters",
    "contexts",
    "current-context",
    "extensions",
    "kind",
    "preferences",
    "users",
];
const CLUSTER: &[&str] = &[
    "certificate-authority",
    "certificate-authority-data",
    "disable-compression",
    "extensions",
    "insecure-skip-tls-verify",
    "proxy-url",
    "server",
    "tls-server-name",
];
const CONTEXT: &[&str] = &["cluster", "extensions", "namespace", "user"];
const USER: &[&str] = &[
    "as",
    "as-groups",
    "as-uid",
    "as-user-extra",
    "auth-provider",
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "exec",
    "extensions",
    "password",
    "token",
    "tokenFile",
    "username",
];

impl Reader {
    fn root(&mut self, node: Node<'_>) -> Result<Kubeconfig, ReadError> {
        let mut kubeconfig = Kubeconfig::default();
        for entry in map(node, "the document")? {
            match &*entry.key.text {
                "apiVersion" => {
                    check(&entry, "v1", |at, found| ReadError::ApiVersion { at, found })?;
                }
                "kind" => check(&entry, "Config", |at, found| ReadError::Kind { at, found })?,
                "clusters" => {
                    kubeconfig.clusters =
                        self.named(entry, "clusters", "cluster", Self::cluster)?;
                }
                "contexts" => {
                    kubeconfig.contexts =
                        self.named(entry, "contexts", "context", Self::context)?;
                }
                "users" => kubeconfig.users = self.named(entry, "users", "user", Self::user)?,
                "current-context" => kubeconfig.current_context = text(entry)?,
                "preferences" => {
                    for entry in map(entry.value, "preferences")? {
                        other(
                            &mut self.warnings,
                            &mut kubeconfig.preferences,
                            entry,
                            &["colors", "extensions"],
                        );
                    }
                }
                _ => other(&mut self.warnings, &mut kubeconfig.other, entry, ROOT),
            }
        }
        Ok(kubeconfig)
    }

    /// Reads one of the lists `clusters`, `contexts` and `users`.
    fn named<T: Default>(
        &mut self,
        entry: Entry<'_>,
        list: &'static str,
        key: &'static str,
        body: fn(&mut Self, Node<'_>) -> Result<T, ReadError>,
    ) -> Result<Vec<Named<T>>, ReadError> {
        let mut entries = Vec::new();
        let mut seen = BTreeSet::new();
        for item in each(entry.value, list)? {
            let mut at = item.at;
            let mut named = Named::<T>::default();
            for field in map(item, list)? {
                match &*field.key.text {
                    "name" => {
                        at = field.value.at;
                        named.name = text(field)?;
                    }
                    name if name == key => named.entry = body(self, field.value)?,
                    _ => other(&mut self.warnings, &mut named.other, field, &["name", key]),
                }
            }
            if !seen.insert(named.name.clone()) {
                return Err(ReadError::DuplicateEntry { at, list, name: named.name });
            }
            entries.push(named);
        }
        Ok(entries)
    }

    fn cluster(&mut self, node: Node<'_>) -> Result<Cluster, ReadError> {
        let mut cluster = Cluster::default();
        for entry in map(node, "cluster")? {
            match &*entry.key.text {
                "server" => cluster.server = text(entry)?,
                "certificate-authority" => cluster.certificate_authority = text(entry)?,
                "certificate-authority-data" => {
                    cluster.certificate_authority_data = data(entry, self.is_view)?;
                }
                "insecure-skip-tls-verify" => cluster.insecure_skip_tls_verify = flag(&entry)?,
                "tls-server-name" => cluster.tls_server_name = text(entry)?,
                "proxy-url" => cluster.proxy_url = text(entry)?,
                "disable-compression" => cluster.disable_compression = flag(&entry)?,
                _ => other(&mut self.warnings, &mut cluster.other, entry, CLUSTER),
            }
        }
        Ok(cluster)
    }

    fn context(&mut self, node: Node<'_>) -> Result<Context, ReadError> {
        let mut context = Context::default();
        for entry in map(node, "context")? {
            match &*entry.key.text {
                "cluster" => context.cluster = text(entry)?,
                "user" => context.user = text(entry)?,
                "namespace" => context.namespace = text(entry)?,
                _ => other(&mut self.warnings, &mut context.other, entry, CONTEXT),
            }
        }
        Ok(context)
    }

    fn user(&mut self, node: Node<'_>) -> Result<User, ReadError> {
        let mut user = User::default();
        for entry in map(node, "user")? {
            match &*entry.key.text {
                "client-certificate" => user.client_certificate = text(entry)?,
                "client-certificate-data" => {
                    user.client_certificate_data = data(entry, self.is_view)?;
                }
                "client-key" => user.client_key = text(entry)?,
                "client-key-data" => user.client_key_data = key_data(entry, self.is_view)?,
                "token" => user.token = secret_text(entry)?,
                "tokenFile" => user.token_file = text(entry)?,
                "username" => user.username = text(entry)?,
                "password" => user.password = secret_text(entry)?,
                _ => other(&mut self.warnings, &mut user.other, entry, USER),
            }
        }
        Ok(user)
    }
}

/// Checks `apiVersion` or `kind`. As in kubectl, the field may be missing or empty.
fn check(
    entry: &Entry<'_>,
    expected: &str,
    error: impl Fn(Location, String) -> ReadError,
) -> Result<(), ReadError> {
    let found = text(entry.clone())?;
    if found.is_empty() || found == expected { Ok(()) } else { Err(error(entry.value.at, found)) }
}

#[cfg(test)]
mod tests;
