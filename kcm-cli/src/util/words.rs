//! Texts of errors, commands, times and sizes for messages.

use std::error::Error;

use kcm_systemd::UnitName;
use time::{OffsetDateTime, UtcOffset};

/// Returns an error and all its causes in one line.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Returns the root cause of an error in one line, for errors whose text repeats their causes.
pub(crate) fn at_bottom(error: &(dyn Error + 'static)) -> String {
    let mut bottom = error;
    while let Some(cause) = bottom.source() {
        bottom = cause;
    }
    in_one_line(&bottom.to_string())
}

/// Returns an external text without its line breaks.
pub(crate) fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// True if a character is safe to show.
///
/// It does not control a terminal, break a line, change the writing direction (Unicode
/// `Bidi_Control`), or hide.
pub(crate) fn is_plain(character: char) -> bool {
    let drives = character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
    !drives
}

/// Maximum length of an external text in one line, in characters.
pub(crate) const LONGEST_LINE: usize = 4096;

/// Returns an external text as one line of bounded length, with unsafe characters escaped.
pub(crate) fn harmless(text: &str) -> String {
    let mut shown = String::new();
    for (place, character) in text.chars().enumerate() {
        match character {
            _ if place == LONGEST_LINE => {
                shown.push('…');
                break;
            }
            _ if is_plain(character) => shown.push(character),
            _ => shown.extend(character.escape_unicode()),
        }
    }
    shown
}

/// Returns a command for the operator to run, with each word quoted for a shell.
///
/// It runs with the operator's rights. Its words must come from kcm or the operator, never from a
/// master or a server.
pub(crate) fn command<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    // Neither paths nor names contain a NUL.
    shlex::try_join(words).unwrap_or_default()
}

/// Returns the command that shows the journal of a unit.
pub(crate) fn journal_of(unit: &UnitName) -> String {
    command(["journalctl", "-u", unit.as_str()])
}

/// Formats a number with a regular English noun.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Formats a time to the second.
pub(crate) fn moment(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    let (hour, minute, second) = time.to_hms();
    format!("{} {hour:02}:{minute:02}:{second:02} UTC", time.date())
}

/// Formats a number of bytes.
pub(crate) fn size(bytes: u64) -> String {
    const MEBIBYTE: u64 = 1 << 20;
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..MEBIBYTE => format!("{} KiB", bytes.div_ceil(1024)),
        _ => {
            let tenths = bytes.saturating_mul(10).div_ceil(MEBIBYTE);
            format!("{}.{} MiB", tenths / 10, tenths % 10)
        }
    }
}

/// Returns the value at a JSON pointer (RFC 6901), or null.
pub(crate) fn at<'v>(value: &'v serde_json::Value, pointer: &str) -> &'v serde_json::Value {
    value.pointer(pointer).unwrap_or(&serde_json::Value::Null)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Returns the texts between backquotes in the lines of a source file, without comments.
    fn quoted(source: &str) -> impl Iterator<Item = &str> {
        let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.flat_map(|line| {
            let parts: Vec<_> = line.split('`').collect();
            parts.into_iter().skip(1).step_by(2)
        })
    }

    fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }

    /// A command in a text is either `{…}` alone, from [`command`], or has no placeholder.
    #[test]
    fn every_command_in_a_text_is_made_by_one_function() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut all = Vec::new();
        for package in ["kcm-cli", "kcm-kubeconfig", "kcm-pki", "kcm-systemd"] {
            sources(&workspace.join(package).join("src"), &mut all);
        }
        assert!(all.len() > 200, "{}", all.len());
        let (mut seen, mut composed) = (0, Vec::new());
        for (path, source) in &all {
            for text in quoted(source) {
                seen += 1;
                let program = text.split(' ').next().unwrap_or_default();
                let is_program = program.starts_with(|first: char| first.is_ascii_lowercase())
                    && program.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
                if is_program && text.contains(' ') && text.contains('{') {
                    composed.push(format!("{path}: {text}"));
                }
            }
        }
        assert!(seen > 300, "{seen}");
        assert!(composed.is_empty(), "{composed:#?}");
    }

    #[test]
    fn a_command_keeps_its_words_apart() {
        assert_eq!(command(["chmod", "600", "/a b/$(id)`id`"]), "chmod 600 '/a b/$(id)`id`'");
    }
}
