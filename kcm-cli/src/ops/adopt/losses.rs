//! Settings of a unit that systemd silently drops or changes. Pure.

use kcm_systemd::{Effect, Finding as UnitFinding, FindingCode as UnitCode};

use crate::finding::{Finding, FindingCode};
use crate::observed::effective::{EffectiveUnit, Lost};

/// Help for a loss on masters that are adopted.
pub(super) const ADOPTED: &str = "set the intended value in the cluster file and run `kcm apply`; kcm adopts the effective settings";
/// Help for a loss on masters that cannot be adopted.
pub(super) const NOT_ADOPTED: &str =
    "correct the file and run `systemctl daemon-reload` on the master";
/// Service types for which systemd waits for an event that kube-controller-manager does not
/// produce.
const OTHER_TYPES: [(&str, &str); 5] = [
    ("oneshot", "waits until the process exits"),
    ("forking", "waits until the process forks"),
    ("notify", "waits for a readiness notification"),
    ("notify-reload", "waits for a readiness notification"),
    ("dbus", "waits for a D-Bus name"),
];

/// Returns findings about settings of a unit that systemd drops, or reads differently than they
/// appear. `follows` is the help for a loss.
pub(super) fn of_unit(master: &str, unit: &EffectiveUnit, follows: &str) -> Vec<Finding> {
    let warn = |code, problem: String, help: &str| {
        Finding::error(code, master, problem, help).into_warning()
    };
    let mut found = Vec::new();
    let lost = unit.lost();
    for (path, finding) in unit.findings() {
        // A line of flags is reported with the others below.
        if is_line_of_flags(path, &finding, &lost) {
            continue;
        }
        let problem = format!("{path}: {}", without_help(&finding));
        found.push(match finding.effect() {
            Effect::Notice => warn(
                FindingCode::UnitExpanded,
                problem,
                "check the expanded value, which kcm adopts",
            ),
            Effect::Lost | Effect::Refused => {
                let help = format!("{}; {follows}", finding.code.help());
                warn(FindingCode::UnitSettingLost, problem, &help)
            }
        });
    }
    for lost in lost {
        let (path, line, flags) = (lost.path, lost.line, lost.flags.join(" "));
        let problem =
            format!("{path}: line {line}: flags in the file do not reach the program: {flags}");
        found.push(warn(FindingCode::UnitSettingLost, problem, follows));
    }
    for part in &unit.parts {
        for (line, key, value) in part.file.ignored() {
            let path = &part.path;
            let problem = format!(
                "{path}: line {line}: systemd ignores {key}=`{value}`, which it cannot parse"
            );
            let help = "remove or correct the directive in `systemd.directives` of the cluster file, and run `kcm apply`; kcm adopts the effective settings";
            found.push(warn(FindingCode::UnitSettingLost, problem, help));
        }
    }
    if let Some((path, target)) =
        unit.parts.first().and_then(|part| Some((&part.path, part.target.as_ref()?)))
    {
        let problem = format!("{path} is a symbolic link to {target}");
        let help = "before a change of the unit, replace the link with the file (`cp --remove-destination`); kcm does not write through a link";
        found.push(warn(FindingCode::UnitExpanded, problem, help));
    }
    for part in unit.parts.iter().skip(1).filter(|part| !part.file.entries.is_empty()) {
        let problem = format!("{} is part of the unit", part.path);
        let help = "remove the drop-in after `kcm apply` has written the unit, which then contains its settings";
        found.push(warn(FindingCode::DropIn, problem, help));
    }
    found.extend(missing(unit).map(|(path, is_optional)| {
        let problem = format!("the unit names {path} in EnvironmentFile=, which is missing");
        if is_optional {
            let help =
                "create the file if the unit needs it; the unit also starts without the file";
            return warn(FindingCode::FileMissing, problem, help);
        }
        let help = "create the file; systemd does not start the unit without it";
        Finding::error(FindingCode::FileMissing, master, problem, help)
    }));
    found.extend(
        of_type(unit).map(|(problem, help)| warn(FindingCode::UnitSettingLost, problem, help)),
    );
    found
}

/// Reports a finding that is about a line of flags outside of the command.
pub(crate) fn is_line_of_flags(path: &str, finding: &UnitFinding, lost: &[Lost]) -> bool {
    matches!(finding.code, UnitCode::UnknownKey | UnitCode::MissingEquals)
        && finding.subject.starts_with("--")
        && lost.iter().any(|lost| lost.path == path)
}

/// Returns the problem with a type of service that does not become active, and its fix.
pub(crate) fn of_type(unit: &EffectiveUnit) -> Option<(String, &'static str)> {
    let kind = unit.merged();
    let kind = kind.value("Service", "Type").unwrap_or_default();
    let (kind, waits) = OTHER_TYPES.iter().find(|(name, _)| *name == kind)?;
    let problem =
        format!("with Type={kind} systemd {waits}, and the service does not become active");
    Some((problem, "set Type=simple or Type=exec, or remove Type="))
}

/// Returns missing environment files, and whether each is optional. Optional ones are included only
/// if a variable is not set anywhere.
pub(crate) fn missing(unit: &EffectiveUnit) -> impl Iterator<Item = (&str, bool)> {
    let is_short = unit.findings().iter().any(|(_, it)| it.code == UnitCode::VariableNotSet);
    let missing = unit
        .environment
        .iter()
        .filter(move |part| !part.is_there && (is_short || !part.is_optional));
    missing.map(|part| (part.path.as_str(), part.is_optional))
}

/// Returns the cause in a unit, if a flag does not reach the program.
pub(super) fn cause(unit: &EffectiveUnit, flag: &str) -> Option<String> {
    let findings = unit.findings();
    let is_flag = |word: &String| word.split('=').next() == Some(flag);
    let mut lost = unit.lost().into_iter();
    if let Some(lost) = lost.find(|lost| lost.flags.iter().any(is_flag)) {
        let place =
            format!("the flag is in {} after line {}", lost.path, lost.line.saturating_sub(1));
        let before = findings.iter().rfind(|(path, finding)| {
            let is_of_lost = matches!(finding.code, UnitCode::UnknownKey | UnitCode::MissingEquals);
            *path == lost.path
                && finding.line <= lost.line
                && finding.effect() != Effect::Notice
                && !is_of_lost
        });
        return Some(match before {
            Some((_, finding)) => format!("{place}: {}", without_help(finding)),
            None => place,
        });
    }
    let is_cause = |code: UnitCode| {
        matches!(
            code,
            UnitCode::VariableInBraces
                | UnitCode::VariableNotSet
                | UnitCode::VariableName
                | UnitCode::VariableWithoutValue
                | UnitCode::DollarInWord
                | UnitCode::CommandDropped
        )
    };
    let causes = findings.iter().filter(|(_, finding)| is_cause(finding.code));
    let causes = causes.map(|(path, finding)| {
        format!("{path}: {}; {}", without_help(finding), finding.code.help())
    });
    let missing = missing(unit).map(|(path, _)| format!("{path} of EnvironmentFile= is missing"));
    let causes: Vec<_> = causes.chain(missing).collect();
    (!causes.is_empty()).then(|| causes.join("; "))
}

/// Formats a finding without its fix: the line, the behaviour of systemd, and the text.
fn without_help(finding: &UnitFinding) -> String {
    let UnitFinding { line, code, subject, .. } = finding;
    let subject =
        if subject.is_empty() { String::new() } else { format!(": `{}`", subject.escape_debug()) };
    format!("line {line}: {}{subject}", code.meaning())
}
