//! Unusual values that the program accepts: no errors, and warnings only in `ODD`.

use super::*;

type Case = (u16, &'static [(&'static str, &'static str)]);

const SILENT: &[Case] = &[
    (36, &[("profiling", "T")]),
    (36, &[("concurrent-job-syncs", "0x10")]),
    (36, &[("concurrent-gc-syncs", "1_0")]),
    (36, &[("terminated-pod-gc-threshold", "-1")]),
    (36, &[("min-resync-period", "-1h")]),
    (36, &[("node-monitor-period", "1.5s")]),
    (36, &[("kube-api-qps", "-1"), ("kube-api-burst", "0")]),
    (36, &[("kube-api-qps", "1e3")]),
    (36, &[("bind-address", "")]),
    (36, &[("bind-address", "::")]),
    (36, &[("secure-port", "0"), ("tls-cert-file", "/c"), ("tls-min-version", "x")]),
    (36, &[("v", "0")]),
    (36, &[("vmodule", "a=1,b*=2,")]),
    (36, &[("logging-format", "json")]),
    (36, &[("log-json-split-stream", "false")]),
    (36, &[("log-json-split-stream", "true"), ("feature-gates", "LoggingAlphaOptions=true")]),
    (34, &[("log-flush-frequency", "0s")]),
    (36, &[("leader-elect-renew-deadline", "2401ms")]),
    (
        36,
        &[
            ("leader-elect-lease-duration", "60s"),
            ("leader-elect-renew-deadline", "59s"),
            ("leader-elect-retry-period", "49s"),
        ],
    ),
    (26, &[("leader-elect-resource-lock", "endpointsleases")]),
    (23, &[("leader-elect-resource-lock", "endpoints")]),
    (36, &[("cluster-cidr", "010.20.0.0/16")]),
    (36, &[("cluster-cidr", " 172.20.0.0/16 ")]),
    (36, &[("cluster-cidr", "172.20.0.0/16,fd00::/48"), ("node-cidr-mask-size", "-")]),
    (36, &[("cluster-cidr", "172.20.0.0/16,fd00::/48"), ("node-cidr-mask-size", "0")]),
    (36, &[("service-cluster-ip-range", "10.1.0.0/16,fd00::/112")]),
    (36, &[("allocate-node-cidrs", "false"), ("cluster-cidr", "nonsense")]),
    (36, &[("controllers", "*,-nodeipam"), ("cluster-cidr", "nonsense")]),
    (36, &[("controllers", "*,bootstrapsigner,tokencleaner")]),
    (36, &[("controllers", "")]),
    (36, &[("controllers", "-ttl-controller,*,ttl")]),
    (26, &[("controllers", "*,-storage-version-gc"), ("feature-gates", "StorageVersionAPI=true")]),
    (29, &[("controllers", "*,-resourceclaim-controller")]),
    (36, &[("controllers", "*,-service,-route")]),
    (24, &[("controllers", "*,anything")]),
    (24, &[("feature-gates", "Anything=true")]),
    (36, &[("feature-gates", "")]),
    (36, &[("feature-gates", " RotateKubeletServerCertificate = true ,")]),
    (36, &[("feature-gates", "kube:AllBeta=true")]),
    (36, &[("feature-gates", "ProcMountType=true")]),
    (36, &[("feature-gates", "AllAlpha=false,AllAlpha=0")]),
    (34, &[("feature-gates", "GracefulNodeShutdown=false")]),
    (37, &[("feature-gates", "KubeProxyIPVS=false,GangScheduling=true")]),
    (36, &[("feature-gates", "DRADeviceTaints=false,DRADeviceTaintRules=false")]),
    (36, &[("emulated-version", "1.33")]),
    (36, &[("emulated-version", "kube=1.36")]),
    (36, &[("show-hidden-metrics-for-version", "1.35")]),
    (37, &[("show-hidden-metrics-for-version", "1.36")]),
    (36, &[("allow-metric-labels", "anything=x")]),
    (35, &[("allow-metric-labels", "metric,label=a,b")]),
    (35, &[("allow-metric-labels", "\"m1,l1=a,b\",\"m2,l2=c\"")]),
    (
        36,
        &[
            ("tls-cipher-suites", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
            ("tls-min-version", "VersionTLS13"),
        ],
    ),
    (
        36,
        &[
            ("tls-cipher-suites", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
            ("disable-http2-serving", "true"),
        ],
    ),
    (
        36,
        &[(
            "tls-cipher-suites",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_RSA_WITH_RC4_128_SHA",
        )],
    ),
    (36, &[("tls-cipher-suites", "")]),
    (36, &[("tls-curve-preferences", "4588,29,23")]),
    (36, &[("tls-sni-cert-key", "/c.pem,/k.pem:a.example,b.example")]),
    (36, &[("tls-sni-cert-key", "/c.pem,/k.pem,/d.pem,/l.pem")]),
    (36, &[("requestheader-uid-headers", "x-remote-uid")]),
    (36, &[("authorization-always-allow-paths", "/healthz,/debug/*,*")]),
    (28, &[("cloud-provider", "vsphere")]),
    (30, &[("cloud-provider", "gce"), ("feature-gates", "DisableCloudProviders=false")]),
    (36, &[("cloud-provider", "")]),
    (36, &[("cidr-allocator-type", "RangeAllocator")]),
    (
        36,
        &[
            ("cluster-signing-cert-file", "-"),
            ("cluster-signing-key-file", "-"),
            ("service-account-private-key-file", "-"),
        ],
    ),
    (36, &[("leader-elect-resource-name", "other"), ("leader-elect-resource-namespace", "")]),
    (37, &[("concurrent-disruption-syncs", "1")]),
];

const ODD: &[(Case, &str)] = &[
    ((36, &[("concurrent-deployment-syncs", "0")]), "odd-value"),
    ((37, &[("concurrent-disruption-syncs", "-1")]), "odd-value"),
    ((36, &[("concurrent-rc-syncs", "-1")]), "odd-value"),
    ((36, &[("cluster-signing-duration", "-1h")]), "odd-value"),
    ((36, &[("horizontal-pod-autoscaler-sync-period", "0s")]), "odd-value"),
    ((36, &[("horizontal-pod-autoscaler-tolerance", "-0.1")]), "odd-value"),
    ((36, &[("node-eviction-rate", "-1")]), "odd-value"),
    ((36, &[("cluster-signing-key-file", "-")]), "signing-pair"),
    ((36, &[("service-cluster-ip-range", "10.68.0.0")]), "bad-cidrs"),
    ((36, &[("cluster-cidr", "10.68.0.0/14")]), "overlapping-cidrs"),
    ((36, &[("leader-elect", "false")]), "no-leader-election"),
    ((36, &[("use-service-account-credentials", "false")]), "shared-credentials"),
];

#[test]
fn what_the_program_takes_is_no_finding() {
    for (minor, changes) in SILENT {
        assert_eq!(all_lints(&in_minor(*minor), changes), [], "1.{minor} {changes:?}");
    }
}

#[test]
fn what_it_takes_and_cannot_be_meant_is_a_warning() {
    for ((minor, changes), code) in ODD {
        let lints = all_lints(&in_minor(*minor), changes);
        let found: Vec<_> = lints.iter().map(|it| (it.code.as_str(), it.severity)).collect();
        assert_eq!(found, [(*code, Severity::Warning)], "1.{minor} {changes:?}");
    }
}
