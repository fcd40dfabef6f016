use super::*;

/// The tutorial's flags, which break no rule but the benchmark's.
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

/// What the tutorial's flags are told in any case.
const USUAL: [&str; 4] = ["ca-key-signs-tokens", "cis-1.3.1", "cis-1.3.2", "cis-1.3.7"];

/// The lints of the tutorial's flags with some changed (an empty value removes), less the usual ones: code and flag.
fn lints(minor: u16, changes: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    let mut flags = Flags::from_pairs(TUTORIAL).unwrap();
    for (name, value) in changes {
        if value.is_empty() {
            flags.remove(name);
        } else {
            flags.set(name.parse().unwrap(), *value).unwrap();
        }
    }
    let lints = lint_flags(&flags, KubernetesVersion::v1(minor));
    let named = lints.into_iter().map(|lint| (lint.code.as_str(), lint.flag));
    named.filter(|(code, _)| !USUAL.contains(code)).collect()
}

fn assert_lints(minor: u16, changes: &[(&str, &str)], expected: &[(&'static str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|&(code, flag)| (code, flag.to_owned())).collect();
    assert_eq!(lints(minor, changes), expected, "{changes:?}");
}

#[test]
fn the_tutorial_breaks_no_rule_but_the_benchmark_s() {
    for minor in 20..=36 {
        assert_lints(minor, &[], &[]);
        let flags = Flags::from_pairs(TUTORIAL).unwrap();
        let codes: Vec<_> = lint_flags(&flags, KubernetesVersion::v1(minor))
            .iter()
            .map(|lint| lint.code.as_str())
            .collect();
        assert_eq!(codes, USUAL);
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
    assert_lints(36, &[("cluster-cidr", "")], &[("cluster-cidr-missing", "cluster-cidr")]);
    assert_lints(
        36,
        &[("allocate-node-cidrs", "false")],
        &[("cluster-cidr-ignored", "cluster-cidr")],
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
    assert_lints(36, &[(general, ""), (v6, "64")], &[("node-mask-flag", v6)]);
    let dual = ("cluster-cidr", "172.20.0.0/16,fd00::/48");
    assert_lints(36, &[dual], &[("node-mask-flag", general)]);
    assert_lints(36, &[dual, (general, ""), (v4, "24"), (v6, "64")], &[]);
    assert_lints(36, &[dual, (general, "")], &[]);
    let long = ("cluster-cidr", "172.20.0.0/16,fd00::/40");
    assert_lints(36, &[long, (general, "")], &[("node-mask-size", v6)]);
}

#[test]
fn signing_pairs_are_whole_and_exclude_each_other() {
    assert_lints(
        36,
        &[("cluster-signing-key-file", "")],
        &[("signing-pair", "cluster-signing-key-file")],
    );
    let cert = "cluster-signing-kubelet-client-cert-file";
    let pair = [(cert, "/a"), ("cluster-signing-kubelet-client-key-file", "/b")];
    assert_lints(36, &pair, &[("signing-conflict", cert)]);
}

#[test]
fn cloud_providers_are_gone() {
    assert_lints(30, &[("cloud-provider", "aws")], &[]);
    assert_lints(31, &[("cloud-provider", "aws")], &[("cloud-provider", "cloud-provider")]);
    assert_lints(36, &[("cloud-provider", "external")], &[]);
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
    assert_eq!(lint_flags(&flags, KubernetesVersion::NEWEST_KNOWN), []);
    assert_lints(36, &[("root-ca-file", "")], &[("cis-1.3.5", "root-ca-file")]);
    assert_lints(
        36,
        &[("service-account-private-key-file", "")],
        &[("cis-1.3.4", "service-account-private-key-file")],
    );
    assert_lints(
        36,
        &[("use-service-account-credentials", "false")],
        &[("cis-1.3.3", "use-service-account-credentials")],
    );
    assert_lints(
        36,
        &[("feature-gates", "A=true,RotateKubeletServerCertificate=false")],
        &[("cis-1.3.6", "feature-gates")],
    );
}
