//! What was seen of one master, judged. Pure.

use kcm_systemd::UnitFile;
use serde::Serialize;
use time::OffsetDateTime;

use super::look::{Health, Look};
use super::{FileStatus, Leadership, MasterFacts, MasterStatus, Wanted, steps};
use crate::desired::{Content, Role};
use crate::files::RemotePath;
use crate::finding::{Finding, FindingCode};
use crate::layout::Layout;
use crate::observe::{ObservedMaster, Seen};
use crate::plan::Step;
use crate::preflight;
use crate::run::Run;
use crate::transport::{Activity, Enablement, Observation, PathState, ProcessFacts, UnitState};

/// A service that was started again by itself so short a time ago may be on its way to end again.
const CALM: time::Duration = time::Duration::seconds(30);
/// For so long it is worth a word that it was.
const RECENT: time::Duration = time::Duration::minutes(10);

/// A service in a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Service {
    /// It runs.
    Running,
    /// It ends again and again, and systemd starts it again.
    CrashLooping {
        /// How often it was started again.
        restarts: u32,
    },
    /// It ended, and systemd has given up.
    Failed {
        /// systemd's word for how.
        result: String,
    },
    /// Somebody stopped it.
    Stopped,
    /// Its unit is masked: nothing can start it.
    Masked,
    /// There is no unit.
    NotDeployed,
    /// A folder, in which nothing runs.
    Offline,
}

/// How the process and the files on a master compare with the cluster file and with each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "sync", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Sync {
    /// The files are as the cluster file says, and the process was started from them.
    InSync,
    /// The files are, the process is not.
    RestartPending {
        /// What speaks for it.
        why: Vec<String>,
    },
    /// The files are not.
    Drifted {
        /// Which, and how.
        why: Vec<String>,
    },
    /// Neither unit nor kubeconfig nor certificate is what the cluster file says, and kcm has left no note there.
    NotManaged,
    /// There is nothing to compare.
    NotDeployed,
    /// It cannot be told.
    Unknown,
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
            let why = error.to_string();
            let why = why.strip_prefix(&format!("{name}: ")).unwrap_or(&why).to_owned();
            let mend = "nothing is known about it until it can be asked";
            found.push(Finding::error(FindingCode::NotSeen, &name, why.clone(), mend));
            return MasterStatus { name, seen: Observation::Unknown(why) };
        }
    };
    let observed = &seen.master;
    let service = service(observed, run.now);
    let sync = sync(look, seen, wanted, layout);
    let findings = Findings { master: &name, found };
    findings.of(look, seen, &service, &sync, layout, run.now);
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
        version: seen.inspected.as_ref().map(|inspected| version(&inspected.version)),
        sync,
        health: look.health.clone(),
        leads,
        clock_offset_milliseconds: look
            .clock_offset()
            .and_then(|offset| i64::try_from(offset.whole_milliseconds()).ok()),
        files: files(seen, layout),
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

fn sync(look: &Look, seen: &Seen, wanted: &Wanted, layout: &Layout) -> Sync {
    let observed = &seen.master;
    match observed.files.unit.state {
        PathState::Absent => return Sync::NotDeployed,
        PathState::File { .. } => {}
        _ => return Sync::Unknown,
    }
    let Some(desired) = wanted.on(&look.name) else { return Sync::Unknown };
    let steps = steps(desired, observed);
    let writes = |role: Role| {
        steps
            .iter()
            .any(|step| matches!(step, Step::Write { role: written, .. } if *written == role))
    };
    let has_note = observed.generations.last().is_some() || !observed.notes.is_empty();
    if !has_note && [Role::Unit, Role::Kubeconfig, Role::Certificate].into_iter().all(writes) {
        return Sync::NotManaged;
    }
    let mut drift: Vec<_> = steps.iter().filter_map(drifted).collect();
    drift.extend(program_drift(observed, wanted, layout));
    let pending = pending(look, seen, &desired.reads, layout);
    match (drift.is_empty(), pending.is_empty()) {
        (true, true) => Sync::InSync,
        (true, false) => Sync::RestartPending { why: pending },
        (false, _) => Sync::Drifted { why: [drift, pending].concat() },
    }
}

/// What the process was not started from.
fn pending(look: &Look, seen: &Seen, reads: &[Role], layout: &Layout) -> Vec<String> {
    let observed = &seen.master;
    let mut pending = Vec::new();
    if observed.probe.unit.needs_reload {
        pending.push("systemd has not read the unit again".to_owned());
    }
    if observed.generations.pending.is_some() {
        pending.push("the last change has not been seen healthy yet".to_owned());
    }
    let Activity::Active { since, .. } = observed.probe.unit.activity else { return pending };
    let managed = reads.iter().map(|role| (layout.path(*role), &observed.files.of(*role).state));
    let others = seen.others.iter().filter(|(path, _)| look.service.read_once.contains(path));
    let all = managed.chain(others.map(|(path, state)| (path, state)));
    let late = all.filter(|(_, state)| state.changed().is_some_and(|changed| changed > since));
    pending.extend(late.map(|(path, _)| format!("{path} has changed since it was started")));
    let process = seen.inspected.as_ref().and_then(|inspected| inspected.process.as_ref());
    if process.is_some_and(|process| !runs_as_the_unit_says(process, observed)) {
        pending.push("its arguments are not those of the unit".to_owned());
    }
    pending
}

/// A file that is not what the cluster file says; nothing where that is not known.
fn drifted(step: &Step) -> Option<String> {
    match step {
        Step::Write { path, before: PathState::Absent, .. } => Some(format!("{path} is missing")),
        Step::Write { path, after: Content::Known(_), .. } => {
            Some(format!("{path} is not what the cluster file says"))
        }
        Step::SetAttributes { path, mode, owner, before, .. } => {
            let (is_mode, is_owner) = before.attributes()?;
            let wanted = owner.map_or_else(String::new, |owner| format!(" {owner}"));
            Some(format!("{path} is {is_mode} {is_owner}, not {mode}{wanted}"))
        }
        _ => None,
    }
}

/// The program is compared by its size: it is big, and `plan` reads it whole.
fn program_drift(observed: &ObservedMaster, wanted: &Wanted, layout: &Layout) -> Option<String> {
    let ours = wanted.program_size?;
    match observed.files.binary.state {
        PathState::Unread { size, .. } if size == ours => None,
        _ => Some(format!("{} is not the program of install.binary", layout.executable)),
    }
}

/// Whether a process has the arguments that systemd would give it now. A script has its interpreter's before them.
fn runs_as_the_unit_says(process: &ProcessFacts, observed: &ObservedMaster) -> bool {
    let Some(text) = &observed.files.unit.text else { return true };
    let unit = UnitFile::parse(text);
    let Some((_, line)) = unit.commands("ExecStart").next() else { return true };
    let Some(command) = line.commands.into_iter().next() else { return true };
    // What systemd expands cannot be compared here.
    if !line.findings.is_empty() {
        return true;
    }
    let says = command.arguments.iter().map(|word| String::from_utf8_lossy(word.as_bytes()));
    let says: Vec<_> = says.map(std::borrow::Cow::into_owned).collect();
    process.argv.ends_with(&says) && process.argv.len() <= says.len() + 3
}

fn files(seen: &Seen, layout: &Layout) -> Vec<FileStatus> {
    let managed = Role::ALL.iter().map(|role| {
        let state = seen.master.files.of(*role).state.clone();
        FileStatus { path: layout.path(*role).clone(), state }
    });
    let others = seen.others.iter().cloned().map(|(path, state)| FileStatus { path, state });
    managed.chain(others).collect()
}

/// Findings about one master.
struct Findings<'a> {
    master: &'a str,
    found: &'a mut Vec<Finding>,
}

impl Findings<'_> {
    fn of(
        mut self,
        look: &Look,
        seen: &Seen,
        service: &Service,
        sync: &Sync,
        layout: &Layout,
        now: OffsetDateTime,
    ) {
        let observed = &seen.master;
        self.service(service, layout);
        self.restarts(service, &observed.probe.unit, now, layout);
        if *service != Service::NotDeployed
            && observed.probe.unit.enablement == Enablement::Disabled
        {
            self.warning(
                FindingCode::NotEnabled,
                "kube-controller-manager does not start at boot".to_owned(),
                "`kcm apply` enables it",
            );
        }
        self.found.extend(preflight::strays(layout, observed));
        self.sync(sync);
        match &look.health {
            Some(Health::Unhealthy { why }) => self.error(
                FindingCode::Unhealthy,
                format!("kube-controller-manager runs and is not healthy: {why}"),
                &format!("`journalctl -u {}` there says what it waits for", layout.unit),
            ),
            Some(Health::Unknown { why }) => self.warning(
                FindingCode::Unhealthy,
                format!("whether it is healthy cannot be asked: {why}"),
                "allow it, or look at its /healthz there",
            ),
            _ => {}
        }
        if let Some(Observation::Unknown(why)) = seen.inspected.as_ref().map(|it| &it.version)
            && *service != Service::NotDeployed
        {
            let problem = format!("{} cannot be run there: {why}", layout.executable);
            self.error(FindingCode::ProgramFails, problem, "put kube-controller-manager there");
        }
        self.exposed(look, seen, layout);
        let clock = seen.inspected.as_ref().map(|inspected| inspected.clock);
        self.found.extend(preflight::clock(self.master, clock, look.begun, look.ended));
    }

    fn service(&mut self, service: &Service, layout: &Layout) {
        let unit = &layout.unit;
        let journal = format!("`journalctl -u {unit}` there says why");
        match service {
            Service::Running | Service::Offline => {}
            Service::CrashLooping { restarts } => self.error(
                FindingCode::CrashLooping,
                match restarts {
                    0 => "kube-controller-manager has ended, and systemd is about to start it again".to_owned(),
                    _ => format!("kube-controller-manager ends again and again; systemd has started it again {restarts} times"),
                },
                &journal,
            ),
            Service::Failed { result } => self.error(
                FindingCode::ServiceFailed,
                format!("kube-controller-manager has ended ({result}), and systemd does not start it again"),
                &format!("{journal}; `kcm apply` starts it"),
            ),
            Service::Stopped => self.error(
                FindingCode::ServiceStopped,
                "kube-controller-manager is stopped".to_owned(),
                &format!("`kcm apply` starts it, or `systemctl start {unit}` there"),
            ),
            Service::Masked => self.error(
                FindingCode::UnitMasked,
                format!("{unit} is masked: nothing can start it"),
                &format!("run `systemctl unmask {unit}` there, then `kcm apply`"),
            ),
            Service::NotDeployed => self.error(
                FindingCode::NotDeployed,
                "there is no kube-controller-manager".to_owned(),
                "`kcm apply` puts it there",
            ),
        }
    }

    fn restarts(
        &mut self,
        service: &Service,
        unit: &UnitState,
        now: OffsetDateTime,
        layout: &Layout,
    ) {
        let Activity::Active { since, .. } = unit.activity else { return };
        if *service == Service::Running && unit.restarts > 0 && now - since < RECENT {
            let ago = (now - since).whole_seconds();
            let times = unit.restarts;
            let problem = format!(
                "kube-controller-manager has ended by itself; systemd has started it again {times} times, the last time {ago} s ago"
            );
            let mend = format!("`journalctl -u {}` there says why", layout.unit);
            self.warning(FindingCode::Restarted, problem, &mend);
        }
    }

    fn sync(&mut self, sync: &Sync) {
        match sync {
            Sync::InSync | Sync::NotDeployed | Sync::Unknown => {}
            Sync::RestartPending { why } => self.warning(
                FindingCode::RestartPending,
                format!("what runs is not what is there: {}", why.join(", ")),
                "`kcm apply` restarts it, the leader last",
            ),
            Sync::Drifted { why } => self.warning(
                FindingCode::Drifted,
                why.join(", "),
                "`kcm plan` shows it, `kcm apply` puts it right",
            ),
            Sync::NotManaged => self.warning(
                FindingCode::NotManaged,
                "kube-controller-manager there was not put there by kcm".to_owned(),
                "`kcm plan` shows what kcm would make of it",
            ),
        }
    }

    /// Keys that others than owner and group can read.
    fn exposed(&mut self, look: &Look, seen: &Seen, layout: &Layout) {
        let managed = [Role::Key, Role::CaKey, Role::Kubeconfig]
            .map(|role| (layout.path(role), &seen.master.files.of(role).state));
        let is_key =
            |path: &RemotePath| look.service.service_account_key.as_deref() == Some(path.as_str());
        let others = seen.others.iter().filter(|(path, _)| is_key(path));
        let all = managed.into_iter().chain(others.map(|(path, state)| (path, state)));
        let exposed = all.filter_map(|(path, state)| {
            let (mode, _) = state.attributes()?;
            (mode.bits() & 0o007 != 0).then(|| format!("{path} has mode {mode}"))
        });
        let exposed: Vec<_> = exposed.collect();
        if !exposed.is_empty() {
            let problem = format!("a key can be read by everybody there: {}", exposed.join(", "));
            let mend = "`kcm apply` takes that away; who has read it has it: `kcm certs renew --force`, if somebody may have";
            self.error(FindingCode::SecretReadable, problem, mend);
        }
    }

    fn error(&mut self, code: FindingCode, problem: String, mend: &str) {
        self.found.push(Finding::error(code, self.master, problem, mend));
    }

    fn warning(&mut self, code: FindingCode, problem: String, mend: &str) {
        self.found.push(Finding::error(code, self.master, problem, mend).into_warning());
    }
}
