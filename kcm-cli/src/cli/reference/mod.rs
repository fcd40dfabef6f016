//! The reference pages of `docs/en/reference`, generated from the definitions in the code.
//!
//! The test fails if a page is stale. `KCM_UPDATE_DOCS=1 cargo test -p kcm-cli --lib reference`
//! rewrites the pages.

mod codes;
mod commands;
mod documents;
mod markdown;
mod metrics;
mod schema;

use std::fs;
use std::path::{Path, PathBuf};

/// The second line of a page that is generated as a whole.
const NOTE: &str = "<!-- Generated from the code; see docs/README.md. -->";

/// Returns the path of a page in English.
fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/en").join(name)
}

/// Returns a page with its generated parts replaced. Each is between two comments with its name.
fn with_parts(name: &str, parts: &[(&str, String)]) -> String {
    let mut text = fs::read_to_string(page(name)).unwrap();
    for (part, content) in parts {
        let (open, close) = (format!("<!-- generated: {part} -->\n"), "<!-- end -->\n");
        let (before, rest) = text.split_once(&open).unwrap_or_else(|| panic!("{name}: no {open}"));
        let (_, after) = rest.split_once(close).unwrap();
        text = format!("{before}{open}\n{content}\n{close}{after}");
    }
    text
}

/// Fails if a page differs from its generated text. Rewrites it instead on request.
fn assert_current(name: &str, text: &str) {
    let path = page(name);
    if std::env::var_os("KCM_UPDATE_DOCS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(text.lines()).position(|(found, wanted)| found != wanted);
    assert!(
        found == text,
        "docs/en/{name} is stale from line {:?}; run `KCM_UPDATE_DOCS=1 cargo test -p kcm-cli --lib reference`",
        differs.map(|place| place + 1)
    );
}

#[test]
fn the_reference_of_commands_is_current() {
    assert_current("reference/commands.md", &commands::page());
}

#[test]
fn the_reference_of_the_cluster_file_is_current() {
    assert_current("reference/cluster-file.md", &schema::cluster_file());
}

#[test]
fn the_reference_of_documents_is_current() {
    assert_current("reference/documents.md", &documents::page());
}

#[test]
fn the_table_of_finding_codes_is_current() {
    let findings = fs::read_to_string(page("findings.md")).unwrap();
    assert_current("reference/finding-codes.md", &codes::page(&findings));
}

#[test]
fn the_tables_of_metrics_are_current() {
    assert_current("reference/metrics.md", &with_parts("reference/metrics.md", &metrics::tables()));
}
