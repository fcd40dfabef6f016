//! Tests of the requests to the API server, with servers that answer well, badly or not at all.

mod diagnosis;
mod identity;
mod lease;
mod real;
mod way;

use std::time::Duration;

use kcm::kube::{
    Accepted, ApiError, ApiServer, CLOCK_TOLERANCE, Credentials, Patience, Problem, Via,
    check_identity,
};
use kcm::pki::Pair;
use kcm_kubeconfig::ServerUrl;
use kcm_tests::control_plane::{Authority, Binaries, ControlPlane, Identity};
use kcm_tests::standin::scripted::{Answer, Heard, Scripted, Wire};
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub(crate) const MANAGER: &str = "system:kube-controller-manager";
pub(crate) const LEASE: &str =
    "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager";
const WHO: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const MAY: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// Short timeouts, so that tests of silent servers are short.
pub(crate) const QUICK: Patience =
    Patience { connect: Duration::from_secs(4), request: Duration::from_secs(3) };

pub(crate) fn control_plane() -> ControlPlane {
    let address = "127.0.0.1".parse().unwrap();
    ControlPlane::start(&Binaries::find(), address, 0, &Authority::new())
}

/// Runs a test on a runtime like that of the command.
pub(crate) fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

/// Creates a client with this identity that trusts this CA.
pub(crate) async fn client(url: &str, ca: &Authority, identity: &Identity, via: Via) -> ApiServer {
    let credentials = credentials(url, ca, identity);
    ApiServer::new(&credentials, via, QUICK).await.unwrap()
}

fn credentials(url: &str, ca: &Authority, identity: &Identity) -> Credentials {
    let Identity { certificate, key } = identity.clone();
    let pair = Pair { certificate, key: Zeroizing::new(key) };
    let server = ServerUrl::parse(url).unwrap();
    Credentials::Component { server, ca: ca.certificate.clone(), pair }
}

/// Starts a server whose answers come from `script`.
pub(crate) fn scripted(
    ca: &Authority,
    script: impl Fn(&Heard) -> Answer + Send + Sync + 'static,
) -> Scripted {
    Scripted::start(&Wire::Tls(ca.server(&["127.0.0.1"])), script)
}

/// Returns the answer of a valid server.
pub(crate) fn good(request: &Heard) -> Answer {
    match request.path.trim_end_matches('?') {
        "/version" => Answer::Json(
            200,
            json!({
                "major": "1", "minor": "36", "gitVersion": "v1.36.2", "gitCommit": "0",
                "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go1",
                "compiler": "gc", "platform": "linux/amd64",
            }),
        ),
        WHO => Answer::Json(201, user(MANAGER)),
        MAY => allowed(&request.body, true),
        LEASE => Answer::no_lease(),
        path => panic!("{path}"),
    }
}

fn user(name: &str) -> Value {
    json!({
        "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": "2026-11-23T06:00:00Z"},
        "status": {"userInfo": {"username": name, "groups": ["system:authenticated"]}},
    })
}

fn allowed(review: &Value, is_allowed: bool) -> Answer {
    let mut review = review.clone();
    review["status"] = json!({"allowed": is_allowed});
    Answer::Json(201, review)
}

/// Sends all checks with kube-controller-manager's identity.
fn check(server: &Scripted, ca: &Authority) -> Result<Accepted, ApiError> {
    check_as(server, ca, &ca.controller_manager())
}

fn check_as(server: &Scripted, ca: &Authority, identity: &Identity) -> Result<Accepted, ApiError> {
    run(async {
        let client = client(&server.url(), ca, identity, Via::Direct).await;
        check_identity(&client, CLOCK_TOLERANCE).await
    })
}

/// Returns the problem of a failed result. Its message must name the server and contain all of
/// `words`.
fn problem<T: std::fmt::Debug>(result: Result<T, ApiError>, words: &[&str]) -> Problem {
    let error = result.unwrap_err();
    let text = error.to_string();
    println!("{text}");
    assert!(!text.contains('\n') && !text.contains("PRIVATE KEY"), "{text}");
    for word in words.iter().chain(&["https://", "queried from this machine"]) {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
    error.problem
}
