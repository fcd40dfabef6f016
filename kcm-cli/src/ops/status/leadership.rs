//! Query for the leader, sent once through any master that reaches the API server.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::look::Look;
use crate::cluster::MasterName;
use crate::context::Run;
use crate::finding::{Finding, FindingCode};
use crate::kube::{ApiError, Candidates, ControlPlane, Credentials, Holder, Lease, Via};
use crate::pki;
use crate::transport::{Observation, Transport};
use crate::util::schema::Rfc3339;

/// Maximum number of masters to query an unresponsive API server through. Each attempt may take 10
/// s.
const ATTEMPTS: usize = 2;

/// Leadership, as recorded in the Lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Leadership {
    /// Holder of the Lease, as the Lease names it; absent without a holder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Master that the holder runs on; absent if it is not one of the masters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// Time since the last renewal in milliseconds, by the clocks of this machine and of the
    /// holder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_milliseconds: Option<i64>,
    /// Duration of the Lease in milliseconds. Another process takes the Lease if it is not renewed
    /// for so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_milliseconds: Option<u64>,
    /// Time at which the holder acquired the Lease.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Rfc3339>")]
    pub since: Option<OffsetDateTime>,
    /// Number of changes of the holder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transitions: Option<u64>,
}

impl Leadership {
    /// Reports whether the Lease has expired. Also true if its age or duration is unknown.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        match (self.age_milliseconds, self.duration_milliseconds) {
            // Clock offsets are not exact, and a renewal may take time.
            (Some(age), Some(duration)) => age > i64::try_from(duration).unwrap_or(i64::MAX) + 2000,
            _ => true,
        }
    }
}

/// A query for the Lease.
pub(super) struct LeaderQuery<'r> {
    run: Run<'r>,
    /// The access to the API servers, or the reason that there is none.
    way: Result<(&'r Arc<dyn ControlPlane>, Credentials), String>,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    attempts: usize,
    /// Last answer and its time.
    answer: Option<Result<(Option<Lease>, OffsetDateTime), ApiError>>,
}

impl<'r> LeaderQuery<'r> {
    pub(super) fn new(run: Run<'r>) -> Self {
        Self { run, way: way(run), asked: Mutex::default() }
    }

    /// Queries the Lease through a master, unless another master has provided the answer.
    pub(super) async fn ask_through(&self, name: &str, transport: &Arc<dyn Transport>) {
        let Ok((control_plane, credentials)) = &self.way else { return };
        let mut asked = self.asked.lock().await;
        if matches!(asked.answer, Some(Ok(_))) || asked.attempts >= ATTEMPTS {
            return;
        }
        asked.attempts += 1;
        let cluster = self.run.cluster;
        let via = Via::of_master(cluster.api_via, name, transport);
        let credentials = credentials.at(cluster.server_of(name));
        let answer = async { control_plane.open(&credentials, via).await?.lease().await };
        asked.answer = Some(answer.await.map(|lease| (lease, OffsetDateTime::now_utc())));
    }

    /// Returns the answer, evaluated with the observed masters, and a finding if the query failed.
    pub(super) async fn answer(
        &self,
        looks: &[Look],
    ) -> (Observation<Leadership>, Option<Finding>) {
        if let Err(why) = &self.way {
            return (Observation::Unknown(why.clone()), None);
        }
        match self.asked.lock().await.answer.take() {
            None => (Observation::Unknown("no master could be queried".to_owned()), None),
            Some(Err(error)) => {
                (Observation::Unknown(error.to_string()), Some(not_answered(&error)))
            }
            Some(Ok((lease, at))) => {
                let left_out = &self.run.cluster.left_out;
                let known = lease.map_or_else(nobody, |lease| held(&lease, at, looks, left_out));
                (Observation::Known(known), None)
            }
        }
    }
}

fn way(run: Run<'_>) -> Result<(&Arc<dyn ControlPlane>, Credentials), String> {
    let control_plane = run.fleet.control_plane();
    let control_plane = control_plane.ok_or("masters that are folders have no API server")?;
    let pair = pki::pair(run.cluster).map_err(|error| error.explanation().to_string())?;
    let credentials = Credentials::of_cluster(run.cluster, pair)
        .map_err(|error| error.explanation().to_string())?;
    let credentials = credentials.ok_or(
        "kube-controller-manager's key is not on this machine; run kcm on the machine whose `pki.directory` holds the key",
    )?;
    Ok((control_plane, credentials))
}

fn not_answered(error: &ApiError) -> Finding {
    let (said, help) = error.with_help();
    let problem = format!("cannot determine the leader: {said}");
    Finding::general(FindingCode::LeaderUnknown, problem, help)
}

fn nobody() -> Leadership {
    Leadership {
        holder: None,
        master: None,
        age_milliseconds: None,
        duration_milliseconds: None,
        since: None,
        transitions: None,
    }
}

fn held(lease: &Lease, at: OffsetDateTime, looks: &[Look], excluded: &[MasterName]) -> Leadership {
    let masters = looks.iter().map(|look| {
        (&*look.name, look.master().and_then(|master| master.probe.hostname.as_deref()))
    });
    let masters = Candidates::new(masters, excluded);
    let hostname = lease.holder().and_then(Holder::hostname);
    let place = hostname.and_then(|hostname| masters.owner(hostname));
    let look = place.and_then(|place| looks.get(place));
    // Renewal times come from the holder's clock.
    let ahead = look.and_then(Look::clock_offset).unwrap_or(time::Duration::ZERO);
    let age = lease.renewed().map(|renewed| at.saturating_add(ahead) - renewed);
    let milliseconds = |time: time::Duration| i64::try_from(time.whole_milliseconds()).ok();
    Leadership {
        holder: lease.holder().map(ToString::to_string),
        master: look.map(|look| look.name.clone()),
        age_milliseconds: age.map(|age| age.max(time::Duration::ZERO)).and_then(milliseconds),
        duration_milliseconds: lease
            .duration()
            .and_then(|duration| u64::try_from(duration.as_millis()).ok()),
        since: lease.acquired(),
        transitions: lease.transitions(),
    }
}
