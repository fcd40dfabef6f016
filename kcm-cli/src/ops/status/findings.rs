//! Findings about one master. Pure.

use time::OffsetDateTime;

use super::look::{Health, Look};
use super::{Service, Sync, Wanted, steps};
use crate::artifact::certificate_reload::CertificateReload;
use crate::cluster::layout::{Layout, Role};
use crate::finding::{Finding, FindingCode, Severity};
use crate::observed::Seen;
use crate::preflight;
use crate::transport::{Activity, Enablement, Observation, PathState, UnitState};
use crate::util::words::{command, journal_of};

/// Time for which an automatic restart is reported.
const RECENT: time::Duration = time::Duration::minutes(10);

/// Time within which a service reloads a credentials file: client-go checks it every five minutes.
const TAKEN_UP: time::Duration = time::Duration::minutes(7);

/// Collector of findings about one master.
pub(super) struct Findings<'a> {
    pub(super) master: &'a str,
    pub(super) wanted: &'a Wanted,
    pub(super) layout: &'a Layout,
    pub(super) found: &'a mut Vec<Finding>,
}

impl Findings<'_> {
    pub(super) fn of(
        mut self,
        look: &Look,
        seen: &Seen,
        service: &Service,
        sync: &Sync,
        now: OffsetDateTime,
    ) {
        let layout = self.layout;
        let observed = &seen.master;
        self.service(service, &observed.files.unit.state, layout);
        self.restarts(service, &observed.probe.unit, now, layout);
        if *service != Service::NotDeployed
            && observed.probe.unit.enablement == Enablement::Disabled
        {
            self.warning(
                FindingCode::NotEnabled,
                "kube-controller-manager does not start at boot".to_owned(),
                "run `kcm apply` to enable the unit",
            );
        }
        self.found.extend(preflight::strays(layout, observed));
        // A link to /dev/null cannot be compared with anything, and is reported already.
        if !matches!((service, sync), (Service::Masked, Sync::Unknown { .. })) {
            self.sync(sync);
        }
        self.certificate_reload(seen, now);
        match &look.health {
            Some(Health::Unhealthy { why }) => self.error(
                FindingCode::Unhealthy,
                format!("kube-controller-manager is running but unhealthy: {why}"),
                &format!("run `{}` on the master to show the cause", journal_of(&layout.unit)),
            ),
            Some(Health::Unknown { why }) => self.warning(
                FindingCode::Unhealthy,
                format!("cannot query the health of kube-controller-manager: {why}"),
                "allow the connection, or query /healthz on the master",
            ),
            _ => {}
        }
        if let Some(Observation::Unknown(why)) =
            seen.inspected.as_ref().and_then(|it| it.version.as_ref())
            && *service != Service::NotDeployed
        {
            let problem = format!("cannot run {}: {why}", layout.executable);
            self.error(
                FindingCode::ProgramFails,
                problem,
                "install kube-controller-manager at this path",
            );
        }
        if *service != Service::NotDeployed {
            self.files(look, seen);
        }
        let clock = seen.inspected.as_ref().map(|inspected| inspected.clock);
        self.found.extend(preflight::clock(self.master, clock, look.begun, look.ended));
    }

    fn service(&mut self, service: &Service, unit_file: &PathState, layout: &Layout) {
        let unit = &layout.unit;
        let journal = format!("run `{}` on the master to show the cause", journal_of(unit));
        let systemctl = |verb| command(["systemctl", verb, unit.as_str()]);
        match service {
            Service::Running | Service::Offline => {}
            Service::CrashLooping { restarts: 0 | 1 } => self.error(
                FindingCode::ServiceExited,
                "kube-controller-manager exited, and systemd restarts it".to_owned(),
                &journal,
            ),
            Service::CrashLooping { restarts } => self.error(
                FindingCode::CrashLooping,
                format!("kube-controller-manager exits repeatedly, and systemd has restarted it {restarts} times"),
                &journal,
            ),
            Service::Failed { result } => self.error(
                FindingCode::ServiceFailed,
                format!("kube-controller-manager exited ({result}), and systemd does not restart it"),
                &format!("{journal}; `kcm apply` starts the service"),
            ),
            Service::Stopped => self.error(
                FindingCode::ServiceStopped,
                "kube-controller-manager is stopped".to_owned(),
                &format!("run `kcm apply`, or run `{}` on the master", systemctl("start")),
            ),
            // systemd takes an empty unit file for a mask, and `systemctl unmask` leaves it there.
            Service::Masked if matches!(unit_file, PathState::File { size: 0, .. }) => self.error(
                FindingCode::UnitMasked,
                format!("{} is empty, so {unit} is masked and cannot be started", layout.unit_file),
                "run `kcm apply` to write the unit file",
            ),
            Service::Masked => self.error(
                FindingCode::UnitMasked,
                format!("{unit} is masked and cannot be started"),
                &format!("run `{}` on the master, then `kcm apply`", systemctl("unmask")),
            ),
            Service::NotDeployed => self.error(
                FindingCode::NotDeployed,
                "kube-controller-manager is not installed".to_owned(),
                "run `kcm apply` to install kube-controller-manager",
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
                "kube-controller-manager exited, and systemd has restarted it {times} times, the last time {ago} s ago"
            );
            let help =
                format!("run `{}` on the master to show the cause", journal_of(&layout.unit));
            self.warning(FindingCode::Restarted, problem, &help);
        }
    }

    fn sync(&mut self, sync: &Sync) {
        match sync {
            Sync::InSync | Sync::NotDeployed => {}
            // A cause that concerns all masters is reported once.
            Sync::Unknown { .. } if self.wanted.desired.is_err() => {}
            Sync::Unknown { why } => self.warning(
                FindingCode::NotCompared,
                format!("cannot compare the files on the master with the cluster file: {why}"),
                "fix the cause, then run `kcm status` again",
            ),
            Sync::RestartPending { why } => self.warning(
                FindingCode::RestartPending,
                format!("a restart is pending: {}", why.join(", ")),
                "run `kcm apply`; it restarts the leader last",
            ),
            Sync::Drift { why, replaces_ca } => self.warning(
                FindingCode::Drift,
                why.join(", "),
                if *replaces_ca {
                    "run `kcm plan` to show the difference; `kcm apply` drops a CA only with --replace-ca"
                } else {
                    "run `kcm plan` to show the difference, and `kcm apply` to correct it"
                },
            ),
            Sync::NotManaged => self.warning(
                FindingCode::NotManaged,
                "kube-controller-manager was not installed by kcm".to_owned(),
                "run `kcm plan` to show the changes that kcm would make",
            ),
        }
    }

    /// Reports a credentials file that the service should have reloaded by now. Some connections of
    /// a leader always stay.
    fn certificate_reload(&mut self, seen: &Seen, now: OffsetDateTime) {
        let changed = seen.master.files.combined.state.changed();
        let is_late = changed.is_some_and(|changed| now - changed > TAKEN_UP);
        if let Some(CertificateReload::NotYet { left, of }) = seen.master.certificate_reload
            && left == of
            && is_late
        {
            self.warning(
                FindingCode::CertificateNotReloaded,
                "the process still has all connections from before the renewal of the certificate"
                    .to_owned(),
                "restart the service before the old certificate expires, on the leader last",
            );
        }
    }

    /// Reports keys that every user can read, and unusable files that flags name.
    fn files(&mut self, look: &Look, seen: &Seen) {
        let (wanted, layout) = (self.wanted, self.layout);
        let (observed, service) = (&seen.master, &look.service);
        let desired = wanted.on(self.master);
        let steps = desired.as_ref().map_or_else(|_| Vec::new(), |it| steps(it, observed));
        let exposed = preflight::exposed(layout, observed, &service.secrets, &steps);
        self.found.extend(exposed.closed.into_iter().chain(exposed.left));
        self.found.extend(preflight::untrusted_folders(layout, observed));
        let artifacts = desired.as_ref().map_or(&[][..], |it| &it.artifacts);
        self.found.extend(artifacts.iter().filter_map(|it| preflight::ca_file(it, observed)));
        // A drop-in that only adds to the unit is not an error.
        let units = preflight::units(layout, observed, desired.as_ref().ok().copied());
        self.found.extend(units.into_iter().filter(|it| it.severity == Severity::Error));
        let unread =
            desired.as_ref().ok().and_then(|it| preflight::unread_ca_key(layout, it, observed));
        self.found.extend(unread);
        let Ok(compared) = &wanted.desired else { return };
        let is_brought = |role: Role| {
            desired.as_ref().is_ok_and(|it| it.artifacts.iter().any(|one| one.role == role))
        };
        let service = desired.as_ref().map_or(service, |desired| &desired.service);
        let named =
            preflight::named_files(layout, &compared.ca, service, observed, is_brought, &steps);
        self.found.extend(named);
        self.found.extend(
            observed.notes.iter().map(|note| preflight::unreadable_note(self.master, note)),
        );
    }

    fn error(&mut self, code: FindingCode, problem: String, help: &str) {
        self.found.push(Finding::error(code, self.master, problem, help));
    }

    fn warning(&mut self, code: FindingCode, problem: String, help: &str) {
        self.found.push(Finding::error(code, self.master, problem, help).into_warning());
    }
}
