//! Observation of one master: one exchange, and one health request.

use std::sync::Arc;

use kcm_pki::Certificate;
use kcm_systemd::{Argument, Flags, UnitFile};
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use crate::artifact::DesiredService;
use crate::cluster::layout::Layout;
use crate::observed::accounts::Accounts;
use crate::observed::{
    AskError, Beside, Inspects, ObservedMaster, Seen, beside_managed, look_beside, signing_files,
};
use crate::ops::certs::{self, SeenCertificate};
use crate::preflight::lint::Running;
use crate::preflight::program_version;
use crate::rollout::{answers_at, health_question};
use crate::transport::{
    HttpsAnswer, HttpsError, Observation, StreamAddress, StreamError, Transport,
};
use crate::util::tasks::Panicked;
use crate::util::words::in_full;

/// Observed state of one master, with the times of the observation.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) name: String,
    pub(super) service: DesiredService,
    pub(super) begun: OffsetDateTime,
    pub(super) ended: OffsetDateTime,
    pub(super) seen: Result<Seen, AskError>,
    pub(super) health: Option<Health>,
    /// Serving certificate of the service, and the address that presented it.
    pub(super) served: Option<(StreamAddress, Result<Certificate, String>)>,
}

/// Health of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "health", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Health {
    /// The service reports that it is healthy.
    Healthy,
    /// The service is not healthy.
    Unhealthy {
        /// The answer of the service, or the reason that it does not answer.
        why: String,
    },
    /// By its flags, the service has no health endpoint.
    NotServed,
    /// The service cannot be queried.
    Unknown {
        /// The cause.
        why: String,
    },
}

impl Look {
    /// Returns the result for a master whose observation panicked.
    pub(super) fn panicked(
        name: String,
        service: DesiredService,
        panicked: &Panicked,
        now: OffsetDateTime,
    ) -> Self {
        let seen = Err(AskError::of_panic(&name, panicked));
        Self { name, service, begun: now, ended: now, seen, health: None, served: None }
    }

    pub(super) fn master(&self) -> Option<&ObservedMaster> {
        self.seen.as_ref().ok().map(|seen| &seen.master)
    }

    /// Returns the flags of the process, or those of the unit if no process was observed.
    pub(super) fn running(&self, layout: &Layout) -> Option<Running> {
        let seen = self.seen.as_ref().ok()?;
        let inspected = seen.inspected.as_ref();
        let process = inspected.and_then(|inspected| inspected.process.as_ref());
        let flags = match process {
            Some(process) => flags_of(&process.argv, layout.executable.as_str())?,
            None => flags_of_unit(&seen.master)?,
        };
        let version = match inspected.and_then(|inspected| inspected.version.as_ref()) {
            Some(Observation::Known(said)) => program_version(said),
            _ => None,
        };
        Some(Running { master: self.name.clone(), flags, version, is_process: process.is_some() })
    }

    /// Returns the certificates that were observed on the master.
    pub(super) fn certificates(&self, layout: &Layout) -> Vec<SeenCertificate> {
        let Some(master) = self.master() else { return Vec::new() };
        let mut seen = certs::in_files(&self.name, layout, master);
        seen.extend(
            self.served.as_ref().map(|(at, shown)| certs::served(&self.name, at, shown.clone())),
        );
        seen
    }
}

/// The parameters of an observation that are the same for every master.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) layout: Layout,
    pub(super) accounts: Accounts,
    /// True to read the digest of the program, for a comparison with `install.binary`.
    pub(super) reads_program: bool,
}

pub(super) async fn at(
    name: String,
    transport: &Arc<dyn Transport>,
    question: &Question,
    service: DesiredService,
) -> Look {
    let Question { layout, accounts, reads_program } = question;
    let beside = Beside {
        reads_program: *reads_program,
        others: beside_managed(layout, [&service]),
        signing: signing_files(layout, [&service]),
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

/// Queries a process at the address where it listens, or at that of its flags if the former is
/// unknown.
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
        return (
            Some(Health::Unhealthy { why: "the process has no listening socket".to_owned() }),
            None,
        );
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
                status => Health::Unhealthy { why: format!("/healthz returned {status}") },
            };
            (Some(health), served)
        }
        Err(HttpsError::Stream(
            error @ (StreamError::Forbidden { .. } | StreamError::Unsupported { .. }),
        )) => (Some(Health::Unknown { why: error.to_string() }), None),
        Err(error) => (Some(Health::Unhealthy { why: error.to_string() }), None),
    }
}

/// Parses the flags in the arguments of a process. A script has its interpreter before them.
fn flags_of(argv: &[String], executable: &str) -> Option<Flags> {
    let own = argv.iter().position(|word| word == executable).unwrap_or_default();
    let words = argv.iter().skip(own + 1);
    let words = words.map(|word| Argument::try_from(word.as_str()).ok());
    Flags::from_arguments(&words.collect::<Option<Vec<_>>>()?).ok()
}

/// Returns the flags of a unit, including drop-ins and variables if they were read.
fn flags_of_unit(master: &ObservedMaster) -> Option<Flags> {
    if let Some(meaning) = master.effective.as_ref().and_then(|unit| unit.meaning().ok()) {
        return Some(meaning.flags);
    }
    let unit = UnitFile::parse(master.files.unit.text.as_deref()?);
    let (_, line) = unit.commands("ExecStart").last()?;
    Flags::from_arguments(&line.commands.first()?.arguments).ok()
}

impl Look {
    /// Returns the minimum time by which the master's clock is ahead of this machine's. The clock
    /// was read at an unknown moment of the exchange.
    pub(super) fn clock_offset(&self) -> Option<time::Duration> {
        let clock = self.seen.as_ref().ok()?.inspected.as_ref()?.clock;
        Some(clock - clock.clamp(self.begun.min(self.ended), self.ended.max(self.begun)))
    }
}
