use std::cell::Cell;

use super::{Location, YamlError};

/// How many collections may stand in each other. kubeconfigs need about eight.
const DEEPEST: usize = 64;

/// A place in the text, moving forward.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) place: Place,
    depth: usize,
    comments: Vec<Location>,
    /// The last place whose column was asked for, and that column: lines can be long, and have many columns.
    counted: Cell<(Place, usize)>,
}

/// Where a cursor stands: what it takes to come back there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Bytes from the start of the text, always on a character boundary.
    pub(super) offset: usize,
    line: usize,
    line_start: usize,
}

/// Refuses what goyaml.v2 refuses before it begins: control characters.
pub(super) fn check_characters(text: &str) -> Result<(), YamlError> {
    let unfit = |c: char| !matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    // Bytes first: nearly every kubeconfig is printable ASCII.
    if text.bytes().all(|b| matches!(b, b'\n' | b' '..=b'~')) {
        return Ok(());
    }
    match text.find(unfit) {
        None => Ok(()),
        Some(offset) => {
            let before = text.get(..offset).unwrap_or_default();
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            let line = before.bytes().filter(|b| *b == b'\n').count();
            let mut cursor = Cursor::new(text);
            cursor.place = Place { offset, line, line_start };
            cursor.syntax(
                "a control character",
                "remove it, or write it as an escape within double quotes",
            )
        }
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            place: Place::default(),
            depth: 0,
            comments: Vec::new(),
            counted: Cell::default(),
        }
    }

    pub(super) fn into_comments(self) -> Vec<Location> {
        self.comments
    }

    /// Returns the column in bytes from 0: what indentation is measured in.
    pub(super) fn column(&self) -> usize {
        self.place.offset - self.place.line_start
    }

    pub(super) fn here(&self) -> Location {
        let (counted, characters) = self.counted.get();
        let same_line = counted.line == self.place.line && counted.offset <= self.place.offset;
        let (from, before) =
            if same_line { (counted.offset, characters) } else { (self.place.line_start, 0) };
        let more = self.text.get(from..self.place.offset).unwrap_or_default().chars().count();
        self.counted.set((self.place, before + more));
        Location { line: self.place.line + 1, column: before + more + 1 }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.place.offset..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, distance: usize) -> Option<u8> {
        self.text.as_bytes().get(self.place.offset + distance).copied()
    }

    /// Moves on by `bytes`, which hold no line break and end on a character boundary.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.place.offset = (self.place.offset + bytes).min(self.text.len());
    }

    pub(super) fn at_end(&self) -> bool {
        self.place.offset >= self.text.len()
    }

    /// Returns whether a line break begins `distance` bytes ahead.
    pub(super) fn is_break_at(&self, distance: usize) -> bool {
        self.break_length(distance) > 0
    }

    /// Returns whether a blank, a line break or the end of the text is `distance` bytes ahead.
    pub(super) fn is_blank_or_end_at(&self, distance: usize) -> bool {
        matches!(self.peek_at(distance), None | Some(b' ' | b'\t')) || self.is_break_at(distance)
    }

    /// Takes a line break as YAML 1.1 normalises it: to a newline, but for the two of Unicode, which stay.
    pub(super) fn take_break(&mut self) -> Option<char> {
        let length = self.break_length(0);
        if length == 0 {
            return None;
        }
        let normalised =
            self.rest().chars().next().filter(|c| matches!(c, '\u{2028}' | '\u{2029}'));
        self.advance(length);
        self.place.line += 1;
        self.place.line_start = self.place.offset;
        Some(normalised.unwrap_or('\n'))
    }

    /// Skips blanks and tabs within the line.
    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.advance(1);
        }
    }

    /// Skips a comment up to its line break, and remembers it.
    pub(super) fn skip_comment(&mut self) {
        self.comments.push(self.here());
        while !self.at_end() && !self.is_break_at(0) {
            let width = self.rest().chars().next().map_or(1, char::len_utf8);
            self.advance(width);
        }
    }

    /// Skips blanks, comments and line breaks up to the next token. Tabs do not indent outside of `{}` and `[]`.
    pub(super) fn next_token(&mut self, in_flow: bool) {
        let line = self.text.get(self.place.line_start..self.place.offset).unwrap_or_default();
        let mut tabs = in_flow || line.bytes().any(|b| b != b' ');
        loop {
            match self.peek() {
                Some(b' ') => self.advance(1),
                Some(b'\t') if tabs => self.advance(1),
                Some(b'#') => self.skip_comment(),
                _ if self.take_break().is_some() => tabs = in_flow,
                _ => return,
            }
        }
    }

    /// Returns whether a line `---` or `...` begins here.
    pub(super) fn at_document_marker(&self) -> bool {
        self.column() == 0
            && (self.rest().starts_with("---") || self.rest().starts_with("..."))
            && self.is_blank_or_end_at(3)
    }

    /// Goes one level deeper for as long as `read` takes.
    pub(super) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, YamlError>,
    ) -> Result<T, YamlError> {
        if self.depth == DEEPEST {
            return Err(YamlError::TooDeep { at: self.here() });
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    pub(super) fn syntax<T>(
        &self,
        problem: &'static str,
        mend: &'static str,
    ) -> Result<T, YamlError> {
        Err(YamlError::Syntax { at: self.here(), problem, mend })
    }

    pub(super) fn unsupported<T>(
        &self,
        what: &'static str,
        mend: &'static str,
    ) -> Result<T, YamlError> {
        Err(YamlError::Unsupported { at: self.here(), what, mend })
    }

    fn break_length(&self, distance: usize) -> usize {
        match self.text.as_bytes().get(self.place.offset + distance..) {
            Some([b'\r', b'\n', ..] | [0xC2, 0x85, ..]) => 2,
            Some([b'\n' | b'\r', ..]) => 1,
            Some([0xE2, 0x80, 0xA8 | 0xA9, ..]) => 3,
            _ => 0,
        }
    }
}
