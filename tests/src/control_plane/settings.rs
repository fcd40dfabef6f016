//! The files and the peers of kube-apiserver, which a test can change with a restart.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{AWAY, Authority, Identity};

/// Everything that [`ControlPlane::restart_with`](super::ControlPlane::restart_with) can change.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Content of each `--service-account-key-file`, in PEM.
    ///
    /// By default the certificate of the server's own key, and the CA's: the tutorial's masters
    /// sign legacy tokens with the key of the CA.
    pub service_account_keys: Vec<String>,
    /// Content of `--service-account-signing-key-file`, in PEM.
    pub signing_key: String,
    /// Content of `--client-ca-file`: one or several CA certificates in PEM.
    pub client_ca: String,
    /// Serving certificate.
    pub serving: Identity,
    /// CA certificates in PEM with which the clients of the harness verify `serving`.
    pub server_ca: String,
    /// Identity of [`ControlPlane::admin`](super::ControlPlane::admin). Its CA must be in
    /// `client_ca`.
    pub admin: Identity,
    /// Addresses of the other API servers, which are published beside the server's own.
    pub peers: Vec<SocketAddr>,
    /// Minimum downtime of a stand-in from the end of one process to the service of the next.
    pub downtime: Duration,
}

impl Settings {
    pub(super) fn new(authority: &Authority, hosts: &[String]) -> Self {
        let tokens = authority.client("service-accounts", &[]);
        let ca = &authority.certificate;
        Self {
            service_account_keys: vec![tokens.certificate, ca.clone()],
            signing_key: tokens.key,
            client_ca: ca.clone(),
            serving: serving(authority, hosts),
            server_ca: ca.clone(),
            admin: authority.client("kubernetes-admin", &["system:masters"]),
            peers: Vec::new(),
            downtime: AWAY,
        }
    }

    /// Writes the files of the server to its folder.
    pub(super) fn write(&self, folder: &Path) {
        let mut files = vec![
            (folder.join("ca.pem"), &self.client_ca),
            (folder.join("serving.pem"), &self.serving.certificate),
            (folder.join("serving-key.pem"), &self.serving.key),
            (folder.join(SIGNING_KEY), &self.signing_key),
        ];
        files.extend(self.key_files(folder).into_iter().zip(&self.service_account_keys));
        for (path, content) in files {
            std::fs::write(path, content).unwrap();
        }
    }

    /// Returns the flags of service accounts, which are the same for real servers and stand-ins.
    pub(super) fn service_account_arguments(&self, folder: &Path) -> Vec<String> {
        let mut arguments = vec![
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-signing-key-file={}", folder.join(SIGNING_KEY).display()),
        ];
        let files = self.key_files(folder);
        let flag = |path: &PathBuf| format!("--service-account-key-file={}", path.display());
        arguments.extend(files.iter().map(flag));
        arguments
    }

    fn key_files(&self, folder: &Path) -> Vec<PathBuf> {
        let numbers = 1..=self.service_account_keys.len();
        numbers.map(|number| folder.join(format!("service-accounts-{number}.pem"))).collect()
    }
}

/// Issues a serving certificate for the hosts of the server.
pub(super) fn serving(authority: &Authority, hosts: &[String]) -> Identity {
    authority.server(&hosts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Returns the hosts of the serving certificate: the usual ones and more.
pub(super) fn hosts(own: IpAddr, more: &[&str]) -> Vec<String> {
    let own = own.to_string();
    let usual = [own.as_str(), "localhost", "kubernetes", "kubernetes.default.svc"];
    usual.iter().chain(more).map(|&host| host.to_owned()).collect()
}

const SIGNING_KEY: &str = "service-accounts-key.pem";
