//! Classifies characters and bytes as systemd does.

use std::fmt::Write as _;

/// systemd's `WHITESPACE`: stripped around lines, keys and values, and separating words.
pub(crate) const WHITESPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Reports whether the byte is white space in systemd.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Removes leading white space.
pub(crate) fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_blank(byte)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

/// Removes trailing white space.
pub(crate) fn trim_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&byte| !is_blank(byte)).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}

/// Removes leading and trailing white space.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    trim_start(trim_end(text))
}

/// Reports whether a byte is literal at any position of a word in a command.
pub(crate) fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-./:=,@+*~^!?&|<>()[]{}#;`".contains(&byte)
}

/// Reports whether a character is allowed in a unit file.
///
/// A single noncharacter (U+FDD0 to U+FDEF, U+xxFFFE, U+xxFFFF) makes systemd reject the whole file
/// as not UTF-8 (`unichar_is_valid()` in `src/basic/utf8.c`). The Unicode standard allows these
/// characters in UTF-8.
pub(crate) fn is_unit_char(character: char) -> bool {
    let code = u32::from(character);
    !(0xFDD0..=0xFDEF).contains(&code) && code & 0xFFFE != 0xFFFE
}

/// Reports whether a character needs no escape inside double quotes.
pub(crate) fn is_clean_char(character: char) -> bool {
    !character.is_control() && is_unit_char(character)
}

/// Returns the first byte that systemd's `string_is_safe()` (`src/basic/string-util.c`) rejects, if
/// any.
pub(crate) fn unsafe_byte(bytes: &[u8]) -> Option<u8> {
    bytes.iter().copied().find(|byte| matches!(byte, 1..=0x1f | b'"' | b'\'' | b'\\' | 0x7f))
}

/// Decodes the bytes of a line as systemd does: `None` if it would reject the file.
pub(crate) fn decode(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| text.chars().all(is_unit_char))
}

/// Reports whether a text ends with an unescaped backslash, which would continue its line.
pub(crate) fn ends_with_backslash(bytes: &[u8]) -> bool {
    bytes.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// Appends each byte as `\xHH`.
pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a `String` cannot fail.
        let _ = write!(out, "\\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noncharacters_are_no_unit_text() {
        assert!(decode("é\u{fffd}\u{feff}".as_bytes()).is_some());
        for noncharacter in ["\u{fdd0}", "\u{fffe}", "\u{ffff}", "\u{10ffff}"] {
            assert_eq!(decode(noncharacter.as_bytes()), None);
        }
        assert_eq!(decode(b"\xff"), None);
    }

    #[test]
    fn only_an_unescaped_backslash_continues_a_line() {
        for (line, continues) in
            [("a\\", true), ("a\\\\", false), ("\\\\\\", true), ("a", false), ("", false)]
        {
            assert_eq!(ends_with_backslash(line.as_bytes()), continues, "{line}");
        }
    }
}
