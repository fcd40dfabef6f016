//! The text of an outcome: the result on each master, and the next step.

use std::io::{self, Write};
use std::path::Path;

use super::{BAD, GOOD, NAME, NOTE, Tense, column, count, detail, totals};
use crate::cli::report::End;
use crate::kube::LeadChange;
use crate::rollout::{LeadOutcome, MasterOutcome, MasterResult, Outcome};
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

pub(super) fn lead_change(change: &LeadChange) -> String {
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

/// Returns the text for the state of the masters after success.
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

/// Returns the first line of a reason. The event already reported all of it.
fn first_line(text: &str) -> String {
    words::harmless(text.lines().next().unwrap_or_default())
}
