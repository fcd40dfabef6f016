//! Errors in words.

use std::error::Error;

use kcm_systemd::UnitName;
use time::{OffsetDateTime, UtcOffset};

/// An error and all its causes in one line.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What lies at the bottom of an error, for those whose own words repeat their causes; in one line.
pub(crate) fn at_bottom(error: &(dyn Error + 'static)) -> String {
    let mut bottom = error;
    while let Some(cause) = bottom.source() {
        bottom = cause;
    }
    in_one_line(&bottom.to_string())
}

/// A text from elsewhere without its line breaks.
pub(crate) fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Tells whether a character only shows itself: it neither drives a terminal nor breaks a line nor turns the direction of
/// writing (Unicode `Bidi_Control`) nor hides.
pub(crate) fn is_plain(character: char) -> bool {
    let drives = character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
    !drives
}

/// The most of a text from elsewhere that one line shows, in characters.
pub(crate) const LONGEST_LINE: usize = 4096;

/// A text from elsewhere in one line of bounded length: whatever is not plain, line breaks included, is spelled out.
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

/// A command for somebody to run, each word quoted for a shell. It runs with rights that a master or a server must not get: its
/// words are kcm's own and the operator's, and none comes from elsewhere.
pub(crate) fn command<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    // A NUL is in no path and no name.
    shlex::try_join(words).unwrap_or_default()
}

/// The command that shows what a unit has said.
pub(crate) fn journal_of(unit: &UnitName) -> String {
    command(["journalctl", "-u", unit.as_str()])
}

/// A moment for people, to the second.
pub(crate) fn moment(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    let (hour, minute, second) = time.to_hms();
    format!("{} {hour:02}:{minute:02}:{second:02} UTC", time.date())
}

/// A number of bytes for people.
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

/// What is at a JSON pointer (RFC 6901) of a value, or null.
pub(crate) fn at<'v>(value: &'v serde_json::Value, pointer: &str) -> &'v serde_json::Value {
    value.pointer(pointer).unwrap_or(&serde_json::Value::Null)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The texts between backquotes of a source file's lines, where an odd number of backquotes leaves the rest out.
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

    /// A command in a text is `{…}` alone, made by [`command`], or has no part that is filled in.
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
