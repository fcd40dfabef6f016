//! Credentials for the API server.

use std::path::PathBuf;

use kcm_kubeconfig::ServerUrl;

use crate::cluster::Cluster;
use crate::pki::{OperatorError, Pair, trusted};
use crate::util::words::command;

/// Credentials for the API server, and the server that they are for.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A component's own identity, passed as values and never written to disk.
    Component {
        /// URL of the server.
        server: ServerUrl,
        /// The CA that signed the server's certificate, as PEM.
        ca: String,
        /// The client certificate and its key.
        pair: Pair,
    },
    /// The current context of a kubeconfig. Everything that `kube` supports works, such as tokens
    /// and exec plugins, except proxies.
    ///
    /// If the process has no default rustls crypto provider, this installs aws-lc-rs as the
    /// default.
    Kubeconfig(PathBuf),
}

impl Credentials {
    /// Returns a `kubectl` command line that uses these credentials. Without a kubeconfig,
    /// `--kubeconfig` is omitted.
    pub(crate) fn kubectl(&self, words: &[&str]) -> String {
        let file = match self {
            Self::Kubeconfig(file) => Some(file.display().to_string()),
            Self::Component { .. } => None,
        };
        let file = file.iter().flat_map(|file| ["--kubeconfig", file]);
        command(["kubectl"].into_iter().chain(file).chain(words.iter().copied()))
    }

    /// Returns these credentials with another server URL. A kubeconfig keeps the URL that it names.
    #[must_use]
    pub(crate) fn at(&self, url: &ServerUrl) -> Self {
        match self {
            Self::Component { ca, pair, .. } => {
                Self::Component { server: url.clone(), ca: ca.clone(), pair: pair.clone() }
            }
            Self::Kubeconfig(_) => self.clone(),
        }
    }

    /// Returns the identity of kube-controller-manager with the CA that verifies API servers.
    ///
    /// `None` if either is missing on this machine.
    pub(crate) fn of_cluster(
        cluster: &Cluster,
        pair: Option<Pair>,
    ) -> Result<Option<Self>, OperatorError> {
        let server = cluster.server.clone();
        let ca = trusted(&cluster.pki)?;
        Ok(ca.zip(pair).map(|(ca, pair)| Self::Component { server, ca, pair }))
    }
}
