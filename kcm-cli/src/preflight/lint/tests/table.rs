//! Table of bad values, each an error with its place, and of cluster files without findings.

use super::*;

/// Minor version, flags, expected error code, and the flag at whose value the error is reported.
type Bad = (u16, &'static [(&'static str, &'static str)], &'static str, &'static str);

#[rustfmt::skip]
const BAD: &[Bad] = &[
    (36, &[("profiling", "yes")], "bad-value", "profiling"),
    (36, &[("allocate-node-cidrs", "flase")], "bad-value", "allocate-node-cidrs"),
    (36, &[("leader-elect", "2")], "bad-value", "leader-elect"),
    (36, &[("contention-profiling", "")], "bad-value", "contention-profiling"),
    (36, &[("cluster-signing-duration", "10y")], "bad-value", "cluster-signing-duration"),
    (36, &[("node-monitor-grace-period", "40")], "bad-value", "node-monitor-grace-period"),
    (36, &[("min-resync-period", "1d")], "bad-value", "min-resync-period"),
    (36, &[("kube-api-qps", "fast")], "bad-value", "kube-api-qps"),
    (36, &[("unhealthy-zone-threshold", "55%")], "bad-value", "unhealthy-zone-threshold"),
    (36, &[("concurrent-gc-syncs", "5.0")], "bad-value", "concurrent-gc-syncs"),
    (36, &[("terminated-pod-gc-threshold", "99999999999")], "bad-value", "terminated-pod-gc-threshold"),
    (36, &[("http2-max-streams-per-connection", "many")], "bad-value", "http2-max-streams-per-connection"),
    (36, &[("v", "-1")], "bad-value", "v"),
    (36, &[("v", "info")], "bad-value", "v"),
    (36, &[("vmodule", "foo")], "bad-value", "vmodule"),
    (36, &[("logging-format", "xml")], "bad-value", "logging-format"),
    (36, &[("tls-min-version", "TLS12")], "bad-value", "tls-min-version"),
    (36, &[("tls-cipher-suites", "AES128-SHA")], "bad-value", "tls-cipher-suites"),
    (36, &[("tls-curve-preferences", "X25519")], "bad-value", "tls-curve-preferences"),
    (36, &[("tls-curve-preferences", "9999")], "bad-value", "tls-curve-preferences"),
    (36, &[("tls-sni-cert-key", "cert.pem")], "bad-value", "tls-sni-cert-key"),
    (35, &[("allow-metric-labels", "bad")], "bad-value", "allow-metric-labels"),
    (36, &[("authorization-always-allow-paths", "foo/*/bar")], "bad-value", "authorization-always-allow-paths"),
    (36, &[("secure-port", "-1")], "value-range", "secure-port"),
    (36, &[("secure-port", "70000")], "value-range", "secure-port"),
    (36, &[("concurrent-cron-job-syncs", "0")], "value-range", "concurrent-cron-job-syncs"),
    (36, &[("concurrent-daemonset-syncs", "0")], "value-range", "concurrent-daemonset-syncs"),
    (36, &[("concurrent-device-taint-eviction-syncs", "0")], "value-range", "concurrent-device-taint-eviction-syncs"),
    (36, &[("concurrent-ephemeralvolume-syncs", "0")], "value-range", "concurrent-ephemeralvolume-syncs"),
    (36, &[("concurrent-horizontal-pod-autoscaler-syncs", "0")], "value-range", "concurrent-horizontal-pod-autoscaler-syncs"),
    (36, &[("concurrent-job-syncs", "-5")], "value-range", "concurrent-job-syncs"),
    (36, &[("concurrent-resourceclaim-syncs", "0")], "value-range", "concurrent-resourceclaim-syncs"),
    (36, &[("concurrent-statefulset-syncs", "0")], "value-range", "concurrent-statefulset-syncs"),
    (36, &[("concurrent-service-endpoint-syncs", "51")], "value-range", "concurrent-service-endpoint-syncs"),
    (36, &[("max-endpoints-per-slice", "0")], "value-range", "max-endpoints-per-slice"),
    (36, &[("mirroring-concurrent-service-endpoint-syncs", "0")], "value-range", "mirroring-concurrent-service-endpoint-syncs"),
    (36, &[("mirroring-max-endpoints-per-subset", "1001")], "value-range", "mirroring-max-endpoints-per-subset"),
    (36, &[("attach-detach-reconcile-sync-period", "500ms")], "value-range", "attach-detach-reconcile-sync-period"),
    (36, &[("log-flush-frequency", "0s")], "value-range", "log-flush-frequency"),
    (36, &[("kube-api-burst", "0")], "rate-limit", "kube-api-burst"),
    (36, &[("cidr-allocator-type", "CloudAllocator")], "cidr-allocator", "cidr-allocator-type"),
    (36, &[("cloud-provider", "aws")], "cloud-provider", "cloud-provider"),
    (36, &[("leader-elect-lease-duration", "10s")], "lease-timing", "leader-elect-lease-duration"),
    (36, &[("leader-elect-renew-deadline", "20s")], "lease-timing", "leader-elect-renew-deadline"),
    (36, &[("leader-elect-retry-period", "9s")], "lease-timing", "leader-elect-retry-period"),
    (36, &[("leader-elect-retry-period", "0s")], "lease-timing", "leader-elect-retry-period"),
    (36, &[("leader-elect-resource-lock", "configmaps")], "resource-lock", "leader-elect-resource-lock"),
    (36, &[("leader-elect-resource-name", "")], "lease-name", "leader-elect-resource-name"),
    (36, &[("leader-elect", "false")], "no-leader-election", "leader-elect"),
    (36, &[("log-json-split-stream", "true")], "log-options", "log-json-split-stream"),
    (36, &[("logging-format", "json"), ("vmodule", "a=1")], "log-options", "vmodule"),
    (36, &[("tls-cert-file", "/c.pem")], "tls-pair", "tls-cert-file"),
    (36, &[("tls-private-key-file", "/k.pem")], "tls-pair", "tls-private-key-file"),
    (36, &[("tls-cipher-suites", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")], "tls-http2", "tls-cipher-suites"),
    (36, &[("requestheader-uid-headers", "X-Uid")], "uid-headers", "requestheader-uid-headers"),
    (36, &[("show-hidden-metrics-for-version", "1.30")], "hidden-metrics", "show-hidden-metrics-for-version"),
    (36, &[("emulated-version", "1.37")], "emulated-version", "emulated-version"),
    (36, &[("cluster-signing-kubelet-client-key-file", "/k"), ("cluster-signing-kubelet-client-cert-file", "/c")], "signing-conflict", "cluster-signing-kubelet-client-cert-file"),
    (36, &[("cluster-signing-legacy-unknown-cert-file", "/c")], "signing-pair", "cluster-signing-legacy-unknown-cert-file"),
    (36, &[("cluster-cdir", "x")], "flag-unknown", "cluster-cdir"),
    (36, &[("port", "0")], "flag-removed", "port"),
    (37, &[("concurrent-service-syncs", "1")], "flag-removed", "concurrent-service-syncs"),
    (36, &[("concurrent-disruption-syncs", "1")], "flag-too-new", "concurrent-disruption-syncs"),
    (36, &[("controllers", "*,-deploymnt")], "controller-unknown", "controllers"),
    (36, &[("controllers", "*,+ttl")], "controller-unknown", "controllers"),
    (37, &[("controllers", "*,-service,-route")], "controller-unknown", "controllers"),
    (27, &[("controllers", "*,job-controller")], "controller-unknown", "controllers"),
    (36, &[("feature-gates", "NoSuchGate=true")], "gate-unknown", "feature-gates"),
    (37, &[("feature-gates", "SidecarContainers=true")], "gate-unknown", "feature-gates"),
    (36, &[("feature-gates", "ProcMountType=false")], "gate-locked", "feature-gates"),
    (36, &[("feature-gates", "AllAlpha=maybe")], "gate-value", "feature-gates"),
    (36, &[("feature-gates", "kubelet:AllAlpha=true")], "gate-value", "feature-gates"),
    (36, &[("feature-gates", "GracefulNodeShutdown=false")], "gate-needs", "feature-gates"),
];

#[test]
fn each_bad_value_is_an_error_at_its_place() {
    assert!(BAD.len() >= 60);
    for (minor, flags, code, flag) in BAD {
        let lines = flags.iter().map(|(name, value)| format!("    {name}: \"{value}\"\n"));
        let text = format!("controllerManager:\n  flags:\n{}", lines.collect::<String>());
        let line = 13 + flags.iter().position(|(name, _)| name == flag).unwrap();
        let (key, column) = (format!("controllerManager.flags.{flag}"), flag.len() + 7);
        let report = lint(&cluster(&text), &[KubernetesVersion::v1(*minor)]);
        let found = report.findings.iter().any(|it| {
            (it.code, it.severity, &*it.key, it.line, it.column)
                == (code, Severity::Error, &key, line, column)
        });
        assert!(found, "1.{minor} {flags:?}: {:#?}", report.findings);
    }
}

/// Endings of valid cluster files. Those that not every known version supports name a version.
#[rustfmt::skip]
const VALID: &[&str] = &[
    "",
    "kubernetesVersion: v1.36.2\n",
    "kubernetesVersion: 1.20\n",
    "kubernetesVersion: v1.37.0\n",
    "ssh: {user: root}\n",
    "install: {root: /opt/k8s, distributeCa: true}\n",
    "install: {owner: \"root:root\"}\n",
    "systemd: {user: kube, hardening: strict}\n",
    "kubeconfig: {credentials: files}\n",
    "kubeconfig: {credentials: embedded-only}\n",
    "api: {via: direct}\n",
    "controllerManager: {bindAddress: loopback}\n",
    "controllerManager: {bindAddress: any}\n",
    "controllerManager: {bindAddress: \"::\"}\n",
    "controllerManager: {flags: {profiling: false}}\n",
    "controllerManager: {flags: {v: 4}}\n",
    "controllerManager: {flags: {v: null}}\n",
    "controllerManager: {flags: {terminated-pod-gc-threshold: 1000}}\n",
    "controllerManager: {flags: {cluster-signing-duration: 87600h}}\n",
    "controllerManager: {flags: {cluster-signing-duration: 87600h0m0s}}\n",
    "controllerManager: {flags: {service-account-private-key-file: /etc/kubernetes/pki/sa.key}}\n",
    "controllerManager: {flags: {controllers: \"*,bootstrapsigner,tokencleaner\"}}\n",
    "controllerManager: {flags: {controllers: \"*,-ttl\"}}\n",
    "controllerManager: {flags: {controllers: \"*\"}}\n",
    "kubernetesVersion: v1.30.1\ncontrollerManager: {flags: {controllers: \"*,-node-route-controller\"}}\n",
    "controllerManager: {flags: {allocate-node-cidrs: false}}\n",
    "controllerManager: {flags: {allocate-node-cidrs: null, cluster-cidr: null}}\n",
    "controllerManager: {flags: {cloud-provider: external}}\n",
    "controllerManager: {flags: {feature-gates: \"RotateKubeletServerCertificate=true\"}}\n",
    "controllerManager: {flags: {feature-gates: \"AllAlpha=false\"}}\n",
    "kubernetesVersion: 1.36\ncontrollerManager: {flags: {feature-gates: \"ControllerManagerReleaseLeaderElectionLockOnExit=true\"}}\n",
    "controllerManager: {flags: {leader-elect-lease-duration: 60s, leader-elect-renew-deadline: 40s, leader-elect-retry-period: 5s}}\n",
    "controllerManager: {flags: {leader-elect-resource-lock: leases}}\n",
    "controllerManager: {flags: {kube-api-qps: 50, kube-api-burst: 100}}\n",
    "controllerManager: {flags: {node-monitor-period: 2s, node-monitor-grace-period: 16s}}\n",
    "controllerManager: {flags: {concurrent-deployment-syncs: 10, concurrent-gc-syncs: 30}}\n",
    "controllerManager: {flags: {concurrent-service-endpoint-syncs: 50}}\n",
    "controllerManager: {flags: {tls-min-version: VersionTLS12}}\n",
    "controllerManager: {flags: {tls-min-version: VersionTLS13}}\n",
    "controllerManager: {flags: {tls-cipher-suites: \"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\"}}\n",
    "controllerManager: {flags: {tls-cert-file: /s.pem, tls-private-key-file: /s-key.pem}}\n",
    "controllerManager: {flags: {requestheader-client-ca-file: /proxy-ca.pem, requestheader-allowed-names: \"front,back\"}}\n",
    "controllerManager: {flags: {secure-port: 0}}\n",
    "controllerManager: {flags: {secure-port: 10357}}\n",
    "controllerManager: {flags: {horizontal-pod-autoscaler-sync-period: 10s, horizontal-pod-autoscaler-tolerance: 0.2}}\n",
    "controllerManager: {flags: {flex-volume-plugin-dir: /opt/flex}}\n",
    "controllerManager: {flags: {cluster-signing-cert-file: null, cluster-signing-key-file: null}}\n",
    "controllerManager: {flags: {root-ca-file: /etc/ssl/bundle.pem}}\n",
    "controllerManager: {flags: {logging-format: json}}\n",
    "kubernetesVersion: 1.36\ncontrollerManager: {flags: {concurrent-job-syncs: 10, concurrent-cron-job-syncs: 10}}\n",
    "kubernetesVersion: 1.23\ncontrollerManager: {flags: {port: 0, address: 127.0.0.1}}\n",
    "kubernetesVersion: 1.37\ncontrollerManager: {flags: {concurrent-disruption-syncs: 2}}\n",
    "kubernetesVersion: 1.36\ncontrollerManager: {flags: {show-hidden-metrics-for-version: \"1.35\"}}\n",
    "lint: {allow: [{code: cis-1.3.2, reason: pprof is used}]}\n",
];

#[test]
fn valid_cluster_files_have_no_findings() {
    assert!(VALID.len() >= 50);
    for more in VALID {
        assert_eq!(found(more, &[]), [""; 0], "{more}");
    }
    for (from, to) in [
        ("172.20.0.0/16", "[172.20.0.0/16, \"fd00::/48\"]"),
        ("172.20.0.0/16", "10.128.0.0/10\n  nodeCidrMaskSize: 26"),
        ("172.20.0.0/16", "[172.20.0.0/16, \"fd00::/48\"]\n  nodeCidrMaskSizeIpv4: 25"),
    ] {
        let services =
            if to.starts_with('[') { "[10.68.0.0/16, \"fd01::/112\"]" } else { "10.68.0.0/16" };
        let text = TUTORIAL.replace(from, to).replace("10.68.0.0/16", services);
        let mut report = lint(&Cluster::parse(&text, Path::new("kcm.yaml")).unwrap(), &[]);
        report.without_benchmark();
        assert_eq!(report.findings, []);
    }
}
