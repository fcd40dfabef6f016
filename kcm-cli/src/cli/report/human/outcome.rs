//! The text of an outcome: the result on each master, and the next step.

use std::io::{self, Write};
use std::path::Path;

use super::{BAD, GOOD, NAME, NOTE, Tense, column, count, detail, totals};
use crate::cli::report::End;
use crate::cli::report::style::Style;
use crate::kube::LeaderChange;
use crate::rollout::{LeadershipOutcome, MasterOutcome, MasterResult, Outcome};
use crate::util::words;

/// Writes an outcome.
pub(crate) fn outcome(
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
    if let Some(leadership) = &outcome.leadership {
        self::leadership(out, leadership)?;
    }
    let is_unproven =
        |master: &MasterOutcome| matches!(master.result, MasterResult::Unverified { .. });
    let unverified = outcome.masters.iter().filter(|master| is_unproven(master)).count();
    if outcome.is_done() && unverified > 0 {
        writeln!(
            out,
            "{NOTE}Applied, not verified{NOTE:#}: {end}, but {unverified} of them not verified as healthy; fix the problems above and apply again."
        )
    } else if outcome.is_done() {
        writeln!(out, "{GOOD}Done{GOOD:#}: {end}.")
    } else if outcome.has_changed_masters() {
        writeln!(
            out,
            "{BAD}Partly done{BAD:#}: fix the failures above and run the same command again to continue."
        )
    } else {
        writeln!(out, "{BAD}Failed{BAD:#}: no master has changed.")
    }
}

fn leadership(out: &mut dyn Write, leadership: &LeadershipOutcome) -> io::Result<()> {
    for change in &leadership.changes {
        writeln!(out, "{NAME}leader{NAME:#}: {}", lead_change(change))?;
    }
    match (&leadership.leader, &leadership.trouble) {
        (_, Some(trouble)) => {
            write!(out, "{NAME}leader{NAME:#}: ")?;
            detail(out, trouble)
        }
        (Some(leader), None) => {
            writeln!(out, "{NAME}leader{NAME:#}: {leader} holds and renews the Lease")
        }
        (None, None) => Ok(()),
    }
}

pub(super) fn lead_change(change: &LeaderChange) -> String {
    let LeaderChange { from, to, gap_milliseconds, left } = change;
    match (to, gap_milliseconds, left) {
        (Some(to), Some(gap), _) => {
            format!("changed from {from} to {to}, {gap} ms after the request to stop {from}")
        }
        (_, _, Some(left)) => format!(
            "{from} was restarted without a handover; no leader until its Lease expires (15 s): {left}"
        ),
        _ => format!(
            "{from} was stopped and its Lease released, but no new leader was observed within 6 s"
        ),
    }
}

/// Returns the text for the state of the masters after success.
fn meant(outcome: &Outcome, end: End, file: &Path) -> String {
    let masters = count(outcome.masters.len(), "master");
    match end {
        End::AsTheFileSays => format!("{masters} as specified in {}", file.display()),
        End::Renewed if outcome.is_unchanged() => format!("no certificate is due on {masters}"),
        End::Renewed => format!("the certificates of {masters} are renewed"),
        End::Rotated => format!("{masters} with the keys of this stage"),
        End::AsBefore => format!("{masters} in the state before the last change"),
        End::Gone => {
            let touched = outcome.masters.iter().filter(|master| !master.steps.is_empty());
            let names: Vec<_> = touched.map(|master| master.name.as_str()).collect();
            match names[..] {
                [] => "kube-controller-manager is not deployed".to_owned(),
                _ => format!("kube-controller-manager is removed from {}", names.join(", ")),
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
    let MasterOutcome { name, steps, result } = master;
    let done = || totals(&steps.iter().collect::<Vec<_>>(), Tense::Done);
    let (style, detail) = match result {
        MasterResult::Unchanged => (Style::Plain, None),
        MasterResult::Done => (GOOD, Some(done())),
        MasterResult::Renewed { certificate_reload } => {
            (GOOD, Some(format!("{}, nothing restarted; {certificate_reload}", done())))
        }
        MasterResult::Untouched { error: None } => (NOTE, None),
        MasterResult::Unverified { cause } => (NOTE, Some(first_line(cause))),
        MasterResult::Untouched { error: Some(error) }
        | MasterResult::RolledBack { error }
        | MasterResult::Failed { error } => (BAD, Some(first_line(error))),
    };
    let detail = detail.map_or_else(String::new, |detail| format!(": {detail}"));
    writeln!(out, "{name:width$}  {style}{result}{style:#}{detail}")
}

/// Returns the first line of a reason. The event already reported all of it.
fn first_line(text: &str) -> String {
    words::harmless(text.lines().next().unwrap_or_default())
}
