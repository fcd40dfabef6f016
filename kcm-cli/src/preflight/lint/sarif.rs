//! The lint report in [SARIF 2.1.0], for code scanning.
//!
//! [SARIF 2.1.0]: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use kcm_systemd::LintCode;
use serde_json::{Value, json};

use super::{LintFinding, LintReport, Severity};
use crate::finding::lint_code::{description, is_of_benchmark};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Builds the SARIF document. The same report gives the same document.
pub(super) fn document(report: &LintReport) -> Value {
    let codes: BTreeSet<_> = report.findings.iter().map(|finding| finding.code).collect();
    let codes: Vec<_> = codes.into_iter().collect();
    let results = report.findings.iter().map(|finding| result(report, finding, &codes));
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "kcm",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|code| rule(code)).collect::<Vec<_>>(),
            }},
            // The YAML parser counts columns in characters.
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn rule(code: &str) -> Value {
    let severity = match code.parse::<LintCode>() {
        Ok(code) => code.severity(),
        Err(()) if is_of_benchmark(code) => Severity::Benchmark,
        Err(()) => Severity::Warning,
    };
    json!({
        "id": code,
        "shortDescription": { "text": description(code) },
        "defaultConfiguration": { "level": level(severity) },
    })
}

fn result(report: &LintReport, finding: &LintFinding, codes: &[&str]) -> Value {
    let LintFinding { code, severity, key, line, column, problem, help, .. } = finding;
    let text = if help.is_empty() { problem.clone() } else { format!("{problem}; {help}") };
    let key = Some(key).filter(|key| !key.is_empty());
    let logical = key.map(|key| json!({ "fullyQualifiedName": key, "kind": "member" }));
    let accepted = finding
        .accepted
        .as_ref()
        .map(|reason| json!({ "kind": "external", "status": "accepted", "justification": reason }));
    json!({
        "ruleId": code,
        "ruleIndex": codes.iter().position(|it| it == code).unwrap_or_default(),
        "level": level(*severity),
        "message": { "text": text },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri(&report.file) },
                "region": { "startLine": line, "startColumn": column },
            },
            "logicalLocations": Vec::from_iter(logical),
        }],
        "suppressions": Vec::from_iter(accepted),
        "properties": { "masters": finding.masters, "versions": finding.versions },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Benchmark => "note",
    }
}

/// Writes a path as a URI reference (RFC 3986): relative, or with the scheme `file`.
fn uri(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = String::from(if path.is_absolute() { "file://" } else { "" });
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(*byte));
            }
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_uri() {
        for (path, expected) in [
            ("kcm.yaml", "kcm.yaml"),
            ("../sites/a b.yaml", "../sites/a%20b.yaml"),
            ("/etc/kcm/é#1.yaml", "file:///etc/kcm/%C3%A9%231.yaml"),
        ] {
            assert_eq!(uri(Path::new(path)), expected);
        }
    }
}
