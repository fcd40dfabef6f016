//! The table of finding codes.

use std::collections::BTreeMap;

use kcm_systemd::LintCode;

use super::NOTE;
use super::markdown::{line, table};
use crate::cli::args::DocumentKind;
use crate::cli::schema::schema;
use crate::finding::lint_code;

/// Returns the page. Causes, fixes and the exceptions from a severity are in the page `findings`.
pub(super) fn page(findings: &str) -> String {
    let documented = severities(findings);
    let mut meanings = of_masters();
    let own = lint_code::OWN.iter().map(|(code, _)| *code);
    for code in LintCode::ALL.iter().map(|code| code.as_str()).chain(own) {
        // A code of both kinds has one meaning.
        let description = lint_code::description(code);
        meanings.entry(code.to_owned()).or_insert_with(|| description.to_owned());
    }
    let undocumented: Vec<_> = meanings.keys().filter(|it| !documented.contains_key(*it)).collect();
    let unknown: Vec<_> = documented.keys().filter(|it| !meanings.contains_key(*it)).collect();
    assert!(undocumented.is_empty(), "findings.md does not have {undocumented:?}");
    assert!(unknown.is_empty(), "findings.md has codes that no finding has: {unknown:?}");
    for code in LintCode::ALL {
        let severity = serde_json::to_value(code.severity()).unwrap();
        let documented = &documented[code.as_str()];
        let is_documented = documented.contains(severity.as_str().unwrap());
        assert!(is_documented, "{code} is {severity}, not {documented}");
    }
    let rows: Vec<_> = meanings
        .iter()
        .map(|(code, meaning)| {
            let link = format!("[`{code}`](../findings.md#{})", code.replace('.', ""));
            [link, line(&documented[code]), line(meaning)]
        })
        .collect();
    format!(
        "# Table of finding codes\n{NOTE}\n\nEach code leads to its cause and its fix.\n\n{}",
        table(["Code", "Severity", "Meaning"], &rows)
    )
}

/// Returns the codes of findings about masters, with their meanings.
fn of_masters() -> BTreeMap<String, String> {
    let schema = schema(DocumentKind::Status);
    let codes = schema["$defs"]["FindingCode"]["oneOf"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    codes.map(|it| (text(&it["const"]), text(&it["description"]))).collect()
}

/// Returns the codes of the page `findings`, with their severities.
fn severities(findings: &str) -> BTreeMap<String, String> {
    let sections = findings.split("\n### `").skip(1).map(|section| {
        let (code, text) = section.split_once('`').unwrap();
        let (_, severity) = text.split_once("- **Severity:** ").unwrap_or_else(|| panic!("{code}"));
        let severity = severity.split("\n- ").next().unwrap();
        (code.to_owned(), severity.trim().to_owned())
    });
    sections.collect()
}
