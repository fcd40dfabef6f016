//! Human-readable text: events, failures, and the common parts of plans and outcomes.

mod outcome;
mod plan;

use std::io::{self, Write};
use std::path::Path;

use super::style::Style;
use crate::event::Event;
use crate::finding::Severity;
use crate::pki::identity::reasons;
use crate::plan::Step;
use crate::transport::Exchange;
use crate::util::words;
pub(super) use crate::util::words::count;
use outcome::lead_change;

pub(super) use outcome::outcome;
pub(super) use plan::{plan, plan_with_advice};

pub(super) const GOOD: Style = Style::Good;
pub(super) const BAD: Style = Style::Bad;
pub(super) const NOTE: Style = Style::Note;
pub(super) const NAME: Style = Style::Name;

/// Writes an exchange with a master.
pub(super) fn exchange(out: &mut dyn Write, exchange: &Exchange) -> io::Result<()> {
    let Exchange { master, call, took, has_failed, .. } = exchange;
    let failed = if *has_failed { ", failed" } else { "" };
    writeln!(out, "{master}: {call} ({:.3} s{failed})", took.as_secs_f64())
}

/// Writes an event.
pub(super) fn event(out: &mut dyn Write, event: &Event) -> io::Result<()> {
    match event {
        Event::Observed { .. } | Event::Committing { .. } => Ok(()),
        // A finding has made its parts harmless; any other text may quote external text.
        Event::Warning { text } if text.starts_with("warning[") => {
            diagnostic(out, Severity::Warning, text)
        }
        Event::Warning { text } => {
            write!(out, "{NOTE}warning{NOTE:#}: ")?;
            detail(out, text)
        }
        Event::CaCreated { path, not_after, algorithm } => {
            writeln!(
                out,
                "created a root CA: {path} ({algorithm}, valid until {})",
                not_after.date()
            )
        }
        Event::IdentityIssued { path, why, not_after } => {
            writeln!(out, "issued {path}, valid until {}: {}", not_after.date(), reasons(why))
        }
        Event::UploadsBinary { path, machine, size, digest } => {
            writeln!(out, "uploading {path}: {} for {machine}, {digest}", words::size(*size))
        }
        Event::Restores { master, replaced_at } => {
            writeln!(
                out,
                "{master}: will restore the generation that was replaced at {}",
                words::moment(*replaced_at)
            )
        }
        Event::Uploading { master, sent, total } => {
            let percent = sent.saturating_mul(100).checked_div(*total).unwrap_or(100);
            writeln!(out, "{master}: {percent} % of {} uploaded", words::size(*total))
        }
        Event::Staged { master, files } => {
            writeln!(out, "{master}: {} staged", count(*files, "file"))
        }
        Event::Committed { master } => writeln!(out, "{master}: done"),
        Event::CertificateReload { master, certificate_reload } => {
            writeln!(out, "{master}: {certificate_reload}")
        }
        Event::LeaderChanged { change } => writeln!(out, "leader: {}", lead_change(change)),
        Event::JournalUnread { master, reason } => {
            write!(out, "{BAD}{master}{BAD:#}: cannot read the whole journal: ")?;
            detail(out, reason)
        }
        Event::JournalLost { master, reason } => {
            let reason = words::harmless(reason);
            writeln!(out, "{NOTE}{master}{NOTE:#}: {reason}; reconnecting")
        }
        Event::JournalResumed { master } => {
            writeln!(out, "{master}: reconnected; no journal entry is missing")
        }
        Event::Checked { check } => super::smoke::progress(out, check),
        Event::Drilled { step } => super::drill::progress(out, step),
        Event::Unverified { master, cause } => {
            write!(out, "{NOTE}{master}{NOTE:#}: applied, not verified: ")?;
            detail(out, cause)
        }
        Event::RolledBack { master, error } => {
            write!(out, "{BAD}{master}{BAD:#}: rolled back: ")?;
            detail(out, error)
        }
        Event::Failed { master, error } => {
            write!(out, "{BAD}{master}{BAD:#}: ")?;
            detail(out, error)
        }
    }
}

/// Writes an error or a warning, which may be a list of findings.
///
/// A line that is neither indented nor begins with the label of a finding gets `severity` in front.
/// The line breaks are kcm's: external text is already reduced to single lines.
pub(super) fn diagnostic(out: &mut dyn Write, severity: Severity, text: &str) -> io::Result<()> {
    for line in text.lines() {
        let labelled = LABELS.into_iter().find_map(|(label, style)| {
            let rest = line.strip_prefix(label)?;
            rest.starts_with('[').then_some((label, style, rest))
        });
        match labelled {
            Some((label, style, rest)) => writeln!(out, "{style}{label}{style:#}{rest}")?,
            None if line.starts_with(' ') => writeln!(out, "{line}")?,
            None => {
                let style = style_of(severity);
                writeln!(out, "{style}{severity}{style:#}: {line}")?;
            }
        }
    }
    Ok(())
}

/// The labels with which findings begin, those of `kcm lint` included.
const LABELS: [(&str, Style); 3] = [("error", BAD), ("warning", NOTE), ("benchmark", NOTE)];

fn style_of(severity: Severity) -> Style {
    match severity {
        Severity::Error => BAD,
        Severity::Warning => NOTE,
    }
}

/// Writes the result of `kcm init`, and the next command.
pub(super) fn initialised(out: &mut dyn Write, file: &Path, creates_ca: bool) -> io::Result<()> {
    let file = file.display();
    let plan = words::command(["kcm", "plan", "-f", &file.to_string(), "--root", "out"]);
    let next = if creates_ca {
        format!("run `{plan}`; the first `kcm apply` creates a CA")
    } else {
        format!("copy the CA certificate and key to the paths in this file, then run `{plan}`")
    };
    writeln!(out, "wrote {file}; next: {next}")
}

/// Ends a line with a text; further lines of it, such as those of a journal, are indented.
fn detail(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let mut lines = text.lines().map(words::harmless);
    writeln!(out, "{}", lines.next().unwrap_or_default())?;
    lines.try_for_each(|line| writeln!(out, "    {line}"))
}

/// Returns the number of steps of each kind, such as `4 files written, 1 unit enabled`.
fn totals(steps: &[&Step], tense: Tense) -> String {
    let number = |is: fn(&Step) -> bool| steps.iter().filter(|step| is(step)).count();
    let parts = [
        (number(|s| matches!(s, Step::Write { .. })), "file", "write", "written"),
        (number(|s| matches!(s, Step::SetAttributes { .. })), "file", "correct", "corrected"),
        (number(|s| matches!(s, Step::Restore { .. })), "file", "restore", "restored"),
        (number(|s| matches!(s, Step::Remove { .. })), "file", "remove", "removed"),
        (number(|s| matches!(s, Step::RemoveLeftover { .. })), "leftover", "remove", "removed"),
        (number(|s| matches!(s, Step::Enable)), "unit", "enable", "enabled"),
        (number(|s| matches!(s, Step::Disable)), "unit", "disable", "disabled"),
        (number(|s| matches!(s, Step::Stop)), "service", "stop", "stopped"),
        (number(|s| matches!(s, Step::Restart)), "service", "start", "started"),
        (number(|s| matches!(s, Step::Verify)), "service", "verify", "verified"),
    ];
    let parts = parts.into_iter().filter(|(number, ..)| *number > 0);
    let parts = parts.map(|(number, noun, to_do, done)| match tense {
        Tense::ToDo => format!("{} to {to_do}", count(number, noun)),
        Tense::Done => format!("{} {done}", count(number, noun)),
    });
    parts.collect::<Vec<_>>().join(", ")
}

#[derive(Clone, Copy)]
enum Tense {
    ToDo,
    Done,
}

/// Maximum width of a padded column. Longer words overflow it.
const WIDEST: usize = 64;

/// Returns the width of a column that holds words of these lengths.
pub(super) fn column(lengths: impl Iterator<Item = usize>) -> usize {
    lengths.max().unwrap_or_default().min(WIDEST)
}
