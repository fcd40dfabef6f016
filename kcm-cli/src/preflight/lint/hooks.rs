//! Lint checks of `plan` and `apply`.

use kcm_systemd::{KubernetesVersion, LintCode, LintVersions};

use super::{LintError, LintFinding, Severity, accept, checks, versions_of};
use crate::cluster::Cluster;
use crate::context::Run;
use crate::event::Event;
use crate::finding::{Finding, lint_code};
use crate::fleet::Network;
use crate::pki;

/// Refuses a cluster file with lint errors, and emits its warnings.
///
/// Findings that depend on the program are left to [`of_programs`] if programs can be queried.
///
/// # Errors
///
/// A [`LintError`] with all errors that are not accepted.
pub(crate) fn refuse(run: Run<'_>) -> Result<(), LintError> {
    let cluster = run.cluster;
    let mut findings = early(cluster, run.fleet.network() == Network::Allowed);
    accept(cluster, &mut findings);
    if !cluster.allowed.is_empty() {
        // An entry may also accept findings that are reported later.
        let all = checks::of_cluster(cluster, &versions_of(cluster));
        findings.extend(checks::unused_allowances(cluster, &all));
    }
    // Rendering itself refuses values that cannot be rendered.
    findings.retain(|it| is_to_report(it) && it.code != lint_code::CLUSTER_FILE);
    let file = cluster.source.file();
    let (errors, warnings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|it| it.severity == Severity::Error);
    for warning in warnings {
        let text = super::shown(file, &warning);
        run.events.event(&Event::Warning { text });
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(LintError { file: file.to_owned(), findings: errors })
}

fn is_to_report(finding: &LintFinding) -> bool {
    finding.accepted.is_none() && finding.severity > Severity::Benchmark
}

/// Returns the findings that are known before any master is queried.
fn early(cluster: &Cluster, asks_programs: bool) -> Vec<LintFinding> {
    let versions = versions_of(cluster);
    let mut findings: Vec<_> = checks::of_versions(cluster, &versions).collect();
    let masters = cluster.masters.iter().map(|master| (master, &versions));
    findings.extend(checks::of_masters(cluster, masters));
    let binary = cluster.install.binary.as_deref();
    for finding in findings.iter_mut().filter(|finding| is_of_unknown_flag(finding)) {
        // A program that contains the name may be newer than the table. Its flags are checked once
        // it is on a master.
        let flag = finding.flag.as_deref().unwrap_or_default();
        if binary.is_some_and(|path| pki::holds(path, flag.as_bytes())) {
            finding.severity = Severity::Warning;
        }
    }
    if asks_programs {
        let is_brought = cluster.install.binary.is_some();
        findings.retain(
            |finding| {
                if is_of_unknown_flag(finding) { is_brought } else { !finding.is_partial }
            },
        );
    }
    findings
}

fn is_of_unknown_flag(finding: &LintFinding) -> bool {
    finding.code == LintCode::FlagUnknown.as_str()
}

/// Reports whether the check of the program itself covers the finding.
fn is_left_to_program(finding: &LintFinding) -> bool {
    let of_names = [LintCode::FlagRemoved, LintCode::FlagTooNew];
    let is_of_name = of_names.iter().any(|code| code.as_str() == finding.code);
    is_of_name && finding.severity == Severity::Error
}

/// Checks the flags of masters against the versions that their programs reported. `None` stands for
/// a master whose program was not queried.
pub(crate) fn of_programs(
    cluster: &Cluster,
    programs: &[Option<KubernetesVersion>],
) -> Vec<Finding> {
    let named = cluster.kubernetes_version;
    let versions: Vec<_> = programs
        .iter()
        .map(|program| match named.or(*program) {
            Some(version) => LintVersions::These(vec![version]),
            None => LintVersions::Unknown,
        })
        .collect();
    let reported = early(cluster, true);
    let is_reported = |finding: &LintFinding| {
        reported.iter().any(|it| {
            (it.code, &it.key, it.line, &it.problem)
                == (finding.code, &finding.key, finding.line, &finding.problem)
        })
    };
    let mut findings = checks::of_masters(cluster, cluster.masters.iter().zip(&versions));
    findings.retain(|finding| !is_reported(finding) && !is_left_to_program(finding));
    for finding in findings.iter_mut().filter(|finding| is_of_unknown_flag(finding)) {
        // The check of the program's own flags is more reliable than the table.
        finding.severity = Severity::Warning;
    }
    findings.extend(of_versions(cluster, programs));
    accept(cluster, &mut findings);
    findings.retain(is_to_report);
    findings.iter().map(|finding| finding.to_finding(cluster.source.file())).collect()
}

/// Reports programs whose version differs from the cluster file, or is not in the tables.
fn of_versions(cluster: &Cluster, programs: &[Option<KubernetesVersion>]) -> Vec<LintFinding> {
    let mut found: Vec<KubernetesVersion> = programs.iter().copied().flatten().collect();
    found.sort_unstable();
    found.dedup();
    let mut findings = Vec::new();
    for version in found {
        if let Some(named) = cluster.kubernetes_version.filter(|named| *named != version) {
            let problem = format!(
                "kubernetesVersion is {named}, but the version of the program is {version}"
            );
            let help = "set `kubernetesVersion` to the version that will run, or remove the key";
            let key = "kubernetesVersion";
            let (line, column) = cluster.source.place(key).unwrap_or((1, 1));
            let finding =
                LintFinding::new(lint_code::VERSION_DIFFERS, Severity::Warning, key, problem, help);
            findings.push(LintFinding { line, column, ..finding });
        } else if !version.is_known() {
            findings.push(checks::of_version(cluster, version));
        }
    }
    findings
}
