//! `/healthz` over TLS, without authentication.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::Response;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::standin::http::{self, Content};
use crate::standin::{log, tls};

/// Health of the process: a standby is healthy, and so is a leader that renews its Lease.
#[derive(Debug, Default)]
pub(super) struct Health {
    due: Mutex<Option<Instant>>,
}

impl Health {
    /// Records a renewal of the Lease. As upstream, health lasts 20 seconds longer than the Lease.
    pub(super) fn renewed(&self, lease_duration: Duration) {
        *self.due.lock().unwrap() = Some(Instant::now() + lease_duration + GRACE);
    }

    fn is_well(&self) -> bool {
        self.due.lock().unwrap().is_none_or(|due| Instant::now() <= due)
    }
}

/// Returns a future that serves until it is dropped.
pub(super) fn serve(
    listener: TcpListener,
    served: Arc<tls::Served>,
    health: Arc<Health>,
) -> Result<impl Future<Output = ()> + Send, String> {
    let config = tls::server(served, None)?;
    let tls = TlsAcceptor::from(Arc::new(config));
    Ok(http::serve(listener, tls, move |_, request| {
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let (code, text) = match (path, health.is_well()) {
            ("/healthz" | "/healthz/leaderElection", true) if query.contains("verbose") => {
                (200, "[+]leaderElection ok\nhealthz check passed\n".to_owned())
            }
            ("/healthz" | "/healthz/leaderElection", true) => (200, "ok".to_owned()),
            ("/healthz" | "/healthz/leaderElection", false) => (
                500,
                "[-]leaderElection failed: reason withheld\nhealthz check failed\n".to_owned(),
            ),
            // Upstream allows these paths to all users, but serves only `/healthz`.
            ("/livez" | "/readyz", _) => (404, "404 page not found\n".to_owned()),
            (path, _) => (403, forbidden(request.method().as_str(), path)),
        };
        let kind = if code == 403 { "application/json" } else { "text/plain; charset=utf-8" };
        let response = Response::builder().status(code).header("content-type", kind);
        let response = response.body(Content::new(text)).unwrap();
        async move { response }
    }))
}

fn forbidden(method: &str, path: &str) -> String {
    let verb = method.to_lowercase();
    let message = format!("forbidden: User \"system:anonymous\" cannot {verb} path {path:?}");
    serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": "Forbidden", "details": {}, "code": 403,
    })
    .to_string()
}

/// Reloads a serving certificate that was replaced on disk.
pub(super) async fn reread(served: Arc<tls::Served>) {
    loop {
        sleep(Duration::from_millis(500)).await;
        match served.refresh() {
            Ok(false) => (),
            Ok(true) => log::line('I', "\"Loaded a new cert/key pair\""),
            // Between the renames of its two files, a pair does not match. The next check decides.
            Err(error) => log::line('E', &format!("key failed with : {error}")),
        }
    }
}

const GRACE: Duration = Duration::from_secs(20);
