//! Lints of the flags of kube-controller-manager, before it is started with them.

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

/// A problem of a set of flags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FlagLint {
    /// The kind of problem.
    pub code: LintCode,
    /// The weight of this one; never greater than that of the code.
    pub severity: Severity,
    /// The flag concerned, without dashes; the one to change, if several are.
    pub flag: String,
    /// Other flags that take part, without dashes.
    pub related: Vec<String>,
    /// The part of the value that is concerned; empty for the whole.
    pub subject: String,
    /// The problem.
    pub problem: String,
    /// The way to solve it.
    pub help: String,
    /// The versions that have the problem, of those that were asked about.
    pub versions: Vec<KubernetesVersion>,
    /// The same in words, such as `from 1.24 on`; nothing where all versions that were asked about have it.
    pub scope: Option<String>,
}

impl FlagLint {
    /// Adds flags that take part.
    fn with(&mut self, related: &[&str]) -> &mut Self {
        self.related.extend(related.iter().map(|&flag| flag.to_owned()));
        self
    }

    /// Names the part of the value that is concerned.
    fn about(&mut self, subject: &str) -> &mut Self {
        subject.clone_into(&mut self.subject);
        self
    }

    /// Lowers the severity: the program takes it.
    fn warning(&mut self) {
        self.severity = self.severity.min(Severity::Warning);
    }
}

/// The problem in one line, with the flag in front.
impl fmt::Display for FlagLint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{}: {}", self.flag, self.problem)?;
        if let Some(scope) = &self.scope {
            write!(f, " ({scope})")?;
        }
        Ok(())
    }
}

/// The lints of one version.
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

/// A run over one set of flags for one version.
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

    /// Returns the value of a flag, unless it is not set or empty.
    fn set(&self, flag: &str) -> Option<&'a str> {
        self.flags.get(flag).filter(|value| !value.is_empty())
    }

    /// Returns the value of a boolean flag, or its default; the default too if the value is none.
    fn is_on(&self, flag: &str, default: bool) -> bool {
        self.flags.get(flag).and_then(value::boolean).unwrap_or(default)
    }

    /// Returns the value of a whole number, or its default; nothing if the value is not a number.
    fn number(&self, flag: &str, default: i64) -> Option<i64> {
        self.flags.get(flag).map_or(Some(default), |text| value::integer(text, 64))
    }

    /// Returns the items of a list; none if it is not set or not a list.
    fn list(&self, flag: &str) -> Vec<String> {
        self.flags.get(flag).and_then(value::csv).unwrap_or_default()
    }

    /// Tells whether the version is at least `1.minor`.
    fn is_from(&self, minor: u16) -> bool {
        self.version >= KubernetesVersion::v1(minor)
    }
}

#[cfg(test)]
mod tests;
