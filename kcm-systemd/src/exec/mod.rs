//! Commands as `ExecStart=` and its relatives hold them.

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

/// The value of `ExecStart=` or a relative as systemd 252 reads it: commands, and what is odd about them.
///
/// See "Command lines" in
/// [systemd.service(5)](https://www.freedesktop.org/software/systemd/man/252/systemd.service.html#Command%20lines).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CommandLine {
    /// The commands that systemd would run, in order. Nearly always one; none if the value is empty, which resets the
    /// commands given before.
    pub commands: Vec<ExecCommand>,
    /// What is odd about them. The lines are all 1: a value does not know where it stands.
    pub findings: Vec<Finding>,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecCommand {
    /// The prefixes before the executable.
    pub prefixes: Prefixes,
    /// The executable: an absolute path, or a name that systemd searches.
    pub executable: Vec<u8>,
    /// What the process gets as argument 0, if it is not the executable: with the `@` prefix.
    pub argv0: Option<Argument>,
    /// Arguments 1 and following, as the process receives them. Specifiers but `%%`, and references to variables, are
    /// left as they are; a finding names each.
    pub arguments: Vec<Argument>,
}

/// The prefixes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub struct Prefixes {
    /// `-`: a failure of the command is no failure of the unit.
    pub ignore_failure: bool,
    /// `:`: variables are not expanded.
    pub no_expansion: bool,
    /// `@`: the word after the executable is argument 0.
    pub separate_argv0: bool,
    /// `+`, `!` and `!!`.
    pub privileges: Privileges,
}

/// What a command's prefix says about privileges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Privileges {
    /// No prefix: those of the unit.
    #[default]
    Unit,
    /// `+`: full privileges, no sandbox.
    Full,
    /// `!`: the sandbox, but not the user of the unit.
    NoUser,
    /// `!!`: as `!` where the kernel has no ambient capabilities, else no effect.
    Ambient,
}

impl CommandLine {
    /// Reads a value, as it stands right of the `=` with its lines joined. Never fails: what makes systemd refuse or
    /// drop the command is a finding.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        Self::read_in(value, None)
    }

    /// Reads a value and resolves variables and specifiers as far as they are known: the arguments are those that the process
    /// receives. A reference to a variable that is not set is empty, as it is for systemd; each reference is still a finding, and
    /// each specifier that is not known here.
    #[must_use]
    pub fn resolve(value: &str, around: &Surroundings) -> Self {
        Self::read_in(value, Some(around))
    }

    fn read_in(value: &str, around: Option<&Surroundings>) -> Self {
        let mut line = Self::default();
        line.read(trim_start(value.as_bytes()), around);
        line
    }

    /// Tells whether systemd loads a unit with this value.
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
            // A separator before any command.
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

    /// Reads the arguments of a command, and what follows the `;` after them if there is one. `None` if systemd gives
    /// up on the whole value.
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

    /// Resolves `%%` and `$$` in a word, and what is known beside. `None` if systemd refuses it.
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

    /// Finds references that do not come to what they seem to.
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

    /// Takes a word, first strictly, then leaving unknown escapes as they are (`extract_first_word_and_warn()`). `Err`
    /// for quotes that are not closed.
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

    /// Records what makes systemd refuse the unit, or only drop the command if failures of it are ignored.
    fn refuse(&mut self, code: FindingCode, subject: &[u8], prefixes: Prefixes) {
        self.find(
            if prefixes.ignore_failure { FindingCode::IgnoredCommand } else { code },
            subject,
        );
    }
}

/// The first `$NAME` inside of a word, which systemd leaves as it is.
fn dollar_in_word(word: &[u8]) -> Option<&[u8]> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut at = 0;
    while at < word.len() {
        let name = word.get(at..)?.strip_prefix(b"$");
        match name.map(|name| name.iter().take_while(|byte| is_name(byte)).count()) {
            Some(length) if length > 0 && at > 0 => return word.get(at..=at + length),
            // A literal dollar sign is two.
            Some(_) => at += 2,
            None => at += 1,
        }
    }
    None
}

/// What follows `word` and the white space after it, if the text starts with it as a word of its own.
fn lone<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let after = text.strip_prefix(word)?;
    after.first().is_none_or(|&byte| is_blank(byte)).then(|| trim_start(after))
}

#[cfg(test)]
mod tests;
