//! Parses the commands of `ExecStart=` and similar directives.

mod executable;
mod expand;
pub(crate) mod word;

pub(crate) use self::expand::specifiers;
use self::expand::{expanded, variables};
use self::word::{Escapes, Split, WordError, WordRules, first_word};
use crate::argument::Argument;
use crate::environment::Surroundings;
use crate::finding::{Effect, Finding, FindingCode};
use crate::text::{is_blank, trim_start};

/// The value of `ExecStart=` or a similar directive as systemd 252 reads it: commands and findings.
///
/// See "Command lines" in
/// [systemd.service(5)](https://www.freedesktop.org/software/systemd/man/252/systemd.service.html#Command%20lines).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CommandLine {
    /// Commands that systemd would run, in order. Usually one; none if the value is empty, which
    /// resets the preceding commands.
    pub commands: Vec<ExecCommand>,
    /// Findings about the commands. Their line is always 1, because a value has no position in a
    /// file.
    pub findings: Vec<Finding>,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecCommand {
    /// Prefixes before the executable.
    pub prefixes: Prefixes,
    /// Executable: an absolute path, or a name for which systemd searches.
    pub executable: Vec<u8>,
    /// Argument 0, if the prefix `@` makes it differ from the executable.
    pub argv0: Option<Argument>,
    /// Arguments from 1 on, as the process receives them. References to variables and specifiers
    /// other than `%%` are unchanged unless resolved; findings list them.
    pub arguments: Vec<Argument>,
}

/// The prefixes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub struct Prefixes {
    /// `-`: failures of the command are ignored.
    pub ignore_failure: bool,
    /// `:`: variables are not expanded.
    pub no_expansion: bool,
    /// `@`: the word after the executable is argument 0.
    pub separate_argv0: bool,
    /// `+`, `!` and `!!`.
    pub privileges: Privileges,
}

/// The privileges of a command, by its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Privileges {
    /// No prefix: privileges of the unit.
    #[default]
    Unit,
    /// `+`: full privileges, no sandbox.
    Full,
    /// `!`: sandbox of the unit, but not its user.
    NoUser,
    /// `!!`: as `!` if the kernel lacks ambient capabilities, otherwise no effect.
    Ambient,
}

impl CommandLine {
    /// Parses a value, without its key and with its lines joined. Parsing never fails: if systemd
    /// would reject or drop the command, the result has a finding.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        Self::read_in(value, None)
    }

    /// Parses a value and resolves known variables and specifiers, so that the arguments are those
    /// of the process. An unset variable is empty, as in systemd. Each reference to a variable and
    /// each unknown specifier is a finding.
    #[must_use]
    pub fn resolve(value: &str, around: &Surroundings) -> Self {
        Self::read_in(value, Some(around))
    }

    fn read_in(value: &str, around: Option<&Surroundings>) -> Self {
        let mut line = Self::default();
        line.read(trim_start(value.as_bytes()), around);
        line
    }

    /// Reports whether systemd loads a unit with this value.
    #[must_use]
    pub fn loads(&self) -> bool {
        self.findings.iter().all(|finding| finding.effect() != Effect::Refused)
    }

    /// Follows `config_parse_exec()` in `src/core/load-fragment.c`.
    fn read(&mut self, mut rest: &[u8], around: Option<&Surroundings>) {
        loop {
            let first = match self.word(rest) {
                Ok(Some((word, after))) => {
                    rest = after;
                    word
                }
                Ok(None) => return,
                Err(()) => return self.find(FindingCode::CommandDropped, rest),
            };
            // A separator before the first command.
            if first == b";" {
                continue;
            }
            let (prefixes, path) = executable::prefixes(&first);
            let Some(path) = self.executable(path, prefixes, around) else {
                return;
            };
            let Some((arguments, after)) = self.arguments(rest, prefixes, around) else {
                return;
            };
            let mut arguments = arguments.into_iter();
            let argv0 = if prefixes.separate_argv0 { arguments.next() } else { None };
            if prefixes.separate_argv0 && argv0.is_none() {
                return self.refuse(FindingCode::BadExecutable, &first, prefixes);
            }
            self.commands.push(ExecCommand {
                prefixes,
                executable: path,
                argv0,
                arguments: arguments.collect(),
            });
            match after {
                Some(after) => rest = after,
                None => return,
            }
        }
    }

    /// Parses the arguments of a command; also returns the text after a `;` that ends them. `None`
    /// if systemd drops the whole value.
    fn arguments<'a>(
        &mut self,
        mut rest: &'a [u8],
        prefixes: Prefixes,
        around: Option<&Surroundings>,
    ) -> Option<(Vec<Argument>, Option<&'a [u8]>)> {
        let mut arguments = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = lone(rest, b";") {
                self.find(FindingCode::SeveralCommands, rest);
                return Some((arguments, Some(after)));
            }
            if let Some(after) = lone(rest, br"\;") {
                arguments.push(Argument::from_checked(b";".to_vec()));
                rest = after;
                continue;
            }
            if rest.first() == Some(&b'#') {
                self.find(FindingCode::CommentInValue, rest);
            }
            match self.word(rest) {
                Ok(Some((word, after))) => {
                    arguments.extend(self.argument(&word, prefixes, around)?);
                    rest = after;
                }
                Ok(None) => break,
                Err(()) => {
                    self.refuse(FindingCode::UnbalancedQuotes, rest, prefixes);
                    return None;
                }
            }
        }
        Some((arguments, None))
    }

    /// Resolves `%%`, `$$` and known references in a word. `None` if systemd rejects the word.
    fn argument(
        &mut self,
        word: &[u8],
        prefixes: Prefixes,
        around: Option<&Surroundings>,
    ) -> Option<Vec<Argument>> {
        let specified = specifiers(word, |letter| around?.specifier(letter));
        if let Some(unknown) = specified.unknown {
            self.refuse(FindingCode::UnknownSpecifier, &unknown, prefixes);
            return None;
        }
        for specifier in specified.specifiers {
            self.find(FindingCode::Specifier, &specifier);
        }
        if prefixes.no_expansion {
            return Some(vec![Argument::from_checked(specified.text)]);
        }
        let expanded = variables(&specified.text);
        for reference in &expanded.references {
            self.find(FindingCode::EnvironmentReference, reference);
        }
        if let Some(around) = around {
            self.check_variables(&specified.text, &expanded.references, around);
        } else if let Some(name) = dollar_in_word(&specified.text) {
            self.find(FindingCode::DollarInWord, name);
        }
        let words = around.map(|around| self::expanded(&specified.text, around));
        let words = words.unwrap_or_else(|| vec![expanded.text]);
        Some(words.into_iter().map(Argument::from_checked).collect())
    }

    /// Records references whose expansion is probably not intended.
    fn check_variables(&mut self, word: &[u8], references: &[Vec<u8>], around: &Surroundings) {
        for reference in references {
            let name = reference.strip_prefix(b"$").unwrap_or_default();
            let braced = name.strip_prefix(b"{").and_then(|name| name.strip_suffix(b"}"));
            let name = braced.unwrap_or(name);
            if !around.knows(name) {
                self.find(FindingCode::VariableNotSet, reference);
            } else if word == reference.as_slice()
                && braced.is_some()
                && around.variable(name).trim().contains([' ', '\t', '\n'])
            {
                self.find(FindingCode::VariableInBraces, reference);
            }
        }
    }

    /// Splits off a word, at first strictly and then with unknown escapes unchanged
    /// (`extract_first_word_and_warn()`). `Err` if a quote is not closed.
    fn word<'a>(&mut self, text: &'a [u8]) -> Result<Option<Split<'a>>, ()> {
        let rules = WordRules { unquote: true, escapes: Escapes::Strict };
        match first_word(text, rules) {
            Ok(split) => Ok(split),
            Err(WordError::Quote) => Err(()),
            Err(WordError::Escape) => {
                let split = first_word(text, WordRules { escapes: Escapes::Relaxed, ..rules })
                    .map_err(|_| ())?;
                if let Some((word, _)) = &split {
                    self.find(FindingCode::UnknownEscape, word);
                }
                Ok(split)
            }
        }
    }

    fn find(&mut self, code: FindingCode, subject: &[u8]) {
        self.findings.push(Finding::new(1, code, subject));
    }

    /// Records a finding for which systemd rejects the unit, or only drops the command if its
    /// failures are ignored.
    fn refuse(&mut self, code: FindingCode, subject: &[u8], prefixes: Prefixes) {
        self.find(
            if prefixes.ignore_failure { FindingCode::IgnoredCommand } else { code },
            subject,
        );
    }
}

/// Returns the first `$NAME` inside a word, which systemd does not expand.
fn dollar_in_word(word: &[u8]) -> Option<&[u8]> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut at = 0;
    while at < word.len() {
        let name = word.get(at..)?.strip_prefix(b"$");
        match name.map(|name| name.iter().take_while(|byte| is_name(byte)).count()) {
            Some(length) if length > 0 && at > 0 => return word.get(at..=at + length),
            // Two dollar signs are a literal one.
            Some(_) => at += 2,
            None => at += 1,
        }
    }
    None
}

/// Returns the text after `word` and white space, if `word` is the complete first word of the text.
fn lone<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let after = text.strip_prefix(word)?;
    after.first().is_none_or(|&byte| is_blank(byte)).then(|| trim_start(after))
}

#[cfg(test)]
mod tests;
