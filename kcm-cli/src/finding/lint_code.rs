//! The codes of lint findings: those of flags, and those of kcm itself.

use kcm_systemd::LintCode;

/// The cluster file cannot be read.
pub(crate) const CLUSTER_FILE: &str = "cluster-file";
/// The Kubernetes version is older or newer than the tables.
pub(crate) const VERSION_UNKNOWN: &str = "kubernetes-unknown";
/// The program has a different version than the cluster file.
pub(crate) const VERSION_DIFFERS: &str = "kubernetes-differs";
/// An accepted code has no finding.
pub(crate) const ALLOW_UNUSED: &str = "allow-unused";

/// The codes that are not about flags, with their descriptions.
pub(crate) const OWN: &[(&str, &str)] = &[
    (CLUSTER_FILE, "The cluster file is invalid or probably contains a mistake."),
    (VERSION_UNKNOWN, "The version of Kubernetes is unknown to this kcm."),
    (VERSION_DIFFERS, "The version of the program differs from `kubernetesVersion`."),
    (ALLOW_UNUSED, "An entry of `lint.allow` accepts no finding."),
    ("cis-1.1.3", "CIS 1.1.3: the unit file must be writable by its owner only."),
    ("cis-1.1.4", "CIS 1.1.4: the unit file must belong to root:root."),
    ("cis-1.1.17", "CIS 1.1.17: the kubeconfig must have mode 0600."),
    ("cis-1.1.18", "CIS 1.1.18: the kubeconfig must belong to root:root."),
    ("cis-1.1.19", "CIS 1.1.19: keys and certificates must belong to root:root."),
    ("cis-1.1.20", "CIS 1.1.20: certificates must have mode 0644 or less."),
    ("cis-1.1.21", "CIS 1.1.21: keys must have mode 0600."),
];

/// Codes that the checks of a cluster file report and that it can accept. The other codes of CIS
/// 1.1 are about files on masters, which only `adopt` checks.
const ACCEPTABLE: [&str; 4] = [VERSION_UNKNOWN, VERSION_DIFFERS, "cis-1.1.18", "cis-1.1.19"];

/// Returns every code that a cluster file can accept.
pub(crate) fn codes() -> impl Iterator<Item = &'static str> {
    LintCode::ALL.iter().map(|code| code.as_str()).chain(ACCEPTABLE)
}

/// Reports whether a code is one of the CIS Kubernetes Benchmark.
pub(crate) fn is_of_benchmark(code: &str) -> bool {
    code.starts_with("cis-")
}

/// Returns a one-sentence description of a code.
pub(crate) fn description(code: &str) -> &'static str {
    let own = OWN.iter().find(|(own, _)| *own == code).map(|(_, description)| *description);
    let of_flags = || code.parse::<LintCode>().ok().map(LintCode::description);
    own.or_else(of_flags).unwrap_or_default()
}
