//! Parses unit files as systemd 252 does.

mod known;
mod lines;

use std::collections::BTreeMap;

use self::lines::{LogicalLine, logical_lines};
use crate::exec::CommandLine;
use crate::finding::{Effect, Finding, FindingCode};
use crate::text::{
    WHITESPACE, decode, ends_with_backslash, trim, trim_end, trim_start, unsafe_byte,
};
use crate::unit::{Directive, Section, SectionName, Unit, UnitError};

/// Directives with commands as values.
const COMMAND_KEYS: [&str; 7] = [
    "ExecCondition",
    "ExecStartPre",
    "ExecStart",
    "ExecStartPost",
    "ExecReload",
    "ExecStop",
    "ExecStopPost",
];

/// A service unit, or a drop-in for one, as systemd 252 reads it.
///
/// Parsing never fails. A [`Finding`] reports each part that systemd drops, rejects or reads in an
/// unexpected way. Values are not checked, except for commands. See
/// [systemd.syntax(7)](https://www.freedesktop.org/software/systemd/man/252/systemd.syntax.html).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct UnitFile {
    /// Assignments that systemd accepts, in file order.
    pub entries: Vec<Entry>,
    /// Findings, in file order.
    pub findings: Vec<Finding>,
}

/// One assignment of a unit file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// First physical line, counted from 1.
    pub line: usize,
    /// Section of the assignment.
    pub section: String,
    /// Text left of `=`, trimmed.
    pub key: String,
    /// Text right of `=`, trimmed; continued lines are joined with a blank in place of each
    /// backslash.
    pub value: String,
}

impl UnitFile {
    /// Parses the content of a file. Content that is not UTF-8 is a finding, since systemd rejects
    /// such files.
    #[must_use]
    pub fn parse(content: impl AsRef<[u8]>) -> Self {
        let mut reader = Reader::default();
        let lines = logical_lines(content.as_ref(), &mut reader.file.findings);
        let mut lines = lines.iter().peekable();
        while let Some(line) = lines.next() {
            reader.line(line, lines.peek().copied());
        }
        let mut file = reader.file;
        file.findings.sort_by_key(|finding| finding.line);
        file
    }

    /// Reports whether systemd loads the file: no finding has the effect [`Effect::Refused`].
    #[must_use]
    pub fn loads(&self) -> bool {
        self.findings.iter().all(|finding| finding.effect() != Effect::Refused)
    }

    /// Returns the effective assignments of a key: those after its last empty assignment, which
    /// resets the preceding ones.
    pub fn values(&self, section: &str, key: &str) -> impl Iterator<Item = &Entry> {
        let is_ours = |entry: &&Entry| entry.section == section && entry.key == key;
        let reset =
            self.entries.iter().rposition(|entry| is_ours(&entry) && entry.value.is_empty());
        let start = reset.map_or(0, |index| index + 1);
        self.entries
            .iter()
            .skip(start)
            .filter(move |entry| entry.section == section && entry.key == key)
    }

    /// Returns the last effective assignment of a key, which counts unless the directive is a list.
    #[must_use]
    pub fn value(&self, section: &str, key: &str) -> Option<&str> {
        self.values(section, key).last().map(|entry| entry.value.as_str())
    }

    /// Returns the commands of a key in `[Service]`, such as `ExecStart`, with their lines.
    pub fn commands(&self, key: &str) -> impl Iterator<Item = (usize, CommandLine)> {
        self.values("Service", key).map(|entry| (entry.line, CommandLine::parse(&entry.value)))
    }

    /// Converts the file to a unit that can be rendered. Sections with the same name are merged, in
    /// the order of their first assignments. Comments, folds and parts that systemd ignores are
    /// lost.
    ///
    /// # Errors
    ///
    /// The [`UnitError`] of the first key or value that a unit cannot represent: keys with
    /// characters other than letters, digits and `-`, and values that end with a backslash. Neither
    /// has a useful effect in a unit.
    pub fn to_unit(&self) -> Result<Unit, UnitError> {
        let mut unit = Unit::default();
        let mut places = BTreeMap::new();
        for entry in &self.entries {
            let place = *places.entry(&entry.section).or_insert(unit.sections.len());
            if place == unit.sections.len() {
                let name = SectionName::parse(&entry.section)?;
                unit.sections.push(Section { name, directives: Vec::new() });
            }
            let directive = Directive::parse(&entry.key, &entry.value)?;
            if let Some(section) = unit.sections.get_mut(place) {
                section.directives.push(directive);
            }
        }
        Ok(unit)
    }
}

/// The state of the parser.
#[derive(Default)]
struct Reader {
    file: UnitFile,
    place: Place,
    /// True if text after a backslash ended the current line.
    is_cut: bool,
}

/// The section of the next line.
#[derive(Default)]
enum Place {
    /// Before the first section header.
    #[default]
    Outside,
    /// In a section that does not exist in service units.
    Ignored,
    /// In a section of service units.
    Section(String),
}

impl Reader {
    /// Parses one logical line. Follows `parse_line()` in `src/shared/conf-parser.c`.
    fn line(&mut self, line: &LogicalLine, next: Option<&LogicalLine>) {
        let text = trim(&line.text);
        if text.is_empty() {
            return;
        }
        let Some(text) = decode(text) else {
            return self.find(line.line(), FindingCode::NotUtf8, text);
        };
        self.check_continuation(line, next);
        if text.starts_with('[') {
            return self.header(line.line(), text);
        }
        let section = match &self.place {
            Place::Section(section) => section.clone(),
            Place::Outside => {
                return self.find(line.line(), FindingCode::OutsideSection, text.as_bytes());
            }
            Place::Ignored => return,
        };
        match text.split_once('=') {
            None => self.find(line.line(), FindingCode::MissingEquals, text.as_bytes()),
            Some(("", _)) => self.find(line.line(), FindingCode::MissingKey, text.as_bytes()),
            Some((key, value)) => {
                self.assignment(line.line(), section, trimmed(key), trimmed(value));
            }
        }
    }

    fn header(&mut self, line: usize, text: &str) {
        let name = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let Some(name) = name.filter(|name| unsafe_byte(name.as_bytes()).is_none()) else {
            return self.find(line, FindingCode::BadSectionHeader, text.as_bytes());
        };
        if known::SECTIONS.contains(&name) {
            self.place = Place::Section(name.into());
            return;
        }
        self.place = Place::Ignored;
        if !name.starts_with("X-") {
            let finding = Finding::new(line, FindingCode::UnknownSection, name.as_bytes());
            self.file.findings.push(finding.with_nearest(known::nearest_section(name)));
        }
    }

    fn assignment(&mut self, line: usize, section: String, key: &str, value: &str) {
        if section == "Service" && COMMAND_KEYS.contains(&key) {
            let mut findings = CommandLine::parse(value).findings;
            // The cause is already reported.
            findings.retain(|finding| {
                let is_of_note = matches!(
                    finding.code,
                    FindingCode::CommentInValue | FindingCode::UnknownEscape
                );
                !(self.is_cut && is_of_note)
            });
            self.file
                .findings
                .extend(findings.into_iter().map(|finding| Finding { line, ..finding }));
        } else if let Some(at) = value.find(" # ") {
            self.find(
                line,
                FindingCode::CommentInValue,
                value.get(at + 1..).unwrap_or_default().as_bytes(),
            );
        }
        if !known::is_known(&section, key) && !key.starts_with("X-") {
            let finding = Finding::new(line, FindingCode::UnknownKey, key.as_bytes());
            self.file.findings.push(finding.with_nearest(known::nearest_key(&section, key)));
            return;
        }
        self.file.entries.push(Entry { line, section, key: key.into(), value: value.into() });
    }

    /// Reports directives that are lost because a line is or is not continued.
    fn check_continuation(&mut self, line: &LogicalLine, next: Option<&LogicalLine>) {
        for (number, piece) in line.pieces().skip(1) {
            if self.looks_like_directive(piece) {
                self.find(number, FindingCode::SwallowedLine, trim(piece));
            }
        }
        let Some((number, last)) = line.pieces().last() else {
            return;
        };
        let note = note_after_backslash(last);
        self.is_cut = note.is_some();
        if let Some(note) = note {
            self.find(number, FindingCode::NoteAfterBackslash, note);
        }
        if trim(last).is_empty() && next.is_some_and(|next| !self.looks_like_directive(&next.text))
        {
            self.find(number, FindingCode::EmptyLineEndsDirective, b"");
        }
        if last.len() > trim_end(last).len() && ends_with_backslash(trim_end(last)) {
            self.find(number, FindingCode::BlankAfterBackslash, trim(last));
        }
    }

    /// Reports whether a line is probably a section header or a directive of a service unit.
    fn looks_like_directive(&self, line: &[u8]) -> bool {
        let text = String::from_utf8_lossy(trim(line)).into_owned();
        if text.starts_with('[') {
            return text.ends_with(']');
        }
        let key = trimmed(text.split_once('=').map_or("", |(key, _)| key));
        match &self.place {
            Place::Section(section) => known::is_known(section, key),
            Place::Outside | Place::Ignored => {
                known::SECTIONS.iter().any(|section| known::is_known(section, key))
            }
        }
    }

    fn find(&mut self, line: usize, code: FindingCode, subject: &[u8]) {
        self.file.findings.push(Finding::new(line, code, subject));
    }
}

/// Returns the text after a backslash and blanks, if it starts like a comment in any language.
fn note_after_backslash(line: &[u8]) -> Option<&[u8]> {
    let starts: [&[u8]; 4] = [b"#", b";", b"//", b"<!"];
    let mut places = line.iter().enumerate().filter(|(_, byte)| **byte == b'\\');
    places.find_map(|(at, _)| {
        let after = line.get(at + 1..)?;
        let note = trim_start(after);
        let is_escaped = ends_with_backslash(line.get(..at)?);
        let is_note =
            note.len() < after.len() && starts.iter().any(|start| note.starts_with(start));
        (is_note && !is_escaped).then_some(note)
    })
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(WHITESPACE)
}

#[cfg(test)]
mod tests;
