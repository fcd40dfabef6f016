//! Block scalars: `|` and `>`.

use std::borrow::Cow;

use super::YamlError;
use super::cursor::Cursor;

/// What becomes of the line breaks at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

struct Header {
    folded: bool,
    chomping: Chomping,
    /// Columns of indentation relative to the collection around, if given.
    indent: Option<usize>,
}

impl<'a> Cursor<'a> {
    /// Reads a block scalar within a collection at column `parent`.
    pub(super) fn literal(&mut self, parent: Option<usize>) -> Result<Cow<'a, str>, YamlError> {
        let header = self.literal_header()?;
        let mut breaks = String::new();
        let indent = match header.indent {
            Some(indent) => {
                let indent = parent.unwrap_or(0) + indent;
                self.literal_breaks(indent, &mut breaks)?;
                indent
            }
            None => self.detect_indent(parent, &mut breaks)?,
        };
        let mut text = String::new();
        let mut leading: Option<char> = None;
        let mut blank_before = false;
        while self.column() == indent && !self.at_end() {
            let blank = matches!(self.peek(), Some(b' ' | b'\t'));
            if header.folded && leading == Some('\n') && !blank_before && !blank {
                if breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.extend(leading);
            }
            text.push_str(&breaks);
            breaks.clear();
            blank_before = blank;
            text.push_str(self.rest_of_line());
            leading = self.take_break();
            self.literal_breaks(indent, &mut breaks)?;
        }
        if header.chomping != Chomping::Strip {
            text.extend(leading);
        }
        if header.chomping == Chomping::Keep {
            text.push_str(&breaks);
        }
        Ok(Cow::Owned(text))
    }

    fn literal_header(&mut self) -> Result<Header, YamlError> {
        let mut header =
            Header { folded: self.peek() == Some(b'>'), chomping: Chomping::Clip, indent: None };
        self.advance(1);
        for _ in 0..2 {
            match self.peek() {
                Some(b'-') if header.chomping == Chomping::Clip => {
                    header.chomping = Chomping::Strip;
                }
                Some(b'+') if header.chomping == Chomping::Clip => header.chomping = Chomping::Keep,
                Some(digit @ b'1'..=b'9') if header.indent.is_none() => {
                    header.indent = Some(usize::from(digit - b'0'));
                }
                _ => break,
            }
            self.advance(1);
        }
        let blank = matches!(self.peek(), Some(b' ' | b'\t'));
        self.skip_blanks();
        if blank && self.peek() == Some(b'#') {
            self.skip_comment();
        }
        if self.take_break().is_some() || self.at_end() {
            return Ok(header);
        }
        self.syntax(
            "text behind `|` or `>`",
            "begin the text on the next line, or put the value in quotes",
        )
    }

    /// Takes the indentation from the first line with text, but at least one column more than `parent`.
    fn detect_indent(
        &mut self,
        parent: Option<usize>,
        breaks: &mut String,
    ) -> Result<usize, YamlError> {
        let mut widest = 0;
        loop {
            while self.peek() == Some(b' ') {
                self.advance(1);
            }
            widest = widest.max(self.column());
            if self.peek() == Some(b'\t') {
                return self.syntax("a tab in the indentation", "indent with blanks");
            }
            match self.take_break() {
                Some(char) => breaks.push(char),
                None => break,
            }
        }
        Ok(widest.max(parent.map_or(0, |parent| parent + 1)).max(1))
    }

    /// Skips the indentation of the next line with text, and collects the breaks of empty lines before it.
    fn literal_breaks(&mut self, indent: usize, breaks: &mut String) -> Result<(), YamlError> {
        loop {
            while self.column() < indent && self.peek() == Some(b' ') {
                self.advance(1);
            }
            if self.column() < indent && self.peek() == Some(b'\t') {
                return self.syntax("a tab in the indentation", "indent with blanks");
            }
            match self.take_break() {
                Some(char) => breaks.push(char),
                None => return Ok(()),
            }
        }
    }

    fn rest_of_line(&mut self) -> &'a str {
        let rest = self.rest();
        let is_break = |c| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let line = rest.split(is_break).next().unwrap_or_default();
        self.advance(line.len());
        line
    }
}
