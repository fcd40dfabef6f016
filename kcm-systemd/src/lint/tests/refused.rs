//! Values and combinations that the program rejects, or with which it exits when it becomes the
//! leader.

use super::*;

/// Minor version, flags to change (`-` removes the flag), expected code, expected flag.
type Case = (u16, &'static [(&'static str, &'static str)], &'static str, &'static str);

const PARSED: &[Case] = &[
    (36, &[("profiling", "yes")], "bad-value", "profiling"),
    (36, &[("profiling", "2")], "bad-value", "profiling"),
    (36, &[("leader-elect", "flase")], "bad-value", "leader-elect"),
    (
        36,
        &[("use-service-account-credentials", "on")],
        "bad-value",
        "use-service-account-credentials",
    ),
    (36, &[("enable-garbage-collector", "")], "bad-value", "enable-garbage-collector"),
    (36, &[("cluster-signing-duration", "10y")], "bad-value", "cluster-signing-duration"),
    (36, &[("cluster-signing-duration", "1y")], "bad-value", "cluster-signing-duration"),
    (36, &[("node-monitor-period", "5")], "bad-value", "node-monitor-period"),
    (36, &[("node-monitor-grace-period", "3d")], "bad-value", "node-monitor-grace-period"),
    (36, &[("min-resync-period", "")], "bad-value", "min-resync-period"),
    (36, &[("namespace-sync-period", "5 m")], "bad-value", "namespace-sync-period"),
    (36, &[("kube-api-qps", "abc")], "bad-value", "kube-api-qps"),
    (36, &[("kube-api-qps", "1e39")], "bad-value", "kube-api-qps"),
    (36, &[("node-eviction-rate", "")], "bad-value", "node-eviction-rate"),
    (
        36,
        &[("horizontal-pod-autoscaler-tolerance", "10%")],
        "bad-value",
        "horizontal-pod-autoscaler-tolerance",
    ),
    (36, &[("concurrent-job-syncs", "5.0")], "bad-value", "concurrent-job-syncs"),
    (36, &[("kube-api-burst", "99999999999")], "bad-value", "kube-api-burst"),
    (36, &[("concurrent-gc-syncs", "08")], "bad-value", "concurrent-gc-syncs"),
    (36, &[("terminated-pod-gc-threshold", "1k")], "bad-value", "terminated-pod-gc-threshold"),
    (36, &[("bind-address", "localhost")], "bad-value", "bind-address"),
    (36, &[("bind-address", "10.0.0.1:10257")], "bad-value", "bind-address"),
    (36, &[("v", "-1")], "bad-value", "v"),
    (36, &[("v", "4.5")], "bad-value", "v"),
    (36, &[("v", "2147483648")], "bad-value", "v"),
    (36, &[("vmodule", "foo")], "bad-value", "vmodule"),
    (36, &[("vmodule", "foo=x")], "bad-value", "vmodule"),
    (36, &[("tls-curve-preferences", "X25519")], "bad-value", "tls-curve-preferences"),
    (36, &[("tls-sni-cert-key", "foo")], "bad-value", "tls-sni-cert-key"),
    (35, &[("allow-metric-labels", "bad")], "bad-value", "allow-metric-labels"),
    (35, &[("allow-metric-labels", "metric=value")], "bad-value", "allow-metric-labels"),
    (36, &[("tls-cipher-suites", "\"TLS")], "bad-value", "tls-cipher-suites"),
];

const VALIDATED: &[Case] = &[
    (36, &[("secure-port", "-1")], "value-range", "secure-port"),
    (36, &[("secure-port", "70000")], "value-range", "secure-port"),
    (36, &[("concurrent-cron-job-syncs", "0")], "value-range", "concurrent-cron-job-syncs"),
    (36, &[("concurrent-daemonset-syncs", "-1")], "value-range", "concurrent-daemonset-syncs"),
    (
        36,
        &[("concurrent-ephemeralvolume-syncs", "0")],
        "value-range",
        "concurrent-ephemeralvolume-syncs",
    ),
    (
        36,
        &[("concurrent-horizontal-pod-autoscaler-syncs", "0")],
        "value-range",
        "concurrent-horizontal-pod-autoscaler-syncs",
    ),
    (36, &[("concurrent-job-syncs", "0x0")], "value-range", "concurrent-job-syncs"),
    (36, &[("concurrent-statefulset-syncs", "0")], "value-range", "concurrent-statefulset-syncs"),
    (
        36,
        &[("concurrent-device-taint-eviction-syncs", "0")],
        "value-range",
        "concurrent-device-taint-eviction-syncs",
    ),
    (
        36,
        &[("concurrent-resourceclaim-syncs", "0")],
        "value-range",
        "concurrent-resourceclaim-syncs",
    ),
    (
        36,
        &[("concurrent-service-endpoint-syncs", "51")],
        "value-range",
        "concurrent-service-endpoint-syncs",
    ),
    (36, &[("max-endpoints-per-slice", "1001")], "value-range", "max-endpoints-per-slice"),
    (
        36,
        &[("mirroring-concurrent-service-endpoint-syncs", "0")],
        "value-range",
        "mirroring-concurrent-service-endpoint-syncs",
    ),
    (
        36,
        &[("mirroring-max-endpoints-per-subset", "5000")],
        "value-range",
        "mirroring-max-endpoints-per-subset",
    ),
    (
        36,
        &[("attach-detach-reconcile-sync-period", "999ms")],
        "value-range",
        "attach-detach-reconcile-sync-period",
    ),
    (35, &[("log-flush-frequency", "0s")], "value-range", "log-flush-frequency"),
    (36, &[("cidr-allocator-type", "CloudAllocator")], "cidr-allocator", "cidr-allocator-type"),
    (31, &[("cidr-allocator-type", "CloudAllocator")], "cidr-allocator", "cidr-allocator-type"),
    (36, &[("cloud-provider", "aws")], "cloud-provider", "cloud-provider"),
    (
        31,
        &[("cloud-provider", "gce"), ("feature-gates", "X=1")],
        "cloud-provider",
        "cloud-provider",
    ),
    (27, &[("cloud-provider", "aws")], "cloud-provider", "cloud-provider"),
    (26, &[("cloud-provider", "openstack")], "cloud-provider", "cloud-provider"),
    (
        36,
        &[("leader-elect-resource-lock", "endpointsleases")],
        "resource-lock",
        "leader-elect-resource-lock",
    ),
    (
        26,
        &[("leader-elect-resource-lock", "configmaps")],
        "resource-lock",
        "leader-elect-resource-lock",
    ),
    (36, &[("leader-elect-resource-lock", "")], "resource-lock", "leader-elect-resource-lock"),
    (
        36,
        &[("service-cluster-ip-range", "10.1.0.0/16,fd00::/112,10.2.0.0/16")],
        "bad-cidrs",
        "service-cluster-ip-range",
    ),
    (
        36,
        &[("show-hidden-metrics-for-version", "1.30")],
        "hidden-metrics",
        "show-hidden-metrics-for-version",
    ),
    (
        37,
        &[("show-hidden-metrics-for-version", "1.35")],
        "hidden-metrics",
        "show-hidden-metrics-for-version",
    ),
    (36, &[("emulated-version", "1.37")], "emulated-version", "emulated-version"),
    (36, &[("emulated-version", "kube=1.32")], "emulated-version", "emulated-version"),
    (31, &[("emulated-version", "1.30")], "emulated-version", "emulated-version"),
    (36, &[("requestheader-uid-headers", "X-Uid")], "uid-headers", "requestheader-uid-headers"),
    (
        32,
        &[("requestheader-uid-headers", "X-Remote-Uid")],
        "uid-headers",
        "requestheader-uid-headers",
    ),
    (
        36,
        &[
            ("cluster-signing-kubelet-serving-cert-file", "/a"),
            ("cluster-signing-kubelet-serving-key-file", "/b"),
        ],
        "signing-conflict",
        "cluster-signing-kubelet-serving-cert-file",
    ),
    (
        36,
        &[
            ("cluster-signing-cert-file", "-"),
            ("cluster-signing-key-file", "-"),
            ("cluster-signing-legacy-unknown-key-file", "/b"),
        ],
        "signing-pair",
        "cluster-signing-legacy-unknown-cert-file",
    ),
    (36, &[("logging-format", "xml")], "bad-value", "logging-format"),
    (36, &[("logging-format", "json"), ("vmodule", "a=1")], "log-options", "vmodule"),
    (
        36,
        &[("logging-format", "json"), ("feature-gates", "LoggingBetaOptions=false")],
        "log-options",
        "logging-format",
    ),
    (36, &[("log-json-split-stream", "true")], "log-options", "log-json-split-stream"),
    (36, &[("log-text-info-buffer-size", "64Ki")], "log-options", "log-text-info-buffer-size"),
];

const CONFIGURED: &[Case] = &[
    (
        36,
        &[("authorization-always-allow-paths", "/healthz,foo/*/bar")],
        "bad-value",
        "authorization-always-allow-paths",
    ),
    (36, &[("kube-api-burst", "0")], "rate-limit", "kube-api-burst"),
    (36, &[("tls-min-version", "foo")], "bad-value", "tls-min-version"),
    (36, &[("tls-min-version", "VersionTLS14")], "bad-value", "tls-min-version"),
    (
        36,
        &[("tls-cipher-suites", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_RSA_WITH_RC4_128_SHA")],
        "bad-value",
        "tls-cipher-suites",
    ),
    (
        36,
        &[
            ("tls-cipher-suites", "tls_ecdhe_rsa_with_aes_128_gcm_sha256"),
            ("tls-min-version", "VersionTLS13"),
        ],
        "bad-value",
        "tls-cipher-suites",
    ),
    (
        36,
        &[("tls-cipher-suites", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")],
        "tls-http2",
        "tls-cipher-suites",
    ),
    (30, &[("tls-cipher-suites", "TLS_AES_128_GCM_SHA256")], "tls-http2", "tls-cipher-suites"),
    (36, &[("tls-curve-preferences", "29,29")], "bad-value", "tls-curve-preferences"),
    (36, &[("tls-curve-preferences", "9999")], "bad-value", "tls-curve-preferences"),
    (36, &[("tls-cert-file", "/c.pem")], "tls-pair", "tls-private-key-file"),
    (36, &[("tls-private-key-file", "/c.pem")], "tls-pair", "tls-cert-file"),
];

const LATE: &[Case] = &[
    (36, &[("leader-elect-lease-duration", "10s")], "lease-timing", "leader-elect-lease-duration"),
    (36, &[("leader-elect-renew-deadline", "15s")], "lease-timing", "leader-elect-lease-duration"),
    (
        36,
        &[("leader-elect-renew-deadline", "2400ms")],
        "lease-timing",
        "leader-elect-renew-deadline",
    ),
    (36, &[("leader-elect-retry-period", "0s")], "lease-timing", "leader-elect-retry-period"),
    (36, &[("leader-elect-retry-period", "-2s")], "lease-timing", "leader-elect-retry-period"),
    (36, &[("leader-elect-resource-name", "")], "lease-name", "leader-elect-resource-name"),
    (36, &[("cluster-cidr", "-")], "cluster-cidr-missing", "cluster-cidr"),
    (36, &[("cluster-cidr", "172.20.0.0")], "bad-cidrs", "cluster-cidr"),
    (36, &[("cluster-cidr", "172.20.0.0/33")], "bad-cidrs", "cluster-cidr"),
    (
        36,
        &[("cluster-cidr", "172.20.0.0/16, fd00::/48"), ("node-cidr-mask-size", "-")],
        "bad-cidrs",
        "cluster-cidr",
    ),
    (
        36,
        &[("cluster-cidr", "172.20.0.0/16,172.21.0.0/16"), ("node-cidr-mask-size", "-")],
        "bad-cidrs",
        "cluster-cidr",
    ),
    (
        36,
        &[("cluster-cidr", "172.20.0.0/16,fd00::/48,172.21.0.0/16"), ("node-cidr-mask-size", "-")],
        "bad-cidrs",
        "cluster-cidr",
    ),
    (
        36,
        &[("service-cluster-ip-range", "10.1.0.0/16,10.2.0.0/16")],
        "bad-cidrs",
        "service-cluster-ip-range",
    ),
    (36, &[("node-cidr-mask-size", "15")], "node-mask-size", "node-cidr-mask-size"),
    (36, &[("node-cidr-mask-size", "-1")], "node-mask-size", "node-cidr-mask-size"),
    (
        36,
        &[("node-cidr-mask-size", "-"), ("node-cidr-mask-size-ipv4", "12")],
        "node-mask-size",
        "node-cidr-mask-size-ipv4",
    ),
    (36, &[("node-cidr-mask-size-ipv4", "24")], "node-mask-flag", "node-cidr-mask-size"),
    (36, &[("cluster-cidr", "172.20.0.0/16,fd00::/48")], "node-mask-flag", "node-cidr-mask-size"),
    (
        36,
        &[("node-cidr-mask-size", "-"), ("node-cidr-mask-size-ipv6", "64")],
        "node-mask-flag",
        "node-cidr-mask-size-ipv6",
    ),
];

const NAMES: &[Case] = &[
    (36, &[("cluster-cdir", "x")], "flag-unknown", "cluster-cdir"),
    (36, &[("noprofiling", "true")], "flag-unknown", "noprofiling"),
    (24, &[("port", "0")], "flag-removed", "port"),
    (37, &[("concurrent-service-syncs", "1")], "flag-removed", "concurrent-service-syncs"),
    (36, &[("concurrent-disruption-syncs", "1")], "flag-too-new", "concurrent-disruption-syncs"),
    (36, &[("controllers", "*,-deploymnt")], "controller-unknown", "controllers"),
    (36, &[("controllers", "*,+ttl")], "controller-unknown", "controllers"),
    (36, &[("controllers", "*,--ttl")], "controller-unknown", "controllers"),
    (36, &[("controllers", "*, ttl")], "controller-unknown", "controllers"),
    (36, &[("controllers", "*,TTL")], "controller-unknown", "controllers"),
    (36, &[("controllers", "*,,ttl")], "controller-unknown", "controllers"),
    (27, &[("controllers", "*,deployment-controller")], "controller-unknown", "controllers"),
    (37, &[("controllers", "*,-cloud-node-lifecycle")], "controller-unknown", "controllers"),
    (36, &[("controllers", "*,-cloud-node-controller")], "controller-unknown", "controllers"),
    (28, &[("controllers", "*,-resourceclaim-controller")], "controller-unknown", "controllers"),
    (27, &[("controllers", "*,-storage-version-gc")], "controller-unknown", "controllers"),
    (36, &[("feature-gates", "NoSuchGate=true")], "gate-unknown", "feature-gates"),
    (
        36,
        &[("feature-gates", "rotatekubeletservercertificate=true")],
        "gate-unknown",
        "feature-gates",
    ),
    (37, &[("feature-gates", "SidecarContainers=true")], "gate-unknown", "feature-gates"),
    (35, &[("feature-gates", "AtomicFIFO=true")], "gate-unknown", "feature-gates"),
    (30, &[("feature-gates", "kube:AllAlpha=true")], "gate-unknown", "feature-gates"),
    (36, &[("feature-gates", "JobIndexConfig=true")], "gate-unknown", "feature-gates"),
    (36, &[("feature-gates", "ProcMountType=false")], "gate-locked", "feature-gates"),
    (37, &[("feature-gates", "HPAConfigurableTolerance=false")], "gate-locked", "feature-gates"),
    (36, &[("feature-gates", "AllAlpha=yes")], "gate-value", "feature-gates"),
    (36, &[("feature-gates", "AllAlpha")], "gate-value", "feature-gates"),
    (36, &[("feature-gates", "kubelet:AllAlpha=true")], "gate-value", "feature-gates"),
    (36, &[("feature-gates", "kube:AllAlpha=false,AllBeta=false")], "gate-value", "feature-gates"),
    (36, &[("feature-gates", "GracefulNodeShutdown=false")], "gate-needs", "feature-gates"),
    (36, &[("feature-gates", "WorkloadWithJob=true")], "gate-needs", "feature-gates"),
];

#[test]
fn each_is_an_error_of_its_code_at_its_flag() {
    let all = [PARSED, VALIDATED, CONFIGURED, LATE, NAMES].concat();
    assert!(all.len() >= 120, "{}", all.len());
    for (minor, changes, code, flag) in all {
        let lints = all_lints(&in_minor(minor), changes);
        let found = lints.iter().any(|lint| {
            (lint.code.as_str(), &*lint.flag, lint.severity) == (code, flag, Severity::Error)
        });
        assert!(found, "1.{minor} {changes:?}: {lints:#?}");
    }
}

#[test]
fn each_says_what_to_do() {
    for (minor, changes, ..) in [PARSED, VALIDATED, CONFIGURED, LATE, NAMES].concat() {
        for lint in all_lints(&in_minor(minor), changes) {
            assert!(!lint.help.is_empty() && !lint.problem.contains("  "), "{lint:#?}");
        }
    }
}

#[test]
fn misspelt_names_get_a_suggestion() {
    for (flag, value, suggestion) in [
        ("cluster-cdir", "x", "`--cluster-cidr`"),
        ("controllers", "*,-deploymnt", "`deployment`"),
        ("controllers", "*,+ttl", "`ttl`"),
        ("controllers", "tokencleaner ", "`tokencleaner`"),
        ("feature-gates", "RotateKubeletServerCert=true", "`RotateKubeletServerCertificate`"),
        ("tls-cipher-suites", "tls_aes_128_gcm_sha256", "`TLS_AES_128_GCM_SHA256`"),
    ] {
        let lints = all_lints(&in_minor(36), &[(flag, value)]);
        assert!(lints[0].help.contains(suggestion), "{lints:#?}");
    }
}
