//! Lint: checks the flags that a cluster file sets against the version that will run. Pure.
//!
//! `plan` and `apply` refuse lint errors before anything is issued or uploaded. `status` applies
//! the same checks to the arguments of the running process.

mod checks;
mod files;
mod hooks;
mod place;
mod process;
mod sarif;

use std::fmt;
use std::path::{Path, PathBuf};

use kcm_systemd::{KubernetesVersion, LintVersions};
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use crate::cluster::{Cluster, ClusterFileError};
use crate::finding::{Finding, FindingCode, Severity as FindingSeverity, lint_code};
use crate::util::schema::{LintSeverity, MinorVersion};
use crate::util::words::{count, harmless};

pub use kcm_systemd::Severity;

pub(crate) use checks::weighed;
pub(crate) use files::{FileUse, of_file};
pub(crate) use hooks::{of_programs, refuse};
pub(crate) use process::{Running, of_processes};

/// The lint report on a cluster file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LintReport {
    /// The cluster file.
    pub file: PathBuf,
    /// The versions of Kubernetes that were checked.
    #[schemars(with = "Vec<MinorVersion>")]
    pub versions: Vec<KubernetesVersion>,
    /// The findings, the most severe ones first, including accepted ones.
    pub findings: Vec<LintFinding>,
}

/// One finding of a lint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LintFinding {
    /// The stable code.
    pub code: &'static str,
    /// The severity of the finding.
    #[schemars(with = "LintSeverity")]
    pub severity: Severity,
    /// The key of the cluster file to change; empty for the whole file.
    pub key: String,
    /// The line, from 1, of the key or of the section to which the key must be added.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The affected masters; empty if all are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masters: Vec<String>,
    /// The flag, without dashes, if the finding is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flag: Option<String>,
    /// The problem.
    pub problem: String,
    /// The way to fix the problem.
    pub help: String,
    /// The affected versions of Kubernetes, of those that were checked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<MinorVersion>")]
    pub versions: Vec<KubernetesVersion>,
    /// The reason given in the cluster file for accepting the finding, if it is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// True if the finding affects only some of the checked versions.
    #[serde(skip)]
    pub(crate) is_partial: bool,
}

/// Lint errors of a cluster file. kcm has not issued, uploaded or changed anything.
#[derive(Debug, Error)]
#[error("{}", listed(file, findings))]
#[non_exhaustive]
pub struct LintError {
    /// The cluster file.
    pub file: PathBuf,
    /// The errors.
    pub findings: Vec<LintFinding>,
}

/// Checks a cluster file offline.
///
/// `versions` are the versions to check against. If empty, the version in the file applies, else
/// all known versions.
#[must_use]
pub fn lint(cluster: &Cluster, versions: &[KubernetesVersion]) -> LintReport {
    let versions = match versions {
        [] => versions_of(cluster),
        some => LintVersions::These(some.to_vec()),
    };
    let mut findings = checks::of_cluster(cluster, &versions);
    accept(cluster, &mut findings);
    findings.extend(checks::unused_allowances(cluster, &findings));
    LintReport::new(cluster.source.file(), versions.to_vec(), findings)
}

/// Reports a cluster file that cannot be read as one finding.
#[must_use]
pub fn lint_of_error(error: &ClusterFileError) -> LintReport {
    let prefix = format!("{}: ", error.field);
    let problem = error.message.strip_prefix(&prefix).unwrap_or(&error.message);
    let help = error.help.as_deref().unwrap_or_default();
    let finding = LintFinding {
        line: error.line.unwrap_or(1),
        column: error.column.unwrap_or(1),
        ..LintFinding::new(lint_code::CLUSTER_FILE, Severity::Error, &error.field, problem, help)
    };
    LintReport::new(&error.file, Vec::new(), vec![finding])
}

/// Returns the versions that a cluster file is checked against by default.
fn versions_of(cluster: &Cluster) -> LintVersions {
    let version = cluster.kubernetes_version;
    version.map_or(LintVersions::Unknown, |version| LintVersions::These(vec![version]))
}

/// Marks the findings that the cluster file accepts.
fn accept(cluster: &Cluster, findings: &mut [LintFinding]) {
    for finding in findings {
        let allowed = cluster.allowed.iter().find(|allowed| allowed.code == finding.code);
        finding.accepted = allowed.map(|allowed| allowed.reason.clone());
    }
}

impl LintReport {
    fn new(file: &Path, versions: Vec<KubernetesVersion>, mut findings: Vec<LintFinding>) -> Self {
        findings.sort_by(|one, other| {
            (other.severity, one.line, one.column).cmp(&(one.severity, other.line, other.column))
        });
        let file = file.to_owned();
        Self { file, versions, findings }
    }

    /// Removes the findings of benchmarks and good practice.
    pub fn without_benchmark(&mut self) {
        self.findings.retain(|finding| finding.severity > Severity::Benchmark);
    }

    /// Returns the highest severity among findings that are not accepted.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        let counted = self.findings.iter().filter(|finding| finding.accepted.is_none());
        counted.map(|finding| finding.severity).max()
    }

    /// Returns the report in SARIF 2.1.0.
    #[must_use]
    pub fn to_sarif(&self) -> serde_json::Value {
        sarif::document(self)
    }
}

impl LintFinding {
    fn new(
        code: &'static str,
        severity: Severity,
        key: &str,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity,
            key: key.to_owned(),
            line: 1,
            column: 1,
            masters: Vec::new(),
            flag: None,
            problem: problem.into(),
            help: help.into(),
            versions: Vec::new(),
            accepted: None,
            is_partial: false,
        }
    }

    /// Returns the place and the problem in one line.
    #[must_use]
    pub fn what(&self, file: &Path) -> String {
        let Self { key, line, column, problem, masters, .. } = self;
        let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
        let masters =
            if masters.is_empty() { String::new() } else { format!("{}: ", masters.join(", ")) };
        harmless(&format!("{}:{line}:{column}: {key}{masters}{problem}", file.display()))
    }

    /// Converts the finding to a preflight finding.
    fn to_finding(&self, file: &Path) -> Finding {
        Finding {
            code: FindingCode::FlagLint,
            severity: match self.severity {
                Severity::Error => FindingSeverity::Error,
                Severity::Warning | Severity::Benchmark => FindingSeverity::Warning,
            },
            master: None,
            problem: format!("{} [{}]", self.what(file), self.code),
            help: self.help.clone(),
        }
    }
}

fn listed(file: &Path, findings: &[LintFinding]) -> String {
    let text = |text, finding| format!("{text}{}\n", shown(file, finding));
    let lines = findings.iter().fold(String::new(), text);
    format!("{lines}{}; no master has changed", count(findings.len(), "lint error"))
}

/// Returns severity, code, place and problem in one line, and the fix in another.
pub(crate) fn shown(file: &Path, finding: &LintFinding) -> String {
    let LintFinding { code, severity, help, .. } = finding;
    let help = match help.as_str() {
        "" => String::new(),
        help => format!("\n  help: {}", harmless(help)),
    };
    format!("{}[{code}]: {}{help}", word(*severity), finding.what(file))
}

/// Returns the name of a severity.
pub(crate) fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Benchmark => "benchmark",
    }
}

impl fmt::Display for LintReport {
    /// Writes each finding that is not accepted on two lines: severity, code, place and problem,
    /// then the help.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.findings.iter().filter(|finding| finding.accepted.is_none()) {
            let LintFinding { code, severity, help, .. } = finding;
            writeln!(f, "{}[{code}]: {}", word(*severity), finding.what(&self.file))?;
            if !help.is_empty() {
                writeln!(f, "  help: {}", harmless(help))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
