//! Findings about units that systemd reports only in its log or not at all.

use std::fmt;

use serde::{Serialize, Serializer};

/// A part of a unit whose effect differs from its appearance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Line of the file, counted from 1; for a part of a command, the line of its directive.
    pub line: usize,
    /// Kind of the finding.
    pub code: FindingCode,
    /// The affected text: a key, a section, an argument, a line. Lossily decoded, and shortened if
    /// long.
    pub subject: String,
    /// Known name with the most similar spelling.
    pub nearest: Option<&'static str>,
}

/// The consequence of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The text is valid, but its meaning may be unexpected.
    Notice,
    /// systemd loads the unit, but ignores or changes a part.
    Lost,
    /// systemd does not load the unit.
    Refused,
}

/// Defines the codes with their names, effects, meanings and fixes.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $effect:ident, $meaning:literal, $help:literal;)+) => {
        /// The kinds of findings. Their names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FindingCode { $($(#[$doc])* $variant,)+ }

        impl FindingCode {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns the stable name, such as `unknown-key`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns the consequence of findings with this code.
            #[must_use]
            pub fn effect(self) -> Effect {
                match self { $(Self::$variant => Effect::$effect,)+ }
            }

            /// Describes the behaviour of systemd 252 in part of a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }

            /// Returns the fix.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)+ }
            }
        }
    };
}

codes! {
    /// A physical line of 1 MiB or more, or a longer logical line.
    LineTooLong = "line-too-long", Refused,
        "the line is longer than 1 MiB", "split the value over several directives";
    /// A line that is not UTF-8, or contains a Unicode noncharacter.
    NotUtf8 = "not-utf-8", Refused,
        "the line is not valid UTF-8 for systemd", "save the file as UTF-8; write other bytes of an argument as `\\xHH`";
    /// A line that starts with `[` and does not end with `]`.
    BadSectionHeader = "bad-section-header", Refused,
        "the section header is not valid", "write the header as `[Service]`, without other text on the line";
    /// A section that does not exist in service units.
    UnknownSection = "unknown-section", Lost,
        "the section is unknown and ignored", "correct the section name, or prefix the name with `X-` if other programs read the section";
    /// A key that does not exist in its section.
    UnknownKey = "unknown-key", Lost,
        "the directive is unknown in this section and ignored", "correct the key, move the directive to another section, or prefix the key with `X-` if other programs read the directive";
    /// An assignment before the first section header.
    OutsideSection = "outside-section", Lost,
        "the line precedes the first section header and is ignored", "move the line below a section header";
    /// A line without `=`.
    MissingEquals = "missing-equals", Lost,
        "the line has no `=` and is ignored", "write the line as `Key=Value`, or end the previous line with a backslash";
    /// A line that starts with `=`.
    MissingKey = "missing-key", Lost,
        "the line has no key before `=` and is ignored", "write a key before `=`";
    /// An empty line that ends a continued line too early.
    EmptyLineEndsDirective = "empty-line-ends-directive", Lost,
        "the empty line ends the continued directive, so the following lines are not part of the directive", "remove the empty line";
    /// A backslash with trailing blanks, which does not continue the line.
    BlankAfterBackslash = "blank-after-backslash", Lost,
        "the white space after the backslash prevents line continuation, and the backslash stays in the value",
        "remove the white space at the end of the line";
    /// A directive or section header that a backslash on the preceding line made part of another
    /// directive.
    SwallowedLine = "swallowed-line", Lost,
        "the backslash at the end of the previous line makes this line part of the previous directive", "remove the backslash at the end of the previous line";
    /// A `#` that was probably meant to start a comment.
    CommentInValue = "comment-in-value", Lost,
        "comments within a line are not supported, so the text is part of the value", "move the comment to a separate line";
    /// A text after a backslash, such as a comment, which ends the command.
    NoteAfterBackslash = "note-after-backslash", Lost,
        "the text after the backslash prevents line continuation, so the following lines are not part of the command",
        "move the text to a separate line that starts with `#`";
    /// A variable that is not set.
    VariableNotSet = "variable-not-set", Lost,
        "the variable is not set, so systemd replaces the reference with nothing", "set the variable in Environment= or in a file of EnvironmentFile=";
    /// A variable in braces whose value was probably meant to be several arguments.
    VariableInBraces = "variable-in-braces", Lost,
        "the value contains white space, but the braces make the value a single argument", "write `$NAME` without braces";
    /// A `$NAME` inside a word.
    DollarInWord = "dollar-in-word", Lost,
        "systemd replaces `$NAME` only as a separate word", "write `${NAME}`, or a literal dollar sign as `$$`";
    /// An invalid variable name in an environment file.
    VariableName = "variable-name", Lost,
        "systemd ignores the line because the variable name is not valid", "write NAME=VALUE, without `export`";
    /// A line of an environment file without `=`.
    VariableWithoutValue = "variable-without-value", Lost,
        "systemd ignores the line because `=` is missing", "write NAME=VALUE, or `#` before a comment";
    /// An unclosed quote in an environment file.
    VariableQuote = "variable-quote", Notice,
        "a quote is not closed, so the value extends to the end of the file", "close the quote";
    /// A lone carriage return or a NUL byte, both of which end a line.
    StrayLineEnd = "stray-line-end", Lost,
        "a carriage return or NUL byte, which editors may not show, ends the line", "remove the byte";
    /// A backslash at the end of the file.
    BackslashAtEnd = "backslash-at-end", Notice,
        "the last line ends with a backslash, but no line follows", "remove the backslash";
    /// An unclosed quote.
    UnbalancedQuotes = "unbalanced-quotes", Refused,
        "a quote is not closed", "close the quote, or write a literal quote as `\\\"`";
    /// An unclosed quote in the first word of a command, for which systemd only drops the command.
    CommandDropped = "command-dropped", Lost,
        "a quote in the first word is not closed, and the rest of the line is ignored", "close the quote";
    /// A backslash before a character that it does not escape.
    UnknownEscape = "unknown-escape", Lost,
        "the escape sequence is unknown, so the backslash stays in the argument", "double or remove the backslash";
    /// A `%` with a letter that is not a specifier.
    UnknownSpecifier = "unknown-specifier", Refused,
        "the specifier does not exist", "write a literal percent sign as `%%`";
    /// A `%` with a letter that systemd replaces.
    Specifier = "specifier", Notice,
        "systemd replaces the specifier", "write a literal percent sign as `%%`";
    /// A reference `$NAME` or `${NAME}`.
    EnvironmentReference = "environment-reference", Notice,
        "systemd replaces the variable at the start of the process", "write a literal dollar sign as `$$`";
    /// A command that is not an absolute path or file name.
    BadExecutable = "bad-executable", Refused,
        "the executable is not valid", "write an absolute path without quotes, backslashes or a trailing slash";
    /// An invalid command after the prefix `-`, for which systemd drops the rest of the line.
    IgnoredCommand = "ignored-command", Lost,
        "the command is not valid and, because of its `-` prefix, ignored without an error", "correct the command";
    /// An executable without a path.
    SearchedExecutable = "searched-executable", Notice,
        "systemd searches for the executable in its fixed search path", "write the absolute path";
    /// A `;` between blanks.
    SeveralCommands = "several-commands", Notice,
        "a `;` surrounded by white space separates commands", "write a literal semicolon as `\\;` or `\";\"`";
}

impl Finding {
    /// Maximum number of characters of the subject.
    const SUBJECT_CHARS: usize = 120;

    pub(crate) fn new(line: usize, code: FindingCode, subject: &[u8]) -> Self {
        let mut text = String::from_utf8_lossy(subject).into_owned();
        if let Some((end, _)) = text.char_indices().nth(Self::SUBJECT_CHARS) {
            text.truncate(end);
            text.push('…');
        }
        Self { line, code, subject: text, nearest: None }
    }

    pub(crate) fn with_nearest(self, nearest: Option<&'static str>) -> Self {
        Self { nearest, ..self }
    }

    /// Returns the consequence of the finding.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.code.effect()
    }
}

/// One line for people: line, behaviour, affected text, fix.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, code, subject, nearest } = self;
        write!(f, "line {line}: {}", code.meaning())?;
        if !subject.is_empty() {
            write!(f, ": `{}`", subject.escape_debug())?;
        }
        write!(f, "; {}", code.help())?;
        if let Some(nearest) = nearest {
            write!(f, "; did you mean `{nearest}`?")?;
        }
        write!(f, " ({})", code.as_str())
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for FindingCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct() {
        let names: BTreeSet<_> = FindingCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), FindingCode::ALL.len());
    }

    #[test]
    fn a_finding_reads_as_one_line() {
        let finding = Finding::new(7, FindingCode::UnknownKey, b"Restart-Sec")
            .with_nearest(Some("RestartSec"));
        assert_eq!(
            finding.to_string(),
            "line 7: the directive is unknown in this section and ignored: `Restart-Sec`; correct the key, move the directive to another section, or \
             prefix the key with `X-` if other programs read the directive; did you mean `RestartSec`? (unknown-key)"
        );
    }
}
