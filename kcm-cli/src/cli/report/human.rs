//! Human-readable text: events, failures, and the common parts of plans and outcomes.

mod outcome;
mod plan;

use std::io::{self, Write};
use std::path::Path;

use super::style::Style;
use crate::event::Event;
use crate::finding::Severity;
use crate::pki::identity::Reason;
use crate::plan::Step;
use crate::util::words;
pub(super) use crate::util::words::count;
use outcome::lead_change;

pub(super) use outcome::outcome;
pub(super) use plan::{plan, plan_with_advice};

pub(super) const GOOD: Style = Style::Good;
pub(super) const BAD: Style = Style::Bad;
pub(super) const NOTE: Style = Style::Note;
pub(super) const NAME: Style = Style::Name;

/// Writes an event.
pub(super) fn event(out: &mut dyn Write, event: &Event) -> io::Result<()> {
    match event {
        Event::Observed { .. } => Ok(()),
        Event::Warning { text } => diagnostic(out, Severity::Warning, text),
        Event::CaCreated { path, not_after, algorithm } => {
            writeln!(out, "made a root CA: {path} ({algorithm}, until {})", not_after.date())
        }
        Event::IdentityIssued { path, why, not_after } => {
            writeln!(out, "issued {path}, until {}: {}", not_after.date(), reasons(why))
        }
        Event::BringsBinary { path, machine, size, digest } => {
            writeln!(out, "bringing {path}: {} for {machine}, {digest}", words::size(*size))
        }
        Event::GoesBack { master, replaced_at } => {
            writeln!(out, "{master}: back to what was there before {}", words::moment(*replaced_at))
        }
        Event::Uploading { master, sent, total } => {
            let percent = sent.saturating_mul(100).checked_div(*total).unwrap_or(100);
            writeln!(out, "{master}: {percent} % of {} sent", words::size(*total))
        }
        Event::Staged { master, files } => {
            writeln!(out, "{master}: {} staged", count(*files, "file"))
        }
        Event::Committed { master } => writeln!(out, "{master}: done"),
        Event::Uptake { master, uptake } => writeln!(out, "{master}: {uptake}"),
        Event::LeadChanged { change } => writeln!(out, "lead: {}", lead_change(change)),
        Event::JournalUnread { master, reason } => {
            write!(out, "{BAD}{master}{BAD:#}: no journal: ")?;
            detail(out, reason)
        }
        Event::JournalLost { master, reason } => {
            let reason = words::harmless(reason);
            writeln!(out, "{NOTE}{master}{NOTE:#}: {reason}; connecting again")
        }
        Event::JournalResumed { master } => {
            writeln!(out, "{master}: connected again, nothing was missed")
        }
        Event::Checked { check } => super::smoke::progress(out, check),
        Event::Drilled { step } => super::drill::progress(out, step),
        Event::Unproven { master, cause } => {
            write!(out, "{NOTE}{master}{NOTE:#}: in place, not proven: ")?;
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
/// A line that is neither indented nor begins with the severity of a finding gets `severity` in front. The line breaks
/// are kcm's: external text is already reduced to single lines.
pub(super) fn diagnostic(out: &mut dyn Write, severity: Severity, text: &str) -> io::Result<()> {
    for line in text.lines() {
        let labelled = [Severity::Error, Severity::Warning].into_iter().find_map(|severity| {
            let rest = line.strip_prefix(&severity.to_string())?;
            rest.starts_with('[').then_some((severity, rest))
        });
        match labelled {
            Some((severity, rest)) => {
                let style = style_of(severity);
                writeln!(out, "{style}{severity}{style:#}{rest}")?;
            }
            None if line.starts_with(' ') => writeln!(out, "{line}")?,
            None => {
                let style = style_of(severity);
                writeln!(out, "{style}{severity}{style:#}: {line}")?;
            }
        }
    }
    Ok(())
}

fn style_of(severity: Severity) -> Style {
    match severity {
        Severity::Error => BAD,
        Severity::Warning => NOTE,
    }
}

/// Writes the result of `kcm init`, and the next command.
pub(super) fn initialised(out: &mut dyn Write, file: &Path) -> io::Result<()> {
    let file = file.display();
    writeln!(
        out,
        "wrote {file}; next: put the CA where it says, then `{}`",
        words::command(["kcm", "plan", "-f", &file.to_string(), "--root", "out"])
    )
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
        (number(|s| matches!(s, Step::Restore { .. })), "file", "bring back", "brought back"),
        (number(|s| matches!(s, Step::Remove { .. })), "file", "remove", "removed"),
        (number(|s| matches!(s, Step::RemoveLeftover { .. })), "leftover", "remove", "removed"),
        (number(|s| matches!(s, Step::Enable)), "unit", "enable", "enabled"),
        (number(|s| matches!(s, Step::Disable)), "unit", "disable", "disabled"),
        (number(|s| matches!(s, Step::Stop)), "service", "stop", "stopped"),
        (number(|s| matches!(s, Step::Restart)), "service", "start", "started"),
        (number(|s| matches!(s, Step::Prove)), "service", "prove", "proven"),
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

fn reasons(why: &[Reason]) -> String {
    why.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
