//! Compares the effective settings of units of kube-controller-manager that are written
//! differently.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::environment::Surroundings;
use crate::exec::{CommandLine, ExecCommand, Prefixes};
use crate::finding::{Effect, Finding, FindingCode};
use crate::flags::{FlagError, FlagName, Flags};
use crate::reader::UnitFile;

/// Directives without effect, and the command, whose arguments are compared instead.
const LEFT_OUT: [(&str, &str); 3] =
    [("Unit", "Description"), ("Unit", "Documentation"), ("Service", "ExecStart")];

/// Directives of `[Service]` of which the last one counts, with their defaults.
const SINGLE: [(&str, Option<&str>); 4] =
    [("Restart", Some("no")), ("RestartSec", Some("100ms")), ("User", None), ("Group", None)];

/// Values that `Restart=` accepts; systemd ignores the directive with any other value.
const RESTARTS: [&str; 7] =
    ["no", "always", "on-success", "on-failure", "on-abnormal", "on-abort", "on-watchdog"];

/// The effective settings of a unit of kube-controller-manager: the command with its flags as a
/// set, and the directives that remain after resets.
///
/// Comments, folds, the order of flags, `Description=` and `Documentation=` make no difference.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EffectiveService {
    /// Path of the executable.
    pub executable: String,
    /// Prefixes of the executable.
    pub prefixes: Prefixes,
    /// Flags as kube-controller-manager parses them.
    pub flags: Flags,
    /// Values of all other effective directives, by section and key.
    pub settings: BTreeMap<(String, String), Vec<String>>,
}

/// The reason the effective settings of a unit are unknown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EffectiveServiceError {
    /// systemd does not load the unit.
    #[error("systemd does not load the unit: {finding}")]
    Refused {
        /// The finding for which systemd rejects the unit.
        finding: Finding,
    },
    /// The unit does not have exactly one command.
    #[error("ExecStart= has {found} commands; write exactly one, that of kube-controller-manager")]
    Commands {
        /// Number of commands.
        found: usize,
    },
    /// The value of a specifier is unknown.
    #[error("cannot resolve `{specifier}` in ExecStart=; write the value instead of the specifier")]
    Specifier {
        /// The specifier.
        specifier: String,
    },
    /// Argument 0 differs from the executable, or the executable is not UTF-8.
    #[error(
        "ExecStart= sets argv[0] with the prefix `@`, or the executable path is not UTF-8; write only a path"
    )]
    Executable,
    /// The arguments are not valid flags of kube-controller-manager.
    #[error(transparent)]
    Flags(#[from] FlagError),
}

impl EffectiveService {
    /// Returns the effective settings of a unit with its drop-ins ([`UnitFile::merged`]).
    ///
    /// # Errors
    ///
    /// A [`EffectiveServiceError`] if the settings are unknown or kube-controller-manager would fail to
    /// start.
    pub fn of(file: &UnitFile, around: &Surroundings) -> Result<Self, EffectiveServiceError> {
        let command = command(file, around)?;
        Self::with(file, &command, Flags::from_arguments(&command.arguments)?)
    }

    /// Returns the effective settings without arguments that kube-controller-manager would reject,
    /// and those arguments.
    ///
    /// # Errors
    ///
    /// A [`EffectiveServiceError`] for any other reason.
    pub fn without_strays(
        file: &UnitFile,
        around: &Surroundings,
    ) -> Result<(Self, Vec<String>), EffectiveServiceError> {
        let command = command(file, around)?;
        let (mut arguments, mut strays) = (command.arguments.clone(), Vec::new());
        loop {
            let error = match Flags::from_arguments(&arguments) {
                Ok(flags) => return Ok((Self::with(file, &command, flags)?, strays)),
                Err(error) => error,
            };
            let place = arguments.iter().position(|argument| {
                let text = String::from_utf8_lossy(argument.as_bytes());
                match &error {
                    FlagError::NotAFlag { argument } => text == *argument,
                    FlagError::MissingValue { flag } | FlagError::BareUnknown { flag } => {
                        text.trim_start_matches('-').replace('_', "-") == flag.as_str()
                    }
                    _ => false,
                }
            });
            let stray = arguments.remove(place.ok_or(error)?);
            strays.push(String::from_utf8_lossy(stray.as_bytes()).into_owned());
        }
    }

    fn with(
        file: &UnitFile,
        command: &ExecCommand,
        flags: Flags,
    ) -> Result<Self, EffectiveServiceError> {
        let executable = std::str::from_utf8(&command.executable).ok();
        let executable = executable.filter(|_| command.argv0.is_none());
        Ok(Self {
            executable: executable.ok_or(EffectiveServiceError::Executable)?.to_owned(),
            prefixes: command.prefixes,
            flags,
            settings: settings(file),
        })
    }

    /// Removes the given values of `EnvironmentFile=`.
    #[must_use]
    pub fn without_environment_files(mut self, values: &BTreeSet<String>) -> Self {
        let key = ("Service".to_owned(), "EnvironmentFile".to_owned());
        if let Some(files) = self.settings.get_mut(&key) {
            files.retain(|file| !values.contains(file));
            if files.is_empty() {
                self.settings.remove(&key);
            }
        }
        self
    }

    /// Returns the flags that the command contains more than once; only the last occurrence counts.
    #[must_use]
    pub fn repeated(file: &UnitFile, around: &Surroundings) -> Vec<FlagName> {
        let lines = file.values("Service", "ExecStart");
        let commands = lines.flat_map(|entry| CommandLine::resolve(&entry.value, around).commands);
        commands.flat_map(|command| Flags::repeated(&command.arguments)).collect()
    }
}

/// Returns the only command of a unit.
fn command(file: &UnitFile, around: &Surroundings) -> Result<ExecCommand, EffectiveServiceError> {
    let refused = file.findings.iter().find(|it| it.effect() == Effect::Refused);
    if let Some(finding) = refused {
        return Err(EffectiveServiceError::Refused { finding: finding.clone() });
    }
    let lines = file.values("Service", "ExecStart");
    let lines: Vec<_> = lines.map(|entry| CommandLine::resolve(&entry.value, around)).collect();
    let unknown = lines.iter().flat_map(|line| &line.findings);
    let mut unknown = unknown.filter(|finding| finding.code == FindingCode::Specifier);
    if let Some(finding) = unknown.next() {
        return Err(EffectiveServiceError::Specifier { specifier: finding.subject.clone() });
    }
    let mut commands: Vec<_> = lines.into_iter().flat_map(|line| line.commands).collect();
    match (commands.pop(), commands.len()) {
        (Some(command), 0) => Ok(command),
        (last, others) => {
            Err(EffectiveServiceError::Commands { found: others + usize::from(last.is_some()) })
        }
    }
}

fn settings(file: &UnitFile) -> BTreeMap<(String, String), Vec<String>> {
    let mut settings: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for entry in &file.entries {
        let name = (entry.section.as_str(), entry.key.as_str());
        if LEFT_OUT.contains(&name) || SINGLE.iter().any(|(key, _)| name == ("Service", *key)) {
            continue;
        }
        let values = settings.entry((entry.section.clone(), entry.key.clone())).or_default();
        // Same rule as in `UnitFile::values`.
        if entry.value.is_empty() { values.clear() } else { values.push(entry.value.clone()) }
    }
    let bounding = ("Service".to_owned(), "CapabilityBoundingSet".to_owned());
    // An empty set is a restriction, since the default is all capabilities.
    if let Some(values) = settings.get_mut(&bounding).filter(|values| values.is_empty()) {
        values.push(String::new());
    }
    for (key, default) in SINGLE {
        let values = file.values("Service", key).map(|entry| entry.value.as_str());
        let value = values.filter(|value| is_taken(key, value)).last().or(default);
        if let Some(value) = value {
            settings.insert(("Service".to_owned(), key.to_owned()), vec![value.to_owned()]);
        }
    }
    settings.retain(|_, values| !values.is_empty());
    settings
}

/// Reports whether systemd accepts a value; an invalid one is ignored, and the preceding value
/// counts.
fn is_taken(key: &str, value: &str) -> bool {
    match key {
        "Restart" => RESTARTS.contains(&value),
        "RestartSec" => {
            value.starts_with(|first: char| first.is_ascii_digit() || first == 'i')
                && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" .".contains(&byte))
        }
        _ => true,
    }
}

impl UnitFile {
    /// Merges a unit file with its drop-ins, given in systemd's order: later directives add,
    /// override or reset. Line numbers remain those of each file.
    #[must_use]
    pub fn merged(files: impl IntoIterator<Item = Self>) -> Self {
        let mut merged = Self::default();
        for file in files {
            merged.entries.extend(file.entries);
            merged.findings.extend(file.findings);
        }
        merged
    }

    /// Returns the directives that systemd ignores because it cannot parse their values, among
    /// those in [`EffectiveService`]: line, key and value.
    pub fn ignored(&self) -> impl Iterator<Item = (usize, &str, &str)> {
        let entries = self.entries.iter().filter(|entry| {
            entry.section == "Service"
                && !entry.value.is_empty()
                && !is_taken(&entry.key, &entry.value)
        });
        entries.map(|entry| (entry.line, entry.key.as_str(), entry.value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(texts: &[&str]) -> Result<EffectiveService, EffectiveServiceError> {
        let file = UnitFile::merged(texts.iter().map(UnitFile::parse));
        let around = Surroundings::of("kube-controller-manager.service".parse().unwrap());
        EffectiveService::of(&file, &around.with_environment(&file))
    }

    const UNIT: &str = "[Unit]\nDescription=One\n[Service]\nExecStart=/opt/kcm --v=2 --leader-elect=true\nRestart=always\n\
                        RestartSec=5\n[Install]\nWantedBy=multi-user.target\n";

    #[test]
    fn the_order_of_flags_their_spelling_and_descriptions_make_no_difference() {
        let other = "# by hand\n[Service]\nRestartSec=5\nRestart=no\nRestart=always\nExecStart=/opt/kcm \\\n  --leader_elect \\\n\
                     # a comment\n  -v 2\n[Unit]\nDescription=Another\nAfter=x.target\nAfter=\n[Install]\nWantedBy=multi-user.target\n";
        assert_eq!(meaning(&[UNIT]).unwrap(), meaning(&[other]).unwrap());
    }

    #[test]
    fn whatever_decides_something_makes_a_difference() {
        let ours = meaning(&[UNIT]).unwrap();
        for (from, to) in [
            ("--v=2", "--v=3"),
            ("--v=2", ""),
            ("/opt/kcm", "/usr/kcm"),
            ("=/opt", "=-/opt"),
            ("Restart=always\n", ""),
            ("RestartSec=5\n", ""),
            ("multi-user", "graphical"),
            ("[Service]\n", "[Service]\nLimitNOFILE=5\n"),
            ("[Service]\n", "[Service]\nUser=kube\n"),
            ("[Service]\n", "[Service]\nCapabilityBoundingSet=\n"),
            ("[Unit]\n", "[Unit]\nAfter=x.target\n"),
        ] {
            let other = UNIT.replacen(from, to, 1);
            assert_ne!(other, UNIT, "{from}");
            assert_ne!(meaning(&[&other]).unwrap(), ours, "{from} -> {to}");
        }
    }

    #[test]
    fn drop_ins_and_variables_count() {
        let unit = "[Service]\nExecStart=/opt/kcm\nRestart=always\nRestartSec=1\n[Install]\nWantedBy=multi-user.target\n";
        let drop_in = "[Service]\nEnvironment=\"A=--v=2 --leader-elect\"\nExecStart=\nExecStart=/opt/kcm $A\nRestartSec=5\n";
        let mut merged = meaning(&[unit, drop_in]).unwrap();
        assert!(
            merged.settings.remove(&("Service".to_owned(), "Environment".to_owned())).is_some()
        );
        assert_eq!(merged, meaning(&[UNIT]).unwrap());
    }

    #[test]
    fn a_value_that_systemd_cannot_parse_is_as_if_it_were_not_there() {
        let swallowed = UNIT.replace("Restart=always\n", "Restart=always \\\n");
        let of = |text: &str, key: &str| {
            let settings = meaning(&[text]).unwrap().settings;
            settings[&("Service".to_owned(), key.to_owned())].clone()
        };
        assert_eq!(of(&swallowed, "Restart"), ["no"]);
        assert_eq!(of(&swallowed, "RestartSec"), ["100ms"]);
        let file = UnitFile::parse(&swallowed);
        let ignored: Vec<_> = file.ignored().collect();
        assert_eq!((ignored.len(), ignored[0].1), (1, "Restart"));
    }

    #[test]
    fn arguments_for_which_the_program_would_not_start_can_be_left_out() {
        let text = UNIT
            .replace("--v=2", "--v=2 # more: --unheard-of stray")
            .replace("true\n", "true --cluster-name\n");
        let file = UnitFile::parse(text);
        let around = Surroundings::of("x.service".parse().unwrap());
        let (found, strays) = EffectiveService::without_strays(&file, &around).unwrap();
        assert_eq!(found, meaning(&[UNIT]).unwrap());
        assert_eq!(strays, ["#", "more:", "--unheard-of", "stray", "--cluster-name"]);
    }

    #[test]
    fn what_cannot_be_told_is_an_error() {
        for (from, to) in [
            ("ExecStart=/opt", "ExecStart=opt/"),
            ("--v=2", "%b"),
            ("--v=2", "stray"),
            ("--v=2", "; /bin/true"),
            ("ExecStart=", "ExecStart=@"),
        ] {
            assert!(meaning(&[&UNIT.replacen(from, to, 1)]).is_err(), "{from} -> {to}");
        }
    }
}
