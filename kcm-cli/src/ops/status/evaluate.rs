//! Evaluation of one master's observed state. Pure.

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use super::findings::Findings;
use super::look::Look;
use super::sync::sync;
use super::{FileStatus, Leadership, MasterFacts, MasterStatus, Wanted};
use crate::cluster::layout::{Layout, Role};
use crate::context::Run;
use crate::finding::{Finding, FindingCode};
use crate::observed::{ObservedMaster, Seen};
use crate::transport::{Activity, Enablement, Observation, PathState};
use crate::util::files::{Mode, RemotePath};

/// Time after an automatic restart for which a service counts as crash-looping.
const CALM: time::Duration = time::Duration::seconds(30);
/// State of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Service {
    /// The service runs.
    Running,
    /// The service ends repeatedly, and systemd restarts it.
    CrashLooping {
        /// Number of automatic restarts.
        restarts: u32,
    },
    /// The service ended, and systemd does not restart it.
    Failed {
        /// Result of the service as systemd names it.
        result: String,
    },
    /// The service is stopped.
    Stopped,
    /// The unit is masked, so the service cannot start.
    Masked,
    /// The unit is not installed.
    NotDeployed,
    /// The master is a folder, in which services do not run.
    Offline,
}

pub(super) fn master(
    look: &Look,
    wanted: &Wanted,
    layout: &Layout,
    leadership: &Observation<Leadership>,
    run: Run<'_>,
    found: &mut Vec<Finding>,
) -> MasterStatus {
    let name = look.name.clone();
    let seen = match &look.seen {
        Ok(seen) => seen,
        Err(error) => {
            let why = error.without_name();
            let help = "fix the cause, then run `kcm status` again; the state of the master is unknown until then";
            found.push(Finding::error(FindingCode::NotObserved, &name, why.clone(), help));
            return MasterStatus { name, seen: Observation::Unknown(why) };
        }
    };
    let observed = &seen.master;
    let service = service(observed, run.now);
    let sync = sync(look, seen, wanted, layout);
    let findings = Findings { master: &name, wanted, layout, found };
    findings.of(look, seen, &service, &sync, run.now);
    let process = seen.inspected.as_ref().and_then(|inspected| inspected.process.clone());
    let leads = match leadership {
        Observation::Known(leadership) => Some(leadership.master.as_ref() == Some(&name)),
        Observation::Unknown(_) => None,
    };
    let facts = MasterFacts {
        hostname: observed.probe.hostname.clone(),
        service,
        unit: observed.probe.unit.clone(),
        process,
        version: seen.inspected.as_ref().and_then(|it| it.version.as_ref()).map(version),
        sync,
        certificate_reload: observed.certificate_reload.clone(),
        health: look.health.clone(),
        leads,
        clock_offset_milliseconds: look
            .clock_offset()
            .and_then(|offset| i64::try_from(offset.whole_milliseconds()).ok()),
        files: files(look, seen, layout),
    };
    MasterStatus { name, seen: Observation::Known(facts) }
}

fn version(said: &Observation<String>) -> Observation<String> {
    match said {
        Observation::Known(said) => {
            let version = said.lines().find_map(|line| line.trim().strip_prefix("Kubernetes "));
            Observation::Known(version.unwrap_or(said.trim()).to_owned())
        }
        unknown @ Observation::Unknown(_) => unknown.clone(),
    }
}

fn service(observed: &ObservedMaster, now: OffsetDateTime) -> Service {
    let unit = &observed.probe.unit;
    let is_masked = unit.enablement == Enablement::Masked
        || matches!(&observed.files.unit.state, PathState::Link { target } if target == "/dev/null");
    match &unit.activity {
        Activity::Active { since, .. } if unit.restarts > 0 && now - *since < CALM => {
            Service::CrashLooping { restarts: unit.restarts }
        }
        Activity::Active { .. } => Service::Running,
        _ if is_masked => Service::Masked,
        Activity::Failed { returns: true, .. } => Service::CrashLooping { restarts: unit.restarts },
        Activity::Failed { result, .. } => Service::Failed { result: result.clone() },
        Activity::Inactive | Activity::Offline
            if observed.files.unit.state == PathState::Absent =>
        {
            Service::NotDeployed
        }
        Activity::Inactive => Service::Stopped,
        Activity::Offline => Service::Offline,
    }
}

fn files(look: &Look, seen: &Seen, layout: &Layout) -> Vec<FileStatus> {
    let observed = &seen.master;
    let flags = observed.effective.as_ref().and_then(|unit| unit.meaning().ok());
    let file = |path: &RemotePath, state: &PathState, holds_key: bool| {
        let named = flags.iter().flat_map(|unit| unit.flags.iter());
        let named = named.filter(|(_, value)| *value == path.as_str());
        let read_by = named.map(|(name, _)| name.to_string()).collect();
        FileStatus { path: path.clone(), state: state.clone(), holds_key, read_by }
    };
    let managed = Role::ALL.iter().map(|role| {
        file(layout.path(*role), &observed.files.of(*role).state, role.mode() == Mode::PRIVATE)
    });
    let secrets = &look.service.secrets;
    let others =
        observed.others.iter().map(|(path, state)| file(path, state, secrets.contains(path)));
    managed.chain(others).collect()
}
