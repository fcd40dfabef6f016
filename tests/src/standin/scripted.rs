//! A server with scripted responses: wrong, late, repeated or missing ones, with any certificate.
//!
//! It implements HTTP/1.1 itself, so that it can send responses that no server should send.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::SingleCertAndKey;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::tls;
use crate::control_plane::Identity;

/// The protocol below HTTP.
#[derive(Clone, Debug)]
pub enum Wire {
    /// TLS that requests a client certificate, as kube-apiserver does.
    Tls(Identity),
    /// TLS that requires a client certificate of this CA, as a strict proxy does.
    MutualTls(Identity, String),
    /// No TLS: the server answers a handshake with an HTTP error.
    Plain,
    /// No protocol: the server closes connections at once.
    Closes,
    /// No protocol: the server keeps connections open and sends nothing.
    Silent,
}

/// A received request.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// Method, such as GET.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers by lower case name.
    pub headers: BTreeMap<String, String>,
    /// JSON body, or null.
    pub body: Value,
    /// True if the client presented a certificate.
    pub has_certificate: bool,
    /// Number of the connection, counted from 0.
    pub connection: usize,
}

/// A scripted response.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// An object with its status code.
    Json(u16, Value),
    /// An object with its status code, from a server whose clock is off by this much.
    Dated(time::Duration, u16, Value),
    /// Raw bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// A response after a delay.
    Late(Duration, Box<Answer>),
    /// A response, sent twice.
    Twice(Box<Answer>),
    /// No response. The connection stays open.
    Silence,
    /// No response, and the end of the connection.
    End,
}

impl Answer {
    /// Returns a failure as a `Status` object.
    #[must_use]
    pub fn status(code: u16, reason: &str, message: &str) -> Self {
        Self::Json(code, status(code, reason, message, &json!({})))
    }

    /// Returns the 404 response for a missing Lease of kube-controller-manager.
    #[must_use]
    pub fn no_lease() -> Self {
        let details = json!({
            "name": "kube-controller-manager", "group": "coordination.k8s.io", "kind": "leases",
        });
        let message = "leases.coordination.k8s.io \"kube-controller-manager\" not found";
        Self::Json(404, status(404, "NotFound", message, &details))
    }
}

fn status(code: u16, reason: &str, message: &str, details: &Value) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code, "details": details,
    })
}

type Script = dyn Fn(&Heard) -> Answer + Send + Sync;

/// A running server on 127.0.0.1, which ends when this value is dropped.
#[derive(Debug)]
pub struct Scripted {
    at: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    connections: Arc<Mutex<usize>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    /// Starts a server that answers each request with the result of `script`.
    #[must_use]
    pub fn start(wire: &Wire, script: impl Fn(&Heard) -> Answer + Send + Sync + 'static) -> Self {
        let (heard, connections) = (Arc::<Mutex<Vec<Heard>>>::default(), Arc::default());
        let (end, ended) = oneshot::channel::<()>();
        let (tell, address) = std::sync::mpsc::channel();
        let (record, count) = (Arc::clone(&heard), Arc::clone(&connections));
        let (wire, script): (Wire, Arc<Script>) = (wire.clone(), Arc::new(script));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let at = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
                let listener = TcpListener::bind(at).await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = accept(listener, wire, script, record, count) => (),
                    _ = ended => (),
                }
            });
        });
        let at = address.recv().unwrap();
        Self { at, heard, connections, end: Some(end), thread: Some(thread) }
    }

    /// URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.at)
    }

    /// Address on which the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.at
    }

    /// Returns the requests received so far.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Returns the number of connections so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        drop(self.end.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn accept(
    listener: TcpListener,
    wire: Wire,
    script: Arc<Script>,
    heard: Arc<Mutex<Vec<Heard>>>,
    connections: Arc<Mutex<usize>>,
) {
    let acceptor = match &wire {
        Wire::Tls(identity) => Some(acceptor(identity, None)),
        Wire::MutualTls(identity, ca) => Some(acceptor(identity, Some(ca))),
        Wire::Plain | Wire::Closes | Wire::Silent => None,
    };
    let mut held = Vec::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let number = {
            let mut count = connections.lock().unwrap();
            *count += 1;
            *count - 1
        };
        let (script, heard, acceptor) = (Arc::clone(&script), Arc::clone(&heard), acceptor.clone());
        match wire {
            Wire::Closes => drop(stream),
            Wire::Silent => held.push(stream),
            _ => {
                tokio::spawn(
                    async move { serve(stream, acceptor, number, &*script, &heard).await },
                );
            }
        }
    }
}

fn acceptor(identity: &Identity, only: Option<&str>) -> TlsAcceptor {
    let (certificate, key) = (identity.certificate.as_bytes(), identity.key.as_bytes());
    let certified = Arc::new(SingleCertAndKey::from(tls::certified_key(certificate, key).unwrap()));
    let config = match only {
        None => {
            let hints = tls::certificates(certificate).unwrap();
            tls::server(certified, Some(&hints)).unwrap()
        }
        Some(ca) => {
            let roots = tls::roots(&tls::certificates(ca.as_bytes()).unwrap()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), tls::provider());
            ServerConfig::builder_with_provider(tls::provider())
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_client_cert_verifier(verifier.build().unwrap())
                .with_cert_resolver(certified)
        }
    };
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    connection: usize,
    script: &Script,
    heard: &Mutex<Vec<Heard>>,
) {
    match acceptor {
        None => complain(stream).await,
        Some(acceptor) => {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let has_certificate = stream.get_ref().1.peer_certificates().is_some();
            converse(stream, has_certificate, connection, script, heard).await;
        }
    }
}

/// Answers bytes that are not HTTP as Go's HTTP server does.
async fn complain(mut stream: TcpStream) {
    let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request";
    let _ = stream.read(&mut [0; 1024]).await;
    let _ = stream.write_all(answer).await;
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    has_certificate: bool,
    connection: usize,
    script: &Script,
    heard: &Mutex<Vec<Heard>>,
) {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await {
        let request = Heard { has_certificate, connection, ..request };
        let mut answer = script(&request);
        heard.lock().unwrap().push(request);
        while let Answer::Late(wait, then) = answer {
            tokio::time::sleep(wait).await;
            answer = *then;
        }
        let times = if matches!(answer, Answer::Twice(_)) { 2 } else { 1 };
        if let Answer::Twice(inner) = answer {
            answer = *inner;
        }
        let bytes = match &answer {
            Answer::Json(code, object) => response(*code, object, time::Duration::ZERO),
            Answer::Dated(clock, code, object) => response(*code, object, *clock),
            Answer::Bytes(bytes) => bytes.clone(),
            Answer::Silence => continue,
            Answer::End | Answer::Late(..) | Answer::Twice(_) => break,
        };
        if stream.write_all(&bytes.repeat(times)).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if matches!(answer, Answer::Bytes(_)) {
            break;
        }
    }
    let _ = stream.shutdown().await;
}

fn response(code: u16, object: &Value, clock: time::Duration) -> Vec<u8> {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let date = (OffsetDateTime::now_utc() + clock).format(format).unwrap();
    let body = object.to_string();
    format!(
        "HTTP/1.1 {code} Scripted\r\nDate: {date}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Reads the next request; `None` at the end of the connection.
async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<Heard> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|octets| octets == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head: Vec<u8> = buffer.drain(..end).collect();
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<String, String> =
        headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body: Vec<u8> = buffer.drain(..length).collect();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Some(Heard { method, path, headers, body, has_certificate: false, connection: 0 })
}
