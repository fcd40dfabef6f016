//! A small client of the API server that opens one connection per request.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;

use super::Identity;

/// A client with one identity.
#[derive(Clone, Debug)]
pub struct Client {
    at: SocketAddr,
    config: Arc<ClientConfig>,
    token: Option<String>,
}

/// A response of the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The status code.
    pub code: u16,
    /// The JSON object, or a string if the body is not JSON.
    pub body: Value,
}

#[expect(clippy::must_use_candidate, reason = "it is called for what it checks, too")]
impl Reply {
    /// Returns the object of a response that must be a success.
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.code), "{self:?}");
        self.body
    }

    /// The message of a `Status` object, else an empty string.
    #[must_use]
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

#[expect(clippy::must_use_candidate, reason = "requests are sent for what they do, too")]
impl Client {
    /// Creates a client of the server at `at`. `ca` are the certificates of its CAs in PEM.
    #[must_use]
    pub fn new(at: SocketAddr, ca: &str, identity: Option<&Identity>) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
                let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        Self { at, config: Arc::new(config), token: None }
    }

    /// Adds a bearer token to each request.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Sends a GET request.
    #[must_use]
    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None)
    }

    /// Sends a POST request.
    pub fn create(&self, path: &str, object: &Value) -> Reply {
        self.send("POST", path, Some(object))
    }

    /// Sends a PUT request.
    pub fn update(&self, path: &str, object: &Value) -> Reply {
        self.send("PUT", path, Some(object))
    }

    /// Sends a PATCH request with a JSON merge patch.
    pub fn patch(&self, path: &str, change: &Value) -> Reply {
        self.send("PATCH", path, Some(change))
    }

    /// Sends a DELETE request.
    pub fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, None)
    }

    /// Sends a GET request to a server that may not answer.
    ///
    /// # Errors
    /// The error of the network, of TLS, or of an invalid response.
    pub fn try_get(&self, path: &str) -> io::Result<Reply> {
        self.exchange("GET", path, None)
    }

    /// Returns the items of a list.
    #[must_use]
    pub fn list(&self, path: &str) -> Vec<Value> {
        let mut list = self.get(path).ok();
        list["items"].as_array_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Returns the Lease of kube-controller-manager, if it exists.
    #[must_use]
    pub fn lease(&self) -> Option<Value> {
        let reply = self.get(Self::LEASE);
        (reply.code != 404).then(|| reply.ok())
    }

    /// Returns the minor version that the server reports.
    #[must_use]
    pub fn minor(&self) -> u32 {
        let version = self.get("/version").ok();
        let minor = version["minor"].as_str().unwrap_or_default();
        minor.trim_end_matches('+').parse().unwrap()
    }

    /// Returns the holder of kube-controller-manager's Lease, if it has one.
    #[must_use]
    pub fn holder(&self) -> Option<String> {
        let lease = self.lease()?;
        let holder = lease["spec"]["holderIdentity"].as_str()?;
        (!holder.is_empty()).then(|| holder.to_owned())
    }

    /// Path of kube-controller-manager's Lease.
    pub const LEASE: &str =
        "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager";

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.exchange(method, path, body)
            .unwrap_or_else(|error| panic!("{method} https://{}{path}: {error}", self.at))
    }

    /// Sends a request in HTTP/1.0, where the end of the connection ends the response.
    fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Reply> {
        let stream = TcpStream::connect_timeout(&self.at, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::IpAddress(self.at.ip().into());
        let connection = ClientConnection::new(self.config.clone(), name);
        let connection = connection.map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        let kind =
            if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let body = body.map(Value::to_string).unwrap_or_default();
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nAccept: application/json\r\nUser-Agent: kcm-tests\r\n\
             {}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            self.at,
            token.unwrap_or_default(),
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            // Not every server sends a TLS `close_notify` alert.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => (),
            result => drop(result?),
        }
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let code = code.ok_or(io::ErrorKind::InvalidData)?;
        let body = serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()));
        Ok(Reply { code, body })
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
