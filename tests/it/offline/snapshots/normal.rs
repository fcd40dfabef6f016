//! Normalisation of values that differ between two runs: paths, times, sizes, and digests of random
//! keys.

use std::path::Path;
use std::sync::LazyLock;

use kcm_tests::kcm;
use regex::{Captures, Regex};

/// Patterns of such values, with their replacement in a snapshot.
const DIFFERENT: &[(&str, &str)] = &[
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "<time>"),
    // The replacement is as wide as a date, so that tables stay aligned.
    (r"\b2[01]\d\d-\d\d-\d\d\b", "YYYY-MM-DD"),
    (r"_timestamp_seconds(\{[^}]*\})? \d+", "_timestamp_seconds$1 <seconds>"),
    (r"serial: [0-9a-f]+", "serial: <serial>"),
    // The length of a certificate depends on its signature and serial number.
    (r#""size": \d+"#, r#""size": <size>"#),
    (r#""clockOffsetMilliseconds": -?\d+"#, r#""clockOffsetMilliseconds": <offset>"#),
];

/// Returns the output of runs in `workspace` without values that differ between runs. Equal digests get
/// the same number.
pub(super) fn normal(text: &str, workspace: Option<&Path>) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        DIFFERENT.iter().map(|(pattern, put)| (Regex::new(pattern).unwrap(), *put)).collect()
    });
    static DIGEST: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b([0-9a-f]{64}|([0-9A-F]{2}:){31}[0-9A-F]{2})\b").unwrap());
    let mut text = text.replace(&*kcm().to_string_lossy(), "<kcm>");
    if let Some(workspace) = workspace {
        text = text.replace(&*workspace.to_string_lossy(), "<workspace>");
    }
    let mut seen = Vec::new();
    let mut text = DIGEST
        .replace_all(&text, |found: &Captures<'_>| {
            let digest = found[0].replace(':', "").to_lowercase();
            let number = seen.iter().position(|it| *it == digest).unwrap_or_else(|| {
                seen.push(digest);
                seen.len() - 1
            });
            format!("<digest {}>", number + 1)
        })
        .into_owned();
    for (pattern, put) in &*PATTERNS {
        text = pattern.replace_all(&text, *put).into_owned();
    }
    text
}

/// Sorts the progress lines of concurrent masters by master.
pub(super) fn in_order(progress: &str) -> String {
    static MASTER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^k8s-master-\d\d: ").unwrap());
    let mut lines: Vec<_> = progress.split_inclusive('\n').collect();
    let same =
        |a: &&str, b: &&str| MASTER.is_match(a) && MASTER.replace(a, "") == MASTER.replace(b, "");
    lines.chunk_by_mut(same).for_each(<[_]>::sort_unstable);
    lines.concat()
}
