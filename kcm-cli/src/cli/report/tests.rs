//! Tests that external text in a report neither controls a terminal nor forges a line.

mod local;
mod progress;
mod schemas;
mod values;

use proptest::prelude::*;
use serde_json::Value;

use super::style::Style;
use crate::error::ErrorDocument;
use crate::util::words::is_plain;

/// A report with one word in all its texts.
struct Shown {
    name: &'static str,
    human: String,
    /// The JSON documents of the report, each with its value.
    json: Vec<(String, Option<Value>)>,
    /// The document of the report, with its version and kind.
    document: Option<Value>,
    /// True if each further line of a text is indented.
    has_details: bool,
}

/// A line that an attacker wants to forge.
const FORGED: &str = "k8s-master-02  done";
/// Sequences that control a terminal, break a line or hide text.
const HOSTILE: [&str; 24] = [
    "\0",
    "\u{7}",
    "\u{8}",
    "\u{b}",
    "\u{c}",
    "\r",
    "\n",
    "\r\n",
    "\n\n",
    "\u{1b}[2J",
    "\u{1b}[0m",
    "\u{1b}[31m",
    "\u{1b}[1m\u{1b}[31m",
    "\u{1b}]0;title\u{7}",
    "\u{7f}",
    "\u{85}",
    "\u{9b}31m",
    "\u{61c}",
    "\u{200f}",
    "\u{2028}",
    "\u{2029}",
    "\u{202e}",
    "\u{2067}",
    "\u{feff}",
];

/// Returns the faults of a report with a hostile word, compared with a report with a harmless one.
fn faults(shown: &Shown, harmless: &Shown) -> Vec<String> {
    let mut found = Vec::new();
    let (text, styles) = without_styles(&shown.human);
    if let Some(bad) = text.chars().find(|it| *it != '\n' && !is_plain(*it)) {
        found.push(format!("{bad:?} reaches the terminal"));
    }
    if harmless.human.contains("\\u{") {
        found.push("a literal of kcm is escaped".to_owned());
    }
    if styles != without_styles(&harmless.human).1 {
        found.push("a foreign style".to_owned());
    }
    // Details and diffs are indented.
    let is_forged = |line: &&str| {
        line.trim_start_matches(['+', '-']).starts_with(FORGED) && !line.starts_with("    ")
    };
    found.extend(text.lines().find(is_forged).map(|line| format!("a forged line: {line}")));
    let (lines, usual) = (text.lines().count(), harmless.human.lines().count());
    if lines != usual && !shown.has_details {
        found.push(format!("{lines} lines instead of {usual}"));
    }
    for (document, value) in &shown.json {
        if !document.chars().all(|it| it == '\n' || is_plain(it)) {
            found.push("a control character in JSON".to_owned());
        }
        match serde_json::from_str::<Value>(document) {
            Ok(read) if value.as_ref().is_none_or(|value| *value == read) => {}
            Ok(_) => found.push("JSON says something else".to_owned()),
            Err(error) => found.push(format!("no JSON: {error}")),
        }
    }
    found.into_iter().map(|fault| format!("{}: {fault}: {text:.2000?}", shown.name)).collect()
}

/// Returns the text without kcm's styles, and the number of styles.
fn without_styles(text: &str) -> (String, usize) {
    let (mut plain, mut count) = (text.to_owned(), 0);
    for style in [Style::Good, Style::Bad, Style::Note, Style::Name, Style::Gone] {
        for sequence in [style.to_string(), format!("{style:#}")] {
            count += plain.matches(&sequence).count();
            plain = plain.replace(&sequence, "");
        }
    }
    (plain, count)
}

fn all_faults(word: &str) -> Vec<String> {
    // A copy, because external text is never one of kcm's static strings.
    let word = word.to_owned();
    let (hostile, harmless) = (values::shown(&word), values::shown("harmless"));
    hostile
        .iter()
        .zip(&harmless)
        .flat_map(|(hostile, harmless)| faults(hostile, harmless))
        .collect()
}

/// Checks errors with every hostile word. `errors` returns their text and document for a word.
pub(crate) fn assert_errors_are_harmless(errors: impl Fn(&str) -> Vec<(String, ErrorDocument)>) {
    let shown = |word: &str| -> Vec<Shown> {
        let shown = |(message, document): &(String, ErrorDocument)| {
            values::of("error", document, |out| {
                super::human::diagnostic(out, crate::finding::Severity::Error, message)
            })
        };
        errors(word).iter().map(shown).collect()
    };
    let harmless = shown("harmless");
    for word in HOSTILE {
        for word in [word.to_owned(), format!("{word}{FORGED}{word}")] {
            let pairs = shown(&word).into_iter().zip(&harmless);
            let faults: Vec<_> =
                pairs.flat_map(|(shown, harmless)| faults(&shown, harmless)).collect();
            assert!(faults.is_empty(), "{word:?}: {}", faults.join("\n"));
        }
    }
}

/// Returns the metrics of sample reports: of the status and of the certificates.
pub(crate) fn metrics() -> [String; 2] {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kcm.prom");
    super::status_metrics(&values::status("word"), &file).unwrap();
    let status = std::fs::read_to_string(&file).unwrap();
    super::certificate_metrics(&values::check("word"), &file).unwrap();
    [status, std::fs::read_to_string(&file).unwrap()]
}

/// A word of hostile and plain pieces. Its first character begins no line of kcm.
fn words() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(&HOSTILE[..]).prop_map(str::to_owned),
        1 => Just(FORGED.to_owned()),
        1 => Just(format!("\n{FORGED}\n")),
        1 => any::<char>().prop_filter("a tab only shows itself", |it| *it != '\t').prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| format!("x{}", pieces.concat()))
}

#[test]
fn each_hostile_word_alone_is_harmless_in_every_report() {
    for word in HOSTILE {
        let faults = all_faults(word);
        assert!(faults.is_empty(), "{word:?}: {}", faults.join("\n"));
        let faults = all_faults(&format!("{word}{FORGED}{word}"));
        assert!(faults.is_empty(), "{word:?}: {}", faults.join("\n"));
    }
}

#[test]
fn a_word_longer_than_any_column_is_cut_in_every_report() {
    let word = format!("{}\n{FORGED}", "\u{202e}x".repeat(1 << 15));
    let faults = all_faults(&word);
    assert!(faults.is_empty(), "{faults:.1000?}");
    // A journal message has a separate limit.
    for shown in values::shown(&word).iter().filter(|shown| shown.name != "logs") {
        let longest = shown.human.lines().map(|line| line.chars().count()).max();
        assert!(longest < Some(1 << 18), "{}: {longest:?}", shown.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_word_from_elsewhere_drives_a_terminal_or_forges_a_line(word in words()) {
        let faults = all_faults(&word);
        prop_assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
