//! Scalars without quotes.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::quoted::Fold;
use super::{Scalar, YamlError};

impl<'a> Cursor<'a> {
    /// Refuses what cannot begin a plain scalar, by its name.
    pub(super) fn check_plain_start(&self, in_flow: bool) -> Result<(), YamlError> {
        let blank_follows = self.is_blank_or_end_at(1);
        match self.peek() {
            Some(b'&') => self.unsupported(
                "an anchor (`&name`)",
                "remove it, and write the value out where it is used",
            ),
            Some(b'*') => {
                self.unsupported("an alias (`*name`)", "write the value out, or put it in quotes")
            }
            Some(b'!') => {
                self.unsupported("a tag (`!type`)", "remove it, or put the value in quotes")
            }
            Some(b'\t') => self.syntax("a tab in the indentation", "indent with blanks"),
            Some(b'-') if !blank_follows => Ok(()),
            Some(b'?' | b':') if !blank_follows && !in_flow => Ok(()),
            Some(
                b'-' | b'?' | b':' | b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'|' | b'>' | b'%'
                | b'@' | b'`',
            ) => self
                .syntax("a character that cannot begin a plain value", "put the value in quotes"),
            _ => Ok(()),
        }
    }

    /// Reads a key if one stands here: text on one line before `:` and a blank.
    pub(super) fn plain_key(&mut self) -> Option<Scalar<'a>> {
        let place = self.place;
        let text = self.plain_line(false);
        self.skip_blanks();
        if self.peek() == Some(b':') && self.is_blank_or_end_at(1) {
            Some(Scalar { text: Cow::Borrowed(text), plain: true })
        } else {
            self.place = place;
            None
        }
    }

    /// Reads a plain value, which goes on over all lines that are indented more than `parent`.
    pub(super) fn plain(&mut self, parent: Option<usize>) -> Result<Cow<'a, str>, YamlError> {
        self.plain_lines(|cursor| {
            let outside = parent.is_some_and(|parent| cursor.column() <= parent);
            if !outside && cursor.peek() == Some(b'\t') {
                return Err(YamlError::Syntax {
                    at: cursor.here(),
                    problem: "a tab in the indentation",
                    mend: "indent with blanks",
                });
            }
            Ok(!outside)
        })
    }

    /// Reads a plain value within `{}` or `[]`.
    pub(super) fn flow_plain(&mut self) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(self.plain_line(true));
        loop {
            let place = self.place;
            let mut fold = Fold::default();
            fold.skip(self, true);
            // Without a break, the line has ended at an indicator; going on would stand still.
            let ends = match self.peek() {
                None | Some(b'#' | b',' | b'?' | b'[' | b']' | b'{' | b'}') => true,
                Some(b':') => self.colon_ends(0, true),
                _ => self.at_document_marker(),
            };
            if ends || !fold.has_break() {
                self.place = place;
                return text;
            }
            fold.join(text.to_mut());
            let line = self.plain_line(true);
            text.to_mut().push_str(line);
        }
    }

    fn plain_lines(
        &mut self,
        goes_on: impl Fn(&Self) -> Result<bool, YamlError>,
    ) -> Result<Cow<'a, str>, YamlError> {
        let mut text = Cow::Borrowed(self.plain_line(false));
        loop {
            let place = self.place;
            let mut fold = Fold::default();
            fold.skip(self, false);
            let more = fold.has_break()
                && !self.at_end()
                && self.peek() != Some(b'#')
                && !self.at_document_marker()
                && goes_on(self)?
                && !(self.peek() == Some(b':') && self.is_blank_or_end_at(1));
            if !more {
                self.place = place;
                return Ok(text);
            }
            fold.join(text.to_mut());
            let line = self.plain_line(false);
            text.to_mut().push_str(line);
        }
    }

    /// Returns whether the colon `distance` bytes ahead ends a plain scalar.
    fn colon_ends(&self, distance: usize, in_flow: bool) -> bool {
        let next = self.peek_at(distance + 1);
        self.is_blank_or_end_at(distance + 1)
            || (in_flow && matches!(next, Some(b',' | b'?' | b'[' | b']' | b'{' | b'}')))
    }

    /// Takes the rest of the line as far as it is plain text, without the blanks at its end.
    fn plain_line(&mut self, in_flow: bool) -> &'a str {
        let rest = self.rest();
        let mut end = 0;
        let mut blank_before = false;
        let mut length = 0;
        for byte in rest.bytes() {
            let ends = match byte {
                b'\n' | b'\r' => true,
                b'#' => blank_before,
                b':' => self.colon_ends(length, in_flow),
                b',' | b'?' | b'[' | b']' | b'{' | b'}' => in_flow,
                0xC2 | 0xE2 => self.is_break_at(length),
                _ => false,
            };
            if ends {
                break;
            }
            length += 1;
            blank_before = matches!(byte, b' ' | b'\t');
            if !blank_before {
                end = length;
            }
        }
        self.advance(end);
        rest.get(..end).unwrap_or_default()
    }
}
