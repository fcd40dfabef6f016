//! The fake's systemd: loaded units, running services and armed timers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use kcm_pki::Fingerprint;
use kcm_systemd::{UnitFile, UnitName};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::memory::Memory;
use super::service::{Behaviour, World};
use crate::transport::{
    Activity, Connection, Observation, OperationError, ProcessFacts, Settle, Settled,
};
use crate::util::files::{FileSystem as _, NodeKind, RemotePath};

const FOLDER: &str = "/etc/systemd/system";
/// Delay before systemd restarts a service that has ended (`RestartSec=` of the tutorial's unit).
const RESTART_DELAY: Duration = Duration::from_secs(5);
/// Default port of kube-controller-manager.
const SECURE_PORT: u16 = 10257;

#[derive(Clone, Debug, Default)]
pub(super) struct Units {
    /// Units as last read, by name. As with systemd, a file that changed since needs a reload.
    loaded: BTreeMap<String, Loaded>,
    services: BTreeMap<String, Service>,
    /// Time at which a timer starts a unit, by the unit's name.
    armed: BTreeMap<String, Instant>,
    /// Number of automatic restarts of a unit since it was last started on request.
    again: BTreeMap<String, u32>,
    runs: u32,
}

#[derive(Clone, Debug)]
struct Loaded {
    digest: Fingerprint,
    command: Vec<String>,
}

#[derive(Clone, Debug)]
enum Service {
    Running(Run),
    /// The service ended on its own, and is restarted after a delay.
    Ended {
        at: Instant,
        why: String,
    },
}

#[derive(Clone, Debug)]
struct Run {
    invocation: String,
    argv: Vec<String>,
    main_pid: u32,
    since: OffsetDateTime,
    listening: Vec<SocketAddr>,
    connections: Vec<Connection>,
    behaviour: Behaviour,
    ends: Option<Instant>,
}

impl Units {
    pub(super) fn activity(&self, unit: &UnitName) -> Activity {
        match self.services.get(unit.as_str()) {
            None => Activity::Inactive,
            Some(Service::Running(run)) if run.has_ended() => failed(),
            Some(Service::Running(run)) => Activity::Active {
                invocation: run.invocation.clone(),
                main_pid: run.main_pid,
                since: run.since,
            },
            Some(Service::Ended { .. }) => failed(),
        }
    }

    /// Returns the number of automatic restarts.
    pub(super) fn restarts(&self, unit: &UnitName) -> u32 {
        self.again.get(unit.as_str()).copied().unwrap_or_default()
    }

    /// Returns the unit's main process, if it runs.
    pub(super) fn process(&self, unit: &UnitName) -> Option<ProcessFacts> {
        match self.services.get(unit.as_str())? {
            Service::Running(run) if !run.has_ended() => Some(ProcessFacts {
                pid: run.main_pid,
                argv: run.argv.clone(),
                listening: Observation::Known(run.listening.clone()),
            }),
            _ => None,
        }
    }

    pub(super) fn main_pids(&self) -> impl Iterator<Item = u32> {
        self.running().map(|run| run.main_pid)
    }

    fn running(&self) -> impl Iterator<Item = &Run> {
        self.services.values().filter_map(|service| match service {
            Service::Running(run) if !run.has_ended() => Some(run),
            _ => None,
        })
    }

    /// Returns the status with which the service at `address` answers a health check.
    pub(super) fn health(&self, address: SocketAddr) -> Option<u16> {
        let run = self.running().find(|run| run.listening.contains(&address))?;
        Some(if run.behaviour == Behaviour::Unhealthy { 500 } else { 200 })
    }

    pub(super) fn reload(&mut self, files: &mut Memory) -> Result<(), OperationError> {
        let folder = RemotePath::new(FOLDER).map_err(|error| unit_error(FOLDER, &error))?;
        self.loaded.clear();
        for name in files.list(&folder)? {
            let path = folder.child(&name);
            if files.stat(&path)?.is_some_and(|stat| stat.kind == NodeKind::File) {
                let content = files.read(&path)?;
                let (digest, command) = (Fingerprint::of(&content), command(&content));
                self.loaded.insert(name, Loaded { digest, command });
            }
        }
        Ok(())
    }

    /// Reports whether the unit's file differs from the one last read.
    pub(super) fn needs_reload(
        &self,
        unit: &UnitName,
        path: &RemotePath,
        files: &mut Memory,
    ) -> Result<bool, OperationError> {
        let found = match files.stat(path)? {
            Some(stat) if stat.kind == NodeKind::File => Some(Fingerprint::of(&files.read(path)?)),
            _ => None,
        };
        Ok(self.loaded.get(unit.as_str()).map(|loaded| loaded.digest) != found)
    }

    /// Ends the unit's run, if there is one, and begins another.
    pub(super) fn restart(
        &mut self,
        unit: &UnitName,
        world: &World,
        files: &mut Memory,
    ) -> Result<(), OperationError> {
        let Some(loaded) = self.loaded.get(unit.as_str()).cloned() else {
            let reason = "unit not found: the unit file did not exist at the last daemon-reload";
            return Err(unit_error(unit.as_str(), &reason));
        };
        self.runs += 1;
        self.again.remove(unit.as_str());
        let behaviour = world.behaviour(&loaded.command, files);
        let started = Instant::now();
        let service = match behaviour {
            Behaviour::Dies(why) => Service::Ended { at: started, why },
            behaviour => Service::Running(Run {
                invocation: format!("{:032x}", self.runs),
                argv: loaded.command.clone(),
                main_pid: 1000 + self.runs,
                since: files.tick(),
                listening: listening(&loaded.command, &behaviour),
                connections: Vec::new(),
                ends: match behaviour {
                    Behaviour::DiesAfter(lifetime) => Some(started + lifetime),
                    _ => None,
                },
                behaviour,
            }),
        };
        self.services.insert(unit.as_str().to_owned(), service);
        Ok(())
    }

    pub(super) fn stop(&mut self, unit: &UnitName) {
        self.services.remove(unit.as_str());
    }

    /// Ends the unit's run as if it ended on its own, if there is one.
    pub(super) fn end(&mut self, unit: &UnitName, why: &str) {
        if let Some(service) = self.services.get_mut(unit.as_str()) {
            *service = Service::Ended { at: Instant::now(), why: why.to_owned() };
        }
    }

    pub(super) fn arm(&mut self, unit: &UnitName, back_after: Duration) {
        self.armed.insert(unit.as_str().to_owned(), Instant::now() + back_after);
    }

    pub(super) fn disarm(&mut self, unit: &UnitName) {
        self.armed.remove(unit.as_str());
    }

    pub(super) fn is_armed(&self, unit: &UnitName) -> bool {
        self.armed.contains_key(unit.as_str())
    }

    /// Sets the connections of a running service.
    pub(super) fn connect(&mut self, unit: &UnitName, connections: &[Connection]) {
        if let Some(Service::Running(run)) = self.services.get_mut(unit.as_str()) {
            run.connections = connections.to_vec();
        }
    }

    /// Reports whether the unit will have been up for the whole period, with the facts of its run.
    pub(super) fn settle(&self, settle: &Settle) -> Result<Settled, OperationError> {
        let error = |reason: &str| unit_error(settle.unit.as_str(), &reason);
        let run = match self.services.get(settle.unit.as_str()) {
            None => return Err(error("the service is not running")),
            Some(Service::Ended { why, .. }) => {
                return Err(error(&format!("the service does not stay active: {why}")));
            }
            Some(Service::Running(run)) => run,
        };
        if run.ends.is_some_and(|ends| ends <= Instant::now() + settle.period) {
            return Err(error("the service does not stay active: exit-code"));
        }
        if settle.invocation.as_ref().is_some_and(|wanted| *wanted != run.invocation) {
            return Err(error("the process ended and was started again"));
        }
        Ok(Settled {
            invocation: run.invocation.clone(),
            main_pid: run.main_pid,
            listening: Observation::Known(run.listening.clone()),
            connections: settle.connections.then(|| Observation::Known(run.connections.clone())),
        })
    }

    /// Performs the automatic actions that are due: timers, and restarts of services that ended.
    pub(super) fn catch_up(&mut self, world: &World, files: &mut Memory) {
        let now = Instant::now();
        let due = self.armed.iter().filter(|(_, at)| **at <= now).map(|(unit, _)| unit.clone());
        let due: Vec<String> = due.collect();
        for unit in &due {
            self.armed.remove(unit);
        }
        let waiting: Vec<String> = self
            .services
            .iter()
            .filter(|(_, service)| service.is_due(now))
            .map(|(unit, _)| unit.clone())
            .collect();
        let stopped = due.into_iter().filter(|unit| !self.services.contains_key(unit));
        let by_themselves = waiting.clone();
        for name in stopped.collect::<Vec<_>>().into_iter().chain(waiting) {
            let Ok(unit) = name.parse() else { continue };
            let again = self.restarts(&unit);
            // A unit that no longer exists cannot be started; systemd does not report that to kcm.
            if self.restart(&unit, world, files).is_ok() && by_themselves.contains(&name) {
                self.again.insert(name, again + 1);
            }
        }
    }

    pub(super) fn stop_all(&mut self) {
        self.services.clear();
        self.loaded.clear();
        self.armed.clear();
    }

    pub(super) fn boot(
        &mut self,
        world: &World,
        files: &mut Memory,
        start: &BTreeSet<UnitName>,
    ) -> Result<(), OperationError> {
        self.reload(files)?;
        start.iter().try_for_each(|unit| self.restart(unit, world, files))
    }
}

impl Run {
    fn has_ended(&self) -> bool {
        self.ends.is_some_and(|ends| ends <= Instant::now())
    }
}

impl Service {
    /// Reports whether systemd would have restarted it by now.
    fn is_due(&self, now: Instant) -> bool {
        match self {
            Self::Running(run) => run.ends.is_some_and(|ends| ends + RESTART_DELAY <= now),
            Self::Ended { at, .. } => *at + RESTART_DELAY <= now,
        }
    }
}

fn failed() -> Activity {
    Activity::Failed { result: "exit-code".to_owned(), returns: true }
}

/// Returns executable and arguments of a unit's first command.
fn command(content: &[u8]) -> Vec<String> {
    let file = UnitFile::parse(content);
    let command = file.commands("ExecStart").next().and_then(|(_, line)| {
        let command = line.commands.into_iter().next()?;
        let arguments = command.arguments.iter();
        let words = arguments.map(|argument| argument.to_str().unwrap_or_default().to_owned());
        Some(
            [String::from_utf8_lossy(&command.executable).into_owned()]
                .into_iter()
                .chain(words)
                .collect(),
        )
    });
    command.unwrap_or_default()
}

fn listening(command: &[String], behaviour: &Behaviour) -> Vec<SocketAddr> {
    let flag = |name: &str| command.iter().find_map(|word| word.strip_prefix(name));
    let port = flag("--secure-port=").map_or(SECURE_PORT, |port| port.parse().unwrap_or_default());
    if port == 0 || *behaviour == Behaviour::Silent {
        return Vec::new();
    }
    let bind = flag("--bind-address=").and_then(|address| address.parse().ok());
    vec![SocketAddr::new(bind.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port)]
}

fn unit_error(unit: &str, reason: &impl ToString) -> OperationError {
    OperationError::Unit { unit: unit.to_owned(), reason: reason.to_string() }
}
