//! `smoke`: verifies that the control plane's controllers work, by evidence from the API server,
//! etcd and the masters.
//!
//! All objects that it creates are in one namespace with a random name, which is always removed at
//! the end. The leader is checked first: without a leader among the masters, nothing is created.

mod cause;
mod leader;
mod masters;
mod namespace;
mod report;
mod sockets;
mod standby;
mod store;
mod sweep;
mod trial;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use kcm_kubeconfig::ServerUrl;

use crate::cluster::ApiVia;
use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::desired::DesiredError;
use crate::error::Error;
use crate::event::CheckName;
use crate::fleet::Network;
use crate::kube::{ApiServer, Credentials, Patience, Via};
use crate::pki::Pair;

use report::Book;
use tokio::time::Instant;

pub(crate) use masters::{Seat, look};
pub(crate) use namespace::{APPS, CORE, Namespace};
pub(crate) use wait::{Glance, until};

pub use report::{LeftBehind, SmokeReport};

/// Inputs of a smoke test.
#[derive(Clone, Debug)]
pub struct SmokeRequest {
    /// Credentials of an administrator, who may create a namespace and objects in it.
    /// kube-controller-manager itself may not.
    pub credentials: Credentials,
    /// Access to etcd, to check the keys of the created objects there; skipped if absent.
    pub etcd: Option<EtcdRequest>,
    /// Time limit of each check. A working leader renews the Lease twice within 5 s.
    pub timeout: Duration,
}

/// Access to etcd.
#[derive(Clone, Debug)]
pub struct EtcdRequest {
    /// Client URLs of etcd; each one is queried.
    pub endpoints: Vec<ServerUrl>,
    /// CA of etcd's serving certificate, as PEM.
    pub ca: String,
    /// Client certificate and its key.
    pub pair: Pair,
}

/// Checks that one of the masters leads and renews the Lease, that the others stand by, and that
/// the controllers work. Removes everything that it created.
///
/// # Errors
/// If it cannot begin: the masters are folders, the credentials are not usable, or it is
/// interrupted while it observes the masters. Nothing was created then. Failed checks are in the
/// report.
pub async fn smoke(run: Run<'_>, request: &SmokeRequest) -> Result<SmokeReport, Error> {
    if run.fleet.network() == Network::Forbidden {
        let reason = "a smoke test does not support --root, because folders have no control plane; leave out --root";
        return Err(Error::Request(reason.into()));
    }
    let layout = Layout::of(&run.cluster.install).map_err(DesiredError::of_layout)?;
    usable(&request.credentials).await?;
    let mut book = Book::new(run, request.timeout);
    // Nothing needs a cleanup yet, so an interrupt ends the run at once.
    let seats = tokio::select! {
        biased;
        () = run.interrupt.asked() => return Err(Error::Interrupted),
        seats = look(run, &layout) => seats,
    };
    let Some(api) = reach(run, request, &seats, &mut book).await else {
        book.skip_rest("the API server cannot be queried");
        return Ok(book.close());
    };
    let leader = leader::check(&api, &seats, &layout, &mut book).await;
    standby::check(run, &seats, leader, &layout, &mut book).await;
    match leader.and_then(|place| seats.get(place)) {
        Some(leader) if !run.interrupt.is_requested() => {
            trial::carry_out(run, request, &api, leader, &layout, &mut book).await;
        }
        _ => book.skip_rest("no master is verified as leader, so nothing was created"),
    }
    Ok(book.close())
}

/// Checks that a client can be built from the credentials.
pub(crate) async fn usable(credentials: &Credentials) -> Result<(), Error> {
    let prepared = ApiServer::new(credentials, Via::Direct, Patience::USUAL).await;
    prepared.map(drop).map_err(|error| Error::Request(error.problem.to_string().into()))
}

/// Returns the routes to the API server: through each master that was observed, or directly from
/// this machine.
pub(crate) fn ways(run: Run<'_>, seats: &[Seat]) -> Vec<Via> {
    match run.cluster.api_via {
        ApiVia::Direct => vec![Via::Direct],
        ApiVia::Master => seats.iter().filter(|seat| seat.seen.is_ok()).map(Seat::via).collect(),
    }
}

/// Connects to the API server through the first master that reaches it.
async fn reach(
    run: Run<'_>,
    request: &SmokeRequest,
    seats: &[Seat],
    book: &mut Book<'_>,
) -> Option<Arc<ApiServer>> {
    let asked = "the API server accepts the credentials";
    let clock = Instant::now();
    let mut why =
        "no master is reachable as a route to the API server; see the results of the masters"
            .to_owned();
    for via in ways(run, seats) {
        let asking = async {
            let api = ApiServer::new(&request.credentials, via, Patience::USUAL).await?;
            let version = api.version().await?.version;
            let user = api.who_am_i().await?;
            Ok::<_, crate::kube::ApiError>((api, version, user))
        };
        let answer = tokio::select! {
            biased;
            () = run.interrupt.asked() => break,
            answer = tokio::time::timeout(request.timeout, asking) => answer,
        };
        match answer {
            Ok(Ok((api, version, user))) => {
                let user = user.unwrap_or_else(|| "an unnamed user".to_owned());
                let seen = format!("{}, {version}, authenticated as {user}", api.url());
                book.pass(CheckName::ApiServer, asked, seen, clock);
                return Some(Arc::new(api));
            }
            Ok(Err(error)) => why = error.to_string(),
            Err(_) => why = format!("no answer within {} s", request.timeout.as_secs_f64()),
        }
    }
    if run.interrupt.is_requested() {
        book.skip(CheckName::ApiServer, asked, "interrupted");
        return None;
    }
    let look =
        "run `kubectl get --raw /readyz` with the same kubeconfig, and check the API server's log";
    book.fail(CheckName::ApiServer, asked, why, look.to_owned(), clock);
    None
}
