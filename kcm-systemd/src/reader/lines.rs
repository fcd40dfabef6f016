//! Splits a file into physical and logical lines as systemd does.

use std::ops::Range;

use crate::finding::{Finding, FindingCode};
use crate::text::{ends_with_backslash, trim_start};
use crate::unit::LONG_LINE_MAX;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A physical line without its end.
struct PhysicalLine<'a> {
    text: &'a [u8],
    /// End of the line: `\n`, `\r` and NUL in any combination without repetition, or empty at the
    /// end of the file.
    end: &'a [u8],
}

/// A logical line: physical lines joined at their backslashes, without comments.
#[derive(Debug)]
pub(super) struct LogicalLine {
    /// Text, with a blank in place of each backslash that continued a line.
    pub(super) text: Vec<u8>,
    /// Number, counted from 1, and range in the text of each physical line. Never empty.
    pub(super) pieces: Vec<(usize, Range<usize>)>,
}

impl LogicalLine {
    /// Returns the number of the first physical line.
    pub(super) fn line(&self) -> usize {
        self.pieces.first().map_or(0, |(line, _)| *line)
    }

    /// Returns the physical lines with their numbers.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.pieces
            .iter()
            .map(|(line, range)| (*line, self.text.get(range.clone()).unwrap_or_default()))
    }
}

/// Splits a file into logical lines, up to the first line that is too long, at which systemd
/// rejects the file.
///
/// Follows `config_parse()` in `src/shared/conf-parser.c` of systemd 252. Comment lines are dropped
/// even inside a continued line. The first byte order mark at the start of any line is dropped.
pub(super) fn logical_lines(mut rest: &[u8], findings: &mut Vec<Finding>) -> Vec<LogicalLine> {
    let mut lines = Vec::new();
    let mut number = 0;
    let mut mark_seen = false;
    let mut open: Option<LogicalLine> = None;
    while let Some(physical) = next_physical_line(&mut rest) {
        number += 1;
        let mut text = physical.text;
        // systemd reads up to the limit before it searches for the end of the line.
        if text.len() >= LONG_LINE_MAX {
            findings.push(Finding::new(number, FindingCode::LineTooLong, text));
            return lines;
        }
        if is_stray_end(physical.end, rest) {
            findings.push(Finding::new(number, FindingCode::StrayLineEnd, text));
        }
        if matches!(trim_start(text).first(), Some(b'#' | b';')) {
            continue;
        }
        if !mark_seen && let Some(marked) = text.strip_prefix(BYTE_ORDER_MARK) {
            text = marked;
            mark_seen = true;
        }
        let mut logical =
            open.take().unwrap_or(LogicalLine { text: Vec::new(), pieces: Vec::new() });
        if !logical.pieces.is_empty() && logical.text.len() + text.len() > LONG_LINE_MAX {
            findings.push(Finding::new(number, FindingCode::LineTooLong, &logical.text));
            return lines;
        }
        let start = logical.text.len();
        logical.text.extend_from_slice(text);
        logical.pieces.push((number, start..logical.text.len()));
        if ends_with_backslash(text) {
            if let Some(last) = logical.text.last_mut() {
                *last = b' ';
            }
            open = Some(logical);
        } else {
            lines.push(logical);
        }
    }
    if let Some(logical) = open {
        findings.push(Finding::new(number, FindingCode::BackslashAtEnd, b""));
        lines.push(logical);
    }
    lines
}

/// Splits off the next physical line. Follows `read_line_full()` in `src/basic/fileio.c`: `\n`,
/// `\r` and NUL each end a line, and several different ones in a row end it together. NUL is always
/// the last of them.
fn next_physical_line<'a>(rest: &mut &'a [u8]) -> Option<PhysicalLine<'a>> {
    if rest.is_empty() {
        return None;
    }
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0);
    let length = rest.iter().position(is_end).unwrap_or(rest.len());
    let (text, tail) = rest.split_at_checked(length)?;
    let mut end_length = 0;
    let mut seen: &[u8] = b"";
    while let Some(byte) = tail.get(end_length) {
        if !is_end(byte) || seen.contains(byte) || seen.last() == Some(&0) {
            break;
        }
        end_length += 1;
        seen = tail.get(..end_length)?;
    }
    let (end, after) = tail.split_at_checked(end_length)?;
    *rest = after;
    Some(PhysicalLine { text, end })
}

/// Reports whether a line ended where most programs do not end one: at NUL, or at a carriage return
/// that is not part of `\r\n`.
fn is_stray_end(end: &[u8], after: &[u8]) -> bool {
    match end {
        b"" | b"\n" | b"\r\n" => false,
        // In "\n\r", the carriage return may belong to a "\r\n" that ends the next, empty line.
        b"\n\r" => after.first() != Some(&b'\n'),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Numbered<T> = Vec<(usize, T)>;

    fn read(text: &[u8]) -> (Numbered<String>, Numbered<FindingCode>) {
        let mut findings = Vec::new();
        let lines = logical_lines(text, &mut findings);
        (
            lines
                .iter()
                .map(|line| (line.line(), String::from_utf8_lossy(&line.text).into_owned()))
                .collect(),
            findings.iter().map(|finding| (finding.line, finding.code)).collect(),
        )
    }

    fn lines(text: &[u8]) -> Numbered<String> {
        read(text).0
    }

    fn numbered(expected: &[(usize, &str)]) -> Numbered<String> {
        expected.iter().map(|&(line, text)| (line, text.to_owned())).collect()
    }

    #[test]
    fn a_backslash_joins_lines_with_a_blank() {
        assert_eq!(lines(b"a \\\n  b\nc"), numbered(&[(1, "a    b"), (3, "c")]));
        assert_eq!(lines(b"a\\\\\nb"), numbered(&[(1, "a\\\\"), (2, "b")]));
        assert_eq!(lines(b"a\\ \nb"), numbered(&[(1, "a\\ "), (2, "b")]));
        assert_eq!(lines(b"a \\\n\nb"), numbered(&[(1, "a  "), (3, "b")]));
    }

    #[test]
    fn comments_vanish_even_inside_a_continued_line() {
        assert_eq!(lines(b"# x\n ; y \\\na \\\n# b \\\nc"), numbered(&[(3, "a  c")]));
    }

    #[test]
    fn all_kinds_of_line_ends_count() {
        assert_eq!(lines(b"a\r\n\r\nb\r\nc"), numbered(&[(1, "a"), (2, ""), (3, "b"), (4, "c")]));
        assert_eq!(read(b"a\r\n\r\nb\r\n").1, []);
        assert_eq!(
            lines(b"a\rb\0c\n\0d\n\n"),
            numbered(&[(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "")])
        );
        let stray = FindingCode::StrayLineEnd;
        assert_eq!(read(b"a\rb\0c\n\0d\n\n").1, [(1, stray), (2, stray), (3, stray)]);
        assert_eq!(lines(b"a \\\r\nb"), numbered(&[(1, "a  b")]));
    }

    #[test]
    fn the_first_byte_order_mark_is_dropped() {
        assert_eq!(
            lines(b"\xef\xbb\xbf[a]\n\xef\xbb\xbfb"),
            numbered(&[(1, "[a]"), (2, "\u{feff}b")])
        );
        assert_eq!(lines(b"x\n\xef\xbb\xbfb"), numbered(&[(1, "x"), (2, "b")]));
    }

    #[test]
    fn a_line_may_be_just_under_a_mebibyte() {
        let longest = vec![b'a'; LONG_LINE_MAX - 1];
        assert_eq!(lines(&longest).len(), 1);
        let (read_lines, findings) = read(&vec![b'a'; LONG_LINE_MAX]);
        assert_eq!((read_lines.len(), findings), (0, vec![(1, FindingCode::LineTooLong)]));

        let joined = [&longest[..], b"\\\nab"].concat();
        assert_eq!(read(&joined).1, [(1, FindingCode::LineTooLong)]);
        let joined = [&longest[1..], b"\\\na"].concat();
        assert_eq!(lines(&joined).len(), 1);
        let joined = [&longest[1..], b"\\\nab"].concat();
        assert_eq!(read(&joined).1, [(2, FindingCode::LineTooLong)]);
    }

    #[test]
    fn a_backslash_at_the_end_continues_nothing() {
        assert_eq!(read(b"a\\"), (numbered(&[(1, "a ")]), vec![(1, FindingCode::BackslashAtEnd)]));
    }
}
