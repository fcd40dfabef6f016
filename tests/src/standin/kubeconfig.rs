//! Loading of a kubeconfig, as client-go does it for a component.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls_pki_types::CertificateDer;
use serde::Deserialize;

use super::tls;

/// The cluster and the user of the current context.
#[derive(Clone, Debug)]
pub(super) struct Kubeconfig {
    pub(super) host: String,
    pub(super) port: u16,
    /// CA certificates; empty if the server's certificate must not be verified.
    pub(super) roots: Vec<CertificateDer<'static>>,
    pub(super) user: Credentials,
}

/// The contents of two files in PEM: a certificate and its key.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// The credentials of a user.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    /// No credentials.
    None,
    /// A certificate and its key, in PEM.
    Embedded(Vec<u8>, Vec<u8>),
    /// Paths of a certificate and its key, which are read for each handshake.
    Files(PathBuf, PathBuf),
    /// A bearer token.
    Token(String),
}

impl Credentials {
    /// Returns the current certificate and key, if the credentials have them.
    pub(super) fn pair(&self) -> Result<Option<Pair>, String> {
        match self {
            Self::None | Self::Token(_) => Ok(None),
            Self::Embedded(certificate, key) => Ok(Some((certificate.clone(), key.clone()))),
            Self::Files(certificate, key) => Ok(Some((tls::read(certificate)?, tls::read(key)?))),
        }
    }
}

impl Kubeconfig {
    /// Loads a kubeconfig and the files that it refers to.
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        let text = String::from_utf8(tls::read(path)?).map_err(|error| error.to_string())?;
        let failed = |why: String| format!("error loading config file {:?}: {why}", path.display());
        let document: Document =
            serde_yaml::from_str(&text).map_err(|error| failed(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        document.resolve(folder).map_err(|why| format!("invalid configuration: {why}"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    #[serde(default)]
    current_context: String,
    #[serde(default)]
    contexts: Option<Vec<NamedContext>>,
    #[serde(default)]
    clusters: Option<Vec<NamedCluster>>,
    #[serde(default)]
    users: Option<Vec<NamedUser>>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<String>,
    token: Option<String>,
}

impl Document {
    fn resolve(self, folder: &Path) -> Result<Kubeconfig, String> {
        if self.current_context.is_empty() {
            return Err("no configuration has been provided".to_owned());
        }
        let wanted = &self.current_context;
        let context = self.contexts.into_iter().flatten().find(|entry| entry.name == *wanted);
        let context = context
            .ok_or_else(|| format!("context was not found for specified context: {wanted}"))?
            .context;
        let cluster = self.clusters.into_iter().flatten().find(|e| e.name == context.cluster);
        let cluster =
            cluster.ok_or_else(|| format!("cluster {:?} was not found", context.cluster))?.cluster;
        let user = self.users.into_iter().flatten().find(|e| e.name == context.user);
        let user = user.ok_or_else(|| format!("user {:?} was not found", context.user))?.user;
        let (host, port) = host_and_port(&cluster.server)?;
        let roots = cluster.roots(folder)?;
        Ok(Kubeconfig { host, port, roots, user: user.credentials(folder)? })
    }
}

impl Cluster {
    fn roots(&self, folder: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
        let pem = match (&self.certificate_authority_data, &self.certificate_authority) {
            (Some(data), _) => decode("certificate-authority-data", data)?,
            (None, Some(path)) => tls::read(&folder.join(path))
                .map_err(|error| format!("unable to read certificate-authority: {error}"))?,
            // Without a CA in the kubeconfig, client-go trusts the system's CAs. No server of a
            // test has a certificate of one.
            (None, None) if !self.insecure_skip_tls_verify => {
                return Err("no certificate-authority has been provided".to_owned());
            }
            (None, None) => return Ok(Vec::new()),
        };
        tls::certificates(&pem)
            .map_err(|error| format!("unable to load root certificates: {error}"))
    }
}

impl User {
    fn credentials(self, folder: &Path) -> Result<Credentials, String> {
        let data = (self.client_certificate_data, self.client_key_data);
        let files = (self.client_certificate, self.client_key);
        let credentials = match (data, files, self.token) {
            ((Some(certificate), Some(key)), ..) => Credentials::Embedded(
                decode("client-certificate-data", &certificate)?,
                decode("client-key-data", &key)?,
            ),
            (_, (Some(certificate), Some(key)), _) => {
                Credentials::Files(folder.join(certificate), folder.join(key))
            }
            (_, _, Some(token)) => Credentials::Token(token),
            ((None, None), (None, None), None) => Credentials::None,
            _ => return Err("client-key and client-certificate must both be given".to_owned()),
        };
        if let Some((certificate, key)) = credentials.pair()? {
            tls::certified_key(&certificate, &key).map_err(|why| format!("tls: {why}"))?;
        }
        Ok(credentials)
    }
}

fn decode(field: &str, text: &str) -> Result<Vec<u8>, String> {
    // Go's decoder ignores line ends, but no other characters.
    let dense: String = text.chars().filter(|letter| !matches!(letter, '\r' | '\n')).collect();
    BASE64.decode(dense).map_err(|error| format!("{field}: illegal base64 data: {error}"))
}

fn host_and_port(server: &str) -> Result<(String, u16), String> {
    let invalid = || format!("cluster has an invalid server {server:?}");
    let rest = server.strip_prefix("https://").ok_or_else(invalid)?;
    let authority = rest.trim_end_matches('/');
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(invalid)?;
            (host, rest.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Ok(443), str::parse).map_err(|_| invalid())?;
    if host.is_empty() || host.contains('/') { Err(invalid()) } else { Ok((host.to_owned(), port)) }
}
