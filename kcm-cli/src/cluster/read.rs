//! Deserialisation of the YAML text, with errors that give the position and a suggestion.

use std::path::Path;

use serde::de::IgnoredAny;

use super::LONGEST_FILE;
use super::error::ClusterFileError;
use super::file::ClusterFile;
use super::locate::Places;
use super::unbuilt;
use crate::util::nearest::nearest;

/// Maximum number of open brackets, far above any valid file. The parser's time is quadratic in it.
const MOST_BRACKETS: usize = 100;

pub(super) fn read(text: &str, origin: &Path) -> Result<ClusterFile, ClusterFileError> {
    check_form(text)
        .map_err(|(place, problem)| ClusterFileError::new(origin, place, "", problem))?;
    // Syntax errors come first. Half a document, or the first of two, would lack keys for another
    // reason.
    serde_yaml::from_str(text)
        .and_then(|IgnoredAny| serde_yaml::from_str(text))
        .map_err(|error| explain(&error, text, origin))
}

type Place = Option<(usize, usize)>;

/// Finds problems that the parser handles slowly or reports badly.
fn check_form(text: &str) -> Result<(), (Place, String)> {
    if text.len() as u64 > LONGEST_FILE {
        return Err((
            None,
            "the file is larger than 1 MiB; check the path of the cluster file".to_owned(),
        ));
    }
    if let Some((place, control)) = control_character(text) {
        let problem =
            format!("the control character U+{:04X} is not allowed; remove it", u32::from(control));
        return Err((Some(place), problem));
    }
    if open_brackets(text) > MOST_BRACKETS {
        let problem = format!(
            "brackets are nested more than {MOST_BRACKETS} levels deep; check the path of the cluster file"
        );
        return Err((None, problem));
    }
    if text.lines().all(|line| matches!(line.trim_start().chars().next(), None | Some('#'))) {
        return Err((
            None,
            "the file is empty; create a cluster file with `kcm init -f FILE`".to_owned(),
        ));
    }
    Ok(())
}

fn control_character(text: &str) -> Option<((usize, usize), char)> {
    let is_wrong = |c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\u{85}');
    (1..).zip(text.lines()).find_map(|(line, text)| {
        let (column, control) = (1..).zip(text.chars()).find(|(_, c)| is_wrong(*c))?;
        Some(((line, column), control))
    })
}

/// Returns the maximum number of open brackets, including those in quotes and comments.
fn open_brackets(text: &str) -> usize {
    let open = text.bytes().scan(0_usize, |open, byte| {
        *open = match byte {
            b'[' | b'{' => open.saturating_add(1),
            b']' | b'}' => open.saturating_sub(1),
            _ => *open,
        };
        Some(*open)
    });
    open.max().unwrap_or(0)
}

fn explain(error: &serde_yaml::Error, text: &str, origin: &Path) -> ClusterFileError {
    let place = error.location().map(|at| (at.line(), at.column()));
    let said = match place {
        Some((line, column)) => {
            error.to_string().replacen(&format!(" at line {line} column {column}"), "", 1)
        }
        None => error.to_string(),
    };
    let (field, problem) = split_field(&said);
    let below =
        |key: &str| if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") };
    if let Some((key, rest)) = named(problem, "unknown field `") {
        return ClusterFileError::new(origin, place, &below(key), unknown_key(key, rest));
    }
    if let Some((key, _)) = named(problem, "duplicate field `") {
        let first = Places::of(text).get(&below(key));
        let problem = "duplicate key, first set at this position; keep one of them";
        return ClusterFileError::new(origin, first.or(place), &below(key), problem);
    }
    if let Some((key, _)) = named(problem, "missing field `") {
        let parent = if field.is_empty() { "the file" } else { field };
        return ClusterFileError::new(
            origin,
            place,
            "",
            format!("`{key}` is missing in {parent}; add the key"),
        );
    }
    if field.ends_with("sudoPassword") && problem.starts_with("invalid type: ") {
        // The value may be the password itself.
        let problem =
            "the cluster file must not contain a password; write {file: PATH} or {env: NAME}";
        return ClusterFileError::new(origin, place, field, problem);
    }
    let problem =
        wrong_type(problem).or_else(|| wrong_yaml(problem)).unwrap_or_else(|| problem.to_owned());
    ClusterFileError::new(origin, place, field, problem)
}

/// Splits `masters[1].name: what is wrong` into field and problem.
fn split_field(text: &str) -> (&str, &str) {
    match text.split_once(": ") {
        Some((field, problem))
            if field.chars().all(|c| c.is_ascii_alphanumeric() || "_.[]-".contains(c)) =>
        {
            (field, problem)
        }
        _ => ("", text),
    }
}

/// Returns the key that serde names after `words`, and the rest of its message.
fn named<'a>(problem: &'a str, words: &str) -> Option<(&'a str, &'a str)> {
    problem.strip_prefix(words)?.split_once('`')
}

fn unknown_key(key: &str, expected: &str) -> String {
    let known: Vec<_> = expected.split('`').skip(1).step_by(2).collect();
    match (unbuilt::feature(key), nearest(key, known.iter().copied())) {
        (Some(feature), _) => {
            format!("not implemented in this version of kcm ({feature}); remove the key")
        }
        (None, Some(near)) => format!("unknown key; did you mean `{near}`?"),
        (None, None) => format!("unknown key; use one of: {}", known.join(", ")),
    }
}

/// Translates serde's message about a wrong type for readers who know YAML but not Rust.
fn wrong_type(problem: &str) -> Option<String> {
    let words = problem
        .strip_prefix("invalid type: ")
        .or_else(|| problem.strip_prefix("invalid value: "))?;
    let (found, expected) = words.rsplit_once(", expected ")?;
    let found = match found.split_once(' ') {
        _ if found == "unit value" => "no value".to_owned(),
        _ if found == "sequence" => "a list".to_owned(),
        _ if found == "map" => "a section".to_owned(),
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "floating", number)) => {
            format!("the number {}", number.trim_start_matches("point ").trim_matches('`'))
        }
        _ => found.to_owned(),
    };
    let expected = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "a boolean" => "true or false",
        "a sequence" => "a list, each entry after a `-`",
        other if other.starts_with("struct ") => "a section of `key: value` lines",
        other => other,
    };
    Some(format!("found {found}; write {expected}"))
}

/// Returns the YAML parser's message with a fix.
fn wrong_yaml(problem: &str) -> Option<String> {
    const HELPS: &[(&str, &str)] = &[
        (
            "found character that cannot start any token",
            "indent with spaces, not tabs, and quote a value that starts with @, % or a backquote",
        ),
        ("could not find expected ':'", "add a colon, or quote the text"),
        (
            "mapping values are not allowed",
            "indent the line like the line above, or quote a value that contains a colon",
        ),
        (
            "did not find expected key",
            "indent the line like the lines around it, or quote the value",
        ),
        ("did not find expected '-' indicator", "indent the line like the lines around it"),
        ("did not find expected", "close the bracket or the quote, or add a comma"),
        ("found unexpected end of stream", "close the quote"),
        ("unknown anchor", "quote a value that starts with `*`"),
    ];
    if problem.starts_with("deserializing from YAML containing more than one document") {
        return Some(
            "the file contains more than one YAML document; keep one document, without `---` after it"
                .to_owned(),
        );
    }
    let (_, help) = HELPS.iter().find(|(words, _)| problem.starts_with(words))?;
    Some(format!("{problem}; {help}"))
}
