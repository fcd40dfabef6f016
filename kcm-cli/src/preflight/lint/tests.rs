use std::path::Path;

use super::*;

mod table;

/// The tutorial's cluster file.
const TUTORIAL: &str = "\
apiVersion: kcm/v1
cluster:
  server: https://192.168.1.210:6443
  clusterCidr: 172.20.0.0/16
  serviceClusterIpRange: 10.68.0.0/16
pki: {caCert: ca.pem, caKey: ca-key.pem}
masters:
  - {name: m1, address: 192.168.1.204}
  - {name: m2, address: 192.168.1.205}
  - {name: m3, address: 192.168.1.206}
";

fn cluster(more: &str) -> Cluster {
    Cluster::parse(&format!("{TUTORIAL}{more}"), Path::new("kcm.yaml")).unwrap()
}

/// Returns severity, code, key and place of findings that are not accepted, without the benchmark.
fn found(more: &str, versions: &[u16]) -> Vec<String> {
    let versions: Vec<_> = versions.iter().map(|minor| KubernetesVersion::v1(*minor)).collect();
    let mut report = lint(&cluster(more), &versions);
    report.without_benchmark();
    let counted = report.findings.iter().filter(|finding| finding.accepted.is_none());
    let shown = counted.map(|it| {
        let LintFinding { code, severity, key, line, column, masters, .. } = it;
        format!("{} {code} {key} {line}:{column} {}", word(*severity), masters.join(","))
    });
    shown.map(|shown| shown.trim_end().to_owned()).collect()
}

#[test]
fn the_tutorial_has_no_findings_in_any_version() {
    assert_eq!(found("", &[]), [""; 0]);
    for version in KubernetesVersion::known() {
        assert_eq!(found("", &[version.minor()]), [""; 0]);
    }
}

#[test]
fn a_finding_is_at_the_value_that_it_is_about() {
    for (more, expected) in [
        (
            "controllerManager:\n  flags:\n    profiling: \"flase\"\n",
            "error bad-value controllerManager.flags.profiling 13:16",
        ),
        (
            "controllerManager: {flags: {leader-elect: false}}\n",
            "error no-leader-election controllerManager.flags.leader-elect 11:43",
        ),
        (
            "controllerManager: {flags: {leader-elect-renew-deadline: 15s}}\n",
            "error lease-timing controllerManager.flags.leader-elect-renew-deadline 11:58",
        ),
        (
            "controllerManager: {flags: {cluster-cidr: null}}\n",
            "error cluster-cidr-missing controllerManager.flags.cluster-cidr 11:43",
        ),
        (
            "controllerManager: {flags: {tls-cert-file: /c.pem}}\n",
            "error tls-pair controllerManager.flags.tls-cert-file 11:44",
        ),
        (
            "controllerManager: {flags: {feature-gates: \"NoSuch=true\"}}\n",
            "error gate-unknown controllerManager.flags.feature-gates 11:44",
        ),
        (
            "controllerManager: {flags: {use-service-account-credentials: null}}\n",
            "warning shared-credentials controllerManager.flags.use-service-account-credentials 11:62",
        ),
    ] {
        assert_eq!(found(more, &[36]), [expected], "{more}");
    }
}

#[test]
fn what_one_master_has_alone_is_at_its_own_flags() {
    let text = TUTORIAL.replace(
        "{name: m2, address: 192.168.1.205}",
        "{name: m2, address: 192.168.1.205, flags: {v: two}}",
    );
    let cluster = Cluster::parse(&text, Path::new("kcm.yaml")).unwrap();
    let report = lint(&cluster, &[KubernetesVersion::v1(36)]);
    let LintFinding { key, line, masters, .. } = &report.findings[0];
    assert_eq!(
        (key.as_str(), *line, &masters[..]),
        ("masters[1].flags.v", 9, &["m2".to_owned()][..])
    );
    // Excluding a master does not change the positions of the others.
    let rest = cluster.select(&["m2".to_owned()], &[]).unwrap();
    assert_eq!(lint(&rest, &[]).findings[0].key, "masters[1].flags.v");
}

#[test]
fn the_version_of_the_file_counts_else_all_known_ones() {
    let flags = "controllerManager: {flags: {port: 0}}\n";
    let key = "controllerManager.flags.port";
    let warning = [format!("warning flag-removed {key} 11:35")];
    assert_eq!(found(flags, &[]), warning);
    let error = |line| [format!("error flag-removed {key} {line}:35")];
    assert_eq!(found(&format!("kubernetesVersion: v1.36.2\n{flags}"), &[]), error(12));
    assert_eq!(found(&format!("kubernetesVersion: 1.23\n{flags}"), &[]), [""; 0]);
    assert_eq!(found(&format!("kubernetesVersion: 1.23\n{flags}"), &[24]), error(12));
    assert_eq!(found(flags, &[23, 24]), error(11));
    assert_eq!(
        found("kubernetesVersion: v1.38.0\n", &[]),
        ["warning kubernetes-unknown kubernetesVersion 11:20"]
    );
}

#[test]
fn accepted_findings_do_not_count_and_unused_entries_do() {
    let flags = "controllerManager: {flags: {leader-elect: false}}\n";
    let allow = "lint: {allow: [{code: no-leader-election, reason: a test site}]}\n";
    assert_eq!(found(&format!("{flags}{allow}"), &[]), [""; 0]);
    let report = lint(&cluster(&format!("{flags}{allow}")), &[]);
    let accepted: Vec<_> =
        report.findings.iter().filter_map(|finding| finding.accepted.as_deref()).collect();
    assert_eq!(accepted, ["a test site"]);
    assert_eq!(found(allow, &[]), ["warning allow-unused lint.allow[0].code 11:23"]);
    // An entry that accepts only a benchmark finding is not unused.
    let benchmark = "lint: {allow: [{code: cis-1.3.2, reason: pprof is used}]}\n";
    assert_eq!(found(benchmark, &[]), [""; 0]);
}

#[test]
fn a_wrong_lint_section_is_refused() {
    for (more, expected) in [
        ("lint: {allow: [{code: cis-1.3.22, reason: x}]}\n", "did you mean `cis-1.3.2`?"),
        ("lint: {allow: [{code: cis-1.3.2, reason: \" \"}]}\n", "write a reason"),
        ("lint: {allow: [{code: cis-1.3.2}]}\n", "`reason` is missing"),
        ("lint: {allow: [{reason: x}]}\n", "`code` is missing"),
        ("lint: {allow: [{code: no-such-code-at-all, reason: x}]}\n", "write a code that"),
        ("lint: {allow: [{code: allow-unused, reason: x}]}\n", "remove the entry"),
        ("lint: {allow: [{code: cis-1.1.21, reason: x}]}\n", "remove the entry"),
        ("kubernetesVersion: latest\n", "`latest` is not a Kubernetes version"),
        ("kubernetesVersion: \"2.0\"\n", "`2.0` is not a Kubernetes version"),
    ] {
        let error = Cluster::parse(&format!("{TUTORIAL}{more}"), Path::new("kcm.yaml"));
        let error = error.unwrap_err();
        let said = format!("{error}; {}", error.help.as_deref().unwrap_or_default());
        assert!(said.starts_with("kcm.yaml:11:") && said.contains(expected), "{said}");
    }
}

#[test]
fn alone_a_process_needs_no_leader_election() {
    let (head, _) = TUTORIAL.split_once("  - {name: m2").unwrap();
    let text = format!("{head}controllerManager: {{flags: {{leader-elect: false}}}}\n");
    let cluster = Cluster::parse(&text, Path::new("kcm.yaml")).unwrap();
    assert_eq!(lint(&cluster, &[]).worst(), Some(Severity::Benchmark));
}

#[test]
fn files_that_belong_to_another_user_are_the_benchmark_s_matter() {
    let report = lint(&cluster("systemd: {user: kube}\n"), &[]);
    let of_files = report.findings.iter().filter(|it| it.code.starts_with("cis-1.1"));
    let found: Vec<_> = of_files.map(|it| (it.code, &*it.key, it.severity)).collect();
    let of = |code| (code, "systemd.user", Severity::Benchmark);
    assert_eq!(found, [of("cis-1.1.18"), of("cis-1.1.19")]);
    assert!(
        lint(&cluster("install: {owner: root}\n"), &[])
            .findings
            .iter()
            .all(|it| !it.code.starts_with("cis-1.1"))
    );
}

#[test]
fn a_file_s_mode_and_owner_are_held_against_the_benchmark() {
    use crate::util::files::{Mode, Owner};
    let items = |is, mode, owner| {
        let found = of_file(is, "/f", Mode::from_bits(mode), owner);
        found.into_iter().map(|(code, ..)| code).collect::<Vec<_>>()
    };
    let kube = Owner { uid: 998, gid: 998 };
    assert_eq!(items(FileUse::Kubeconfig, 0o600, Owner::ROOT), [""; 0]);
    assert_eq!(items(FileUse::Kubeconfig, 0o640, kube), ["cis-1.1.17", "cis-1.1.18"]);
    assert_eq!(items(FileUse::Unit, 0o664, Owner::ROOT), ["cis-1.1.3"]);
    assert_eq!(items(FileUse::Certificate, 0o644, kube), ["cis-1.1.19"]);
    assert_eq!(items(FileUse::Key, 0o644, Owner::ROOT), ["cis-1.1.21"]);
}

/// Returns the fix of the finding with a code.
fn help_of(code: &str, more: &str) -> Option<String> {
    let report = lint(&cluster(more), &[]);
    report.findings.into_iter().find(|it| it.code == code).map(|it| it.help)
}

#[test]
fn a_fix_names_a_setting_that_the_cluster_file_accepts() {
    let bind = help_of("cis-1.3.7", "").unwrap();
    assert!(bind.contains("`bindAddress: loopback` in `controllerManager`"), "{bind}");
    assert_eq!(help_of("cis-1.3.7", "controllerManager: {bindAddress: loopback}\n"), None);
    let none = "controllerManager: {flags: {cluster-cidr: null}}\n";
    let missing = help_of("cluster-cidr-missing", none).unwrap();
    assert!(missing.starts_with("remove `cluster-cidr: null`"), "{missing}");
    assert_eq!(help_of("cluster-cidr-missing", ""), None);
}

#[test]
fn the_level_of_a_rule_in_sarif_is_that_of_its_findings() {
    let sarif = lint(&cluster("systemd: {user: kube}\n"), &[]).to_sarif();
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    let of_files =
        results.iter().filter(|it| it["ruleId"].as_str().unwrap().starts_with("cis-1.1"));
    let of_files: Vec<_> = of_files.collect();
    assert_eq!(of_files.len(), 2);
    for result in of_files {
        let rule = rules.iter().find(|rule| rule["id"] == result["ruleId"]).unwrap();
        assert_eq!(rule["defaultConfiguration"]["level"], result["level"], "{result}");
    }
}
