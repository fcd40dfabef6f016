//! Checks that a program is a kube-controller-manager and accepts the rendered flags. Pure.

use std::collections::BTreeSet;

use kcm_systemd::{FlagName, KubernetesVersion};

use crate::finding::{Finding, FindingCode};
use crate::transport::{Observation, ProgramFacts};
use crate::util::files::RemotePath;

/// Evaluates the version and help output of a program on `master`.
pub(crate) fn evaluate(
    master: &str,
    path: &RemotePath,
    program: &Observation<ProgramFacts>,
    flags: &[FlagName],
) -> Vec<Finding> {
    let facts = match program {
        Observation::Known(facts) => facts,
        Observation::Unknown(why) => {
            let problem = format!("cannot run {path}: {why}");
            let help = "install kube-controller-manager for the architecture of the master at this path, or set `install.binary` so that kcm uploads the program";
            return vec![Finding::error(FindingCode::ProgramFails, master, problem, help)];
        }
    };
    let Some(version) = version(&facts.version) else {
        let said: String = facts.version.chars().take(80).collect();
        let problem =
            format!("{path} --version returned `{said}`, which is not a Kubernetes version");
        let help = "install kube-controller-manager at this path, or set `install.binary` so that kcm uploads the program";
        return vec![Finding::error(FindingCode::ProgramFails, master, problem, help)];
    };
    let named = named(&facts.help);
    let unknown = flags.iter().filter(|flag| !knows(&named, version, flag));
    let findings = unknown.map(|flag| {
        let problem = format!("kube-controller-manager {version} does not know --{flag}");
        let removal = format!(
            "remove `{flag}` from the flags in the cluster file; if it is not among them, write `{flag}: null`"
        );
        let (problem, help) = match kcm_systemd::lookup(flag.as_str()).and_then(|it| it.removed_in) {
            Some(removed) if removed <= version => {
                (format!("{problem}, which was removed in Kubernetes {removed}"), removal)
            }
            _ => (problem, format!("install a version that knows the flag, or {removal}")),
        };
        Finding::error(FindingCode::FlagUnknown, master, problem, help)
    });
    findings.collect()
}

/// Refuses a program on `master` that is newer than the API server, if both versions are known.
/// This is the version skew policy of Kubernetes.
pub(crate) fn too_new(
    master: &str,
    version: Option<KubernetesVersion>,
    server: Option<KubernetesVersion>,
) -> Option<Finding> {
    let (version, server) = version.zip(server).filter(|(version, server)| version > server)?;
    let problem =
        format!("kube-controller-manager {version} is newer than the API server ({server})");
    let help = "upgrade the API server first, as the version skew policy of Kubernetes requires";
    Some(Finding::error(FindingCode::ProgramTooNew, master, problem, help))
}

/// Parses the output of `--version`, such as `Kubernetes v1.36.2`.
pub(crate) fn version(said: &str) -> Option<KubernetesVersion> {
    let mut words = said.lines().filter_map(|line| line.trim().strip_prefix("Kubernetes "));
    words.find_map(|version| KubernetesVersion::parse(version).ok())
}

/// Returns the names of the flags in a help text. The text is long, so it is parsed once for all
/// flags.
fn named(help: &str) -> BTreeSet<&str> {
    let words = help.split_ascii_whitespace().filter_map(|word| word.strip_prefix("--"));
    words.filter_map(|word| word.split(['=', ',']).next()).collect()
}

/// Reports whether a program knows a flag.
///
/// The help text omits deprecated flags, which the built-in table of versions contains. The table
/// does not cover versions newer than kcm, which the help text does.
fn knows(named: &BTreeSet<&str>, version: KubernetesVersion, flag: &FlagName) -> bool {
    named.contains(flag.as_str())
        || kcm_systemd::lookup(flag.as_str()).is_some_and(|known| known.exists_in(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(version: &str, help: &str, flags: &[&str]) -> Vec<String> {
        let facts = ProgramFacts { version: version.to_owned(), help: help.to_owned() };
        let flags: Vec<_> = flags.iter().map(|flag| FlagName::parse(flag).unwrap()).collect();
        let judged = evaluate("m1", &path(), &Observation::Known(facts), &flags);
        judged.iter().map(ToString::to_string).collect()
    }

    fn path() -> RemotePath {
        RemotePath::new("/opt/kubernetes/bin/kube-controller-manager").unwrap()
    }

    #[test]
    fn a_flag_is_known_from_the_table_or_from_help() {
        // Deprecated flags are hidden from help; new ones are not in the table.
        let help = "      --brand-new string   something\n  -v, --v Level\n";
        assert_eq!(
            judged("Kubernetes v1.36.2", help, &["cluster-cidr", "brand-new", "v"]),
            [""; 0]
        );
        let said = judged("Kubernetes v1.31.0", help, &["pod-eviction-timeout"]);
        assert_eq!(
            said,
            [
                "error[flag-unknown]: m1: kube-controller-manager 1.31 does not know --pod-eviction-timeout, which was removed in Kubernetes 1.27\n  help: remove `pod-eviction-timeout` from the flags in the cluster file; if it is not among them, write `pod-eviction-timeout: null`"
            ]
        );
        // A flag name within the description of another flag does not count.
        assert_eq!(judged("Kubernetes v1.36.2", "--a  see --brand-newer", &["brand-new"]).len(), 1);
    }

    #[test]
    fn only_what_is_known_to_be_newer_is_refused() {
        let version = |minor: &str| KubernetesVersion::parse(minor).ok();
        assert_eq!(too_new("m1", version("1.36"), version("1.36")), None);
        assert_eq!(too_new("m1", version("1.35"), version("1.36")), None);
        assert_eq!(too_new("m1", version("1.36"), None), None);
        assert_eq!(too_new("m1", None, version("1.36")), None);
        let said = too_new("m1", version("1.36"), version("1.35")).unwrap().to_string();
        assert!(
            said.contains("1.36") && said.contains("1.35") && said.contains("[program-too-new]")
        );
    }

    #[test]
    fn another_program_is_none() {
        assert_eq!(judged("bash 5.2", "", &[]).len(), 1);
        let failed = Observation::Unknown("Exec format error".to_owned());
        assert!(evaluate("m1", &path(), &failed, &[])[0].to_string().contains("Exec format error"));
    }
}
