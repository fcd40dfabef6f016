//! Checks units: settings that systemd drops or reads differently than they appear, and the flags of
//! kube-controller-manager.

use std::cmp::Reverse;
use std::path::Path;

use kcm_systemd::{
    Argument, CommandLine, Effect, EffectiveService, EffectiveServiceError,
    Finding as SystemdFinding, FindingCode as SystemdCode, KubernetesVersion, LintVersions,
    Severity as LintSeverity, lint_flags,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::load::load;
use crate::error::Error;
use crate::finding::{FindingCode, Severity};
use crate::observed::effective::{EffectiveError, EffectiveUnit};
use crate::ops::adopt::losses::{is_line_of_flags, missing, of_type};
use crate::ops::adopt::program::{is_kube_controller_manager, refusal};
use crate::util::explanation::Explanation;
use crate::util::schema::MinorVersion;

/// Code of a unit that does not have exactly one command.
const COMMANDS: &str = "unit-commands";
/// Code of a unit that runs kube-controller-manager through another program.
const PROGRAM: &str = "unit-program";
/// Code of arguments for which kube-controller-manager does not start.
const ARGUMENTS: &str = "unit-arguments";

/// The result of a check of units.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnitCheck {
    /// The versions of Kubernetes for which flags were checked.
    #[schemars(with = "Vec<MinorVersion>")]
    pub versions: Vec<KubernetesVersion>,
    /// The units, in the order of the request.
    pub units: Vec<CheckedUnit>,
}

/// A unit with its findings.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CheckedUnit {
    /// The unit file, as it was named.
    pub file: String,
    /// The drop-ins that were read, in systemd's order.
    pub drop_ins: Vec<String>,
    /// The environment files that the unit names, in systemd's order.
    pub environment_files: Vec<String>,
    /// The commands of `ExecStart=`, usually one.
    pub commands: Vec<CheckedCommand>,
    /// True if the command is kube-controller-manager, so that its flags were checked.
    pub checked_flags: bool,
    /// The problems.
    pub findings: Vec<UnitFinding>,
}

/// A command as the process receives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CheckedCommand {
    /// The executable.
    pub executable: String,
    /// The arguments from 1 on. Bytes that are not UTF-8 are replaced with U+FFFD.
    pub arguments: Vec<String>,
}

/// A problem of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnitFinding {
    /// Stable code for programs.
    pub code: String,
    /// Severity: an error if systemd does not load the unit or kube-controller-manager does not
    /// start, otherwise a warning.
    pub severity: Severity,
    /// The unit file, drop-in or environment file.
    pub file: String,
    /// The line, from 1; absent if the finding has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The problem.
    pub problem: String,
    /// The fix.
    pub help: String,
}

impl UnitCheck {
    /// Returns the highest severity; `None` without findings.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        let findings = self.units.iter().flat_map(|unit| &unit.findings);
        findings.map(|finding| finding.severity).max()
    }
}

/// Checks units with the drop-ins in the folders `FILE.d` beside them. The paths of environment
/// files start at `root`.
///
/// `versions` are the versions for which flags are checked; if empty, all known versions.
///
/// # Errors
/// If a file cannot be read. All other problems are findings.
pub fn check_units(
    files: &[impl AsRef<Path>],
    root: &Path,
    versions: &[KubernetesVersion],
) -> Result<UnitCheck, Error> {
    let versions = match versions {
        [] => LintVersions::Unknown,
        some => LintVersions::These(some.to_vec()),
    };
    let check = |file| check_unit(AsRef::as_ref(file), root, &versions);
    let units = files.iter().map(check).collect::<Result<_, _>>()?;
    Ok(UnitCheck { versions: versions.to_vec(), units })
}

fn check_unit(file: &Path, root: &Path, versions: &LintVersions) -> Result<CheckedUnit, Error> {
    let unit = load(file, root)?;
    let lines = unit.command_lines();
    let mut findings = of_systemd(&unit, &lines);
    let executable = unit.executable();
    let checked_flags = executable.as_deref().is_some_and(is_kube_controller_manager);
    if checked_flags {
        findings.extend(of_flags(&unit, versions));
    } else if let Some(path) = executable {
        findings.extend(of_wrapper(&unit, &path));
    }
    let commands = lines.into_iter().flat_map(|line| line.commands);
    let commands = commands.map(|command| CheckedCommand {
        executable: String::from_utf8_lossy(&command.executable).into_owned(),
        arguments: command.arguments.iter().map(text).collect(),
    });
    findings.sort_by_key(|finding| Reverse(finding.severity));
    Ok(CheckedUnit {
        file: file.display().to_string(),
        drop_ins: unit.parts.iter().skip(1).map(|part| part.path.clone()).collect(),
        environment_files: unit.environment.iter().map(|part| part.path.clone()).collect(),
        commands: commands.collect(),
        checked_flags,
        findings,
    })
}

fn text(argument: &Argument) -> String {
    String::from_utf8_lossy(argument.as_bytes()).into_owned()
}

/// Returns what systemd drops, changes or refuses.
fn of_systemd(unit: &EffectiveUnit, lines: &[CommandLine]) -> Vec<UnitFinding> {
    let lost = unit.lost();
    let all = unit.findings().into_iter();
    let all = all.filter(|(path, finding)| {
        counts(finding, lines) && !is_line_of_flags(path, finding, &lost)
    });
    let mut findings: Vec<_> = all.map(|(path, finding)| of_finding(path, &finding)).collect();
    let setting_lost = || FindingCode::UnitSettingLost.to_string();
    findings.extend(lost.into_iter().map(|lost| {
        let problem =
            format!("flags in the file do not reach the program: {}", lost.flags.join(" "));
        let help = "continue every line of the command except the last with a backslash";
        warning(setting_lost(), &lost.path, Some(lost.line), problem, help)
    }));
    for part in &unit.parts {
        for (line, key, value) in part.file.ignored() {
            let problem = format!("systemd ignores {key}=`{value}`, which it cannot parse");
            let help = "correct the value or remove the directive";
            findings.push(warning(setting_lost(), &part.path, Some(line), problem, help));
        }
    }
    let file = unit.parts.first().map_or("", |part| &part.path);
    findings.extend(
        of_type(unit).map(|(problem, help)| warning(setting_lost(), file, None, problem, help)),
    );
    findings.extend(missing(unit).map(|(path, is_optional)| {
        let code = FindingCode::FileMissing.to_string();
        let problem = format!("{path} of EnvironmentFile= does not exist");
        if is_optional {
            let help = "create the file if the unit needs it, or name the root of the master's files with --root";
            return warning(code, file, None, problem, help);
        }
        let help = "create the file, without which systemd does not start the unit, or name the root of the master's files with --root";
        error(code, file, problem, help)
    }));
    findings.extend(of_files(unit, file));
    findings.extend(of_commands(unit, lines));
    findings
}

/// Reports whether a finding matters. References that were resolved do not.
fn counts(finding: &SystemdFinding, lines: &[CommandLine]) -> bool {
    match finding.code {
        SystemdCode::EnvironmentReference => false,
        SystemdCode::Specifier => {
            let mut unresolved = lines.iter().flat_map(|line| &line.findings);
            unresolved.any(|it| it.code == finding.code && it.subject == finding.subject)
        }
        _ => true,
    }
}

fn of_finding(path: &str, finding: &SystemdFinding) -> UnitFinding {
    let SystemdFinding { line, code, subject, nearest, .. } = finding;
    let subject = match subject.as_str() {
        "" => String::new(),
        subject => format!(": `{}`", subject.escape_debug()),
    };
    let nearest = nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    let help = format!("{}{nearest}", code.help());
    let problem = format!("{}{subject}", code.meaning());
    let finding = warning(code.as_str().to_owned(), path, Some(*line), problem, help);
    match code.effect() {
        Effect::Refused => UnitFinding { severity: Severity::Error, ..finding },
        Effect::Lost | Effect::Notice => finding,
    }
}

/// Reports a unit without a command, or with more than systemd accepts.
fn of_commands(unit: &EffectiveUnit, lines: &[CommandLine]) -> Option<UnitFinding> {
    let file = unit.parts.first()?;
    let merged = unit.merged();
    let number: usize = lines.iter().map(|line| line.commands.len()).sum();
    let error = |problem, help| error(COMMANDS.to_owned(), &file.path, problem, help);
    match number {
        0 if !file.text.is_empty() && merged.loads() => {
            Some(error("ExecStart= has no command".to_owned(), "write ExecStart= with a command"))
        }
        2.. if merged.value("Service", "Type") != Some("oneshot") => {
            let problem = format!(
                "ExecStart= has {number} commands, which systemd accepts only with Type=oneshot"
            );
            let help = "write one command; in a drop-in, reset the command of the unit with an empty ExecStart= first";
            Some(error(problem, help))
        }
        _ => None,
    }
}

/// Reports a masked unit, and files that cannot be read.
fn of_files(unit: &EffectiveUnit, file: &str) -> Vec<UnitFinding> {
    let mut findings = Vec::new();
    let is_empty = unit.parts.first().is_some_and(|part| part.text.is_empty());
    if is_empty {
        let code = FindingCode::UnitMasked.to_string();
        let problem = "the file is empty or a link to /dev/null, so the unit is masked".to_owned();
        findings.push(error(code, file, problem, "write the unit into the file"));
    }
    let unread = unit.unread().iter().map(|path| {
        let code = FindingCode::FileUnreadable.to_string();
        let problem = format!("{path} cannot be read, so the arguments are unknown");
        error(code, file, problem, "run as a user that can read the file")
    });
    findings.extend(unread);
    findings
}

/// Reports a unit of kube-controller-manager that runs it through another program. Its flags cannot
/// be checked.
fn of_wrapper(unit: &EffectiveUnit, path: &str) -> Option<UnitFinding> {
    let (file, line) = command_place(unit)?;
    let is_ours = unit.parts.iter().any(|part| part.text.contains("kube-controller-manager"));
    let Explanation { problem, help } = refusal(path);
    let problem = format!("{problem}, so its flags were not checked");
    let help = help.unwrap_or_default();
    is_ours.then(|| warning(PROGRAM.to_owned(), file, line, problem, &help))
}

/// Returns the problems of the flags of kube-controller-manager.
fn of_flags(unit: &EffectiveUnit, versions: &LintVersions) -> Vec<UnitFinding> {
    let file = unit.parts.first().map_or("", |part| &part.path);
    let place = command_place(unit).unwrap_or((file, None));
    let (service, strays) = match unit.meaning_without_strays() {
        Ok(found) => found,
        // The findings of systemd contain the cause.
        Err(EffectiveError::Unread { .. }) => return Vec::new(),
        Err(EffectiveError::EffectiveContent(cause)) => {
            let problem = cause.to_string();
            let help = "correct ExecStart=; the flags were not checked";
            let is_known = matches!(
                cause,
                EffectiveServiceError::Refused { .. }
                    | EffectiveServiceError::Commands { .. }
                    | EffectiveServiceError::Specifier { .. }
            );
            let finding = error(ARGUMENTS.to_owned(), place.0, problem, help);
            return (!is_known).then_some(finding).into_iter().collect();
        }
    };
    let mut findings = Vec::new();
    if !strays.is_empty() {
        let all: Vec<_> = strays.iter().map(|stray| format!("`{stray}`")).collect();
        let problem = format!("kube-controller-manager does not start with {}", all.join(", "));
        let help = "remove these arguments, or write them as --NAME=VALUE";
        let finding = error(ARGUMENTS.to_owned(), place.0, problem, help);
        findings.push(UnitFinding { line: place.1, ..finding });
    }
    let repeated = unit.repeated().into_iter().map(|name| {
        let code = FindingCode::FlagRepeated.to_string();
        let problem = format!("--{name} occurs more than once, and only the last one counts");
        warning(code, place.0, place.1, problem, "remove the other occurrences")
    });
    findings.extend(repeated);
    findings.extend(linted(&service, versions, place));
    findings
}

fn linted(
    service: &EffectiveService,
    versions: &LintVersions,
    (file, line): (&str, Option<usize>),
) -> Vec<UnitFinding> {
    let lints = lint_flags(&service.flags, versions).into_iter();
    let lints = lints.filter(|lint| lint.severity > LintSeverity::Benchmark);
    let findings = lints.map(|lint| {
        let code = lint.code.as_str().to_owned();
        let finding = warning(code, file, line, lint.to_string(), lint.help.as_str());
        match lint.severity {
            LintSeverity::Error => UnitFinding { severity: Severity::Error, ..finding },
            LintSeverity::Warning | LintSeverity::Benchmark => finding,
        }
    });
    findings.collect()
}

/// Returns the file and the line of the effective command.
fn command_place(unit: &EffectiveUnit) -> Option<(&str, Option<usize>)> {
    let mut parts = unit.parts.iter().rev();
    parts.find_map(|part| {
        let line = part.file.values("Service", "ExecStart").last()?.line;
        Some((part.path.as_str(), Some(line)))
    })
}

fn warning(
    code: String,
    file: &str,
    line: Option<usize>,
    problem: String,
    help: impl Into<String>,
) -> UnitFinding {
    let (severity, help) = (Severity::Warning, help.into());
    UnitFinding { code, severity, file: file.to_owned(), line, problem, help }
}

fn error(code: String, file: &str, problem: String, help: &str) -> UnitFinding {
    UnitFinding { severity: Severity::Error, ..warning(code, file, None, problem, help) }
}
