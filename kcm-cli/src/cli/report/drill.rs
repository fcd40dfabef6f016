//! The human-readable report of a drill, and its progress.

use std::io::{self, Write};

use super::human::{BAD, GOOD, NAME, NOTE, column, count};
use crate::event::{DrillMethod, DrillStep};
use crate::ops::drill::{
    DrillReport, EndOfLeadership, NotPutBack, Reconciliation, Succession, time,
};
use crate::ops::smoke::LeftBehind;

/// Writes one line for a step as it happens.
pub(super) fn progress(out: &mut dyn Write, step: &DrillStep) -> io::Result<()> {
    match step {
        DrillStep::Ends { master, method } => {
            let how = match method {
                DrillMethod::Stop => "stopping the service",
                DrillMethod::Kill => "killing the process",
                DrillMethod::Handover => "stopping the service, then releasing the Lease",
            };
            writeln!(out, "{NAME}{master}{NAME:#} is the leader; {how}")
        }
        DrillStep::Ended { master } => writeln!(out, "{master}: the process has exited"),
        DrillStep::Led { holder, gap_milliseconds } => {
            writeln!(
                out,
                "{GOOD}{holder}{GOOD:#} is the new leader, after {}",
                time(*gap_milliseconds)
            )
        }
        DrillStep::Reconciled { delay_milliseconds: Some(delay) } => {
            writeln!(
                out,
                "a Deployment created during the leaderless gap has its Pod after {}",
                time(*delay)
            )
        }
        DrillStep::Reconciled { delay_milliseconds: None } => {
            writeln!(out, "a Deployment has its Pod, before the first failover")
        }
        DrillStep::Back { master } => writeln!(out, "{master}: started again"),
        DrillStep::HeldBack { master } => {
            writeln!(
                out,
                "{master}: restarted, so that the next leader is a master that has not taken over yet"
            )
        }
    }
}

pub(super) fn report(out: &mut dyn Write, report: &DrillReport) -> io::Result<()> {
    table(out, report)?;
    for succession in &report.successions {
        notes(out, succession)?;
    }
    if let Some(trouble) = &report.trouble {
        writeln!(out, "{BAD}error{BAD:#}: {trouble}")?;
    }
    for NotPutBack { master, why, start } in &report.not_put_back {
        writeln!(out, "{BAD}not restored{BAD:#}: {master}: {why}")?;
        writeln!(out, "  help: fix the problem, then run on the master: {start}")?;
    }
    for LeftBehind { what, why, remove } in &report.left_behind {
        writeln!(out, "{BAD}not removed{BAD:#}: {what}: {why}")?;
        writeln!(out, "  help: fix the problem, then run `{remove}`")?;
    }
    summary(out, report)
}

fn table(out: &mut dyn Write, report: &DrillReport) -> io::Result<()> {
    if report.successions.is_empty() {
        return Ok(());
    }
    let to = |it: &Succession| it.to.clone().or_else(|| it.to_holder.clone()).unwrap_or_default();
    let longest = |of: &dyn Fn(&Succession) -> usize| column(report.successions.iter().map(of));
    let from_width = longest(&|it| it.from.chars().count()).max(5);
    let to_width = longest(&|it| to(it).chars().count()).max(4);
    writeln!(
        out,
        "{NAME}{:from_width$}  {:to_width$}  {:>7}  {:>8}  {:>10}  {:>7}{NAME:#}",
        "FROM", "TO", "GAP", "MAX GAP", "RECONCILED", "RESTART"
    )?;
    for succession in &report.successions {
        let gap = succession.gap_milliseconds.map_or_else(|| "-".to_owned(), time);
        let promised = succession.promise_milliseconds.map_or_else(|| "-".to_owned(), time);
        let probe = match &succession.probe {
            Some(Reconciliation::Reconciled { delay_milliseconds, .. }) => {
                format!("+{}", time(delay_milliseconds.unwrap_or_default()))
            }
            Some(Reconciliation::Failed { .. }) => "no".to_owned(),
            None => "-".to_owned(),
        };
        let back = succession.back_milliseconds.map_or_else(
            || "no".to_owned(),
            |back| time(back.saturating_sub(succession.ended_milliseconds)),
        );
        let style = if succession.is_good() { GOOD } else { BAD };
        writeln!(
            out,
            "{:from_width$}  {:to_width$}  {style}{gap:>7}{style:#}  {promised:>8}  {probe:>10}  {back:>7}",
            succession.from,
            to(succession),
        )?;
    }
    writeln!(out)
}

/// Writes the details that do not fit in the table.
fn notes(out: &mut dyn Write, succession: &Succession) -> io::Result<()> {
    let from = &succession.from;
    if let Some(left) = &succession.left {
        writeln!(out, "{NOTE}{from}{NOTE:#}: its Lease was left to expire: {left}")?;
    }
    if succession.gap_milliseconds.is_some() && !succession.is_as_promised() {
        writeln!(
            out,
            "{BAD}{from}{BAD:#}: the gap exceeds the maximum; check the load of the API server and of the masters"
        )?;
    }
    if succession.end == EndOfLeadership::Released {
        writeln!(
            out,
            "after {from}: the process released its Lease itself, so the gap does not include the expiry of the Lease"
        )?;
    }
    if !succession.held_back.is_empty() {
        let all = succession.held_back.join(", ");
        writeln!(
            out,
            "after {from}: restarted {all} in the meantime, so that the next leader is a master that has not taken over yet"
        )?;
    }
    Ok(())
}

fn summary(out: &mut dyn Write, report: &DrillReport) -> io::Result<()> {
    if report.first_probe.is_none() && report.trouble.is_none() {
        writeln!(
            out,
            "Reconciliation by the leaders was not checked; specify --kubeconfig to check it."
        )?;
    }
    let put_back =
        if report.is_put_back() { "everything is restored" } else { "not everything is restored" };
    if report.is_interrupted {
        // The previous holder has ended, and no master has taken over yet.
        let last = report.successions.last().filter(|last| last.led_milliseconds.is_none());
        let promise = last.and_then(|last| last.promise_milliseconds);
        let is_released = last.is_some_and(|last| last.end == EndOfLeadership::Released);
        let once = if is_released { "" } else { " after the Lease expires," };
        let leads = promise.map_or_else(String::new, |promise| {
            format!("; another master becomes the leader{once} within {}", time(promise))
        });
        return writeln!(out, "{NOTE}Interrupted{NOTE:#}: {put_back}{leads}.");
    }
    let successions = count(report.successions.len(), "failover");
    if report.is_passed() {
        let longest = report.successions.iter().filter_map(|it| it.gap_milliseconds).max();
        let longest = time(longest.unwrap_or_default());
        return writeln!(
            out,
            "{GOOD}The failover works{GOOD:#}: {successions}, longest leaderless gap {longest}; {put_back}."
        );
    }
    writeln!(out, "{BAD}Failed{BAD:#}: {successions}; {put_back}.")
}
