//! Quoted scalars, and the folding of lines they share with plain ones.

use std::borrow::Cow;

use super::YamlError;
use super::cursor::Cursor;

const UNCLOSED: &str = "a quote that is not closed";

impl<'a> Cursor<'a> {
    /// Reads a scalar in double or single quotes.
    pub(super) fn quoted(&mut self) -> Result<Cow<'a, str>, YamlError> {
        let quote = self.peek().unwrap_or(b'"');
        self.advance(1);
        let rest = self.rest();
        // Text on one line without escapes is borrowed: this is the usual case, and leaves no copy of a secret.
        let end = rest
            .bytes()
            .position(|b| matches!(b, b'"' | b'\'' | b'\\' | b'\n' | b'\r' | 0xC2 | 0xE2));
        if let Some(end) = end
            && rest.as_bytes().get(end) == Some(&quote)
            && rest.as_bytes().get(end + 1) != Some(&b'\'')
        {
            self.advance(end + 1);
            return Ok(Cow::Borrowed(rest.get(..end).unwrap_or_default()));
        }
        let double = quote == b'"';
        let opened = self.here();
        let unclosed = YamlError::Syntax { at: opened, problem: UNCLOSED, mend: "close it" };
        let mut text = String::new();
        loop {
            if self.at_document_marker() {
                return Err(unclosed);
            }
            let mut escaped_break = false;
            while !self.is_blank_or_end_at(0) {
                let Some(char) = self.rest().chars().next() else { break };
                match char {
                    '\'' if !double && self.peek_at(1) == Some(b'\'') => {
                        text.push('\'');
                        self.advance(2);
                    }
                    '"' if double => {
                        self.advance(1);
                        return Ok(Cow::Owned(text));
                    }
                    '\'' if !double => {
                        self.advance(1);
                        return Ok(Cow::Owned(text));
                    }
                    '\\' if double && self.is_break_at(1) => {
                        self.advance(1);
                        self.take_break();
                        escaped_break = true;
                        break;
                    }
                    '\\' if double => text.push(self.escape()?),
                    char => {
                        text.push(char);
                        self.advance(char.len_utf8());
                    }
                }
            }
            if self.at_end() {
                return Err(unclosed);
            }
            let mut fold = Fold { leading: None, after_break: escaped_break, ..Fold::default() };
            fold.skip(self, true);
            fold.join(&mut text);
        }
    }

    /// Reads an escape sequence.
    fn escape(&mut self) -> Result<char, YamlError> {
        let unknown = YamlError::Syntax {
            at: self.here(),
            problem: "an unknown escape sequence",
            mend: "double the backslash, or use single quotes",
        };
        let Some(code) = self.peek_at(1) else {
            return Err(unknown);
        };
        let (char, length) = match code {
            b'0' => ('\0', 0),
            b'a' => ('\u{7}', 0),
            b'b' => ('\u{8}', 0),
            b't' | b'\t' => ('\t', 0),
            b'n' => ('\n', 0),
            b'v' => ('\u{B}', 0),
            b'f' => ('\u{C}', 0),
            b'r' => ('\r', 0),
            b'e' => ('\u{1B}', 0),
            b' ' | b'"' | b'\'' | b'\\' | b'/' => (char::from(code), 0),
            b'N' => ('\u{85}', 0),
            b'_' => ('\u{A0}', 0),
            b'L' => ('\u{2028}', 0),
            b'P' => ('\u{2029}', 0),
            b'x' => ('\0', 2),
            b'u' => ('\0', 4),
            b'U' => ('\0', 8),
            _ => return Err(unknown),
        };
        self.advance(2);
        if length == 0 {
            return Ok(char);
        }
        let first = self.hexadecimal(length);
        // JSON writes what lies beyond the basic plane as two escapes.
        let code = match first {
            Some(high @ 0xD800..=0xDBFF) if self.rest().starts_with("\\u") => {
                self.advance(2);
                match self.hexadecimal(4) {
                    Some(low @ 0xDC00..=0xDFFF) => {
                        Some(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))
                    }
                    _ => None,
                }
            }
            first => first,
        };
        code.and_then(char::from_u32).ok_or(unknown)
    }

    fn hexadecimal(&mut self, length: usize) -> Option<u32> {
        let digits = self
            .rest()
            .get(..length)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.advance(length);
        u32::from_str_radix(digits, 16).ok()
    }
}

/// Blanks and line breaks between two pieces of a scalar. One newline becomes a blank, more become one less.
#[derive(Debug, Default)]
pub(super) struct Fold {
    blanks: String,
    leading: Option<char>,
    after_break: bool,
    trailing: String,
}

impl Fold {
    /// Skips blanks and breaks. With `tabs`, tabs may indent the lines.
    pub(super) fn skip(&mut self, cursor: &mut Cursor<'_>, tabs: bool) {
        loop {
            match cursor.peek() {
                Some(b' ') => {
                    if !self.after_break {
                        self.blanks.push(' ');
                    }
                    cursor.advance(1);
                }
                Some(b'\t') if tabs || !self.after_break => {
                    if !self.after_break {
                        self.blanks.push('\t');
                    }
                    cursor.advance(1);
                }
                _ => match cursor.take_break() {
                    Some(char) if self.after_break => self.trailing.push(char),
                    Some(char) => {
                        self.leading = Some(char);
                        self.after_break = true;
                    }
                    None => return,
                },
            }
        }
    }

    pub(super) fn has_break(&self) -> bool {
        self.after_break
    }

    /// Appends what the blanks and breaks come to.
    pub(super) fn join(&self, text: &mut String) {
        match self.leading {
            _ if !self.after_break => text.push_str(&self.blanks),
            Some('\n') if self.trailing.is_empty() => text.push(' '),
            Some('\n') | None => text.push_str(&self.trailing),
            Some(other) => {
                text.push(other);
                text.push_str(&self.trailing);
            }
        }
    }
}
