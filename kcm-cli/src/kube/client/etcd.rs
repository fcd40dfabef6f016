//! Queries keys of etcd through its JSON gateway.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Limited};
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use kcm_kubeconfig::ServerUrl;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower_service::Service as _;

use super::connect::{Line, Patience, Target};
use super::tls;
use crate::kube::error::Problem;
use crate::kube::via::Via;
use crate::pki::Pair;
use crate::transport::StreamAddress;
use crate::util::words::{at, at_bottom, in_one_line};

/// Largest accepted answer, in bytes. Only a count is requested, so answers are short.
const LARGEST_ANSWER: usize = 1 << 20;

/// A client of one etcd server.
pub(crate) struct Etcd {
    line: Line,
    patience: Patience,
}

impl Etcd {
    /// Creates a client for `endpoint`, which presents a certificate of `ca`. `pair` authenticates
    /// the client.
    ///
    /// # Errors
    /// A message that says which argument cannot be used.
    pub(crate) fn new(
        endpoint: &ServerUrl,
        ca: &str,
        pair: &Pair,
        via: Via,
        patience: Patience,
    ) -> Result<Self, String> {
        let target = Target {
            via,
            address: StreamAddress { host: endpoint.host().to_owned(), port: endpoint.port() },
            name: tls::server_name(endpoint.host()).map_err(in_words)?,
            tls: Arc::new(tls::client(ca, pair).map_err(in_words)?),
            patience,
        };
        Ok(Self { line: Line::new(target), patience })
    }

    /// Reports whether a key exists. The value is not read.
    ///
    /// # Errors
    /// A message with the problem and its fix.
    pub(crate) async fn has(&self, key: &str) -> Result<bool, String> {
        let question = json!({ "key": STANDARD.encode(key), "count_only": true });
        let request = Request::post("/v3/kv/range").header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(question.to_string().into_bytes()));
        let request = request.map_err(|error| error.to_string())?;
        let answer = self.line.clone().call(request).await.map_err(|error| {
            match error.downcast::<Problem>() {
                Ok(problem) => in_words(*problem),
                Err(error) => at_bottom(&*error),
            }
        })?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect();
        let body = timeout(self.patience.request, body).await;
        let body = body.map_err(|_| "the answer did not end within the time limit".to_owned())?;
        let body = body.map_err(|error| at_bottom(&*error))?.to_bytes();
        evaluate(status, &body)
    }
}

/// Interprets an answer of the gateway. Its 64-bit numbers are strings, and it omits fields that
/// are zero.
fn evaluate(status: u16, body: &[u8]) -> Result<bool, String> {
    let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let said = at(&answer, "/message").as_str().or(at(&answer, "/error").as_str());
    if status == 200 && at(&answer, "/header").is_object() {
        return Ok(at(&answer, "/count").as_str().is_some_and(|count| count != "0"));
    }
    let code = at(&answer, "/code").as_u64();
    match (code, said) {
        // The gateway connects to its server as a client, with the server's own certificate.
        (Some(14), Some(said)) => Err(format!(
            "the JSON gateway of etcd cannot connect to its own server ({}); issue the server certificate of etcd for client authentication, too",
            in_one_line(said)
        )),
        (Some(7 | 16), Some(said)) => Err(format!(
            "etcd denies read access ({}); use a certificate of a user with read permission in etcd",
            in_one_line(said)
        )),
        (_, Some(said)) => Err(format!("HTTP {status}: {}", in_one_line(said))),
        _ => Err(format!(
            "HTTP {status} is not an answer of etcd's JSON gateway; use etcd 3.4 or newer"
        )),
    }
}

/// Describes a connection problem for etcd. The texts of [`Problem`] are about the API server.
fn in_words(problem: Problem) -> String {
    match problem {
        Problem::Refused => {
            "connection refused, or the host name cannot be resolved; start etcd, or correct --etcd"
                .to_owned()
        }
        Problem::Unknown { reason } => format!("cannot connect: {reason}; correct --etcd"),
        Problem::Unauthenticated { reason } => format!(
            "rejects the client certificate: {reason}; use a certificate for client authentication that is signed by the CA in etcd's --trusted-ca-file"
        ),
        Problem::AnotherCa { .. } => {
            "the server certificate was not signed by the CA in --etcd-cacert; use the CA of etcd"
                .to_owned()
        }
        Problem::AnotherName { expected, presented } => format!(
            "the server certificate is valid for {}, not for {expected}; use one of its hosts in --etcd",
            presented.join(", ")
        ),
        Problem::NoTls => {
            "the server does not speak TLS; use the https client URL of etcd".to_owned()
        }
        Problem::Closed => {
            "the server closes connections during the TLS handshake; check the log of etcd"
                .to_owned()
        }
        problem => problem.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_string_and_none_is_left_out() {
        assert_eq!(evaluate(200, br#"{"header":{"revision":"7"},"count":"1"}"#), Ok(true));
        assert_eq!(evaluate(200, br#"{"header":{"revision":"7"}}"#), Ok(false));
    }

    #[test]
    fn a_server_certificate_that_is_no_clients_is_named() {
        let said = br#"{"error":"broken pipe","code":14,"message":"write: broken pipe"}"#;
        let why = evaluate(503, said).unwrap_err();
        assert!(why.contains("client authentication") && why.contains("broken pipe"), "{why}");
        for body in [&b"<html>"[..], b"", b"{}", b"[]", b"null"] {
            assert!(evaluate(200, body).is_err() && evaluate(404, body).is_err());
        }
    }
}
