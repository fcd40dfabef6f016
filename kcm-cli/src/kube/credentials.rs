//! Credentials for the API server.

use std::path::PathBuf;

use kcm_kubeconfig::{Secret, ServerUrl};

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
    /// A bearer token, such as that of a service account.
    Token {
        /// URL of the server.
        server: ServerUrl,
        /// The CA that signed the server's certificate, as PEM.
        ca: String,
        /// The token.
        token: Secret<String>,
    },
    /// A context of a kubeconfig. Everything that `kube` supports works, such as tokens and exec
    /// plugins, except proxies.
    ///
    /// If the process has no default rustls crypto provider, this installs aws-lc-rs as the
    /// default.
    Kubeconfig(KubeconfigContext),
}

/// A context of a kubeconfig, or of several that are merged as kubectl merges `$KUBECONFIG`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeconfigContext {
    /// The files. Of several, those that do not exist are ignored.
    pub files: Vec<PathBuf>,
    /// Name of the context; `None` for the current context.
    pub context: Option<String>,
}

impl KubeconfigContext {
    /// The current context of one file.
    pub fn current(file: impl Into<PathBuf>) -> Self {
        Self { files: vec![file.into()], context: None }
    }

    /// Returns the files as `$KUBECONFIG` lists them.
    pub(crate) fn list(&self) -> String {
        self.files.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(":")
    }
}

impl Credentials {
    /// Returns a `kubectl` command line that uses these credentials. Without a kubeconfig,
    /// `--kubeconfig` is omitted.
    pub(crate) fn kubectl(&self, words: &[&str]) -> String {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        if let Self::Kubeconfig(kubeconfig) = self {
            match &kubeconfig.files[..] {
                [file] => after.extend(["--kubeconfig".to_owned(), file.display().to_string()]),
                _ => before.extend(["env".to_owned(), format!("KUBECONFIG={}", kubeconfig.list())]),
            }
            after.extend(kubeconfig.context.iter().map(|context| format!("--context={context}")));
        }
        let (before, after) = (before.iter(), after.iter());
        let line = before.map(String::as_str).chain(["kubectl"]).chain(after.map(String::as_str));
        command(line.chain(words.iter().copied()))
    }

    /// Returns these credentials with another server URL. A kubeconfig keeps the URL that it names.
    #[must_use]
    pub(crate) fn at(&self, url: &ServerUrl) -> Self {
        match self {
            Self::Component { ca, pair, .. } => {
                Self::Component { server: url.clone(), ca: ca.clone(), pair: pair.clone() }
            }
            Self::Token { ca, token, .. } => {
                Self::Token { server: url.clone(), ca: ca.clone(), token: token.clone() }
            }
            Self::Kubeconfig(_) => self.clone(),
        }
    }

    /// Returns credentials for the same server with another client certificate. A kubeconfig keeps
    /// its user.
    #[must_use]
    pub(crate) fn with_pair(&self, pair: Pair) -> Self {
        match self {
            Self::Component { server, ca, .. } | Self::Token { server, ca, .. } => {
                Self::Component { server: server.clone(), ca: ca.clone(), pair }
            }
            Self::Kubeconfig(_) => self.clone(),
        }
    }

    /// Returns credentials that verify the server with this CA alone. A kubeconfig keeps its own.
    #[must_use]
    pub(crate) fn trusting(&self, ca: String) -> Self {
        match self.clone() {
            Self::Component { server, pair, .. } => Self::Component { server, ca, pair },
            Self::Token { server, token, .. } => Self::Token { server, ca, token },
            kubeconfig @ Self::Kubeconfig(_) => kubeconfig,
        }
    }

    /// Returns credentials for the same server with a token in place of the certificate. A
    /// kubeconfig keeps its user.
    #[cfg(feature = "kube")]
    pub(crate) fn bearing(&self, token: &str) -> Self {
        match self {
            Self::Component { server, ca, .. } | Self::Token { server, ca, .. } => {
                let token = Secret::new(token.to_owned());
                Self::Token { server: server.clone(), ca: ca.clone(), token }
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
