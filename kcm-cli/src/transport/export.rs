//! A parser of systemd's journal export format
//! (<https://systemd.io/JOURNAL_EXPORT_FORMATS>), as `journalctl -o export` streams it.

use std::collections::VecDeque;

use super::JournalEntry;

/// The longest name or text of a field that is not a message.
const LONGEST_LINE: usize = 4096;

/// An error of input that is not in the export format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the output of journalctl on the master is not in the journal export format; check `journalctl -o export` on the master"
)]
pub(super) struct Garbled;

/// A push parser that turns bytes into entries. It holds at most one entry and the bytes pushed
/// last.
pub(super) struct Parser {
    waiting: VecDeque<u8>,
    state: State,
    entry: Draft,
}

#[derive(Default)]
struct Draft {
    cursor: Option<String>,
    microseconds: Option<u64>,
    message: Option<Vec<u8>>,
    cut: u64,
}

enum State {
    /// In a field's name or text, up to its line break.
    Line { line: Vec<u8>, cut: u64 },
    /// In the eight bytes of a length.
    Length { is_message: bool, bytes: Vec<u8> },
    /// In a value of a given length, which a line break follows.
    Value { is_message: bool, value: Vec<u8>, left: u64, cut: u64 },
    /// Before the line break after a value.
    After,
}

const START: State = State::Line { line: Vec::new(), cut: 0 };
const MESSAGE: &[u8] = b"MESSAGE";

impl Parser {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new(), state: START, entry: Draft::default() }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
    }

    /// Returns the next whole entry, or `None` if more bytes are needed.
    pub(super) fn next(&mut self) -> Result<Option<JournalEntry>, Garbled> {
        while let Some(byte) = self.waiting.pop_front() {
            match &mut self.state {
                State::Line { line, cut } if byte != b'\n' => {
                    let most = if line.starts_with(b"MESSAGE=") {
                        JournalEntry::LONGEST + b"MESSAGE=".len()
                    } else {
                        LONGEST_LINE
                    };
                    if line.len() < most { line.push(byte) } else { *cut += 1 }
                }
                State::Line { line, cut } => {
                    let (line, cut) = (std::mem::take(line), *cut);
                    self.state = START;
                    if let Some(entry) = self.line(&line, cut)? {
                        return Ok(Some(entry));
                    }
                }
                State::Length { is_message, bytes } => {
                    bytes.push(byte);
                    if let Ok(length) = <[u8; 8]>::try_from(bytes.as_slice()) {
                        let (is_message, left) = (*is_message, u64::from_le_bytes(length));
                        self.state = if left == 0 {
                            self.entry.value(is_message, Vec::new(), 0);
                            State::After
                        } else {
                            State::Value { is_message, value: Vec::new(), left, cut: 0 }
                        };
                    }
                }
                State::Value { is_message, value, left, cut } => {
                    if *is_message && value.len() < JournalEntry::LONGEST {
                        value.push(byte);
                    } else {
                        *cut += 1;
                    }
                    *left -= 1;
                    if *left == 0 {
                        let (value, cut) = (std::mem::take(value), *cut);
                        self.entry.value(*is_message, value, cut);
                        self.state = State::After;
                    }
                }
                State::After if byte == b'\n' => self.state = START,
                State::After => return Err(Garbled),
            }
        }
        Ok(None)
    }

    /// Handles a whole line: a field, the name of a field whose value follows, or the end of an
    /// entry.
    fn line(&mut self, line: &[u8], cut: u64) -> Result<Option<JournalEntry>, Garbled> {
        if line.is_empty() {
            return std::mem::take(&mut self.entry).whole();
        }
        // `-- No entries --`, which journalctl prints in every format.
        if line.starts_with(b"-- ") {
            return Ok(None);
        }
        let Some(equals) = line.iter().position(|byte| *byte == b'=') else {
            if cut > 0 {
                return Err(Garbled);
            }
            self.state = State::Length { is_message: line == MESSAGE, bytes: Vec::new() };
            return Ok(None);
        };
        let (name, value) = (line.get(..equals), line.get(equals + 1..));
        let (name, value) = (name.unwrap_or_default(), value.unwrap_or_default());
        let text = || std::str::from_utf8(value).map_err(|_| Garbled);
        match name {
            MESSAGE => self.entry.value(true, value.to_vec(), cut),
            b"__CURSOR" => self.entry.cursor = Some(text()?.to_owned()),
            b"__REALTIME_TIMESTAMP" => {
                self.entry.microseconds = Some(text()?.parse().map_err(|_| Garbled)?);
            }
            _ => {}
        }
        Ok(None)
    }
}

impl Draft {
    /// Keeps the first of several messages in one entry, as journalctl does.
    fn value(&mut self, is_message: bool, value: Vec<u8>, cut: u64) {
        if is_message && self.message.is_none() {
            (self.message, self.cut) = (Some(value), cut);
        }
    }

    /// Returns the finished entry, or `None` if it has no message.
    fn whole(self) -> Result<Option<JournalEntry>, Garbled> {
        let Self { cursor, microseconds, message, cut } = self;
        match (cursor, microseconds, message) {
            (Some(cursor), Some(microseconds), Some(message)) => {
                Ok(Some(JournalEntry { cursor, microseconds, message, cut }))
            }
            (Some(_), Some(_), None) | (None, None, None) => Ok(None),
            _ => Err(Garbled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8], piece: usize) -> Result<Vec<JournalEntry>, Garbled> {
        let (mut parser, mut entries) = (Parser::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            parser.push(piece);
            while let Some(entry) = parser.next()? {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    #[test]
    fn an_export_is_read_the_same_however_it_is_cut_into_pieces() {
        let mut export = b"-- No entries --\n__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=5\n_BOOT_ID=x\nMESSAGE=a=b\n\n".to_vec();
        export.extend(
            b"__CURSOR=c\n__REALTIME_TIMESTAMP=6\nMESSAGE\n\x04\0\0\0\0\0\0\0\n\x1b\n\n\n\n",
        );
        export.extend(b"__CURSOR=d\n__REALTIME_TIMESTAMP=7\nMESSAGE\n\0\0\0\0\0\0\0\0\n\n");
        let whole = parsed(&export, export.len()).unwrap();
        let messages: Vec<_> = whole.iter().map(|entry| entry.message.as_slice()).collect();
        assert_eq!(messages, [&b"a=b"[..], b"\n\x1b\n\n", b""]);
        assert_eq!((whole[0].cursor.as_str(), whole[0].microseconds), ("s=1;i=2", 5));
        for piece in 1..20 {
            assert_eq!(parsed(&export, piece).unwrap(), whole);
        }
    }

    #[test]
    fn what_is_longer_than_the_bound_is_cut_and_told_in_both_forms() {
        let long = vec![b'x'; JournalEntry::LONGEST + 10];
        let head = b"__CURSOR=c\n__REALTIME_TIMESTAMP=6\n";
        let text = [head, &b"MESSAGE="[..], &long, b"\n\n"].concat();
        let length = (long.len() as u64).to_le_bytes();
        let binary = [head, &b"MESSAGE\n"[..], &length, &long, b"\n\n"].concat();
        for export in [text, binary] {
            let entries = parsed(&export, 1000).unwrap();
            assert_eq!((entries[0].message.len(), entries[0].cut), (JournalEntry::LONGEST, 10));
        }
    }

    #[test]
    fn what_is_no_export_is_an_error_or_nothing_and_never_a_panic() {
        for bytes in
            [&b"__CURSOR=c\n\n"[..], b"__REALTIME_TIMESTAMP=x\n", b"M\n\x01\0\0\0\0\0\0\0ab"]
        {
            assert_eq!(parsed(bytes, 3), Err(Garbled));
        }
        for bytes in [&b"\n\n\n"[..], b"M\n\xff\xff\xff\xff\xff\xff\xff\xffabc", b"MESSAGE=half"] {
            assert_eq!(parsed(bytes, 3), Ok(Vec::new()));
        }
    }
}
