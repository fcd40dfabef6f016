//! The human-readable reports of `kcm unit`.

use std::io::{self, Write};

use super::human::{GOOD, NAME, count, diagnostic};
use super::style::Style;
use crate::ops::unit::{CheckedUnit, UnitCheck, UnitDiff, UnitFinding};
use crate::util::words::{command, harmless};

pub(super) fn check(out: &mut dyn Write, check: &UnitCheck) -> io::Result<()> {
    for unit in &check.units {
        for finding in &unit.findings {
            diagnostic(out, finding.severity, &shown(finding))?;
        }
        commands(out, unit)?;
    }
    let units = count(check.units.len(), "unit");
    match check.units.iter().map(|unit| unit.findings.len()).sum() {
        0 => writeln!(out, "{GOOD}No findings{GOOD:#} in {units}."),
        number => writeln!(out, "{} in {units}.", count(number, "finding")),
    }
}

/// Writes severity, code, place and problem in one line, and the fix in another.
fn shown(finding: &UnitFinding) -> String {
    let UnitFinding { code, severity, file, line, problem, help } = finding;
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    let what = harmless(&format!("{file}{line}: {problem}"));
    format!("{severity}[{code}]: {what}\n  help: {}", harmless(help))
}

fn commands(out: &mut dyn Write, unit: &CheckedUnit) -> io::Result<()> {
    let flags = if unit.checked_flags { "" } else { ", flags not checked" };
    for it in &unit.commands {
        let number = count(it.arguments.len(), "argument");
        let (file, program) = (harmless(&unit.file), harmless(&it.executable));
        writeln!(out, "{NAME}{file}{NAME:#} runs {program} with {number}{flags}")?;
        for argument in &it.arguments {
            writeln!(out, "  {}", harmless(&command([argument.as_str()])))?;
        }
    }
    Ok(())
}

pub(super) fn diff(out: &mut dyn Write, diff: &UnitDiff) -> io::Result<()> {
    let (first, second) = (harmless(&diff.first), harmless(&diff.second));
    if diff.differences.is_empty() {
        return writeln!(out, "{GOOD}No differences{GOOD:#} between {first} and {second}.");
    }
    writeln!(out, "{NAME}--- {first}{NAME:#}")?;
    writeln!(out, "{NAME}+++ {second}{NAME:#}")?;
    for difference in &diff.differences {
        writeln!(out, "{}", harmless(&difference.setting))?;
        let (gone, good) = (Style::Gone, Style::Good);
        for value in &difference.first {
            writeln!(out, "{gone}-  {}{gone:#}", harmless(value))?;
        }
        for value in &difference.second {
            writeln!(out, "{good}+  {}{good:#}", harmless(value))?;
        }
    }
    writeln!(out, "{} between {first} and {second}.", count(diff.differences.len(), "difference"))
}
