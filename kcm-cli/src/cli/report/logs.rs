//! The journals of several masters, line by line.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::ops::ControlFlow;

use anstyle::{AnsiColor, Style};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;

use super::human::column;
use super::terminal::json_escaped;
use crate::cli::args::Form;
use crate::ops::logs::{LogLine, LogSink};
use crate::transport::JournalEntry;
use crate::util::words::is_plain;

/// Colours by position in the cluster file. Red is reserved for errors.
const COLOURS: [AnsiColor; 5] =
    [AnsiColor::Cyan, AnsiColor::Yellow, AnsiColor::Green, AnsiColor::Magenta, AnsiColor::Blue];

/// Writes journal entries to standard output as they arrive.
pub(crate) struct LogReport {
    form: Form,
    width: usize,
    failed: Option<io::Error>,
}

impl LogReport {
    pub(crate) fn new<'n>(form: Form, names: impl Iterator<Item = &'n str>) -> Self {
        Self { form, width: column(names.map(str::len)), failed: None }
    }

    /// Ends the report. A closed pipe (`kcm logs | head`) is not an error.
    pub(crate) fn end(self) -> io::Result<()> {
        match self.failed {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

impl LogSink for LogReport {
    fn line(&mut self, line: LogLine<'_>) -> ControlFlow<()> {
        let text = match self.form {
            Form::Human => human(line, self.width),
            _ => json(line),
        };
        let mut out = anstream::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// Returns an entry as text. Each line starts with its master, so that no message can forge one.
pub(super) fn human(line: LogLine<'_>, width: usize) -> String {
    let LogLine { place, master, entry } = line;
    let colour = COLOURS.get(place % COLOURS.len()).copied().unwrap_or(AnsiColor::Cyan);
    let style: Style = colour.on_default();
    let time = moment(entry.microseconds);
    let mut text = String::new();
    let message = entry.message.strip_suffix(b"\n").unwrap_or(&entry.message);
    let mut lines = message.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let cut = match (lines.peek(), entry.cut) {
            (None, cut @ 1..) => format!(" [{cut} more bytes]"),
            _ => String::new(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{style}{master:width$}{style:#}  {time}  {}{cut}", harmless(line));
    }
    text
}

pub(super) fn json(line: LogLine<'_>) -> String {
    let LogLine { master, entry, .. } = line;
    let JournalEntry { microseconds, message, cut, .. } = entry;
    let mut object = serde_json::json!({
        "time": moment(*microseconds),
        "master": master,
        "message": String::from_utf8_lossy(message),
    });
    if let Some(object) = object.as_object_mut() {
        if std::str::from_utf8(message).is_err() && *cut == 0 {
            object.insert("messageBase64".to_owned(), STANDARD.encode(message).into());
        }
        if *cut > 0 {
            object.insert("cutBytes".to_owned(), (*cut).into());
        }
    }
    json_escaped(&object.to_string()) + "\n"
}

/// Escapes the characters of a line that could control the terminal.
fn harmless(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for chunk in line.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character != '\t' && !is_plain(character) {
                let _ = write!(text, "{}", character.escape_unicode());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Formats a time to the microsecond (RFC 3339).
fn moment(microseconds: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(microseconds) * 1000);
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second, micro) = time.time().as_hms_micro();
    format!("{}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z", time.date())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(entry: &JournalEntry) -> LogLine<'_> {
        LogLine { place: 1, master: "b", entry }
    }

    fn entry(message: &[u8]) -> JournalEntry {
        let microseconds = 1_795_608_000_000_007;
        JournalEntry { cursor: String::new(), microseconds, message: message.to_vec(), cut: 0 }
    }

    #[test]
    fn no_message_can_drive_the_terminal_or_pass_for_another_masters() {
        let entry = entry("\u{1b}]0;x\u{7} \u{9b}2J \u{202e}ab\r\ta\nsecond é".as_bytes());
        let text = human(line(&entry), 3);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(
            plain,
            "b    2026-11-25T12:00:00.000007Z  \\u{1b}]0;x\\u{7} \\u{9b}2J \\u{202e}ab\\u{d}\ta\n\
             b    2026-11-25T12:00:00.000007Z  second é\n"
        );
        let text = json(line(&entry));
        assert!(text.trim_end().chars().all(is_plain), "{text}");
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["message"].as_str().unwrap().as_bytes(), entry.message);
    }

    #[test]
    fn bytes_that_are_no_text_are_spelt_out_and_kept_whole_in_json() {
        let entry = entry(b"a\xff\xfe");
        assert!(human(line(&entry), 1).ends_with("a\\xff\\xfe\n"));
        let back: serde_json::Value = serde_json::from_str(&json(line(&entry))).unwrap();
        assert_eq!(back["messageBase64"], STANDARD.encode(b"a\xff\xfe"));
    }
}
