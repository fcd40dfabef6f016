//! Parses environment files of `EnvironmentFile=`.

use crate::finding::{Finding, FindingCode};
use crate::text::is_blank;

/// An environment file as systemd 252 reads it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct EnvironmentText {
    /// Assignments with names that systemd accepts.
    pub assignments: Vec<Assignment>,
    /// Findings about lines that systemd ignores or reads in an unexpected way. They contain no
    /// values, which may be secrets.
    pub findings: Vec<Finding>,
}

/// One assignment of an environment file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assignment {
    /// Line on which the assignment begins, counted from 1.
    pub line: usize,
    /// Name of the variable.
    pub name: String,
    /// Value without quotes and escapes.
    pub value: String,
}

/// Reports whether systemd's `env_name_is_valid()` accepts the name.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl EnvironmentText {
    /// Parses the content of a file. Parsing never fails: lines that systemd ignores become
    /// findings.
    #[must_use]
    pub fn parse(content: &str) -> Self {
        let mut reader = Reader { line: 1, ..Reader::default() };
        for character in content.chars() {
            reader.character(character);
            reader.line += usize::from(character == '\n');
        }
        reader.end();
        reader.text
    }
}

/// The state of the parser, with the names of `parse_env_file_internal()` in
/// `src/basic/env-file.c`.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    PreKey,
    Key,
    PreValue,
    Value,
    ValueEscape,
    SingleQuoteValue,
    DoubleQuoteValue,
    DoubleQuoteValueEscape,
    Comment,
    CommentEscape,
}

/// The parser with its state and results.
#[derive(Default)]
struct Reader {
    state: State,
    open: Open,
    line: usize,
    text: EnvironmentText,
}

/// An assignment that is not complete yet.
#[derive(Default)]
struct Open {
    line: usize,
    key: String,
    value: String,
    /// Length of the value without trailing blanks that the end of the line would remove.
    firm: usize,
    /// Line of the last opening quote.
    quote: usize,
}

impl Open {
    fn push(&mut self, character: char) {
        self.value.push(character);
        self.firm = self.value.len();
    }
}

impl Reader {
    fn character(&mut self, character: char) {
        let is_newline = matches!(character, '\n' | '\r');
        let is_white = u8::try_from(character).is_ok_and(is_blank);
        self.state = match self.state {
            State::PreKey if matches!(character, '#' | ';') => State::Comment,
            State::PreKey if is_white => State::PreKey,
            State::Key if is_newline => self.without_value(),
            State::Key if character == '=' => State::PreValue,
            State::PreKey | State::Key => {
                if self.state == State::PreKey {
                    self.open = Open { line: self.line, ..Open::default() };
                }
                self.open.key.push(character);
                State::Key
            }
            State::PreValue | State::Value if is_newline => self.assign(),
            State::PreValue if matches!(character, '\'' | '"') => {
                self.open.quote = self.line;
                if character == '"' { State::DoubleQuoteValue } else { State::SingleQuoteValue }
            }
            State::PreValue | State::Value if character == '\\' => State::ValueEscape,
            State::PreValue if is_white => State::PreValue,
            State::PreValue | State::Value => self.bare(character, is_white),
            // An escaped line break is dropped.
            State::ValueEscape => {
                if !is_newline {
                    self.open.push(character);
                }
                State::Value
            }
            State::SingleQuoteValue if character == '\'' => State::PreValue,
            State::DoubleQuoteValue if character == '"' => State::PreValue,
            State::DoubleQuoteValue if character == '\\' => State::DoubleQuoteValueEscape,
            State::SingleQuoteValue | State::DoubleQuoteValue => {
                self.open.push(character);
                self.state
            }
            State::DoubleQuoteValueEscape => {
                if !matches!(character, '"' | '\\' | '`' | '$' | '\n') {
                    self.open.push('\\');
                }
                if character != '\n' {
                    self.open.push(character);
                }
                State::DoubleQuoteValue
            }
            State::Comment if character == '\\' => State::CommentEscape,
            State::Comment if is_newline => State::PreKey,
            State::Comment | State::CommentEscape => State::Comment,
        };
    }

    /// Processes a character outside of quotes.
    fn bare(&mut self, character: char, is_white: bool) -> State {
        let is_behind_blank =
            self.open.value.ends_with([' ', '\t']) || self.state == State::PreValue;
        if character == '#' && is_behind_blank && !self.open.value.is_empty() {
            self.find(self.line, FindingCode::CommentInValue, "");
        }
        self.open.value.push(character);
        if !is_white {
            self.open.firm = self.open.value.len();
        }
        State::Value
    }

    fn assign(&mut self) -> State {
        let Open { line, key, value, firm, .. } = std::mem::take(&mut self.open);
        let name = key.trim_end_matches([' ', '\t']).to_owned();
        let value = value.get(..firm).unwrap_or(&value).to_owned();
        if is_name(&name) {
            self.text.assignments.push(Assignment { line, name, value });
        } else {
            self.find(line, FindingCode::VariableName, &name);
        }
        State::PreKey
    }

    fn without_value(&mut self) -> State {
        let Open { line, key, .. } = std::mem::take(&mut self.open);
        self.find(line, FindingCode::VariableWithoutValue, key.trim_end());
        State::PreKey
    }

    fn end(&mut self) {
        match self.state {
            State::PreKey | State::Comment | State::CommentEscape => {}
            State::Key => {
                self.without_value();
            }
            State::SingleQuoteValue | State::DoubleQuoteValue | State::DoubleQuoteValueEscape => {
                let (quote, key) = (self.open.quote, self.open.key.trim_end().to_owned());
                self.find(quote, FindingCode::VariableQuote, &key);
                self.assign();
            }
            State::PreValue | State::Value | State::ValueEscape => {
                self.assign();
            }
        }
    }

    fn find(&mut self, line: usize, code: FindingCode, subject: &str) {
        self.text.findings.push(Finding::new(line, code, subject.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Vec<(String, String)> {
        let text = EnvironmentText::parse(content);
        text.assignments.into_iter().map(|it| (it.name, it.value)).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn found(content: &str) -> Vec<(usize, &'static str, String)> {
        let findings = EnvironmentText::parse(content).findings;
        findings.into_iter().map(|it| (it.line, it.code.as_str(), it.subject)).collect()
    }

    #[test]
    fn an_environment_file_is_read_as_systemd_reads_it() {
        let content = "# A=1\n ; B=2\nC = 3 4 \t\nD=\"x \\\"y\\\" \\q $z\" 'w w'\nE=a\\\nb\\ \nF\nG=\nexport H=1\n\
                       I=\"two\nlines\"\nJ=no end";
        let expected = [
            ("C", "3 4"),
            ("D", "x \"y\" \\q $zw w"),
            ("E", "ab "),
            ("G", ""),
            ("I", "two\nlines"),
            ("J", "no end"),
        ];
        assert_eq!(read(content), pairs(&expected));
    }

    #[test]
    fn what_systemd_ignores_in_an_environment_file_is_found_with_its_line() {
        for (content, line, code, subject) in [
            ("export OPTS=\"--v=2\"\n", 1, "variable-name", "export OPTS"),
            ("\texport  A=1\nB=2", 1, "variable-name", "export  A"),
            ("A=1\nset B=2\n", 2, "variable-name", "set B"),
            ("# note\n\nMY-OPTS=1\n", 3, "variable-name", "MY-OPTS"),
            ("1A=2\n", 1, "variable-name", "1A"),
            ("A=\"x\\\ny\"\n$B=1\n", 3, "variable-name", "$B"),
            ("A=1\r\nB\r\n", 2, "variable-without-value", "B"),
            ("--v=2\n", 1, "variable-name", "--v"),
            ("A=1\n. /etc/other", 2, "variable-without-value", ". /etc/other"),
            ("A=1\nB=\"x\nC=2\n", 2, "variable-quote", "B"),
            ("A='x", 1, "variable-quote", "A"),
            ("A=1 # note\n", 1, "comment-in-value", ""),
            ("A=\"1\" # note\n", 1, "comment-in-value", ""),
        ] {
            assert_eq!(found(content), [(line, code, subject.to_owned())], "{content}");
        }
        for content in
            ["A=1\r\nB=\"two words\"\r\n", "A=x#y\nB=#\n", "A='#'\n; c\n", "", "A=\\\n1\n"]
        {
            assert_eq!(found(content), [], "{content}");
        }
    }
}
