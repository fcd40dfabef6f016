//! The human-readable reports of `kcm kubeconfig`.

use std::io::{self, Write};
use std::path::Path;

use super::human::{GOOD, count, diagnostic};
use crate::finding::{Severity, listed};
use crate::ops::kubeconfig::{KubeconfigCheck, KubeconfigView};
use crate::util::words::harmless;

pub(super) fn built(out: &mut dyn Write, file: &Path, is_written: bool) -> io::Result<()> {
    let file = harmless(&file.display().to_string());
    if is_written {
        writeln!(out, "wrote {file}")
    } else {
        writeln!(out, "Nothing to do: {file} is up to date.")
    }
}

pub(super) fn warnings(out: &mut dyn Write, view: &KubeconfigView) -> io::Result<()> {
    for warning in &view.warnings {
        diagnostic(out, Severity::Warning, &harmless(&format!("{}: {warning}", view.file)))?;
    }
    Ok(())
}

pub(super) fn check(out: &mut dyn Write, check: &KubeconfigCheck) -> io::Result<()> {
    diagnostic(out, Severity::Warning, &listed(&check.findings))?;
    let expiry = check.certificates.iter().min_by_key(|it| it.not_after);
    let expiry = expiry.map_or_else(String::new, |first| {
        let (ends, days) = (first.not_after.date(), first.days_left);
        format!(" The first certificate expires on {ends}, in {days} days.")
    });
    match check.findings.len() {
        0 => writeln!(out, "{GOOD}No findings{GOOD:#} in {}.{expiry}", harmless(&check.file)),
        number => {
            writeln!(out, "{} in {}.{expiry}", count(number, "finding"), harmless(&check.file))
        }
    }
}
