//! Errors in words.

use std::error::Error;

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
const LONGEST_LINE: usize = 4096;

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
