//! A client of the API server with one persistent connection and the identity of a kubeconfig.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::kubeconfig::{Credentials, Kubeconfig, Pair};
use super::version::Version;
use super::{log, tls};

/// A client of the API server.
#[derive(Debug)]
pub(super) struct Client {
    target: Kubeconfig,
    patience: Duration,
    connection: Mutex<Option<Connection>>,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    pair: Option<Pair>,
    checked: Instant,
}

/// A status code and the object of the response.
pub(super) type Answer = (u16, Value);

impl Client {
    /// Creates a client. `patience` limits each request as a whole.
    pub(super) fn new(target: Kubeconfig, patience: Duration) -> Self {
        Self { target, patience, connection: Mutex::new(None) }
    }

    /// Creates a client of the same server that authenticates with a token.
    pub(super) fn with_token(&self, token: String) -> Self {
        let target = Kubeconfig { user: Credentials::Token(token), ..self.target.clone() };
        Self::new(target, self.patience)
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, String> {
        self.send("GET", path, None).await
    }

    /// Sends a request and reads the response. An error is one of the network, never a response of
    /// the server.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let failed = |why: String| {
            let (host, port) = (&self.target.host, self.target.port);
            format!("{method} \"https://{host}:{port}{path}\": {why}")
        };
        let exchange = async {
            let response = self.exchange(method, path, body).await?;
            let code = response.status().as_u16();
            let octets = response.into_body().collect().await.map_err(|e| e.to_string())?;
            let octets = octets.to_bytes();
            let text = || Value::String(String::from_utf8_lossy(&octets).into_owned());
            Ok((code, serde_json::from_slice(&octets).unwrap_or_else(|_| text())))
        };
        if let Ok(answer) = timeout(self.patience, exchange).await {
            return answer.map_err(failed);
        }
        *self.connection.lock().await = None;
        Err(failed("context deadline exceeded".to_owned()))
    }

    /// Starts a watch on a new connection, and calls `heard` for each piece until the watch ends.
    pub(super) async fn watch(&self, path: &str, heard: impl Fn()) -> Result<(), String> {
        let mut connection = timeout(self.patience, self.connect())
            .await
            .map_err(|_| "context deadline exceeded".to_owned())??;
        let request = self.request("GET", path, None);
        let response = connection.sender.send_request(request).await.map_err(|e| e.to_string())?;
        if response.status() != 200 {
            return Err(format!("{path}: {}", response.status()));
        }
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(|error| error.to_string())?;
            heard();
        }
        Ok(())
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, String> {
        let mut slot = self.connection.lock().await;
        if slot.as_mut().is_some_and(|connection| !self.is_good(connection)) {
            *slot = None;
        }
        let was_open = slot.is_some();
        if slot.is_none() {
            *slot = Some(self.connect().await?);
        }
        let sender = &mut slot.as_mut().unwrap().sender;
        let first = match sender.ready().await {
            Ok(()) => sender.send_request(self.request(method, path, body)).await,
            Err(error) => Err(error),
        };
        match first {
            Ok(response) => Ok(response),
            Err(error) => {
                *slot = None;
                // The server may have closed a kept connection. A GET is safe to repeat.
                if !was_open || method != "GET" {
                    return Err(error.to_string());
                }
                let connection = slot.insert(self.connect().await?);
                let request = self.request(method, path, body);
                connection.sender.send_request(request).await.map_err(|error| error.to_string())
            }
        }
    }

    /// Reports whether a connection can be reused. As in client-go, a periodic check of certificate
    /// files closes it after a change.
    fn is_good(&self, connection: &mut Connection) -> bool {
        if connection.sender.is_closed() {
            return false;
        }
        let is_of_files = matches!(self.target.user, Credentials::Files(..));
        if is_of_files && connection.checked.elapsed() >= reload_period() {
            connection.checked = Instant::now();
            if self.target.user.pair().is_ok_and(|pair| pair != connection.pair) {
                log::line('I', "Certificate rotation detected, shutting down client connections");
                return false;
            }
        }
        true
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Request<Full<Bytes>> {
        let host = match &self.target.host {
            host if host.contains(':') => format!("[{host}]:{}", self.target.port),
            host => format!("{host}:{}", self.target.port),
        };
        let mut request = Request::builder().method(method).uri(path).header("host", host);
        request = request.header("user-agent", agent(path));
        request = request.header("accept", "application/json");
        if let Credentials::Token(token) = &self.target.user {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let kind = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let octets = body.map(Value::to_string).unwrap_or_default();
        request.header("content-type", kind).body(Full::new(octets.into())).unwrap()
    }

    async fn connect(&self) -> Result<Connection, String> {
        let Kubeconfig { host, port, roots, user } = &self.target;
        let pair = user.pair()?;
        let config = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let config = if roots.is_empty() {
            return Err("insecure-skip-tls-verify is not for this stand-in".to_owned());
        } else {
            let roots = Arc::new(tls::roots(roots)?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, tls::provider());
            config.with_webpki_verifier(verifier.build().map_err(|error| error.to_string())?)
        };
        let mut config = match &pair {
            Some((certificate, key)) => {
                let chain = tls::certificates(certificate)?;
                let key = tls::private_key(key)?;
                config.with_client_auth_cert(chain, key).map_err(|error| error.to_string())?
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
        let stream = TcpStream::connect((host.as_str(), *port))
            .await
            .map_err(|error| format!("dial tcp {host}:{port}: connect: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let stream = stream.map_err(|error| format!("tls: {error}"))?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(Connection { sender, pair, checked: Instant::now() })
    }
}

/// Returns the `User-Agent` in client-go's format: program, version, platform and purpose.
fn agent(path: &str) -> String {
    let purpose = if path.contains("/leases") { "leader-election" } else { "standin" };
    let version = Version::of_environment();
    format!("kube-controller-manager/{version} (linux/amd64) kubernetes/0000000/{purpose}")
}

/// Interval of the checks of certificate files: 5 minutes, as in client-go, unless
/// `KCM_STANDIN_CERT_RELOAD_SECONDS` sets another.
fn reload_period() -> Duration {
    let seconds = std::env::var("KCM_STANDIN_CERT_RELOAD_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(300))
}
