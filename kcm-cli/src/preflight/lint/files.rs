//! Checks of section 1.1 of the [CIS Kubernetes Benchmark]: modes and owners of files.
//!
//! [CIS Kubernetes Benchmark]: https://www.cisecurity.org/benchmark/kubernetes

use super::{LintFinding, Severity, place};
use crate::cluster::Cluster;
use crate::util::files::{Mode, Owner};

/// The use of a file, as the benchmark distinguishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileUse {
    Unit,
    Kubeconfig,
    Certificate,
    Key,
}

/// Returns the benchmark items that a file violates: code, problem and help of each.
pub(crate) fn of_file(
    is: FileUse,
    path: &str,
    mode: Mode,
    owner: Owner,
) -> Vec<(&'static str, String, String)> {
    let (mode_item, most, owner_item) = match is {
        FileUse::Unit => ("cis-1.1.3", 0o644, "cis-1.1.4"),
        FileUse::Kubeconfig => ("cis-1.1.17", 0o600, "cis-1.1.18"),
        FileUse::Certificate => ("cis-1.1.20", 0o644, "cis-1.1.19"),
        FileUse::Key => ("cis-1.1.21", 0o600, "cis-1.1.19"),
    };
    let mut found = Vec::new();
    if mode.bits() & !most != 0 {
        let problem = format!("{path} has mode {mode}");
        found.push((mode_item, problem, format!("set the mode to {most:o}")));
    }
    if owner != Owner::ROOT {
        let problem = format!("{path} belongs to {owner}");
        let help = "set the owner to root:root as the benchmark requires, unless a service with its own user has to read the file";
        found.push((owner_item, problem, help.to_owned()));
    }
    found
}

/// Checks the owner that a cluster file sets for files. kcm always writes modes that meet the
/// benchmark.
pub(super) fn of_owner(cluster: &Cluster) -> Vec<LintFinding> {
    let (owner, key) = match (&cluster.install.owner, &cluster.service.user) {
        (Some(owner), _) => (owner.to_string(), "install.owner"),
        (None, Some(user)) => (user.to_string(), "systemd.user"),
        (None, None) => return Vec::new(),
    };
    if matches!(owner.as_str(), "root" | "root:root") {
        return Vec::new();
    }
    let at = place::of_key(&cluster.source, key);
    let items = [("cis-1.1.18", "the kubeconfig"), ("cis-1.1.19", "keys and certificates")];
    let finding = |(code, files): (&'static str, &str)| {
        let problem = format!("{files} belong to {owner}; the benchmark requires root:root");
        let help = "accept the finding with `lint.allow` if a service with its own user has to read these files";
        let (line, column) = (at.line, at.column);
        let finding = LintFinding::new(code, Severity::Benchmark, &at.key, problem, help);
        LintFinding { line, column, ..finding }
    };
    items.into_iter().map(finding).collect()
}
