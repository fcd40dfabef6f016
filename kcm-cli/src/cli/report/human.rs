//! Words for people: what is to be done, what was done, what to do next.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use super::End;
use super::style::Style;
use crate::event::Event;
use crate::kube::{LeadChange, LeadForecast};
use crate::pki::identity::{Decision, Held, Reason};
use crate::plan::{MasterPlan, Plan, Step};
use crate::rollout::{LeadOutcome, MasterOutcome, MasterResult, Outcome};
use crate::transport::PathState;
use crate::util::files::RemotePath;
use crate::util::words;

pub(super) const GOOD: Style = Style::Good;
pub(super) const BAD: Style = Style::Bad;
pub(super) const NOTE: Style = Style::Note;
pub(super) const NAME: Style = Style::Name;

/// Something happened.
pub(super) fn event(out: &mut dyn Write, event: &Event) -> io::Result<()> {
    match event {
        Event::Observed { .. } => Ok(()),
        Event::Warning { text } => {
            write!(out, "{NOTE}warning{NOTE:#}: ")?;
            detail(out, text)
        }
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

/// Why there is no result. Its lines are ours: words from elsewhere are in one line each by now.
pub(super) fn failure(out: &mut dyn Write, message: &str) -> io::Result<()> {
    write!(out, "{BAD}error{BAD:#}: ")?;
    out.write_all(message.as_bytes())?;
    writeln!(out)
}

/// What `kcm init` did.
pub(super) fn initialised(out: &mut dyn Write, file: &Path) -> io::Result<()> {
    let file = file.display();
    writeln!(
        out,
        "wrote {file}; next: put the CA where it says, then `{}`",
        words::command(["kcm", "plan", "-f", &file.to_string(), "--root", "out"])
    )
}

/// What would be done.
pub(super) fn plan(out: &mut dyn Write, plan: &Plan, file: &Path) -> io::Result<()> {
    plan_with_advice(out, plan, file, "`kcm apply` does it.")
}

/// Writes a plan that ends with `advice`, if there is something to do.
pub(super) fn plan_with_advice(
    out: &mut dyn Write,
    plan: &Plan,
    file: &Path,
    advice: &str,
) -> io::Result<()> {
    if plan.is_empty() {
        let masters = count(plan.masters.len(), "master");
        return writeln!(out, "{GOOD}Nothing to do{GOOD:#}: {masters} as {} says.", file.display());
    }
    if plan.creates_ca {
        writeln!(out, "{NAME}CA{NAME:#}: a root CA is made")?;
    }
    match &plan.identity {
        None => {}
        Some(Decision::Issue { why }) => {
            writeln!(out, "{NAME}identity{NAME:#}: a new one is issued: {}", reasons(why))?;
        }
        Some(Decision::Keep { fingerprint, held }) => {
            let place = match held {
                Held::ByOperator => "on this machine",
                Held::ByMasters => "on the masters; its key is not fetched",
            };
            writeln!(out, "{NAME}identity{NAME:#}: {fingerprint} stays, held {place}")?;
        }
    }
    if let Some(Decision::Issue { why }) = &plan.serving {
        writeln!(out, "{NAME}served{NAME:#}: a new certificate is issued: {}", reasons(why))?;
    }
    let mut shown = BTreeMap::new();
    for master in &plan.masters {
        master_plan(out, master, &mut shown)?;
    }
    if let Some(forecast) = &plan.lead_changes {
        writeln!(out)?;
        writeln!(out, "{NAME}lead{NAME:#}: {}", self::forecast(forecast))?;
    }
    let changed = plan.masters.iter().filter(|master| !master.steps.is_empty()).count();
    let steps: Vec<_> = plan.masters.iter().flat_map(|master| &master.steps).collect();
    writeln!(out)?;
    writeln!(
        out,
        "{NAME}{} to change{NAME:#}: {}. {advice}",
        count(changed, "master"),
        totals(&steps, Tense::ToDo)
    )
}

fn forecast(forecast: &LeadForecast) -> String {
    match (forecast.at_most, &forecast.leader) {
        (0, Some(leader)) => format!("{leader} leads and is not restarted: it does not change"),
        (_, Some(leader)) => {
            format!("{leader} leads, is restarted last and hands over: it changes once")
        }
        (_, None) => "it changes at most once; who leads is not known from here".to_owned(),
    }
}

/// One master's steps; a change that an earlier master has too is shown once.
fn master_plan<'p>(
    out: &mut dyn Write,
    master: &'p MasterPlan,
    shown: &mut BTreeMap<&'p RemotePath, (&'p str, &'p str)>,
) -> io::Result<()> {
    writeln!(out)?;
    if master.steps.is_empty() {
        return writeln!(out, "{NAME}{}{NAME:#}: nothing to do", master.name);
    }
    writeln!(out, "{NAME}{}{NAME:#}", master.name)?;
    for step in &master.steps {
        let Step::Write { diff, path, .. } = step else {
            writeln!(out, "  {}", describe(step))?;
            continue;
        };
        let (first, first_diff) =
            shown.entry(path).or_insert_with(|| (master.name.as_str(), diff.as_str()));
        if *first == master.name {
            writeln!(out, "  {}", describe(step))?;
            changed_lines(out, diff.lines())?;
        } else {
            let other = lines_beyond(diff, first_diff);
            let but = if other.is_empty() { "" } else { ", but for" };
            writeln!(out, "  {}, as on {first}{but}", describe(step))?;
            changed_lines(out, other)?;
        }
    }
    Ok(())
}

/// The lines of a change that another change does not have.
fn lines_beyond<'d>(diff: &'d str, other: &str) -> Vec<&'d str> {
    let known: BTreeSet<_> = other.lines().collect();
    diff.lines().filter(|line| !known.contains(line)).collect()
}

fn changed_lines<'d>(
    out: &mut dyn Write,
    diff: impl IntoIterator<Item = &'d str>,
) -> io::Result<()> {
    for line in diff.into_iter().filter(|line| !line.starts_with("\\ No newline")) {
        let style = match line.chars().next() {
            Some('+') => GOOD,
            Some('-') => Style::Gone,
            Some('@') => continue,
            _ => Style::Plain,
        };
        writeln!(out, "      {style}{line}{style:#}")?;
    }
    Ok(())
}

fn describe(step: &Step) -> String {
    match step {
        Step::Write { path, mode, owner, before: PathState::Absent, .. } => {
            format!("create {path}  {mode} {owner}")
        }
        Step::Write { path, mode, owner, .. } => format!("replace {path}  {mode} {owner}"),
        Step::SetAttributes { path, mode, owner, before, .. } => {
            let before = match before {
                PathState::File { mode, owner, .. } => format!("{mode} {owner}"),
                other => other.describe(),
            };
            let owner = owner.map_or_else(String::new, |owner| format!(" {owner}"));
            format!("set {path}  {before} -> {mode}{owner}")
        }
        Step::RemoveLeftover { path } => format!("remove {path}, left by an interrupted run"),
        Step::Reload => "reload systemd's units".to_owned(),
        Step::Enable => "enable kube-controller-manager.service".to_owned(),
        Step::Restore { path, mode, owner, .. } => {
            format!("bring back {path}  {mode} {owner}")
        }
        Step::Remove { path, .. } => format!("remove {path}"),
        Step::Disable => "disable kube-controller-manager.service".to_owned(),
        Step::Stop => "stop kube-controller-manager.service".to_owned(),
        Step::Restart => "start kube-controller-manager.service".to_owned(),
        Step::Forget => "remove what kcm keeps there".to_owned(),
        Step::Prove => {
            "prove that kube-controller-manager is healthy, without a restart".to_owned()
        }
    }
}

/// What was done.
pub(super) fn outcome(
    out: &mut dyn Write,
    outcome: &Outcome,
    end: End,
    file: &Path,
) -> io::Result<()> {
    let end = meant(outcome, end, file);
    let named = outcome.masters.iter().map(|master| &master.name).chain(&outcome.skipped);
    let width = column(named.map(String::len));
    if outcome.is_unchanged() {
        skipped(out, outcome, width)?;
        return writeln!(out, "{GOOD}Nothing to do{GOOD:#}: {end}.");
    }
    for master in &outcome.masters {
        master_outcome(out, master, width)?;
    }
    skipped(out, outcome, width)?;
    if let Some(lead) = &outcome.lead {
        self::lead(out, lead)?;
    }
    let is_unproven =
        |master: &MasterOutcome| matches!(master.result, MasterResult::Unproven { .. });
    let unproven = outcome.masters.iter().filter(|master| is_unproven(master)).count();
    if outcome.is_done() && unproven > 0 {
        writeln!(
            out,
            "{NOTE}Done, not proven{NOTE:#}: {end}, but {unproven} of them not seen healthy; apply again once what is named above is mended."
        )
    } else if outcome.is_done() {
        writeln!(out, "{GOOD}Done{GOOD:#}: {end}.")
    } else if outcome.has_changed_masters() {
        writeln!(
            out,
            "{BAD}Partly done{BAD:#}: mend what failed and run the same command again; it goes on from there."
        )
    } else {
        writeln!(out, "{BAD}Failed{BAD:#}: no master has changed.")
    }
}

fn lead(out: &mut dyn Write, lead: &LeadOutcome) -> io::Result<()> {
    for change in &lead.changes {
        writeln!(out, "{NAME}lead{NAME:#}: {}", lead_change(change))?;
    }
    match (&lead.leader, &lead.trouble) {
        (_, Some(trouble)) => {
            write!(out, "{NAME}lead{NAME:#}: ")?;
            detail(out, trouble)
        }
        (Some(leader), None) => {
            writeln!(out, "{NAME}lead{NAME:#}: {leader} holds the Lease and renews it")
        }
        (None, None) => Ok(()),
    }
}

fn lead_change(change: &LeadChange) -> String {
    let LeadChange { from, to, gap_milliseconds, left } = change;
    match (to, gap_milliseconds, left) {
        (Some(to), Some(gap), _) => {
            format!("from {from} to {to}, {gap} ms after {from} was told to stop")
        }
        (_, _, Some(left)) => format!(
            "{from} was restarted without a handover, so nobody leads until its Lease runs out (15 s): {left}"
        ),
        _ => format!("{from} was stopped and its Lease freed, but nobody led within 6 s"),
    }
}

/// How the masters are now that all is done.
fn meant(outcome: &Outcome, end: End, file: &Path) -> String {
    let masters = count(outcome.masters.len(), "master");
    match end {
        End::AsTheFileSays => format!("{masters} as {} says", file.display()),
        End::Renewed if outcome.is_unchanged() => format!("nothing is due on {masters}"),
        End::Renewed => format!("the certificates of {masters} are renewed"),
        End::AsBefore => format!("{masters} as before the last change"),
        End::Gone => {
            let touched = outcome.masters.iter().filter(|master| !master.steps.is_empty());
            let names: Vec<_> = touched.map(|master| master.name.as_str()).collect();
            match names[..] {
                [] => "kube-controller-manager is not there".to_owned(),
                _ => format!("kube-controller-manager is off {}", names.join(", ")),
            }
        }
    }
}

fn skipped(out: &mut dyn Write, outcome: &Outcome, width: usize) -> io::Result<()> {
    outcome
        .skipped
        .iter()
        .try_for_each(|name| writeln!(out, "{name:width$}  {NOTE}skipped{NOTE:#}"))
}

fn master_outcome(out: &mut dyn Write, master: &MasterOutcome, width: usize) -> io::Result<()> {
    let name = &master.name;
    match &master.result {
        MasterResult::Unchanged => writeln!(out, "{name:width$}  nothing to do"),
        MasterResult::Done => {
            let steps: Vec<_> = master.steps.iter().collect();
            writeln!(out, "{name:width$}  {GOOD}done{GOOD:#}: {}", totals(&steps, Tense::Done))
        }
        MasterResult::Renewed { uptake } => {
            let steps: Vec<_> = master.steps.iter().collect();
            let totals = totals(&steps, Tense::Done);
            writeln!(
                out,
                "{name:width$}  {GOOD}done{GOOD:#}: {totals}, nothing restarted; {uptake}"
            )
        }
        MasterResult::Untouched { error: None } => {
            writeln!(out, "{name:width$}  {NOTE}untouched{NOTE:#}")
        }
        MasterResult::Untouched { error: Some(error) } => {
            writeln!(out, "{name:width$}  {BAD}untouched{BAD:#}: {}", first_line(error))
        }
        MasterResult::Unproven { cause } => {
            writeln!(out, "{name:width$}  {NOTE}done, not proven{NOTE:#}: {}", first_line(cause))
        }
        MasterResult::RolledBack { error } => {
            writeln!(out, "{name:width$}  {BAD}rolled back{BAD:#}: {}", first_line(error))
        }
        MasterResult::Failed { error } => {
            writeln!(out, "{name:width$}  {BAD}failed{BAD:#}: {}", first_line(error))
        }
    }
}

/// The gist of a reason; all of it was said when it happened.
fn first_line(text: &str) -> String {
    words::harmless(text.lines().next().unwrap_or_default())
}

/// Ends a line with a text whose further lines, such as those of a journal, stand indented below it.
fn detail(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let mut lines = text.lines().map(words::harmless);
    writeln!(out, "{}", lines.next().unwrap_or_default())?;
    lines.try_for_each(|line| writeln!(out, "    {line}"))
}

/// Steps in numbers: `4 files written, 1 unit enabled`.
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

/// The widest column that is padded. Longer words stand out of theirs.
const WIDEST: usize = 64;

/// The width of a column that holds words of these lengths.
pub(super) fn column(lengths: impl Iterator<Item = usize>) -> usize {
    lengths.max().unwrap_or_default().min(WIDEST)
}

pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn reasons(why: &[Reason]) -> String {
    why.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
