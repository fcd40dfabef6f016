//! The effective unit: its file, its drop-ins, and the environment that expands its arguments.

use std::collections::BTreeSet;

use kcm_systemd::{
    CommandLine, EffectiveService, EffectiveServiceError, EnvironmentText, Finding, FindingCode,
    FlagName, Surroundings, UnitFile, UnitName,
};
use thiserror::Error;

use crate::transport::{EnvironmentState, FoundUnit, UnitSource};

/// Prefixes of variables that kube-controller-manager or its libraries read. Environment files that
/// set one are also for the process.
const OF_THE_PROCESS: [&str; 7] =
    ["GO", "KUBE_FEATURE_", "KUBERNETES_", "SSL_CERT_", "AWS_", "AZURE_", "GOOGLE_"];

/// A unit with all files that systemd reads for it.
///
/// Only variables that a command line names are kept. Every user on the master can see those.
#[derive(Clone)]
pub(crate) struct EffectiveUnit {
    /// The unit's file and its drop-ins, in systemd's order.
    pub(crate) parts: Vec<UnitPart>,
    /// The files named by `EnvironmentFile=`.
    pub(crate) environment: Vec<EnvironmentPart>,
    around: Surroundings,
    /// Files that systemd reads but kcm cannot.
    unread: Vec<String>,
}

/// A unit file or drop-in.
#[derive(Clone)]
pub(crate) struct UnitPart {
    pub(crate) path: String,
    /// Target, if the path is a symbolic link.
    pub(crate) target: Option<String>,
    pub(crate) file: UnitFile,
    pub(crate) text: String,
}

/// An environment file, without its values.
#[derive(Clone)]
pub(crate) struct EnvironmentPart {
    pub(crate) path: String,
    pub(crate) is_optional: bool,
    pub(crate) is_there: bool,
    /// Variables that the file sets. `None` if its content was not read.
    names: Option<BTreeSet<String>>,
    findings: Vec<Finding>,
}

/// Words in a unit file that look like flags but reach no command.
pub(crate) struct Lost {
    pub(crate) path: String,
    /// Line of the first such word.
    pub(crate) line: usize,
    pub(crate) flags: Vec<String>,
}

/// The reason why the effective configuration of a unit is unknown.
#[derive(Debug, Error)]
pub(crate) enum EffectiveError {
    #[error(
        "the unit depends on {path} which kcm cannot read; provide a regular file that root can read"
    )]
    Unread { path: String },
    #[error(transparent)]
    EffectiveContent(#[from] EffectiveServiceError),
}

impl EffectiveUnit {
    /// Builds the effective unit from the files that were found. `None` if the unit does not exist.
    pub(crate) fn new(found: &FoundUnit, unit: &UnitName, hostname: Option<&str>) -> Option<Self> {
        let main = found.file.as_ref()?;
        let primary = main.path.rsplit('/').next().and_then(|name| name.parse().ok());
        let mut around = Surroundings::of(primary.unwrap_or_else(|| unit.clone()));
        around.hostname = hostname.map(str::to_owned);
        let (mut parts, mut unread) = (Vec::new(), Vec::new());
        for source in std::iter::once(main).chain(&found.drop_ins) {
            match UnitPart::new(source) {
                Some(part) => parts.push(part),
                None => unread.push(shown(source)),
            }
        }
        let mut this = Self { parts, environment: Vec::new(), around, unread };
        this.take_environment(found);
        Some(this)
    }

    fn take_environment(&mut self, found: &FoundUnit) {
        let merged = self.merged();
        let mut around = self.around.clone().with_environment(&merged);
        for source in &found.environment {
            let mut part = EnvironmentPart {
                path: source.path.clone(),
                is_optional: source.is_optional,
                is_there: source.state != EnvironmentState::Absent,
                names: None,
                findings: Vec::new(),
            };
            match &source.state {
                EnvironmentState::Read(content) => {
                    let content = String::from_utf8_lossy(content);
                    let text = EnvironmentText::parse(&content);
                    part.names = Some(text.assignments.into_iter().map(|it| it.name).collect());
                    part.findings = text.findings;
                    around = around.with_file(&content);
                }
                EnvironmentState::Unreadable => self.unread.push(source.path.clone()),
                EnvironmentState::Absent | EnvironmentState::Unread => {}
            }
            self.environment.push(part);
        }
        let mut around = around.without_unset(&merged);
        // Other variables may be secrets, and are not needed.
        let commands = merged.values("Service", "ExecStart");
        let named: BTreeSet<_> = commands.flat_map(|entry| references(&entry.value)).collect();
        around.variables.retain(|name, _| named.contains(name.as_str()));
        self.around = around;
    }

    /// Returns the unit merged with its drop-ins.
    pub(crate) fn merged(&self) -> UnitFile {
        UnitFile::merged(self.parts.iter().map(|part| part.file.clone()))
    }

    /// Returns the text of the unit file, if the unit has no drop-ins.
    pub(crate) fn only_text(&self) -> Option<&str> {
        match &self.parts[..] {
            [only] if self.unread.is_empty() => Some(&only.text),
            _ => None,
        }
    }

    /// Returns the effective configuration without arguments that kube-controller-manager rejects,
    /// and those arguments.
    pub(crate) fn meaning_without_strays(
        &self,
    ) -> Result<(EffectiveService, Vec<String>), EffectiveError> {
        Ok(EffectiveService::without_strays(&self.whole()?, &self.around)?)
    }

    /// Returns the flags that are given more than once.
    pub(crate) fn repeated(&self) -> Vec<FlagName> {
        EffectiveService::repeated(&self.merged(), &self.around)
    }

    /// Returns the effective configuration of the service.
    pub(crate) fn meaning(&self) -> Result<EffectiveService, EffectiveError> {
        Ok(EffectiveService::of(&self.whole()?, &self.around)?)
    }

    /// Returns the executable, if the unit has exactly one command line.
    pub(crate) fn executable(&self) -> Option<String> {
        let [line] = <[_; 1]>::try_from(self.command_lines()).ok()?;
        String::from_utf8(line.commands.into_iter().next()?.executable).ok()
    }

    /// Returns the effective values of `ExecStart=` with known variables and specifiers resolved.
    pub(crate) fn command_lines(&self) -> Vec<CommandLine> {
        let merged = self.merged();
        let lines = merged.values("Service", "ExecStart");
        lines.map(|line| CommandLine::resolve(&line.value, &self.around)).collect()
    }

    /// Returns the files that systemd reads but kcm cannot.
    pub(crate) fn unread(&self) -> &[String] {
        &self.unread
    }

    /// Returns the merged unit, unless one of its files cannot be read.
    fn whole(&self) -> Result<UnitFile, EffectiveError> {
        match self.unread.first() {
            Some(path) => Err(EffectiveError::Unread { path: path.clone() }),
            None => Ok(self.merged()),
        }
    }

    /// Returns the `EnvironmentFile=` values whose files only set variables for `ExecStart=`.
    ///
    /// A unit with the flags written out does not need these files.
    pub(crate) fn feeding(&self) -> BTreeSet<String> {
        let merged = self.merged();
        let others = merged.entries.iter().filter(|entry| entry.key != "ExecStart");
        let others: BTreeSet<_> = others.flat_map(|entry| references(&entry.value)).collect();
        let is_fed = |name: &String| {
            let is_of_process = name.to_ascii_lowercase().ends_with("_proxy")
                || OF_THE_PROCESS.iter().any(|start| name.starts_with(start));
            !is_of_process
                && self.around.variables.contains_key(name)
                && !others.contains(name.as_str())
        };
        let values = merged.values("Service", "EnvironmentFile").filter(|entry| {
            let path = self.around.specified(entry.value.trim_start_matches('-'));
            let mut parts = self.environment.iter().filter(|part| part.path == path);
            let names = parts.next().and_then(|part| part.names.as_ref());
            names.is_some_and(|names| names.iter().all(is_fed))
        });
        values.map(|entry| entry.value.clone()).collect()
    }

    /// Returns all settings that systemd ignores or interprets unexpectedly, each with its file.
    pub(crate) fn findings(&self) -> Vec<(&str, Finding)> {
        let reset = self.parts.iter().rposition(|part| {
            part.file.entries.iter().any(|it| is_command(it) && it.value.is_empty())
        });
        let mut found = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            let counting: Vec<_> = part.file.values("Service", "ExecStart").collect();
            let counting: Vec<_> =
                counting.into_iter().filter(|_| reset.is_none_or(|reset| index >= reset)).collect();
            let all = part.file.entries.iter().filter(|entry| is_command(entry));
            let void: Vec<_> = all
                .map(|entry| entry.line)
                .filter(|line| !counting.iter().any(|entry| entry.line == *line))
                .collect();
            let mut own: Vec<Finding> = part.file.findings.clone();
            for entry in counting {
                let resolved = CommandLine::resolve(&entry.value, &self.around).findings;
                let resolved = resolved.into_iter().filter(|finding| {
                    let code = finding.code;
                    matches!(code, FindingCode::VariableNotSet | FindingCode::VariableInBraces)
                });
                let resolved: Vec<_> = resolved
                    .map(|mut finding| {
                        finding.line = entry.line;
                        finding
                    })
                    .collect();
                own.retain(|finding| {
                    finding.code != FindingCode::EnvironmentReference
                        || !resolved.iter().any(|it| it.subject == finding.subject)
                });
                own.extend(resolved);
            }
            own.retain(|finding| {
                !void.contains(&finding.line) || finding.effect() == kcm_systemd::Effect::Refused
            });
            found.extend(own.into_iter().map(|finding| (part.path.as_str(), finding)));
        }
        for part in &self.environment {
            let own = part.findings.iter().cloned();
            found.extend(own.map(|finding| (part.path.as_str(), finding)));
        }
        found
    }

    /// Returns the words outside of comments that look like flags but reach no command.
    pub(crate) fn lost(&self) -> Vec<Lost> {
        let mut lost = Vec::new();
        for part in &self.parts {
            let values = part.file.entries.iter().filter(|entry| entry.section == "Service");
            let reaching: BTreeSet<_> =
                values.flat_map(|entry| entry.value.split_ascii_whitespace()).collect();
            let lines = part.text.lines().zip(1..);
            let lines = lines.filter(|(line, _)| !line.trim_start().starts_with(['#', ';']));
            let words = lines.flat_map(|(line, number)| {
                line.split_ascii_whitespace().map(move |word| (word, number))
            });
            let words = words.filter(|(word, _)| {
                word.strip_prefix("--")
                    .is_some_and(|name| name.starts_with(|first: char| first.is_ascii_alphabetic()))
                    && !reaching.contains(word)
            });
            let words: Vec<_> = words.collect();
            if let Some((_, line)) = words.first() {
                let flags = words.iter().map(|(word, _)| (*word).to_owned()).collect();
                lost.push(Lost { path: part.path.clone(), line: *line, flags });
            }
        }
        lost
    }
}

impl UnitPart {
    fn new(source: &UnitSource) -> Option<Self> {
        let content = source.content.as_ref()?;
        Some(Self {
            path: source.path.clone(),
            target: source.target.clone(),
            file: UnitFile::parse(content),
            text: String::from_utf8_lossy(content).into_owned(),
        })
    }
}

fn shown(source: &UnitSource) -> String {
    match &source.target {
        Some(target) => format!("{}, a symbolic link to {target},", source.path),
        None => source.path.clone(),
    }
}

fn is_command(entry: &kcm_systemd::Entry) -> bool {
    entry.section == "Service" && entry.key == "ExecStart"
}

/// Returns the variables that a value refers to.
fn references(value: &str) -> impl Iterator<Item = &str> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let after = value.split('$').skip(1).map(|after| after.strip_prefix('{').unwrap_or(after));
    after.map(move |after| after.split(|it| !is_name(it)).next().unwrap_or_default())
}

impl std::fmt::Debug for EffectiveUnit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let variables: Vec<_> = self.around.variables.keys().collect();
        let files: Vec<_> = self.parts.iter().map(|part| &part.path).collect();
        f.debug_struct("EffectiveUnit")
            .field("files", &files)
            .field("variables", &variables)
            .finish_non_exhaustive()
    }
}
