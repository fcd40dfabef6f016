//! The report of `kcm adopt`: its findings, the files that it wrote, and the remaining plan.

use std::io::{self, Write};
use std::path::Path;

use kcm_pki::{Certificate, Fingerprint};
use schemars::JsonSchema;
use serde::Serialize;

use super::human::{self, GOOD, NAME, NOTE, count};
use super::status::findings;
use crate::ops::adopt::Adopted;
use crate::plan::Plan;

/// The JSON document of `kcm adopt`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdoptReport<'a> {
    #[serde(flatten)]
    pub(crate) adopted: &'a Adopted,
    /// The plan of `kcm plan` for the new cluster file.
    pub(crate) plan: &'a Plan,
    /// The files that were written.
    pub(crate) written: &'a [&'a Path],
}

/// Writes the findings and the CA, which the operator checks before any file is written.
pub(super) fn found(out: &mut dyn Write, adopted: &Adopted) -> io::Result<()> {
    findings(out, &adopted.findings)?;
    let ca = Certificate::from_pem(adopted.ca_certificate.as_bytes());
    let ca = ca.map(|ca| format!("`{}`, valid until {}, ", ca.subject(), ca.not_after().date()));
    let fingerprint = as_openssl(adopted.ca_fingerprint);
    let ca = ca.unwrap_or_default();
    writeln!(out, "{NAME}CA certificate{NAME:#}: {ca}SHA-256 fingerprint {fingerprint}")
}

/// Returns a fingerprint in the form of `openssl x509 -fingerprint -sha256`, for comparison.
fn as_openssl(fingerprint: Fingerprint) -> String {
    let text = fingerprint.to_string().to_ascii_uppercase();
    let digits = text.rsplit(':').next().unwrap_or_default();
    let bytes: Vec<_> =
        digits.as_bytes().chunks(2).map(|byte| String::from_utf8_lossy(byte)).collect();
    bytes.join(":")
}

/// Writes the names of the new files, and the remaining work.
pub(super) fn adopted(
    out: &mut dyn Write,
    report: &AdoptReport<'_>,
    file: &Path,
    root: Option<&Path>,
) -> io::Result<()> {
    let AdoptReport { adopted, plan, written } = report;
    for path in *written {
        writeln!(out, "{GOOD}wrote{GOOD:#} {}", path.display())?;
    }
    let masters = count(adopted.cluster.masters.len(), "master");
    if adopted.is_refused() {
        return writeln!(
            out,
            "{NOTE}Adopted, with errors{NOTE:#}: {masters}; `kcm plan` refuses the flags until you correct them in {}, or accept the errors with `lint.allow`.",
            file.display()
        );
    }
    let left = match (adopted.has_errors(), adopted.loses_settings()) {
        (true, _) => Some("errors"),
        (false, true) => Some("differences"),
        (false, false) => None,
    };
    if plan.is_empty()
        && let Some(left) = left
    {
        return writeln!(
            out,
            "{NOTE}Adopted, with {left}{NOTE:#}: {masters}; `kcm plan` has nothing to do, and does not fix the {left} above."
        );
    }
    if plan.is_empty() {
        return writeln!(out, "{GOOD}Adopted{GOOD:#}: {masters}; `kcm plan` has nothing to do.");
    }
    writeln!(out, "{NOTE}Partly adopted{NOTE:#}: {masters}; `kcm plan` shows these changes:")?;
    writeln!(out)?;
    if adopted.loses_settings() {
        let advice = format!(
            "`kcm apply` would remove settings that the findings above name; first add them to {}, or make the masters equal.",
            file.display()
        );
        return human::plan_with_advice(out, plan, file, &advice);
    }
    human::plan(out, plan, file, root)
}
