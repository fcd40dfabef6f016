//! Rules about names, leader election, signing, cloud providers, and the benchmark's items.

use std::time::Duration;

use crate::flags::{KubernetesVersion, lookup, nearest};
use crate::lint::value::{boolean, duration, integer, problem};
use crate::lint::{LintCode, Linter};

/// The signers that can have a pair of their own, as in `--cluster-signing-NAME-cert-file`.
const SIGNERS: [&str; 4] =
    ["kubelet-serving", "kubelet-client", "kube-apiserver-client", "legacy-unknown"];

impl Linter<'_> {
    pub(super) fn names_and_values(&mut self) {
        let version = self.version;
        for (name, text) in self.flags.iter() {
            let name = name.as_str();
            let Some(flag) = lookup(name) else {
                let hint = nearest(name)
                    .map(|near| format!("; did you mean `--{near}`?"))
                    .unwrap_or_default();
                self.lint(
                    LintCode::FlagUnknown,
                    name,
                    format!("no version of kube-controller-manager has it{hint}"),
                );
                continue;
            };
            match (flag.removed_in, flag.first) {
                (Some(removed), _) if version >= removed => {
                    let detail =
                        format!("{removed} removed it, and this is {version}; leave it out");
                    self.lint(LintCode::FlagRemoved, name, detail);
                }
                (_, Some(first)) if version < first => {
                    let detail =
                        format!("it came with {first}, and this is {version}; leave it out");
                    self.lint(LintCode::FlagTooNew, name, detail);
                }
                _ => {}
            }
            if let Some(problem) = problem(flag.kind, text) {
                self.lint(LintCode::BadValue, name, format!("`{text}` {problem}"));
            }
        }
    }

    /// `LeaderElectionConfiguration` as checked by
    /// [component-base](https://pkg.go.dev/k8s.io/component-base/config/validation) and
    /// [client-go](https://pkg.go.dev/k8s.io/client-go/tools/leaderelection#NewLeaderElector).
    pub(super) fn leader_election(&mut self) {
        if !self.is_on("leader-elect", true) {
            let detail = "without leader election every kube-controller-manager acts at once; set it to `true`";
            return self.lint(LintCode::NoLeaderElection, "leader-elect", detail);
        }
        let lock = self.flags.get("leader-elect-resource-lock");
        if let Some(lock) =
            lock.filter(|&lock| lock != "leases" && self.version >= KubernetesVersion::v1(27))
        {
            let detail = format!("`{lock}` is gone since 1.27; set it to `leases`");
            self.lint(LintCode::ResourceLock, "leader-elect-resource-lock", detail);
        }
        let span = |flag, default| {
            self.flags.get(flag).map_or(Some(Duration::from_secs(default)), duration)
        };
        let lease = span("leader-elect-lease-duration", 15);
        let renew = span("leader-elect-renew-deadline", 10);
        let retry = span("leader-elect-retry-period", 2);
        if let (Some(lease), Some(renew)) = (lease, renew)
            && lease <= renew
        {
            let detail = format!(
                "the lease of {lease:?} must last longer than the renew deadline of {renew:?}"
            );
            self.lint(LintCode::LeaseTiming, "leader-elect-lease-duration", detail);
        }
        // The period is jittered by this factor (`JitterFactor` in client-go).
        if let (Some(renew), Some(retry)) = (renew, retry)
            && renew <= retry.mul_f64(1.2)
        {
            let detail = format!(
                "the deadline of {renew:?} must be longer than 1.2 times the retry period of {retry:?}"
            );
            self.lint(LintCode::LeaseTiming, "leader-elect-renew-deadline", detail);
        }
    }

    pub(super) fn signing(&mut self) {
        let general = self.signing_pair("cluster-signing");
        for signer in SIGNERS {
            let prefix = format!("cluster-signing-{signer}");
            if self.signing_pair(&prefix) && general {
                let detail = "it excludes `--cluster-signing-cert-file` and `--cluster-signing-key-file`; \
                              give either the general pair or one for each signer";
                self.lint(LintCode::SigningConflict, &format!("{prefix}-cert-file"), detail);
            }
        }
        let (ca, token) =
            (self.set("cluster-signing-key-file"), self.set("service-account-private-key-file"));
        if ca.is_some() && ca == token {
            let detail = "it is the key of the CA: rotating the CA would end every service account token; use a key of its own";
            self.lint(LintCode::CaKeySignsTokens, "service-account-private-key-file", detail);
        }
    }

    /// Checks that a pair is whole, and tells whether any of it is set.
    fn signing_pair(&mut self, prefix: &str) -> bool {
        let (cert, key) = (format!("{prefix}-cert-file"), format!("{prefix}-key-file"));
        let (has_cert, has_key) = (self.set(&cert).is_some(), self.set(&key).is_some());
        if has_cert != has_key {
            let (missing, present) = if has_cert { (key, cert) } else { (cert, key) };
            self.lint(
                LintCode::SigningPair,
                &missing,
                format!("it must be set together with `--{present}`"),
            );
        }
        has_cert || has_key
    }

    pub(super) fn cloud_provider(&mut self) {
        let provider = self.set("cloud-provider").filter(|&provider| provider != "external");
        if let Some(provider) = provider.filter(|_| self.version >= KubernetesVersion::v1(31)) {
            let detail =
                format!("`{provider}` is gone since 1.31; leave it empty or set it to `external`");
            self.lint(LintCode::CloudProvider, "cloud-provider", detail);
        }
    }

    /// Section 1.3 of the [CIS Kubernetes Benchmark](https://www.cisecurity.org/benchmark/kubernetes).
    pub(super) fn benchmark(&mut self) {
        if self
            .set("terminated-pod-gc-threshold")
            .and_then(integer)
            .is_none_or(|threshold| threshold <= 0)
        {
            let detail =
                "it is to be chosen for the cluster; the default keeps 12500 terminated pods";
            self.lint(LintCode::CisTerminatedPods, "terminated-pod-gc-threshold", detail);
        }
        if self.is_on("profiling", true) {
            self.lint(
                LintCode::CisProfiling,
                "profiling",
                "it is on by default; set it to `false`",
            );
        }
        if !self.is_on("use-service-account-credentials", false) {
            let detail =
                "the role of kube-controller-manager is too small without it; set it to `true`";
            self.lint(LintCode::CisCredentials, "use-service-account-credentials", detail);
        }
        if self.set("service-account-private-key-file").is_none() {
            let detail = "without it no service account tokens are made; set it to a private key";
            self.lint(LintCode::CisServiceAccountKey, "service-account-private-key-file", detail);
        }
        if self.set("root-ca-file").is_none() {
            let detail =
                "without it pods cannot verify the API server; set it to the CA's certificate";
            self.lint(LintCode::CisRootCa, "root-ca-file", detail);
        }
        let gates = self.set("feature-gates").unwrap_or_default();
        let mut rotation = gates
            .split(',')
            .filter_map(|gate| gate.trim().strip_prefix("RotateKubeletServerCertificate="));
        if rotation.next_back().and_then(|value| boolean(value.trim())) == Some(false) {
            let detail = "it turns `RotateKubeletServerCertificate` off; leave that out";
            self.lint(LintCode::CisRotateServing, "feature-gates", detail);
        }
        if self
            .flags
            .get("bind-address")
            .is_none_or(|address| !matches!(address, "127.0.0.1" | "::1"))
        {
            let detail = "the benchmark wants `127.0.0.1`, which only probes and scrapers on the master itself can reach";
            self.lint(LintCode::CisBindAddress, "bind-address", detail);
        }
    }
}
