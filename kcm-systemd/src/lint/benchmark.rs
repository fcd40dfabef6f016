//! Lints of section 1.3 of the
//! [CIS Kubernetes Benchmark](https://www.cisecurity.org/benchmark/kubernetes) and good practice.

use super::{LintCode, Linter};

impl Linter<'_> {
    pub(super) fn benchmark(&mut self) {
        self.terminated_pods();
        if self.is_on("profiling", true) {
            let problem = "profiling is enabled, which is the default";
            self.lint(LintCode::CisProfiling, "profiling", problem, "set the flag to `false`");
        }
        self.credentials();
        let (ca, token) =
            (self.set("cluster-signing-key-file"), self.set("service-account-private-key-file"));
        if token.is_none() {
            let problem = "without the flag, no service account tokens are issued";
            let help = "set the flag to the path of a private key";
            self.lint(
                LintCode::CisServiceAccountKey,
                "service-account-private-key-file",
                problem,
                help,
            );
        } else if ca == token {
            let problem = "the flag names the CA key: rotating the CA invalidates every service account token";
            let help = "use a separate key for service account tokens";
            self.lint(
                LintCode::CaKeySignsTokens,
                "service-account-private-key-file",
                problem,
                help,
            )
            .with(&["cluster-signing-key-file"]);
        }
        if self.set("root-ca-file").is_none() {
            let problem = "without the flag, pods cannot verify the API server";
            let help = "set the flag to the path of the CA certificate";
            self.lint(LintCode::CisRootCa, "root-ca-file", problem, help);
        }
        if self.gates.is_on("RotateKubeletServerCertificate") == Some(false) {
            let problem = "the feature gate `RotateKubeletServerCertificate` is off";
            self.lint(
                LintCode::CisRotateServing,
                "feature-gates",
                problem,
                "turn on the feature gate",
            );
        }
        let address = self.flags.get("bind-address");
        if address.is_none_or(|address| !matches!(address, "127.0.0.1" | "::1")) {
            let problem = "the CIS benchmark recommends `127.0.0.1`";
            let help = "set the flag to `127.0.0.1`; only clients on the master can then connect";
            self.lint(LintCode::CisBindAddress, "bind-address", problem, help);
        }
    }

    fn terminated_pods(&mut self) {
        let flag = "terminated-pod-gc-threshold";
        if self.flags.get(flag).is_none() || self.number(flag, 0).is_some_and(|pods| pods <= 0) {
            let problem = "the flag is not set to a number above zero; the default is 12500";
            self.lint(
                LintCode::CisTerminatedPods,
                flag,
                problem,
                "set the flag, for example to `1000`",
            );
        }
    }

    fn credentials(&mut self) {
        let flag = "use-service-account-credentials";
        if self.is_on(flag, false) {
            return;
        }
        let problem =
            "all controllers use one account, whose default RBAC role is not sufficient for them";
        self.lint(LintCode::SharedCredentials, flag, problem, "set the flag to `true`");
        let problem = "the CIS benchmark recommends a separate account for each controller";
        self.lint(LintCode::CisCredentials, flag, problem, "set the flag to `true`");
    }
}
