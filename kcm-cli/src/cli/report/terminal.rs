//! The last place that words pass before a terminal or a file: nothing in them can drive the one or forge a line of the
//! other.

use std::fmt;
use std::io::{self, Write};

use crate::util::words::is_plain;

/// The styles that reports use, as `anstyle` writes them.
const STYLES: [&str; 8] =
    ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[35m", "\x1b[36m"];

/// Writes text. Whatever a terminal would obey, but for line ends, tabs and [`STYLES`], is spelled out. In what one `write!`
/// formats, further lines are indented: words from elsewhere with a line break in them begin no line of ours.
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
        self.write_all(indented(&arguments.to_string()).as_bytes())
    }
}

/// Serialises a value. All that JSON itself lets stand and a terminal obeys is escaped.
pub(super) fn json(value: &impl serde::Serialize, is_pretty: bool) -> io::Result<String> {
    let text =
        if is_pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    Ok(json_escaped(&text?))
}

/// JSON without the characters that it lets stand and a terminal obeys, and with the same meaning: they are in strings.
pub(super) fn json_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' || is_plain(character) {
            escaped.push(character);
        } else {
            // All of them are in the first plane of Unicode.
            escaped.extend(["\\u".to_owned(), format!("{:04x}", u32::from(character))]);
        }
    }
    escaped
}

fn indented(text: &str) -> String {
    let body = text.trim_matches('\n');
    let Some((before, after)) = text.split_once(body).filter(|_| !body.is_empty()) else {
        return text.to_owned();
    };
    let mut lines = body.split('\n');
    let mut shown = before.to_owned() + lines.next().unwrap_or_default();
    for line in lines {
        shown += if line.starts_with("  ") { "\n" } else { "\n    " };
        shown += line;
    }
    shown + after
}

fn harmless(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(character) = rest.chars().next() {
            let style = STYLES.iter().find(|style| rest.starts_with(**style));
            let length = style.map_or(character.len_utf8(), |style| style.len());
            let (first, after) = rest.split_at(length);
            match character {
                _ if style.is_some() || is_plain(character) => shown.push_str(first),
                '\n' | '\t' => shown.push(character),
                _ => shown.extend(character.escape_unicode()),
            }
            rest = after;
        }
        shown.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut dyn Write)) -> String {
        let mut terminal = Terminal(Vec::new());
        write(&mut terminal);
        String::from_utf8(terminal.0).unwrap()
    }

    #[test]
    fn only_our_own_styles_reach_a_terminal() {
        let hostile = "\x1b]0;x\x07\x1b[2J\u{9b}31m\u{202e}\r\u{8}\x1b[5m";
        let text = written(|out| writeln!(out, "\x1b[1m\x1b[31merror\x1b[0m: {hostile}é").unwrap());
        assert_eq!(
            text,
            "\x1b[1m\x1b[31merror\x1b[0m: \\u{1b}]0;x\\u{7}\\u{1b}[2J\\u{9b}31m\\u{202e}\\u{d}\\u{8}\\u{1b}[5mé\n"
        );
        assert_eq!(written(|out| out.write_all(b"a\xff\tb\n").unwrap()), "a\\xff\tb\n");
    }

    #[test]
    fn words_from_elsewhere_begin_no_line() {
        let forged = "gone\nerror: m22: forged\n  indented\n";
        let text = written(|out| writeln!(out, "\nm21: {forged}").unwrap());
        assert_eq!(text, "\nm21: gone\n    error: m22: forged\n  indented\n\n");
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
