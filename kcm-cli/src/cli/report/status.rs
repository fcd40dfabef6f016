//! The human-readable status: a table of at most 100 columns, then the findings.

use std::cmp::Ordering;
use std::fmt;
use std::io::{self, Write};

use super::human::{BAD, GOOD, NAME, NOTE, count, diagnostic};
use super::style::Style;
use crate::artifact::certificate_reload::CertificateReload;
use crate::finding::{Finding, grouped};
use crate::ops::certs::{CertificateUse, CheckedCertificate, Validity};
use crate::ops::status::{
    Alike, Health, Leadership, MasterFacts, MasterStatus, Service, Status, Sync,
};
use crate::transport::{Activity, Observation};
use crate::util::words::harmless;

/// Maximum length of a name that leaves room for all columns.
const LONGEST_NAME: usize = 18;
const HEADINGS: [&str; 9] =
    ["SERVICE", "AGE", "VERSION", "SYNC", "HEALTH", "ROLE", "CLIENT", "SERVED", "CLOCK"];
const PLAIN: Style = Style::Plain;

/// Writes a status, with a list of the private keys on the masters if `keys` is true.
pub(super) fn status(out: &mut dyn Write, status: &Status, keys: bool) -> io::Result<()> {
    let rows: Vec<_> = status.masters.iter().map(|master| Row::new(status, master)).collect();
    let names = rows.iter().map(|row| row.name.chars().count());
    let width = names.max().unwrap_or_default().max(6);
    let widths = HEADINGS.iter().enumerate().map(|(place, heading)| {
        let cells = rows.iter().filter_map(|row| row.cells.as_ref()?.get(place));
        let longest = cells.map(|cell| cell.text.chars().count()).max().unwrap_or_default();
        // A column without any text is not shown.
        if longest == 0 { 0 } else { longest.max(heading.len()) }
    });
    let widths: Vec<_> = widths.collect();
    write!(out, "{NAME}{:width$}", "MASTER")?;
    line(out, &HEADINGS.map(|heading| cell(heading, PLAIN)), &widths)?;
    writeln!(out, "{NAME:#}")?;
    for Row { name, cells } in &rows {
        write!(out, "{name:width$}")?;
        match cells {
            Some(cells) => line(out, cells, &widths)?,
            None => write!(out, "  {BAD}not observed{BAD:#}")?,
        }
        writeln!(out)?;
    }
    writeln!(out)?;
    leadership(out, status)?;
    findings(out, &status.findings)?;
    summary(out, status)?;
    if keys { super::keys::keys(out, status) } else { Ok(()) }
}

/// The row of a master; `None` if it was not observed.
struct Row {
    name: String,
    cells: Option<[Cell; 9]>,
}

impl Row {
    fn new(status: &Status, master: &MasterStatus) -> Self {
        let cells = master.facts().map(|facts| cells(status, &master.name, facts));
        Self { name: shortened(&master.name, LONGEST_NAME), cells }
    }
}

/// Writes the cells of a row without trailing spaces.
fn line(out: &mut dyn Write, cells: &[Cell], widths: &[usize]) -> io::Result<()> {
    let shown: Vec<_> = cells.iter().zip(widths).filter(|(_, width)| **width > 0).collect();
    let end = shown.iter().rposition(|(cell, _)| !cell.text.is_empty());
    for (place, (Cell { text, style }, width)) in shown.into_iter().enumerate() {
        match Some(place).cmp(&end) {
            Ordering::Less => write!(out, "  {style}{text:width$}{style:#}")?,
            Ordering::Equal => write!(out, "  {style}{text}{style:#}")?,
            Ordering::Greater => break,
        }
    }
    Ok(())
}

struct Cell {
    text: String,
    style: Style,
}

fn cell(text: impl fmt::Display, style: Style) -> Cell {
    Cell { text: text.to_string(), style }
}

fn cells(status: &Status, name: &str, facts: &MasterFacts) -> [Cell; 9] {
    let since = match facts.unit.activity {
        Activity::Active { since, .. } => lasting(status.at - since),
        _ => String::new(),
    };
    let version = match &facts.version {
        Some(Observation::Known(version)) => cell(shortened(version, 8), PLAIN),
        Some(Observation::Unknown(_)) => cell("?", BAD),
        None => cell("", PLAIN),
    };
    [
        service(&facts.service),
        cell(since, PLAIN),
        version,
        sync(&facts.sync),
        health(facts.health.as_ref()),
        role(facts),
        days(status, name, CertificateUse::Kubeconfig),
        days(status, name, CertificateUse::Served),
        clock(facts.clock_offset_milliseconds),
    ]
}

fn service(service: &Service) -> Cell {
    match service {
        Service::Running => cell("running", GOOD),
        Service::CrashLooping { .. } => cell("crashing", BAD),
        Service::Failed { .. } => cell("failed", BAD),
        Service::Stopped => cell("stopped", BAD),
        Service::Masked => cell("masked", BAD),
        Service::NotDeployed => cell("absent", BAD),
        Service::Offline => cell("offline", PLAIN),
    }
}

fn sync(sync: &Sync) -> Cell {
    match sync {
        Sync::InSync => cell("in sync", GOOD),
        Sync::RestartPending { .. } => cell("restart due", NOTE),
        Sync::Drift { .. } => cell("drift", NOTE),
        Sync::NotManaged => cell("not managed", NOTE),
        Sync::NotDeployed => cell("", PLAIN),
        Sync::Unknown { .. } => cell("?", NOTE),
    }
}

fn health(health: Option<&Health>) -> Cell {
    match health {
        Some(Health::Healthy) => cell("healthy", GOOD),
        Some(Health::Unhealthy { .. }) => cell("failing", BAD),
        Some(Health::Unknown { .. }) => cell("?", NOTE),
        Some(Health::NotServed) | None => cell("", PLAIN),
    }
}

fn role(facts: &MasterFacts) -> Cell {
    let runs = facts.process.is_some();
    match facts.leads {
        Some(true) => cell("leader", NAME),
        Some(false) if runs => cell("standby", PLAIN),
        None if runs => cell("?", NOTE),
        _ => cell("", PLAIN),
    }
}

fn days(status: &Status, name: &str, of: CertificateUse) -> Cell {
    let mut all = status.certificates.iter();
    let found = all.find(|it| it.master.as_deref() == Some(name) && it.role == of);
    let Some(CheckedCertificate { days_left, validity, .. }) = found else {
        return cell("", PLAIN);
    };
    let style = match validity {
        Validity::Good => PLAIN,
        Validity::Due => NOTE,
        Validity::Expired | Validity::NotYetValid => BAD,
    };
    cell(format_args!("{days_left}d"), style)
}

fn clock(offset: Option<i64>) -> Cell {
    let Some(milliseconds) = offset else { return cell("", PLAIN) };
    let (sign, tenths) = (if milliseconds < 0 { '-' } else { '+' }, milliseconds.abs() / 100);
    let style = if milliseconds.abs() >= 10_000 { NOTE } else { PLAIN };
    let text = match tenths {
        0..1000 => format!("{sign}{}.{}s", tenths / 10, tenths % 10),
        1000..600_000 => format!("{sign}{}s", tenths / 10),
        _ => format!("{sign}{}h", tenths / 36_000),
    };
    cell(text, style)
}

/// Formats a duration in its largest unit.
fn lasting(time: time::Duration) -> String {
    match time.whole_seconds() {
        seconds @ ..60 => format!("{}s", seconds.max(0)),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

pub(super) fn shortened(text: &str, width: usize) -> String {
    let text = harmless(text);
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn leadership(out: &mut dyn Write, status: &Status) -> io::Result<()> {
    match &status.leadership {
        Observation::Unknown(_) if is_offline(status) => {}
        Observation::Unknown(why) => writeln!(out, "Cannot determine the leader: {why}.")?,
        Observation::Known(leadership) => held(out, leadership)?,
    }
    let mut all = status.certificates.iter();
    let ca = all.find(|it| it.role == CertificateUse::Ca);
    for master in &status.masters {
        let certificate_reload = master.facts().and_then(|facts| facts.certificate_reload.as_ref());
        if let Some(certificate_reload) = certificate_reload
            .filter(|certificate_reload| **certificate_reload != CertificateReload::Proven)
        {
            writeln!(out, "{}: {certificate_reload}.", master.name)?;
        }
    }
    equal(out, status)?;
    match ca {
        Some(ca) => {
            writeln!(
                out,
                "The CA certificate expires on {}, in {} days.",
                ca.not_after.date(),
                ca.days_left
            )
        }
        None => Ok(()),
    }
}

/// True if all masters are folders, which have no leader.
fn is_offline(status: &Status) -> bool {
    let mut facts = status.masters.iter().filter_map(MasterStatus::facts);
    facts.all(|facts| facts.unit.activity == Activity::Offline)
}

/// Reports whether all masters have the same CA and the same signing keys.
fn equal(out: &mut dyn Write, status: &Status) -> io::Result<()> {
    let Alike { ca_certificate, ca_key, service_account_key } = status.alike;
    let all =
        [("CA", ca_certificate), ("CA key", ca_key), ("service-account key", service_account_key)];
    let of = |wanted: bool| {
        let named = all.iter().filter(|(_, equal)| *equal == Some(wanted));
        named.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    };
    match (of(true), of(false)) {
        (same, other) if same.is_empty() && other.is_empty() => Ok(()),
        (same, other) if other.is_empty() => writeln!(out, "The same on all masters: {same}."),
        (_, other) => writeln!(out, "{BAD}Not the same on all masters{BAD:#}: {other}."),
    }
}

fn held(out: &mut dyn Write, leadership: &Leadership) -> io::Result<()> {
    let Some(holder) = &leadership.holder else { return Ok(()) };
    let who = leadership.master.as_ref().unwrap_or(holder);
    let leads = if leadership.is_stale() { "Last leader" } else { "Leader" };
    write!(out, "{leads}: {}", crate::util::words::harmless(who))?;
    if let Some(since) = leadership.since {
        write!(out, ", since {}", crate::util::words::moment(since))?;
    }
    if let Some(age) = leadership.age_milliseconds {
        write!(out, "; renewed {}.{} s ago", age / 1000, age % 1000 / 100)?;
    }
    if let Some(transitions) = leadership.transitions {
        write!(out, "; leader changes: {transitions}")?;
    }
    writeln!(out, ".")
}

/// Writes findings. Equal findings of several masters are one.
pub(super) fn findings(out: &mut dyn Write, findings: &[Finding]) -> io::Result<()> {
    grouped(findings)
        .iter()
        .try_for_each(|finding| diagnostic(out, finding.severity, &finding.to_string()))
}

fn summary(out: &mut dyn Write, status: &Status) -> io::Result<()> {
    let masters = count(status.masters.len(), "master");
    match status.findings.len() {
        0 => writeln!(out, "{GOOD}No findings{GOOD:#}: {masters}."),
        number => writeln!(out, "{} on {masters}.", count(number, "finding")),
    }
}
