//! The last filter before a terminal or a file.
//!
//! External text can neither control the terminal nor forge a line.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use super::style::is_ours;
use crate::util::words::{LONGEST_LINE, is_plain};

/// A writer that escapes control characters, except line ends, tabs and kcm's own styles.
///
/// One `write!` writes at most one line, because a line break before its end is escaped too.
/// External text can therefore neither begin a line nor style one. Text that is written as bytes
/// keeps its line breaks and gets no style.
pub(super) struct Terminal<W>(pub(super) W);

impl<W: Write> Write for Terminal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(harmless(bytes).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> io::Result<()> {
        let mut line = Line::default();
        line.write_fmt(arguments).map_err(|_| io::Error::other("cannot format a value"))?;
        self.0.write_all(line.end().as_bytes())
    }
}

/// The text of one `write!`, assembled from formatted pieces: literals, values and styles.
#[derive(Default)]
struct Line {
    text: String,
    /// True if the last piece ended with a line break.
    has_ended: bool,
}

impl Line {
    fn end(mut self) -> String {
        if self.has_ended {
            self.text.push('\n');
        }
        self.text
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if piece.is_empty() {
            return Ok(());
        }
        // Another piece follows, so the line break was not at the end.
        if std::mem::take(&mut self.has_ended) {
            spell(&mut self.text, '\n');
        }
        if is_ours(piece) {
            self.text.push_str(piece);
            return Ok(());
        }
        let words = piece.strip_suffix('\n');
        self.has_ended = words.is_some();
        for (place, character) in words.unwrap_or(piece).chars().enumerate() {
            if place == LONGEST_LINE {
                self.text.push('…');
                break;
            }
            if is_plain(character) || character == '\t' {
                self.text.push(character);
            } else {
                spell(&mut self.text, character);
            }
        }
        Ok(())
    }
}

fn spell(text: &mut String, character: char) {
    text.extend(character.escape_unicode());
}

/// Serialises a value. Characters that JSON permits and that control a terminal are escaped.
pub(super) fn json(value: &impl serde::Serialize, is_pretty: bool) -> io::Result<String> {
    let text =
        if is_pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    Ok(json_escaped(&text?))
}

/// Escapes the characters that JSON permits and that control a terminal.
///
/// The value stays the same, because they occur only in strings.
pub(super) fn json_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' || is_plain(character) {
            escaped.push(character);
        } else {
            // All such characters are in the Basic Multilingual Plane.
            escaped.extend(["\\u".to_owned(), format!("{:04x}", u32::from(character))]);
        }
    }
    escaped
}

fn harmless(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' | '\t' => shown.push(character),
                _ if is_plain(character) => shown.push(character),
                _ => spell(&mut shown, character),
            }
        }
        shown.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::super::human::BAD;
    use super::*;

    fn written(write: impl FnOnce(&mut dyn Write)) -> String {
        let mut terminal = Terminal(Vec::new());
        write(&mut terminal);
        String::from_utf8(terminal.0).unwrap()
    }

    #[test]
    fn only_our_own_styles_reach_a_terminal() {
        let hostile = "\x1b]0;x\x07\x1b[2J\u{9b}31m\u{202e}\r\u{8}\x1b[5m";
        let text = written(|out| writeln!(out, "{BAD}error{BAD:#}: {hostile}é").unwrap());
        assert_eq!(
            text,
            "\x1b[1m\x1b[31merror\x1b[0m: \\u{1b}]0;x\\u{7}\\u{1b}[2J\\u{9b}31m\\u{202e}\\u{d}\\u{8}\\u{1b}[5mé\n"
        );
        assert_eq!(written(|out| out.write_all(b"a\xff\tb\n").unwrap()), "a\\xff\tb\n");
        for style in ["\x1b[0m", "\x1b[1m", "\x1b[31m"] {
            let sent = style.to_owned();
            let text = written(|out| writeln!(out, "{sent}x").unwrap());
            assert_eq!(text, format!("\\u{{1b}}{}x\n", &style[1..]));
        }
    }

    #[test]
    fn words_from_elsewhere_begin_no_line() {
        let forged = "\ngone\nerror: m22: forged\n  indented\n";
        let text = written(|out| writeln!(out, "{forged}{forged}").unwrap());
        let spelled = forged.replace('\n', "\\u{a}");
        assert_eq!(text, format!("{spelled}{spelled}\n"));
        assert_eq!(written(|out| writeln!(out).unwrap()), "\n");
        assert_eq!(written(|out| write!(out, "").unwrap()), "");
    }

    #[test]
    fn a_document_holds_no_character_that_a_terminal_obeys() {
        let value = serde_json::json!({ "a\u{202e}": "\x1b[2J\u{9b}\u{2028}\u{7f}\nb" });
        let text = json(&value, true).unwrap();
        assert!(text.chars().all(|it| it == '\n' || is_plain(it)), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
