//! What `kcm adopt` found and wrote.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::human::{self, GOOD, NOTE, count};
use super::status::finding;
use crate::adopt::Adopted;
use crate::plan::Plan;

/// An adoption.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdoptReport<'a> {
    #[serde(flatten)]
    pub(crate) adopted: &'a Adopted,
    /// What `kcm plan` shows for it.
    pub(crate) plan: &'a Plan,
    /// The files that were written.
    pub(crate) written: &'a [PathBuf],
    /// Whether the cluster file is printed.
    #[serde(skip)]
    pub(crate) prints: bool,
}

/// What is to be known of it, and what is to be done.
pub(super) fn adopted(
    out: &mut dyn Write,
    report: &AdoptReport<'_>,
    file: &Path,
) -> io::Result<()> {
    let AdoptReport { adopted, plan, written, .. } = report;
    for found in &adopted.findings {
        finding(out, found)?;
    }
    for path in *written {
        writeln!(out, "{GOOD}wrote{GOOD:#} {}", path.display())?;
    }
    let masters = count(adopted.cluster.masters.len(), "master");
    if plan.is_empty() && adopted.has_errors() {
        return writeln!(
            out,
            "{NOTE}Adopted, with errors{NOTE:#}: {masters}; `kcm plan` has nothing to do, and does not correct the errors above."
        );
    }
    if plan.is_empty() {
        return writeln!(out, "{GOOD}Adopted{GOOD:#}: {masters}; `kcm plan` has nothing to do.");
    }
    writeln!(out, "{NOTE}Adopted, but not all of it{NOTE:#}: {masters}; `kcm plan` shows:\n")?;
    if adopted.loses_settings() {
        let advice = format!(
            "`kcm apply` would drop settings that the findings above name; first add them to {}, or make the masters alike.",
            file.display()
        );
        return human::plan_with_advice(out, plan, file, &advice);
    }
    human::plan(out, plan, file)
}
