//! `certs timer`: renders a systemd service and timer that check or renew certificates on the
//! operator's machine. Pure.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use kcm_systemd::{
    Argument, Directive, ExecutablePath, Section, SectionName, Unit, UnitName, Value,
    quote_argument,
};
use thiserror::Error;

use crate::cluster::{Cluster, SecretSource, Sudo};
use crate::util::explanation::Explanation;

/// First line of every unit that kcm writes for this machine.
pub const TIMER_MARK: &str = "# Written by `kcm certs timer`, which writes it again; changes belong into `systemctl edit`.\n";

/// The systemd manager that runs the units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// The system manager, as root.
    System,
    /// The manager of one user.
    User,
}

/// Settings of the service and its timer. Paths are absolute.
#[derive(Clone, Debug)]
pub struct CertificateTimer {
    /// Name of both units, without a suffix.
    pub name: String,
    /// The systemd manager that runs the units.
    pub manager: Manager,
    /// Path of the `kcm` program.
    pub program: PathBuf,
    /// Path of the cluster file.
    pub cluster_file: PathBuf,
    /// Path of the metrics file, if metrics are written.
    pub textfile: Option<PathBuf>,
    /// Renew due certificates instead of only checking them.
    pub renew: bool,
    /// Treat due certificates (exit status 3) as success, for sites that monitor the metrics.
    pub due_succeeds: bool,
    /// Schedule, in the format of systemd.time(7).
    pub on_calendar: String,
}

/// A unit file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnitText {
    /// Name of the unit.
    pub name: UnitName,
    /// Content of the unit file.
    pub text: String,
}

/// An error in rendering the timer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerError {
    /// A value cannot be written into a unit.
    #[error("{what}: {}", why.problem)]
    Unusable {
        /// The option or kind of value.
        what: &'static str,
        /// The problem and its fix.
        why: Explanation,
    },
    /// A sudo password comes from a terminal or a shell's environment, which a timer does not have.
    #[error(
        "master {master}: ssh.sudoPassword reads the password from {whom}, which a timer does not have"
    )]
    Password {
        /// Name of the master.
        master: String,
        /// Source of the password.
        whom: &'static str,
    },
}

impl TimerError {
    /// Returns the problem and its fix.
    pub(crate) fn explanation(&self) -> Explanation {
        let help = match self {
            Self::Unusable { why, .. } => why.help.clone(),
            Self::Password { .. } => {
                Some("name a file in ssh.sudoPassword, or set ssh.sudo to passwordless".to_owned())
            }
        };
        Explanation { problem: self.to_string(), help }
    }
}

/// Renders the service and the timer, in this order.
///
/// # Errors
/// If a name, path or time cannot be written into a unit, or a password would have to be typed.
pub fn certificate_timer(
    timer: &CertificateTimer,
    cluster: &Cluster,
) -> Result<[UnitText; 2], TimerError> {
    for master in &cluster.masters {
        let whom = match (&master.ssh.sudo, &master.ssh.sudo_password) {
            (Sudo::Password, SecretSource::Terminal) => "a terminal",
            (Sudo::Password, SecretSource::Env(_)) => "the environment of a shell",
            _ => continue,
        };
        return Err(TimerError::Password { master: master.name.as_str().to_owned(), whom });
    }
    let named = |suffix| {
        let name = UnitName::parse(&format!("{}.{suffix}", timer.name));
        name.map_err(unusable("--name"))
    };
    let service = UnitText { name: named("service")?, text: text(&service(timer, cluster)?) };
    Ok([service, UnitText { name: named("timer")?, text: text(&schedule(timer)?) }])
}

fn service(timer: &CertificateTimer, cluster: &Cluster) -> Result<Unit, TimerError> {
    let what = if timer.renew { "Renews" } else { "Checks" };
    let unit = [
        ("Description", format!("{what} the certificates of kube-controller-manager")),
        ("Wants", "network-online.target".to_owned()),
        ("After", "network-online.target".to_owned()),
    ];
    let mut service = vec![("Type", "oneshot".to_owned()), ("ExecStart", command(timer)?)];
    if timer.due_succeeds {
        service.push(("SuccessExitStatus", "3".to_owned()));
    }
    // A master that does not answer must not block the next run.
    service.push(("TimeoutStartSec", if timer.renew { "1h" } else { "10min" }.to_owned()));
    let closed = [
        ("NoNewPrivileges", "yes"),
        ("LockPersonality", "yes"),
        ("RestrictRealtime", "yes"),
        ("RestrictSUIDSGID", "yes"),
        ("SystemCallArchitectures", "native"),
        ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
    ];
    service.extend(closed.map(|(key, value)| (key, value.to_owned())));
    // A user manager cannot mount, so these settings would fail or have no effect.
    if timer.manager == Manager::System {
        let closed = [
            ("ProtectSystem", "strict"),
            ("ProtectHome", "read-only"),
            ("PrivateTmp", "yes"),
            ("PrivateDevices", "yes"),
            ("ProtectKernelTunables", "yes"),
            ("ProtectKernelModules", "yes"),
            ("ProtectKernelLogs", "yes"),
            ("ProtectControlGroups", "yes"),
            ("ProtectClock", "yes"),
            ("ProtectHostname", "yes"),
            ("RestrictNamespaces", "yes"),
        ];
        service.extend(closed.map(|(key, value)| (key, value.to_owned())));
        service.push(("ReadWritePaths", writable(timer, cluster)?));
        service.push(("Environment", "HOME=%h".to_owned()));
    }
    Ok(Unit { sections: vec![section("Unit", &unit)?, section("Service", &service)?] })
}

fn schedule(timer: &CertificateTimer) -> Result<Unit, TimerError> {
    let what = if timer.renew { "renews" } else { "checks" };
    let unit = [(
        "Description",
        format!("Schedule on which kcm {what} the certificates of kube-controller-manager"),
    )];
    if timer.on_calendar.trim().is_empty() {
        let reason = "the value is empty; set a calendar event in the format of systemd.time(7), for example daily".to_owned();
        return Err(TimerError::Unusable { what: "--on-calendar", why: reason.into() });
    }
    let calendar = [
        ("OnCalendar", timer.on_calendar.trim().to_owned()),
        ("RandomizedDelaySec", "1h".to_owned()),
        ("Persistent", "yes".to_owned()),
    ];
    let install = [("WantedBy", "timers.target".to_owned())];
    let sections =
        vec![section("Unit", &unit)?, section("Timer", &calendar)?, section("Install", &install)?];
    Ok(Unit { sections })
}

fn command(timer: &CertificateTimer) -> Result<String, TimerError> {
    let program = ExecutablePath::new(timer.program.as_os_str().as_bytes());
    let mut line = program.map_err(unusable("the path of kcm"))?.quoted();
    let verb = if timer.renew { "renew" } else { "check" };
    let mut words = vec!["certs".as_ref(), verb.as_ref(), "--file".as_ref()];
    words.push(timer.cluster_file.as_os_str());
    if let Some(textfile) = &timer.textfile {
        words.extend(["--textfile".as_ref(), textfile.as_os_str()]);
    }
    for word in words {
        let word = Argument::try_from(word).map_err(unusable("a path"))?;
        line.push(' ');
        line.push_str(&quote_argument(&word));
    }
    Ok(line)
}

/// Returns the paths that the service may write: metrics, `~/.ssh`, and the files of a renewal.
fn writable(timer: &CertificateTimer, cluster: &Cluster) -> Result<String, TimerError> {
    let mut paths = vec!["-%h/.ssh".to_owned()];
    let mut folders: Vec<&Path> = Vec::new();
    folders.extend(timer.textfile.as_deref().and_then(Path::parent));
    if timer.renew {
        folders.extend(timer.cluster_file.parent());
        folders.push(&cluster.pki.directory);
    }
    folders.retain(|folder| folder.is_absolute());
    for folder in folders {
        let Some(folder) = folder.to_str() else {
            let reason = format!("{} is not valid UTF-8; use another folder", folder.display());
            return Err(TimerError::Unusable { what: "a folder", why: reason.into() });
        };
        let folder = folder.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
        paths.push(format!("\"-{folder}\""));
    }
    Ok(paths.join(" "))
}

fn section(name: &str, lines: &[(&str, String)]) -> Result<Section, TimerError> {
    let name = SectionName::parse(name).map_err(unusable("a section"))?;
    let mut directives = Vec::with_capacity(lines.len());
    for (key, value) in lines {
        let value = match *key {
            "OnCalendar" => Value::literal(value).map_err(unusable("--on-calendar")),
            _ => Value::parse(value).map_err(unusable("a path")),
        };
        let key = kcm_systemd::Key::parse(key).map_err(unusable("a directive"))?;
        directives.push(Directive { key, value: value? });
    }
    Ok(Section { name, directives })
}

fn text(unit: &Unit) -> String {
    format!("{TIMER_MARK}{}", unit.render())
}

fn unusable<E: std::error::Error>(what: &'static str) -> impl Fn(E) -> TimerError {
    move |error| TimerError::Unusable { what, why: crate::util::words::in_full(&error).into() }
}
