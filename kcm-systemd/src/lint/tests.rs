use super::*;

mod accepted;
mod refused;

/// The tutorial's flags, which cause only benchmark lints.
const TUTORIAL: [(&str, &str); 14] = [
    ("allocate-node-cidrs", "true"),
    ("authentication-kubeconfig", "/k"),
    ("bind-address", "192.168.1.204"),
    ("cluster-cidr", "172.20.0.0/16"),
    ("cluster-name", "kubernetes"),
    ("cluster-signing-cert-file", "/ca.pem"),
    ("cluster-signing-key-file", "/ca-key.pem"),
    ("leader-elect", "true"),
    ("node-cidr-mask-size", "24"),
    ("root-ca-file", "/ca.pem"),
    ("service-account-private-key-file", "/ca-key.pem"),
    ("service-cluster-ip-range", "10.68.0.0/16"),
    ("use-service-account-credentials", "true"),
    ("v", "2"),
];

/// Returns the lints of the tutorial's flags with changes (`-` as a value removes the flag),
/// without benchmark lints.
fn all_lints(versions: &LintVersions, changes: &[(&str, &str)]) -> Vec<FlagLint> {
    let mut flags = Flags::from_pairs(TUTORIAL).unwrap();
    for (name, value) in changes {
        if *value == "-" {
            flags.remove(name);
        } else {
            flags.set(name.parse().unwrap(), *value).unwrap();
        }
    }
    let mut lints = lint_flags(&flags, versions);
    lints.retain(|lint| lint.severity > Severity::Benchmark);
    lints
}

fn in_minor(minor: u16) -> LintVersions {
    LintVersions::These(vec![KubernetesVersion::v1(minor)])
}

/// Returns code and flag of these lints in one version.
fn lints(minor: u16, changes: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    let lints = all_lints(&in_minor(minor), changes);
    lints.into_iter().map(|lint| (lint.code.as_str(), lint.flag)).collect()
}

fn assert_lints(minor: u16, changes: &[(&str, &str)], expected: &[(&'static str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|&(code, flag)| (code, flag.to_owned())).collect();
    assert_eq!(lints(minor, changes), expected, "{changes:?}");
}

#[test]
fn the_tutorial_breaks_no_rule_but_the_benchmark_s() {
    let usual = ["cis-1.3.1", "cis-1.3.2", "ca-key-signs-tokens", "cis-1.3.7"];
    let flags = Flags::from_pairs(TUTORIAL).unwrap();
    let each = KubernetesVersion::known().map(|version| LintVersions::These(vec![version]));
    for versions in each.chain([LintVersions::Unknown]) {
        let lints = lint_flags(&flags, &versions);
        let codes: Vec<_> = lints.iter().map(|lint| lint.code.as_str()).collect();
        assert_eq!(codes, usual, "{versions:?}");
    }
}

#[test]
fn flags_must_exist_and_have_values_of_their_kind() {
    assert_lints(36, &[("cluster-cdir", "x")], &[("flag-unknown", "cluster-cdir")]);
    assert_lints(24, &[("port", "0")], &[("flag-removed", "port")]);
    assert_lints(23, &[("port", "0")], &[]);
    assert_lints(
        34,
        &[("controller-shutdown-timeout", "1s")],
        &[("flag-too-new", "controller-shutdown-timeout")],
    );
    assert_lints(36, &[("v", "two")], &[("bad-value", "v")]);
}

#[test]
fn leader_election_must_be_consistent() {
    let lock = ("leader-elect-resource-lock", "endpointsleases");
    assert_lints(26, &[lock], &[]);
    assert_lints(27, &[lock], &[("resource-lock", lock.0)]);
    assert_lints(27, &[("leader-elect-resource-lock", "leases")], &[]);
    assert_lints(36, &[("leader-elect", "false"), lock], &[("no-leader-election", "leader-elect")]);
    let lease = "leader-elect-lease-duration";
    assert_lints(36, &[(lease, "10s")], &[("lease-timing", lease)]);
    assert_lints(36, &[(lease, "11s")], &[]);
    let retry = "leader-elect-retry-period";
    assert_lints(36, &[(retry, "9s")], &[("lease-timing", "leader-elect-renew-deadline")]);
    assert_lints(36, &[(retry, "8s")], &[]);
}

#[test]
fn addresses_must_go_together() {
    assert_lints(36, &[("cluster-cidr", "-")], &[("cluster-cidr-missing", "cluster-cidr")]);
    assert_lints(
        36,
        &[("allocate-node-cidrs", "false"), ("cluster-cidr", "x"), ("node-cidr-mask-size", "-1")],
        &[],
    );
    assert_lints(36, &[("cluster-cidr", "172.20.0.0")], &[("bad-cidrs", "cluster-cidr")]);
    assert_lints(
        36,
        &[("cluster-cidr", "10.0.0.0/16,10.1.0.0/16")],
        &[("bad-cidrs", "cluster-cidr"), ("node-mask-flag", "node-cidr-mask-size")],
    );
    assert_lints(
        36,
        &[("cluster-cidr", "10.68.3.0/24")],
        &[("overlapping-cidrs", "service-cluster-ip-range")],
    );
    assert_lints(36, &[("cluster-cidr", "10.69.0.0/16")], &[]);
}

#[test]
fn node_masks_must_fit_the_cluster_cidr() {
    let general = "node-cidr-mask-size";
    let (v4, v6) = ("node-cidr-mask-size-ipv4", "node-cidr-mask-size-ipv6");
    assert_lints(36, &[(general, "15")], &[("node-mask-size", general)]);
    assert_lints(36, &[(general, "33")], &[("node-mask-size", general)]);
    assert_lints(36, &[("cluster-cidr", "10.128.0.0/10"), (general, "28")], &[]);
    assert_lints(36, &[(v4, "24")], &[("node-mask-flag", general)]);
    assert_lints(36, &[(general, "-"), (v6, "64")], &[("node-mask-flag", v6)]);
    let dual = ("cluster-cidr", "172.20.0.0/16,fd00::/48");
    assert_lints(36, &[dual], &[("node-mask-flag", general)]);
    assert_lints(36, &[dual, (general, "-"), (v4, "24"), (v6, "64")], &[]);
    assert_lints(36, &[dual, (general, "-")], &[]);
    let long = ("cluster-cidr", "172.20.0.0/16,fd00::/40");
    assert_lints(36, &[long, (general, "-")], &[("node-mask-size", v6)]);
}

#[test]
fn signing_pairs_are_whole_and_exclude_each_other() {
    assert_lints(
        36,
        &[("cluster-signing-key-file", "-")],
        &[("signing-pair", "cluster-signing-key-file")],
    );
    let cert = "cluster-signing-kubelet-client-cert-file";
    let pair = [(cert, "/a"), ("cluster-signing-kubelet-client-key-file", "/b")];
    assert_lints(36, &pair, &[("signing-conflict", cert)]);
}

#[test]
fn the_benchmark_s_items_can_be_met() {
    let met = [
        ("bind-address", "127.0.0.1"),
        ("profiling", "false"),
        ("terminated-pod-gc-threshold", "1000"),
        ("service-account-private-key-file", "/sa.key"),
    ];
    let flags = Flags::from_pairs(TUTORIAL.into_iter().chain(met)).unwrap();
    assert_eq!(lint_flags(&flags, &LintVersions::Unknown), []);
    for (flag, value, code) in [
        ("root-ca-file", "", "cis-1.3.5"),
        ("service-account-private-key-file", "", "cis-1.3.4"),
        ("use-service-account-credentials", "false", "cis-1.3.3"),
        ("feature-gates", "RotateKubeletServerCertificate=false", "cis-1.3.6"),
        ("terminated-pod-gc-threshold", "0", "cis-1.3.1"),
        ("bind-address", "0.0.0.0", "cis-1.3.7"),
        ("allocate-node-cidrs", "false", "cluster-cidr-ignored"),
    ] {
        let mut flags = flags.clone();
        flags.set(flag.parse().unwrap(), value).unwrap();
        let lints = lint_flags(&flags, &in_minor(36));
        let benchmark = lints.iter().filter(|lint| lint.severity == Severity::Benchmark);
        let found: Vec<_> = benchmark.map(|lint| (lint.code.as_str(), &*lint.flag)).collect();
        let flag = if flag == "allocate-node-cidrs" { "cluster-cidr" } else { flag };
        assert_eq!(found, [(code, flag)]);
    }
}

#[test]
fn without_a_version_only_what_all_refuse_is_an_error() {
    let said = |changes: &[(&str, &str)]| {
        let lints = all_lints(&LintVersions::Unknown, changes);
        lints.iter().map(|lint| format!("{:?} {lint}", lint.severity)).collect::<Vec<_>>()
    };
    for (change, expected) in [
        (("port", "0"), "Warning --port: removed in Kubernetes 1.24 (from 1.24 on)"),
        (("profiling", "flase"), "Error --profiling: `flase` is not `true` or `false`"),
        (
            ("concurrent-job-syncs", "5"),
            "Warning --concurrent-job-syncs: added in Kubernetes 1.28 (up to 1.27)",
        ),
        (
            ("controllers", "*,-deploymnt"),
            "Error --controllers: `deploymnt` is not a known controller",
        ),
        (
            ("controllers", "*,-route"),
            "Warning --controllers: the controller `route` was removed in Kubernetes 1.37 (from 1.37 on)",
        ),
        (
            ("feature-gates", "CPUManager=false"),
            "Warning --feature-gates: `CPUManager` is locked to `true` (from 1.26 to 1.32)",
        ),
        (
            ("show-hidden-metrics-for-version", "1.35"),
            "Warning --show-hidden-metrics-for-version: `1.35` is not the previous minor version (in all versions except 1.36)",
        ),
        (
            ("leader-elect-resource-lock", "endpoints"),
            "Warning --leader-elect-resource-lock: `endpoints` is not a supported lock type (from 1.24 on)",
        ),
    ] {
        let said = said(&[change]);
        assert!(said.iter().any(|said| said == expected), "{said:#?}");
        assert_eq!(said.iter().any(|said| said.starts_with("Error")), expected.starts_with('E'));
    }
    let both = [("port", "0"), ("concurrent-job-syncs", "5")];
    assert!(said(&both)[0].starts_with("Error --"), "{:#?}", said(&both));
    assert!(said(&both)[0].contains("no known version"), "{:#?}", said(&both));
}

#[test]
fn a_version_that_is_newer_than_the_tables_may_know_more_names() {
    for changes in [
        ("brand-new", "1"),
        ("controllers", "*,brand-new"),
        ("feature-gates", "BrandNew=true"),
        ("tls-cipher-suites", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_NEW"),
    ] {
        let severities = |minor| {
            let lints = all_lints(&in_minor(minor), &[changes]);
            lints.into_iter().map(|lint| lint.severity).collect::<Vec<_>>()
        };
        assert_eq!(severities(37), [Severity::Error], "{changes:?}");
        assert_eq!(severities(38), [Severity::Warning], "{changes:?}");
    }
}

#[test]
fn the_defaults_of_every_version_agree_with_each_other() {
    for version in KubernetesVersion::known() {
        let flags = Flags::from_pairs([("feature-gates", "")]).unwrap();
        let lints = lint_flags(&flags, &LintVersions::These(vec![version]));
        assert!(lints.iter().all(|lint| lint.code != LintCode::GateNeeds), "{version}");
    }
}
