//! Lint checks of `status`: the arguments of a process, for the version of its program.

use kcm_systemd::{FlagLint, Flags, KubernetesVersion, LintCode, LintVersions, lint_flags};

use super::{Severity, checks};
use crate::cluster::Cluster;
use crate::finding::{Finding, FindingCode, Severity as FindingSeverity};

/// The flags of a service on a master, running or not.
pub(crate) struct Running {
    pub(crate) master: String,
    pub(crate) flags: Flags,
    /// The version of the program, if known.
    pub(crate) version: Option<KubernetesVersion>,
    /// True if a process runs with these flags.
    pub(crate) is_process: bool,
}

/// Checks the flags of services on masters. Equal findings of several masters become one.
pub(crate) fn of_processes(cluster: &Cluster, running: &[Running]) -> Vec<Finding> {
    let mut merged: Vec<(FlagLint, Vec<&str>)> = Vec::new();
    for one in running {
        for lint in of_process(cluster, one) {
            match merged.iter_mut().find(|(known, _)| *known == lint) {
                Some((_, masters)) => masters.push(&one.master),
                None => merged.push((lint, vec![&one.master])),
            }
        }
    }
    let findings =
        merged.into_iter().map(|(lint, masters)| finding(&lint, &masters, running.len()));
    findings.collect()
}

fn of_process(cluster: &Cluster, running: &Running) -> Vec<FlagLint> {
    let versions = match running.version.or(cluster.kubernetes_version) {
        Some(version) => LintVersions::These(vec![version]),
        None => LintVersions::Unknown,
    };
    let several = checks::has_several_masters(cluster);
    let is_accepted =
        |lint: &FlagLint| cluster.allowed.iter().any(|allowed| allowed.code == lint.code.as_str());
    let lints = lint_flags(&running.flags, &versions).into_iter();
    let lints = lints.filter_map(|lint| checks::weighed(lint, several));
    let mut lints: Vec<_> =
        lints.filter(|lint| lint.severity > Severity::Benchmark && !is_accepted(lint)).collect();
    for lint in lints.iter_mut().filter(|lint| running.is_process && is_about_a_name(lint.code)) {
        // The program runs, so it accepts the name.
        lint.severity = Severity::Warning;
    }
    lints
}

fn is_about_a_name(code: LintCode) -> bool {
    matches!(
        code,
        LintCode::FlagUnknown
            | LintCode::FlagRemoved
            | LintCode::FlagTooNew
            | LintCode::ControllerUnknown
            | LintCode::GateUnknown
            | LintCode::GateLocked
            | LintCode::GateNeeds
    )
}

fn finding(lint: &FlagLint, masters: &[&str], all: usize) -> Finding {
    let named = match masters {
        _ if masters.len() == all => String::new(),
        [_] => String::new(),
        several => format!("{}: ", several.join(", ")),
    };
    Finding {
        code: FindingCode::FlagLint,
        severity: match lint.severity {
            Severity::Error => FindingSeverity::Error,
            Severity::Warning | Severity::Benchmark => FindingSeverity::Warning,
        },
        master: match masters {
            [one] => Some((*one).to_owned()),
            _ => None,
        },
        problem: format!("{named}{lint} [{}]", lint.code),
        help: format!("{}; change the cluster file and run `kcm apply`", lint.help),
    }
}
