//! Lints of the flags of kube-controller-manager.

mod benchmark;
mod codes;
mod election;
mod gates;
mod names;
mod network;
mod ranges;
mod serving;
mod signing;
mod value;
mod versions;

use std::fmt;

use serde::Serialize;

use self::gates::GateSettings;
use crate::flags::{Flags, KubernetesVersion};

pub use self::codes::{LintCode, Severity};
pub use self::versions::{LintVersions, lint_flags};

/// A problem in a set of flags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FlagLint {
    /// Kind of the problem.
    pub code: LintCode,
    /// Severity of this problem; never greater than that of the code.
    pub severity: Severity,
    /// Affected flag without dashes; the flag to change if several are affected.
    pub flag: String,
    /// Other affected flags without dashes.
    pub related: Vec<String>,
    /// Affected part of the value; empty for the whole value.
    pub subject: String,
    /// Description of the problem.
    pub problem: String,
    /// The fix.
    pub help: String,
    /// Linted versions that have the problem.
    pub versions: Vec<KubernetesVersion>,
    /// Text for the versions, such as `from 1.24 on`; `None` if all linted versions have the
    /// problem.
    pub scope: Option<String>,
}

impl FlagLint {
    /// Adds other affected flags.
    fn with(&mut self, related: &[&str]) -> &mut Self {
        self.related.extend(related.iter().map(|&flag| flag.to_owned()));
        self
    }

    /// Sets the affected part of the value.
    fn about(&mut self, subject: &str) -> &mut Self {
        subject.clone_into(&mut self.subject);
        self
    }

    /// Lowers the severity to a warning, for values that the program accepts.
    fn warning(&mut self) {
        self.severity = self.severity.min(Severity::Warning);
    }
}

/// The problem in one line, after the flag.
impl fmt::Display for FlagLint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{}: {}", self.flag, self.problem)?;
        if let Some(scope) = &self.scope {
            write!(f, " ({scope})")?;
        }
        Ok(())
    }
}

/// Returns the lints of one version.
fn lint_one(flags: &Flags, version: KubernetesVersion) -> Vec<FlagLint> {
    let gates = GateSettings::new(flags, version);
    let mut linter = Linter { flags, version, gates, lints: Vec::new() };
    linter.names_and_kinds();
    linter.values();
    linter.ranges();
    linter.feature_gates();
    linter.controllers();
    linter.leader_election();
    linter.network();
    linter.signing();
    linter.cloud_provider();
    linter.serving();
    linter.logging();
    linter.benchmark();
    linter.lints
}

/// The linter of one set of flags for one version.
struct Linter<'a> {
    flags: &'a Flags,
    version: KubernetesVersion,
    gates: GateSettings<'a>,
    lints: Vec<FlagLint>,
}

impl<'a> Linter<'a> {
    #[expect(clippy::indexing_slicing, reason = "the lint was pushed just before")]
    fn lint(
        &mut self,
        code: LintCode,
        flag: &str,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) -> &mut FlagLint {
        self.lints.push(FlagLint {
            code,
            severity: code.severity(),
            flag: flag.into(),
            related: Vec::new(),
            subject: String::new(),
            problem: problem.into(),
            help: help.into(),
            versions: vec![self.version],
            scope: None,
        });
        let last = self.lints.len().saturating_sub(1);
        &mut self.lints[last]
    }

    /// Returns the value of a flag, unless it is unset or empty.
    fn set(&self, flag: &str) -> Option<&'a str> {
        self.flags.get(flag).filter(|value| !value.is_empty())
    }

    /// Returns the value of a boolean flag, or its default if unset or not a boolean.
    fn is_on(&self, flag: &str, default: bool) -> bool {
        self.flags.get(flag).and_then(value::boolean).unwrap_or(default)
    }

    /// Returns the value of an integer flag, or its default if unset; `None` if the value is not an
    /// integer.
    fn number(&self, flag: &str, default: i64) -> Option<i64> {
        self.flags.get(flag).map_or(Some(default), |text| value::integer(text, 64))
    }

    /// Returns the items of a list; empty if the flag is unset or not a list.
    fn list(&self, flag: &str) -> Vec<String> {
        self.flags.get(flag).and_then(value::csv).unwrap_or_default()
    }

    /// Reports whether the version is at least `1.minor`.
    fn is_from(&self, minor: u16) -> bool {
        self.version >= KubernetesVersion::v1(minor)
    }
}

#[cfg(test)]
mod tests;
