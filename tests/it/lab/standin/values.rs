//! Tests of values that kube-controller-manager refuses: the step, the message, and the exit
//! status.

use kcm_tests::control_plane::Client;
use kcm_tests::peers;

use super::*;

/// Flags that are refused before any file is read or any server is contacted, with a part of the
/// message.
const AT_ONCE: &[(&str, &str)] = &[
    ("--feature-gates=NoSuchGate=true", "unrecognized feature gate: NoSuchGate"),
    ("--feature-gates=AllAlpha=on", "invalid value of AllAlpha=on"),
    ("--feature-gates=AllAlpha", "missing bool value for AllAlpha"),
    ("--logging-format=xml", "Unsupported log format"),
    ("--controllers=*,no-such-controller", "\"no-such-controller\" is not in the list of known"),
    ("--controllers=*,+ttl", "\"+ttl\" is not in the list of known controllers"),
    ("--controllers=*, -ttl", "\" -ttl\" is not in the list of known controllers"),
    ("--controllers=*,--ttl", "\"-ttl\" is not in the list of known controllers"),
    ("--controllers=-*", "\"*\" is not in the list of known controllers"),
    ("--controllers=*,TTL", "\"TTL\" is not in the list of known controllers"),
    (
        "--concurrent-statefulset-syncs=0",
        "concurrent-statefulset-syncs must be greater than 0, but got 0",
    ),
    ("--concurrent-job-syncs=-1", "concurrent-job-syncs must be greater than 0, but got -1"),
    (
        "--max-endpoints-per-slice=1001",
        "max-endpoints-per-slice must not be more than 1000, but got 1001",
    ),
    ("--concurrent-service-endpoint-syncs=0", "must not be less than 1, but got 0"),
    ("--attach-detach-reconcile-sync-period=999ms", "reconcile-sync-loop-period"),
    ("--leader-elect-resource-lock=endpoints", "resourceLock value must be \"leases\""),
    ("--secure-port=-1", "--secure-port -1 must be between 0 and 65535, inclusive"),
    ("--secure-port=70000", "--secure-port 70000 must be between 1 and 65535, inclusive"),
    ("--service-cluster-ip-range=10.0.0.0/16,fd00::/108,10.1.0.0/16", "more than two entries"),
    ("--show-hidden-metrics-for-version=1.2", "only the previous minor version is allowed"),
];

/// Flags that are refused once the kubeconfig has been read and before the Lease is acquired.
const WHILE_SET_UP: &[(&str, &str)] = &[
    ("--kube-api-burst=0", "burst is required to be greater than 0"),
    ("--tls-min-version=foo", "unknown tls version \"foo\""),
    ("--authorization-always-allow-paths=foo/*/bar", "only trailing * allowed in \"foo/*/bar\""),
    ("--bind-address=192.0.2.1", "failed to listen on"),
];

/// Flags with which Go panics once it listens.
const PANICS: &[(&str, &str)] = &[
    ("--leader-elect-lease-duration=10s", "leaseDuration must be greater than renewDeadline"),
    (
        "--leader-elect-retry-period=9s",
        "renewDeadline must be greater than retryPeriod*JitterFactor",
    ),
    ("--leader-elect-retry-period=0s", "retryPeriod must be greater than zero"),
    ("--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "missing an HTTP/2-required"),
];

/// Flags that only a leader reads.
const ONCE_IT_LEADS: &[(&str, &str)] = &[
    ("--cluster-cidr=", "invalid CIDR address: "),
    ("--cluster-cidr=172.20.0.0", "invalid CIDR address: 172.20.0.0"),
    ("--cluster-cidr=172.20.0.0/16,172.21.0.0/16", "not configured as dual stack"),
    ("--node-cidr-mask-size=15", "mask size of cluster CIDR must be less than or equal"),
    ("--cluster-cidr=172.20.0.0/16,fd00::/104", "not allowed with dual-stack clusters"),
    ("--node-cidr-mask-size-ipv6=64", "is not allowed if --node-cidr-mask-size is set"),
    ("--root-ca-file=/no/such/file", "error parsing root-ca-file at /no/such/file"),
    ("--service-account-private-key-file=/no/such/file", "service account token controller"),
    ("--cluster-signing-key-file=/no/such/file", "/no/such/file"),
];

fn ends(candidate: &Candidate<'_>, flag: &str, words: &str) -> i32 {
    let _ = fs::remove_file(candidate.file("log"));
    let mut process = candidate.start_with(&[flag]);
    let code = process.wait(PATIENCE);
    let log = process.log();
    let printed = log.replace("\\\"", "\"").to_lowercase();
    assert!(printed.contains(&words.to_lowercase()), "{flag}: {code:?}: {log}");
    code.unwrap()
}

#[test]
fn bad_values_end_the_process_at_the_step_that_reads_them() {
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let admin = plane.admin();
    for (flag, words) in AT_ONCE.iter().chain(WHILE_SET_UP) {
        assert_eq!(ends(&candidate, flag, words), 1, "{flag}");
        assert_eq!(admin.lease(), None, "{flag}");
    }
    for (flag, words) in PANICS {
        assert_eq!(ends(&candidate, flag, words), 2, "{flag}");
        assert_eq!(admin.lease(), None, "{flag}");
    }
    for (flag, words) in ONCE_IT_LEADS {
        assert_eq!(ends(&candidate, flag, words), 1, "{flag}");
        assert!(admin.holder().is_some(), "{flag}");
        admin.delete(Client::LEASE).ok();
    }
}

#[test]
fn a_standby_with_a_value_that_only_leaders_read_is_healthy() {
    if !peers::has("curl") {
        return;
    }
    let plane = control_plane();
    let (good, bad) = (Candidate::new(&plane), Candidate::new(&plane));
    let _leading = good.start();
    leader(&plane);
    let mut standby =
        bad.start_with(&["--node-cidr-mask-size=15", "--cluster-signing-key-file=/no/such"]);
    until("it is healthy", PATIENCE, || bad.is_healthy());
    assert_eq!(standby.code(), None);
}

#[test]
fn values_that_are_odd_and_good_keep_nobody_from_leading() {
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let cases: &[&[&str]] = &[
        &["--concurrent-deployment-syncs=0", "--terminated-pod-gc-threshold=-1"],
        &["--controllers=*,-ttl,bootstrapsigner,\"tokencleaner\"", "--bind-address="],
        &["--concurrent-gc-syncs=0x14", "--kube-api-qps=1e2", "--cluster-signing-duration=0"],
        &["--allocate-node-cidrs=false", "--cluster-cidr=nonsense"],
        &["--leader-elect-renew-deadline=2401ms"],
        &["--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "--logging-format=json"],
    ];
    for flags in cases {
        let mut process = candidate.start_with(flags);
        leader(&plane);
        sleep(Duration::from_millis(300));
        assert_eq!(process.code(), None, "{flags:?}: {}", process.log());
        process.kill();
        plane.admin().delete(Client::LEASE).ok();
    }
}

#[test]
fn each_version_refuses_what_it_does_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("v1.37.3", "--controllers=*,-service", "\"service\" is not in the list"),
        ("v1.37.3", "--concurrent-service-syncs=1", "unknown flag: --concurrent-service-syncs"),
        ("v1.37.3", "--feature-gates=SidecarContainers=true", "unrecognized feature gate"),
        (
            "v1.36.2",
            "--concurrent-disruption-syncs=1",
            "unknown flag: --concurrent-disruption-syncs",
        ),
        (
            "v1.35.1",
            "--feature-gates=ControllerManagerReleaseLeaderElectionLockOnExit=true",
            "unrecognized",
        ),
        (
            "v1.30.9",
            "--feature-gates=NoSuchGate=true",
            "Error: invalid argument \"NoSuchGate=true\" for \"--feature-gates\" flag",
        ),
        ("v1.27.1", "--controllers=*,-ttl-controller", "\"ttl-controller\" is not in the list"),
    ];
    for (version, flag, words) in cases {
        let path = folder.path().join(version);
        if !path.exists() {
            Binaries::standins().write_controller_manager(version, &path);
        }
        let output = peers::output(Command::new(&path).arg(flag));
        let printed = String::from_utf8(output.stderr).unwrap().replace("\\\"", "\"");
        assert_eq!(output.status.code(), Some(1), "{version} {flag}: {printed}");
        assert!(printed.contains(words), "{version} {flag}: {printed}");
    }
}
