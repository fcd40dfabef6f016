//! The human-readable report of a smoke test, and its progress.

use std::io::{self, Write};

use super::human::{BAD, GOOD, NAME, NOTE, column, count};
use crate::event::{CheckName, CheckResult, SmokeCheck};
use crate::ops::smoke::{LeftBehind, SmokeReport};

/// Writes one line for a check as it ends.
pub(super) fn progress(out: &mut dyn Write, check: &SmokeCheck) -> io::Result<()> {
    match &check.result {
        CheckResult::Passed { .. } => writeln!(out, "{}: {GOOD}passed{GOOD:#}", title(check)),
        CheckResult::Failed { .. } => writeln!(out, "{}: {BAD}failed{BAD:#}", title(check)),
        CheckResult::Skipped { .. } => Ok(()),
    }
}

fn title(check: &SmokeCheck) -> String {
    match &check.master {
        Some(master) => format!("{} {master}", check.name),
        None => check.name.to_string(),
    }
}

pub(super) fn report(out: &mut dyn Write, report: &SmokeReport) -> io::Result<()> {
    let width = report.checks.iter().map(|check| title(check).chars().count());
    let width = column(width).max(5);
    writeln!(out, "{NAME}{:width$}  RESULT   {:>7}  OBSERVED{NAME:#}", "CHECK", "TIME")?;
    for check in &report.checks {
        let (style, word, seen) = match &check.result {
            CheckResult::Passed { seen } => (GOOD, "passed", seen),
            CheckResult::Failed { seen, .. } => (BAD, "failed", seen),
            CheckResult::Skipped { why } => (NOTE, "skipped", why),
        };
        let time = format!("{}.{:02} s", check.milliseconds / 1000, check.milliseconds % 1000 / 10);
        writeln!(out, "{:width$}  {style}{word:7}{style:#}  {time:>7}  {seen}", title(check))?;
        if let CheckResult::Failed { look, .. } = &check.result {
            writeln!(out, "{:width$}  help: {look}", "")?;
        }
    }
    for LeftBehind { what, why, remove } in &report.left_behind {
        writeln!(out)?;
        writeln!(out, "{BAD}not removed{BAD:#}: {what}: {why}")?;
        writeln!(out, "  help: fix the problem, then run `{remove}`")?;
    }
    summary(out, report)
}

fn summary(out: &mut dyn Write, report: &SmokeReport) -> io::Result<()> {
    let of = |is: fn(&CheckResult) -> bool| {
        report.checks.iter().filter(|check| is(&check.result)).count()
    };
    let failed = of(|result| matches!(result, CheckResult::Failed { .. }));
    let skipped = of(|result| matches!(result, CheckResult::Skipped { .. }));
    if report.is_interrupted {
        let left =
            if report.left_behind.is_empty() { " All test objects are removed." } else { "" };
        return writeln!(out, "{NOTE}Interrupted.{NOTE:#}{left}");
    }
    if failed + skipped == 0 {
        let checks = count(report.checks.len(), "check");
        writeln!(
            out,
            "{GOOD}The controllers work{GOOD:#}: {checks} passed, all test objects are removed."
        )?;
    } else {
        writeln!(out, "{BAD}Not verified{BAD:#}: {failed} failed, {skipped} skipped.")?;
    }
    if !report.checks.iter().any(|check| check.name == CheckName::Etcd) {
        writeln!(out, "etcd was not checked; specify its URL with --etcd.")?;
    }
    Ok(())
}
