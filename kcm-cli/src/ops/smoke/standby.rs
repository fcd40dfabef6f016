//! Check that the masters that do not lead stand by: healthy, and connected to the API server.
//!
//! Health alone does not prove that a process can take over, and a candidate leaves no trace in the
//! Lease. The evidence is its connection to the API server, which client-go keeps open.

use tokio::time::{Instant, sleep, timeout};

use super::masters::Seat;
use super::report::Book;
use super::sockets::connections;
use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::event::{CheckName, CheckResult};
use crate::rollout::{health_question, listener};
use crate::transport::{HttpsAnswer, Transport};
use crate::util::tasks::at_once;
use crate::util::words::journal_of;

const ASKED: &str = "a master that does not lead is healthy and connected to the API server";
/// Interval between two observations.
const GLANCE: std::time::Duration = std::time::Duration::from_millis(300);

/// Records for each master that does not lead whether it stands by.
pub(super) async fn check(
    run: Run<'_>,
    seats: &[Seat],
    leader: Option<usize>,
    layout: &Layout,
    book: &mut Book<'_>,
) {
    let (since, patience) = (Instant::now(), book.patience);
    let standbys = seats.iter().enumerate().filter(|(place, _)| Some(*place) != leader);
    let standbys: Vec<_> = standbys.map(|(_, seat)| seat).collect();
    let looking = at_once(standbys.iter().map(|seat| async move {
        let port = run.cluster.server_of(&seat.name).port();
        let pid = match (&seat.seen, seat.pid()) {
            (Err(error), _) => Err(error.to_string()),
            (Ok(_), None) => Err(format!("{} does not run", layout.unit)),
            (Ok(_), Some(pid)) => Ok(pid),
        };
        stands_by(&*seat.transport, layout, pid?, port, patience).await
    }));
    let ended = tokio::select! {
        biased;
        () = run.interrupt.asked() => return,
        ended = looking => ended,
    };
    for (Seat { name, .. }, result) in standbys.iter().zip(ended) {
        let result = result.unwrap_or_else(|panicked| Err(panicked.to_string()));
        let result = match result {
            Ok(seen) => CheckResult::Passed { seen },
            Err(why) => CheckResult::Failed {
                seen: why.strip_prefix(&format!("{name}: ")).unwrap_or(&why).to_owned(),
                look: format!("run `kcm status`, or `{}` on {name}", journal_of(&layout.unit)),
            },
        };
        book.enter(CheckName::Standby, Some(name), ASKED, result, since);
    }
}

/// Repeats the observation until the master stands by or `patience` ends.
async fn stands_by(
    transport: &dyn Transport,
    layout: &Layout,
    pid: u32,
    port: u16,
    patience: std::time::Duration,
) -> Result<String, String> {
    let mut last = "no answer".to_owned();
    let looking = async {
        loop {
            match look(transport, layout, pid, port).await {
                Ok(seen) => return seen,
                Err(why) => last = why,
            }
            sleep(GLANCE).await;
        }
    };
    let ended = timeout(patience, looking).await;
    ended.map_err(|_| format!("{last}, after {} s", patience.as_secs_f64()))
}

async fn look(
    transport: &dyn Transport,
    layout: &Layout,
    pid: u32,
    port: u16,
) -> Result<String, String> {
    let healthy = match listener(transport, layout).await? {
        None => {
            return Err(
                "the process has no listening socket, so its health cannot be queried".to_owned()
            );
        }
        Some(at) => match transport.insecure_https(&health_question(at.clone())).await {
            Ok(HttpsAnswer { status: 200, .. }) => format!("healthy at {at}"),
            Ok(HttpsAnswer { status, .. }) => {
                return Err(format!("https://{at}/healthz returned {status}, not 200"));
            }
            Err(error) => return Err(error.to_string()),
        },
    };
    match connections(transport, pid, port).await? {
        0 => Err(format!(
            "{healthy}, but the process has no connection to the API server's port {port}"
        )),
        1 => Ok(format!("{healthy}, 1 connection to the API server")),
        number => Ok(format!("{healthy}, {number} connections to the API server")),
    }
}
