//! The human-readable report of `kcm lint`, in the style of compiler diagnostics.

use std::io::{self, Write};

use kcm_systemd::KubernetesVersion;

use super::human::{GOOD, count, diagnostic};
use crate::cli::args::Form;
use crate::finding::Severity;
use crate::preflight::lint::{LintReport, shown};

/// Reports the findings of `kcm lint`.
pub(crate) fn lint(lint: &LintReport, form: Form) -> io::Result<()> {
    match form {
        Form::Sarif => super::json(&lint.to_sarif()),
        form => super::shown(form, lint, |out| report(out, lint)),
    }
}

pub(super) fn report(out: &mut dyn Write, report: &LintReport) -> io::Result<()> {
    let (accepted, findings): (Vec<_>, Vec<_>) =
        report.findings.iter().partition(|finding| finding.accepted.is_some());
    for finding in &findings {
        diagnostic(out, Severity::Warning, &shown(&report.file, finding))?;
    }
    let accepted = match accepted.len() {
        0 => String::new(),
        number => format!(", {number} accepted by lint.allow"),
    };
    let against = versions(&report.versions);
    match findings.len() {
        0 => writeln!(out, "{GOOD}No findings{GOOD:#} for {against}{accepted}."),
        number => writeln!(out, "{} for {against}{accepted}.", count(number, "finding")),
    }
}

/// Returns the text for the checked versions.
fn versions(versions: &[KubernetesVersion]) -> String {
    match versions {
        [] => "the cluster file".to_owned(),
        [one] => format!("Kubernetes {one}"),
        [first, .., last] if versions.len() == KubernetesVersion::known().count() => {
            format!("Kubernetes {first} to {last}")
        }
        several => {
            let named: Vec<_> = several.iter().map(ToString::to_string).collect();
            format!("Kubernetes {}", named.join(", "))
        }
    }
}
