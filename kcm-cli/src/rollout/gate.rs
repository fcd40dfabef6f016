//! The wait after a start until the service is proven healthy, or known not to be.

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

/// How long a service must be healthy without a break.
pub const SETTLE: Duration = Duration::from_secs(4);
/// How long it may take until it is healthy for the first time.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How long a service that was just started is looked at first, before its health counts.
pub const FIRST_LOOK: Duration = Duration::from_millis(400);
/// How much longer that look may take, until there is somebody to ask for health.
pub(crate) const LISTENS: Duration = Duration::from_secs(3);
/// How often its health is asked for.
const INTERVAL: Duration = Duration::from_millis(250);

/// Where a service answers for its health.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Serving {
    /// Here, by its flags.
    At(SocketAddr),
    /// Wherever it listens: its flags are those of an earlier generation.
    Wherever,
    /// Nowhere, by its flags: that it stays up is all there is to see.
    Nowhere,
}

/// Why a service is not proven.
#[derive(Debug, Error)]
pub(crate) enum Unproven {
    /// It ended, or was never there.
    #[error("{0}")]
    Ended(OperationError),
    /// It runs and is not healthy.
    #[error("{0}")]
    Unhealthy(String),
    /// There is no way to ask for its health from here.
    #[error("it runs, but its health cannot be asked for: {0}")]
    Unasked(String),
    /// The master cannot be asked any more.
    #[error("{0}")]
    Lost(TransportError),
}

/// Waits until the service has been healthy for [`SETTLE`], as one invocation: its name is returned. `seen` is what was
/// seen of it already.
pub(crate) async fn pass(
    transport: &dyn Transport,
    layout: &Layout,
    serving: Serving,
    seen: Option<Settled>,
) -> Result<String, Unproven> {
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
                    return Err(Unproven::Unhealthy(format!(
                        "not healthy within {patience} s: {why}; `{journal}` there says what it waits for"
                    )));
                }
                // It may have ended, or listen by now.
                run = look(transport, layout, Some(run.invocation)).await?;
                INTERVAL
            }
        };
        sleep(wait).await;
    }
}

/// Whether the service is up, as one invocation if that is known.
async fn look(
    transport: &dyn Transport,
    layout: &Layout,
    invocation: Option<String>,
) -> Result<Settled, Unproven> {
    let settle = Settle::now(&layout.unit, invocation);
    let replies = transport.call(&Batch::new(vec![Operation::Settle(settle)])).await;
    let replies = replies.map_err(Unproven::Lost)?;
    match (replies.failed, replies.done.into_iter().next()) {
        (Some(failed), _) => Err(Unproven::Ended(failed.error)),
        (None, Some(Reply::Settled(settled))) => Ok(settled),
        (None, _) => Err(Unproven::Unhealthy("its transport answered another question".to_owned())),
    }
}

/// A first look at a service that was just started: a wrong flag or an unreadable file ends kube-controller-manager
/// within a third of a second, and it listens soon after.
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

/// Whether the service is up and healthy now, wherever it listens.
pub(crate) async fn is_healthy(transport: &dyn Transport, layout: &Layout) -> bool {
    match look(transport, layout, None).await {
        Ok(run) => matches!(health(transport, Serving::Wherever, &run).await, Ok(Health::Good)),
        Err(_) => false,
    }
}

/// Asks the process itself: where it, and nobody else, listens.
async fn health(
    transport: &dyn Transport,
    serving: Serving,
    run: &Settled,
) -> Result<Health, Unproven> {
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
            None => return Ok(Health::Bad(format!("process {process} listens nowhere"))),
        },
        (Serving::Wherever, Observation::Unknown(why)) => {
            return Err(Unproven::Unasked(why.clone()));
        }
    };
    match transport.insecure_https(&question(serving)).await {
        Ok(HttpsAnswer { status: 200, .. }) => Ok(Health::Good),
        Ok(HttpsAnswer { status, .. }) => {
            Ok(Health::Bad(format!("https://{serving}/healthz says {status}, not 200")))
        }
        Err(HttpsError::Stream(
            error @ (StreamError::Forbidden { .. } | StreamError::Unsupported { .. }),
        )) => Err(Unproven::Unasked(error.to_string())),
        Err(error) => Ok(Health::Bad(error.to_string())),
    }
}

/// Where the service's own process answers, as seen from its master: nowhere, if it listens nowhere.
///
/// # Errors
/// When that cannot be seen: in words.
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

/// Where a process that listens on these addresses answers, as seen from its master.
pub(crate) fn answers_at(listening: &[SocketAddr]) -> Option<StreamAddress> {
    listening.first().map(|bound| stream(reachable(*bound)))
}

/// The question for a service's health.
pub(crate) fn health_question(address: StreamAddress) -> HttpsQuestion {
    HttpsQuestion { address, path: "/healthz" }
}

fn question(serving: SocketAddr) -> HttpsQuestion {
    health_question(stream(serving))
}

fn stream(at: SocketAddr) -> StreamAddress {
    StreamAddress { host: at.ip().to_string(), port: at.port() }
}

/// An address on which a socket that is bound to `bound` is reached from its own machine.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

/// Whether a question to `asked` reaches a socket that is bound to `bound`.
fn covers(bound: SocketAddr, asked: SocketAddr) -> bool {
    bound.port() == asked.port() && (bound.ip() == asked.ip() || bound.ip().is_unspecified())
}

/// Whether an API server answers there, as seen from the master: whatever it says but that it cannot serve. `None` where
/// the master gives no way to ask.
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
