//! Looking at one master: one exchange, and one question for its health.

use std::sync::Arc;

use kcm_pki::Certificate;
use serde::Serialize;
use time::OffsetDateTime;

use crate::accounts::Accounts;
use crate::certs::{self, SeenCertificate};
use crate::desired::DesiredService;
use crate::layout::Layout;
use crate::observe::{AskError, Beside, Inspects, ObservedMaster, Seen, look_beside};
use crate::rollout::{answers_at, health_question};
use crate::transport::{
    HttpsAnswer, HttpsError, Observation, StreamAddress, StreamError, Transport,
};
use crate::words::in_full;

/// What was seen of one master, and when.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) name: String,
    pub(super) service: DesiredService,
    pub(super) begun: OffsetDateTime,
    pub(super) ended: OffsetDateTime,
    pub(super) seen: Result<Seen, AskError>,
    pub(super) health: Option<Health>,
    /// What it shows of itself, and where.
    pub(super) served: Option<(StreamAddress, Result<Certificate, String>)>,
}

/// Whether a service is healthy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "health", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Health {
    /// It answers for itself that it is.
    Healthy,
    /// It is not.
    Unhealthy {
        /// What it says, or that it says nothing.
        why: String,
    },
    /// It serves nowhere, by its flags: that it runs is all there is to see.
    NotServed,
    /// There is no way to ask.
    Unknown {
        /// Why.
        why: String,
    },
}

impl Look {
    pub(super) fn master(&self) -> Option<&ObservedMaster> {
        self.seen.as_ref().ok().map(|seen| &seen.master)
    }

    /// The certificates that were seen there.
    pub(super) fn certificates(&self, layout: &Layout) -> Vec<SeenCertificate> {
        let Some(master) = self.master() else { return Vec::new() };
        let mut seen = certs::in_files(&self.name, layout, master);
        seen.extend(
            self.served.as_ref().map(|(at, shown)| certs::served(&self.name, at, shown.clone())),
        );
        seen
    }
}

pub(super) async fn at(
    name: String,
    transport: &Arc<dyn Transport>,
    layout: &Layout,
    accounts: &Accounts,
    service: DesiredService,
) -> Look {
    let managed: Vec<_> = layout.managed().collect();
    let others = service.files.iter().filter(|path| !managed.contains(path)).cloned();
    let beside = Beside {
        others: others.collect(),
        inspects: Some(Inspects { version: true }),
        ..Beside::default()
    };
    let begun = OffsetDateTime::now_utc();
    let seen = look_beside(&name, &**transport, layout, accounts, &beside).await;
    let ended = OffsetDateTime::now_utc();
    let process = seen.as_ref().ok().and_then(|seen| seen.inspected.as_ref()?.process.as_ref());
    let (health, served) = match process {
        Some(process) => ask(&**transport, &process.listening, &service).await,
        None => (None, None),
    };
    Look { name, service, begun, ended, seen, health, served }
}

type Served = Option<(StreamAddress, Result<Certificate, String>)>;

/// Asks a process where it listens; where that is not to be seen, where its flags say.
async fn ask(
    transport: &dyn Transport,
    listening: &Observation<Vec<std::net::SocketAddr>>,
    service: &DesiredService,
) -> (Option<Health>, Served) {
    let address = match (listening, service.serving) {
        (_, None) => return (Some(Health::NotServed), None),
        (Observation::Known(listening), Some(_)) => answers_at(listening),
        (Observation::Unknown(_), Some(serving)) => answers_at(&[serving]),
    };
    let Some(address) = address else {
        return (Some(Health::Unhealthy { why: "it listens nowhere".to_owned() }), None);
    };
    match transport.insecure_https(&health_question(address.clone())).await {
        Ok(HttpsAnswer { status, certificate }) => {
            let read = |der: Vec<u8>| {
                Certificate::from_der(&der)
                    .map_err(|error| format!("{address}: {}", in_full(&error)))
            };
            let served = certificate.map(read).map(|shown| (address.clone(), shown));
            let health = match status {
                200 => Health::Healthy,
                status => Health::Unhealthy { why: format!("its /healthz says {status}") },
            };
            (Some(health), served)
        }
        Err(HttpsError::Stream(
            error @ (StreamError::Forbidden { .. } | StreamError::Unsupported { .. }),
        )) => (Some(Health::Unknown { why: error.to_string() }), None),
        Err(error) => (Some(Health::Unhealthy { why: error.to_string() }), None),
    }
}

impl Look {
    /// How far the master's clock is ahead of this machine's, at least: it was read at some moment of the exchange.
    pub(super) fn clock_offset(&self) -> Option<time::Duration> {
        let clock = self.seen.as_ref().ok()?.inspected.as_ref()?.clock;
        Some(clock - clock.clamp(self.begun.min(self.ended), self.ended.max(self.begun)))
    }
}
