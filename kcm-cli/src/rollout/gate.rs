//! The gate: waits after a start until the service is verified healthy, or known to be unhealthy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::cluster::layout::Layout;
use crate::transport::{
    Batch, HttpsAnswer, HttpsError, HttpsQuestion, Observation, Operation, OperationError, Reply,
    Settle, Settled, StreamAddress, StreamError, Transport, TransportError,
};
use crate::util::words::journal_of;

/// Time for which a service must be healthy without interruption.
pub const SETTLE: Duration = Duration::from_secs(4);
/// Time limit within which a service must become healthy.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Time for which a service must stay active after a start, before its health is probed.
pub const FIRST_LOOK: Duration = Duration::from_millis(400);
/// Additional time for a started service to listen on a TCP port.
pub(crate) const LISTENS: Duration = Duration::from_secs(3);
/// Interval between health probes.
const INTERVAL: Duration = Duration::from_millis(250);

/// The address at which the health of a service is probed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Serving {
    /// The address given by the flags.
    At(SocketAddr),
    /// An address on which the process listens: its flags are those of an earlier generation.
    Wherever,
    /// No address, by the flags: the gate only requires that the service is active.
    Nowhere,
}

/// The reason why a service is not verified healthy.
#[derive(Debug, Error)]
pub(crate) enum Unverified {
    /// The service ended, or never started.
    #[error("{0}")]
    Ended(OperationError),
    /// The service runs but is not healthy.
    #[error("{0}")]
    Unhealthy(String),
    /// The health of the service cannot be probed.
    #[error("cannot probe the health of the running service: {0}")]
    Unasked(String),
    /// The connection to the master was lost.
    #[error("{0}")]
    Lost(TransportError),
}

/// Waits until the service has been healthy for [`SETTLE`] as one invocation, and returns the
/// invocation ID. `seen` is an earlier observation of the service, if there is one.
pub(crate) async fn pass(
    transport: &dyn Transport,
    layout: &Layout,
    serving: Serving,
    seen: Option<Settled>,
) -> Result<String, Unverified> {
    let begun = Instant::now();
    let mut run = match seen {
        Some(run) => run,
        None => look(transport, layout, None).await?,
    };
    let mut healthy_since = None;
    loop {
        let now = Instant::now();
        let wait = match health(transport, serving, &run).await? {
            Health::Good => {
                let left = SETTLE.saturating_sub(now - *healthy_since.get_or_insert(now));
                if left.is_zero() {
                    return Ok(run.invocation);
                }
                left.min(INTERVAL)
            }
            Health::Bad(why) => {
                healthy_since = None;
                if now - begun >= PATIENCE {
                    let patience = PATIENCE.as_secs();
                    let journal = journal_of(&layout.unit);
                    return Err(Unverified::Unhealthy(format!(
                        "not healthy within {patience} s: {why}; run `{journal}` on the master for the cause"
                    )));
                }
                // The process may have ended, or started to listen, in the meantime.
                run = look(transport, layout, Some(run.invocation)).await?;
                INTERVAL
            }
        };
        sleep(wait).await;
    }
}

/// Observes the service once. Fails if it is not active, or not as `invocation` if that is given.
async fn look(
    transport: &dyn Transport,
    layout: &Layout,
    invocation: Option<String>,
) -> Result<Settled, Unverified> {
    let settle = Settle::now(&layout.unit, invocation);
    let replies = transport.call(&Batch::new(vec![Operation::Settle(settle)])).await;
    let replies = replies.map_err(Unverified::Lost)?;
    match (replies.failed, replies.done.into_iter().next()) {
        (Some(failed), _) => Err(Unverified::Ended(failed.error)),
        (None, Some(Reply::Settled(settled))) => Ok(settled),
        (None, _) => {
            Err(Unverified::Unhealthy("the transport returned an unexpected reply".to_owned()))
        }
    }
}

/// Returns the first observation of a service that was just started.
///
/// A wrong flag or an unreadable file ends kube-controller-manager within a third of a second.
/// Otherwise it listens soon after.
pub(crate) fn at_first(layout: &Layout, serving: Serving) -> Settle {
    let listens = match serving {
        Serving::At(_) | Serving::Wherever => LISTENS,
        Serving::Nowhere => Duration::ZERO,
    };
    let (unit, period) = (layout.unit.clone(), FIRST_LOOK);
    Settle { unit, period, listens, connections: false, invocation: None }
}

enum Health {
    Good,
    Bad(String),
}

/// Reports whether the service is active and healthy now, on any address on which it listens.
pub(crate) async fn is_healthy(transport: &dyn Transport, layout: &Layout) -> bool {
    match look(transport, layout, None).await {
        Ok(run) => matches!(health(transport, Serving::Wherever, &run).await, Ok(Health::Good)),
        Err(_) => false,
    }
}

/// Probes the health of the service's own process, on an address on which that process listens.
async fn health(
    transport: &dyn Transport,
    serving: Serving,
    run: &Settled,
) -> Result<Health, Unverified> {
    let process = run.main_pid;
    let serving = match (serving, &run.listening) {
        (Serving::Nowhere, _) => return Ok(Health::Good),
        (Serving::At(at), Observation::Known(listening)) => {
            if !listening.iter().any(|bound| covers(*bound, at)) {
                let somebody = transport.insecure_https(&question(at)).await.is_ok();
                let somebody = if somebody { ", and another process does" } else { "" };
                let why = format!("process {process} does not listen on {at}{somebody}");
                return Ok(Health::Bad(why));
            }
            at
        }
        (Serving::At(at), Observation::Unknown(_)) => at,
        (Serving::Wherever, Observation::Known(listening)) => match listening.first() {
            Some(bound) => reachable(*bound),
            None => {
                return Ok(Health::Bad(format!(
                    "process {process} does not listen on any TCP port"
                )));
            }
        },
        (Serving::Wherever, Observation::Unknown(why)) => {
            return Err(Unverified::Unasked(why.clone()));
        }
    };
    match transport.insecure_https(&question(serving)).await {
        Ok(HttpsAnswer { status: 200, .. }) => Ok(Health::Good),
        Ok(HttpsAnswer { status, .. }) => Ok(Health::Bad(format!(
            "https://{serving}/healthz returned HTTP status {status}, not 200"
        ))),
        Err(HttpsError::Stream(
            error @ (StreamError::Forbidden { .. } | StreamError::Unsupported { .. }),
        )) => Err(Unverified::Unasked(error.to_string())),
        Err(error) => Ok(Health::Bad(error.to_string())),
    }
}

/// Returns the address of the service's own process as seen from its master. `None` if the process
/// does not listen.
///
/// # Errors
///
/// A description of the reason, if the listening addresses cannot be determined.
pub(crate) async fn listener(
    transport: &dyn Transport,
    layout: &Layout,
) -> Result<Option<StreamAddress>, String> {
    let run = look(transport, layout, None).await.map_err(|error| error.to_string())?;
    match run.listening {
        Observation::Known(listening) => Ok(answers_at(&listening)),
        Observation::Unknown(why) => Err(why),
    }
}

/// Returns the address at which a process with these listening sockets is reached from its master.
pub(crate) fn answers_at(listening: &[SocketAddr]) -> Option<StreamAddress> {
    listening.first().map(|bound| stream(reachable(*bound)))
}

/// Returns the health request to a service.
pub(crate) fn health_question(address: StreamAddress) -> HttpsQuestion {
    HttpsQuestion { address, path: "/healthz" }
}

fn question(serving: SocketAddr) -> HttpsQuestion {
    health_question(stream(serving))
}

fn stream(at: SocketAddr) -> StreamAddress {
    StreamAddress { host: at.ip().to_string(), port: at.port() }
}

/// Returns the address at which a socket bound to `bound` is reached from its own machine.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

/// Reports whether a request to `asked` reaches a socket bound to `bound`.
fn covers(bound: SocketAddr, asked: SocketAddr) -> bool {
    bound.port() == asked.port() && (bound.ip() == asked.ip() || bound.ip().is_unspecified())
}

/// Reports whether an API server answers at `server`, as seen from the master. Any status below 500
/// counts.
///
/// Returns `None` if the transport cannot open connections from the master.
pub(super) async fn reaches_api_server(
    transport: &dyn Transport,
    server: &StreamAddress,
) -> Option<bool> {
    let question = HttpsQuestion { address: server.clone(), path: "/readyz" };
    match transport.insecure_https(&question).await {
        Ok(answer) => Some(answer.status < 500),
        Err(HttpsError::Stream(
            StreamError::Forbidden { .. } | StreamError::Unsupported { .. },
        )) => None,
        Err(_) => Some(false),
    }
}
