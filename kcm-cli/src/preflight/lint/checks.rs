//! Lint checks of a whole cluster file.

use kcm_systemd::{FlagLint, KubernetesVersion, LintCode, LintVersions, lint_flags};

use super::{LintFinding, Severity, files, place};
use crate::cluster::layout::Layout;
use crate::cluster::{Cluster, FlagChange, Master};
use crate::desired;
use crate::finding::lint_code;

/// Checks the flags of all masters, and the file itself. Equal findings of several masters become
/// one.
pub(super) fn of_cluster(cluster: &Cluster, versions: &LintVersions) -> Vec<LintFinding> {
    let mut findings: Vec<_> = of_versions(cluster, versions).collect();
    findings.extend(
        cluster
            .warnings
            .iter()
            .map(|text| LintFinding::new(lint_code::CLUSTER_FILE, Severity::Warning, "", text, "")),
    );
    let masters = cluster.masters.iter().map(|master| (master, versions));
    findings.extend(of_masters(cluster, masters));
    findings.extend(files::of_owner(cluster));
    findings
}

/// Checks the flags of each master against its versions.
pub(super) fn of_masters<'a>(
    cluster: &'a Cluster,
    masters: impl IntoIterator<Item = (&'a Master, &'a LintVersions)>,
) -> Vec<LintFinding> {
    let mut all: Vec<LintFinding> = Vec::new();
    for (master, versions) in masters {
        for mut finding in of_master(cluster, master, versions) {
            let name = finding.masters.pop();
            let is_same = |other: &&mut LintFinding| {
                let Some(name) = &name else { return false };
                !other.masters.contains(name)
                    && LintFinding { masters: Vec::new(), ..(**other).clone() } == finding
            };
            if let Some(known) = all.iter_mut().find(is_same) {
                known.masters.extend(name);
            } else {
                finding.masters.extend(name);
                all.push(finding);
            }
        }
    }
    for finding in &mut all {
        if finding.masters.len() == cluster.masters.len() {
            finding.masters.clear();
        }
    }
    all
}

fn of_master(cluster: &Cluster, master: &Master, versions: &LintVersions) -> Vec<LintFinding> {
    let flags = Layout::of(&cluster.install)
        .map_err(|error| error.reason)
        .and_then(|layout| desired::flags(cluster, &layout, master));
    let name = master.name.as_str();
    let of_master =
        |finding: LintFinding| LintFinding { masters: vec![name.to_owned()], ..finding };
    let flags = match flags {
        Ok(flags) => flags,
        Err(reason) => {
            let key = reason.split(' ').next().unwrap_or_default();
            let flag = key.strip_prefix("flags.").unwrap_or_default();
            let at = place::of_flag(&cluster.source, name, flag, &[]);
            let (line, column) = (at.line, at.column);
            let finding =
                LintFinding::new(lint_code::CLUSTER_FILE, Severity::Error, &at.key, reason, "");
            return vec![of_master(LintFinding { line, column, ..finding })];
        }
    };
    let lints = lint_flags(&flags, versions).into_iter();
    let lints = lints.filter_map(|lint| weighed(lint, has_several_masters(cluster)));
    lints.map(|lint| of_master(at_its_place(cluster, name, &lint))).collect()
}

/// Reports whether the cluster file has several masters, including excluded ones.
pub(super) fn has_several_masters(cluster: &Cluster) -> bool {
    cluster.masters.len() + cluster.left_out.len() > 1
}

/// Adjusts the severity of a lint to the number of masters: a single process does not need leader
/// election.
pub(crate) fn weighed(lint: FlagLint, has_several_masters: bool) -> Option<FlagLint> {
    match (lint.code, has_several_masters) {
        (LintCode::NoLeaderElection, true) => {
            let mut lint = lint;
            lint.severity = Severity::Error;
            Some(lint)
        }
        (LintCode::NoLeaderElection, false) => None,
        _ => Some(lint),
    }
}

fn at_its_place(cluster: &Cluster, master: &str, lint: &FlagLint) -> LintFinding {
    let at = place::of_flag(&cluster.source, master, &lint.flag, &lint.related);
    LintFinding {
        line: at.line,
        column: at.column,
        flag: Some(lint.flag.clone()),
        versions: lint.versions.clone(),
        is_partial: lint.scope.is_some(),
        ..LintFinding::new(
            lint.code.as_str(),
            lint.severity,
            &at.key,
            lint.to_string(),
            help(cluster, master, lint),
        )
    }
}

/// Returns the fix of a lint in terms of the cluster file.
///
/// The lint knows flags only. A cluster file sets some of them in keys of their own, and kcm sets
/// others itself.
fn help(cluster: &Cluster, master: &str, lint: &FlagLint) -> String {
    let flag = lint.flag.as_str();
    let changes = cluster.master(master).map_or(&[][..], |master| &master.flags);
    let change = changes.iter().rev().find(|(name, _)| name.as_str() == flag);
    match change.map(|(_, change)| change) {
        Some(FlagChange::Remove) => format!("remove `{flag}: null` from the flags, or {}", lint.help),
        None if lint.code == LintCode::CisBindAddress => {
            "set `bindAddress: loopback` in `controllerManager`, and remove `bindAddress` of the masters; only clients on the master can then connect".to_owned()
        }
        None if lint.help.starts_with("remove the flag") => {
            format!("write `{flag}: null` under `controllerManager.flags`")
        }
        Some(FlagChange::Set(_)) | None => lint.help.clone(),
    }
}

/// Reports versions that the tables do not cover.
pub(super) fn of_versions<'a>(
    cluster: &'a Cluster,
    versions: &LintVersions,
) -> impl Iterator<Item = LintFinding> + use<'a> {
    let unknown = versions.to_vec().into_iter().filter(|version| !version.is_known());
    unknown.map(|version| of_version(cluster, version))
}

/// Reports a version that the tables do not cover.
pub(super) fn of_version(cluster: &Cluster, version: KubernetesVersion) -> LintFinding {
    let (oldest, newest) = (KubernetesVersion::OLDEST_KNOWN, KubernetesVersion::NEWEST_KNOWN);
    let problem =
        format!("Kubernetes {version} is unknown to this kcm, which knows {oldest} to {newest}");
    let help = if version > newest {
        "upgrade kcm; this version does not check flags that are new in that release"
    } else {
        "check the flags against the documentation of that release; kcm checks only the flags that it knows"
    };
    let at = place::of_key(&cluster.source, "kubernetesVersion");
    LintFinding {
        line: at.line,
        column: at.column,
        versions: vec![version],
        ..LintFinding::new(lint_code::VERSION_UNKNOWN, Severity::Warning, &at.key, problem, help)
    }
}

/// Reports entries of `lint.allow` that accept nothing.
pub(super) fn unused_allowances(cluster: &Cluster, findings: &[LintFinding]) -> Vec<LintFinding> {
    let entries = cluster.allowed.iter().enumerate();
    let unused = entries.filter(|(_, allowed)| !findings.iter().any(|it| it.code == allowed.code));
    let unused = unused.map(|(place, allowed)| {
        let at = place::of_key(&cluster.source, &format!("lint.allow[{place}].code"));
        let problem = format!("no finding has the code `{}`", allowed.code);
        let (line, column) = (at.line, at.column);
        let finding = LintFinding::new(
            lint_code::ALLOW_UNUSED,
            Severity::Warning,
            &at.key,
            problem,
            "remove the entry",
        );
        LintFinding { line, column, ..finding }
    });
    unused.collect()
}
