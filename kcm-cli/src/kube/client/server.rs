//! The API server: sends requests, and classifies its refusals.

use std::fmt;
use std::sync::Arc;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::Uri;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, DATE, HeaderValue, USER_AGENT};
use kcm_kubeconfig::ServerUrl;
use kcm_pki::{Certificate, ValidityError};
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Status;
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::connect::{self, Line, Patience, Sent, Target};
use super::tls;
use crate::kube::clock::{self, ClockOffset, http_date};
use crate::kube::error::{ApiError, Problem, Step, unsendable};
use crate::kube::via::Via;
use crate::kube::{Credentials, KubeconfigContext};
use crate::pki::Pair;
use crate::transport::StreamAddress;
use crate::util::words::{at_bottom, in_full, in_one_line, moment};

/// Largest accepted answer, in bytes. The Lease has about 1000.
const LARGEST_ANSWER: usize = 4 << 20;
/// Precision of the `Date` header.
const DATE_RESOLUTION: std::time::Duration = std::time::Duration::from_secs(1);

/// A client of one API server. All requests share one connection, which the first request opens.
#[derive(Clone)]
pub struct ApiServer {
    client: kube::Client,
    pub(super) server: Arc<str>,
    from: Arc<str>,
    patience: Patience,
    certificate: Option<Arc<Certificate>>,
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ApiServer");
        shown.field("server", &self.server).field("from", &self.from).finish_non_exhaustive()
    }
}

/// An HTTP response of any status.
pub(super) struct Answer {
    pub(super) code: u16,
    body: Bytes,
    pub(super) clock: Option<ClockOffset>,
}

impl ApiServer {
    /// Creates a client. No connection is opened yet, but an exec plugin of a kubeconfig may run.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Problem::Unusable`] or [`Problem::Tls`] if the credentials cannot be used.
    pub async fn new(
        credentials: &Credentials,
        via: Via,
        patience: Patience,
    ) -> Result<Self, ApiError> {
        let from = via.to_string();
        let failed = |server: &str, problem| ApiError {
            server: server.into(),
            from: from.as_str().into(),
            problem,
        };
        let (config, server, tls, certificate) = match credentials {
            Credentials::Component { server, ca, pair } => {
                let prepared = component(server, ca, pair);
                let (config, tls, certificate) =
                    prepared.map_err(|problem| failed(server.as_str(), problem))?;
                (config, server.clone(), tls, Some(Arc::new(certificate)))
            }
            Credentials::Token { server, ca, token } => {
                let failed = |problem| failed(server.as_str(), problem);
                let mut config = kube::Config::new(uri(server).map_err(failed)?);
                let header = Zeroizing::new(format!("Bearer {}", token.expose_secret()));
                let header = HeaderValue::from_str(&header);
                let mut header = header.map_err(|error| failed(unsendable(&error)))?;
                header.set_sensitive(true);
                config.headers.push((AUTHORIZATION, header));
                let tls = tls::without_certificate(ca).map_err(failed)?;
                (config, server.clone(), tls, None)
            }
            Credentials::Kubeconfig(named) => {
                let (config, server, tls) =
                    kubeconfig(named).await.map_err(|problem| failed("the API server", problem))?;
                (config, server, tls, None)
            }
        };
        let failed = |problem| failed(server.as_str(), problem);
        let name = config.tls_server_name.as_deref().unwrap_or(server.host());
        let target = Target {
            via,
            address: StreamAddress { host: server.host().to_owned(), port: server.port() },
            name: tls::server_name(name).map_err(failed)?,
            tls: Arc::new(tls),
            patience,
        };
        let client = stack(&config, target).map_err(|error| failed(unusable(&error)))?;
        let server = server.as_str().into();
        Ok(Self { client, server, from: from.as_str().into(), patience, certificate })
    }

    /// Sends a request and reads the whole answer. A GET is retried once if the connection breaks.
    pub(super) async fn ask(
        &self,
        request: Result<hyper::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Answer, Problem> {
        let request = request.map_err(|error| unsendable(&error))?;
        if request.method() != hyper::Method::GET {
            return self.ask_once(request).await;
        }
        match self.ask_once(request.clone()).await {
            Err(Problem::Lost { .. }) => self.ask_once(request).await,
            answer => answer,
        }
    }

    async fn ask_once(&self, request: hyper::Request<Vec<u8>>) -> Result<Answer, Problem> {
        let response = self.client.send(request.map(Body::from)).await.map_err(explain)?;
        let (parts, body) = response.into_parts();
        let patience = self.patience.request;
        let sent = parts.extensions.get::<Sent>().copied();
        let sent = sent.unwrap_or(Sent { at: clock::now(), deadline: Instant::now() + patience });
        let date = parts.headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?));
        let clock =
            date.map(|date| ClockOffset::between(date, sent.at, clock::now(), DATE_RESOLUTION));
        let body = Limited::new(body, LARGEST_ANSWER).collect();
        let body = match timeout_at(sent.deadline, body).await {
            Ok(body) => body.map_err(|error| broken(&*error))?.to_bytes(),
            Err(_) => return Err(Problem::TimedOut { step: Step::Answer, patience }),
        };
        Ok(Answer { code: parts.status.as_u16(), body, clock })
    }

    /// Classifies an answer that reports a failure. `verb` names the request, for messages.
    pub(super) fn refusal(&self, answer: &Answer, verb: &str) -> Problem {
        let status = answer.status();
        let message = match &status {
            Some(status) => status.message.clone(),
            None => shown(&answer.body),
        };
        match answer.code {
            401 => Problem::Unauthenticated { reason: self.why_unknown(answer.clock) },
            403 if message.contains("\"system:anonymous\"") => Problem::Anonymous,
            403 => Problem::Forbidden { verb: verb.to_owned(), message },
            409 => Problem::Conflict { message },
            code @ (429 | 500..=599) => Problem::Unavailable { code, message },
            code if status.is_some() => Problem::Refusal { code, message },
            code => Problem::Garbage { what: format!("HTTP {code}, {message}") },
        }
    }

    /// Returns the client certificate of [`Credentials::Component`].
    pub(super) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_deref()
    }

    /// Suggests why the server rejects the client certificate, and how to fix it.
    fn why_unknown(&self, clock: Option<ClockOffset>) -> String {
        let Some(certificate) = &self.certificate else {
            return "HTTP 401; use a kubeconfig with valid credentials".to_owned();
        };
        let ahead = clock.map_or(time::Duration::ZERO, ClockOffset::middle);
        let there = clock::now().saturating_add(ahead);
        match certificate.check_validity(there) {
            Err(ValidityError::NotYetValid { not_before, .. }) => format!(
                "the client certificate is not valid before {}, and the server's clock shows {}; synchronise the clocks",
                moment(not_before),
                moment(there)
            ),
            Err(ValidityError::Expired { not_after, .. }) => {
                format!(
                    "the client certificate expired on {}, and the server's clock shows {}; renew the certificate",
                    moment(not_after),
                    moment(there)
                )
            }
            _ => format!(
                "the client certificate was issued by {:?}; add this CA to --client-ca-file of kube-apiserver, or issue the certificate from a CA in that file",
                certificate.issuer()
            ),
        }
    }

    pub(super) fn failed(&self, problem: Problem) -> ApiError {
        ApiError { server: (*self.server).into(), from: (*self.from).into(), problem }
    }
}

impl Answer {
    /// Decodes the object in a successful answer.
    pub(super) fn object<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body).map_err(|error| Problem::Garbage {
            what: format!("HTTP {} with {} ({error})", self.code, shown(&self.body)),
        })
    }

    /// Decodes the `Status` of a failure. `None` for a body that the API did not write, such as a
    /// load balancer's page.
    pub(super) fn status(&self) -> Option<Status> {
        let object: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        (object.get("kind")? == "Status").then(|| serde_json::from_value(object).ok())?
    }
}

fn component(
    server: &ServerUrl,
    ca: &str,
    pair: &Pair,
) -> Result<(kube::Config, ClientConfig, Certificate), Problem> {
    let unusable = |what: &str, reason: String| Problem::Unusable { what: what.to_owned(), reason };
    let tls = tls::client(ca, pair)?;
    let certificate = Certificate::first_from_pem(pair.certificate.as_bytes());
    let certificate = certificate.map_err(|error| unusable("the certificate", in_full(&error)))?;
    Ok((kube::Config::new(uri(server)?), tls, certificate))
}

fn uri(server: &ServerUrl) -> Result<Uri, Problem> {
    let unusable = |error: hyper::http::uri::InvalidUri| Problem::Unusable {
        what: "the server's URL".to_owned(),
        reason: error.to_string(),
    };
    server.as_str().parse::<Uri>().map_err(unusable)
}

async fn kubeconfig(
    named: &KubeconfigContext,
) -> Result<(kube::Config, ServerUrl, ClientConfig), Problem> {
    // `kube` uses rustls' default provider. An embedder may have set one already.
    if CryptoProvider::get_default().is_none() {
        let _ = aws_lc_rs::default_provider().install_default();
    }
    let unusable = |reason: String| Problem::Unusable { what: named.list(), reason };
    let is_list = named.files.len() > 1;
    let mut read = Kubeconfig::default();
    for file in named.files.iter().filter(|file| !is_list || file.exists()) {
        let next = Kubeconfig::read_from(file).map_err(|error| unusable(at_bottom(&error)))?;
        read = read.merge(next).map_err(|error| unusable(at_bottom(&error)))?;
    }
    let options = KubeConfigOptions { context: named.context.clone(), ..Default::default() };
    let config = kube::Config::from_custom_kubeconfig(read, &options).await;
    let config = config.map_err(|error| unusable(at_bottom(&error)))?;
    if let Some(proxy) = &config.proxy_url {
        return Err(unusable(format!(
            "the kubeconfig requires the proxy {proxy}, and kcm does not support proxies"
        )));
    }
    let server = ServerUrl::parse(config.cluster_url.to_string().trim_end_matches('/'));
    let server = server.map_err(|error| unusable(error.to_string()))?;
    let mut tls = config.rustls_client_config().map_err(|error| unusable(at_bottom(&error)))?;
    tls.alpn_protocols = tls::protocols();
    Ok((config, server, tls))
}

/// Builds `kube`'s layers on top of [`Line`]: base path, headers and authentication, but no
/// retries.
fn stack(config: &kube::Config, target: Target) -> Result<kube::Client, kube::Error> {
    let name = concat!("kcm/", env!("CARGO_PKG_VERSION"));
    let mut config = config.clone();
    config.headers.push((USER_AGENT, HeaderValue::from_static(name)));
    let line = ClientBuilder::new(Line::new(target), config.default_namespace.as_str());
    let line = line.with_layer(&config.extra_headers_layer()?).with_layer(&config.base_uri_layer());
    match config.auth_layer()? {
        Some(layer) => Ok(line.with_layer(&layer).build()),
        None => Ok(line.build()),
    }
}

fn unusable(error: &kube::Error) -> Problem {
    Problem::Unusable { what: "the kubeconfig's user".to_owned(), reason: at_bottom(error) }
}

/// Recovers the [`Problem`] that `kube` wrapped.
fn explain(error: kube::Error) -> Problem {
    match error {
        kube::Error::Service(inner) => match inner.downcast::<Problem>() {
            Ok(problem) => *problem,
            Err(other) => Problem::Lost { reason: at_bottom(&*other) },
        },
        kube::Error::HyperError(error) => connect::explain(&error),
        error => unusable(&error),
    }
}

/// Classifies an error while reading the body.
fn broken(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Problem {
    if error.is::<LengthLimitError>() {
        return Problem::Garbage { what: format!("an answer of more than {LARGEST_ANSWER} bytes") };
    }
    Problem::Lost { reason: at_bottom(error) }
}

/// Returns the first 200 bytes of a foreign text, in one line.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..200).unwrap_or(body));
    let text = in_one_line(&text);
    if text.is_empty() { "an empty body".to_owned() } else { format!("{text:?}") }
}
