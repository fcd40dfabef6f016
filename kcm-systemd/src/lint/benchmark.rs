//! Lints of section 1.3 of the
//! [CIS Kubernetes Benchmark](https://www.cisecurity.org/benchmark/kubernetes) and good practice.

use super::{LintCode, Linter};

impl Linter<'_> {
    pub(super) fn benchmark(&mut self) {
        self.terminated_pods();
        if self.is_on("profiling", true) {
            let problem = "profiling is on, as it is by default";
            self.lint(LintCode::CisProfiling, "profiling", problem, "set it to `false`");
        }
        self.credentials();
        let (ca, token) =
            (self.set("cluster-signing-key-file"), self.set("service-account-private-key-file"));
        if token.is_none() {
            let problem = "without it no service account tokens are made";
            let help = "set it to a private key";
            self.lint(
                LintCode::CisServiceAccountKey,
                "service-account-private-key-file",
                problem,
                help,
            );
        } else if ca == token {
            let problem =
                "it is the key of the CA: rotating the CA ends every service account token";
            let help = "use a key of its own";
            self.lint(
                LintCode::CaKeySignsTokens,
                "service-account-private-key-file",
                problem,
                help,
            )
            .with(&["cluster-signing-key-file"]);
        }
        if self.set("root-ca-file").is_none() {
            let problem = "without it pods cannot verify the API server";
            let help = "set it to the CA's certificate";
            self.lint(LintCode::CisRootCa, "root-ca-file", problem, help);
        }
        if self.gates.is_on("RotateKubeletServerCertificate") == Some(false) {
            let problem = "`RotateKubeletServerCertificate` is off";
            self.lint(LintCode::CisRotateServing, "feature-gates", problem, "turn it on");
        }
        let address = self.flags.get("bind-address");
        if address.is_none_or(|address| !matches!(address, "127.0.0.1" | "::1")) {
            let problem = "the benchmark asks for `127.0.0.1`";
            let help = "set it to `127.0.0.1`; only clients on the master itself reach it then";
            self.lint(LintCode::CisBindAddress, "bind-address", problem, help);
        }
    }

    fn terminated_pods(&mut self) {
        let flag = "terminated-pod-gc-threshold";
        if self.flags.get(flag).is_none() || self.number(flag, 0).is_some_and(|pods| pods <= 0) {
            let problem = "how many terminated pods are kept is to be chosen; 12500 are by default";
            self.lint(LintCode::CisTerminatedPods, flag, problem, "set it, for example to 1000");
        }
    }

    fn credentials(&mut self) {
        let flag = "use-service-account-credentials";
        if self.is_on(flag, false) {
            return;
        }
        let problem =
            "all controllers act as one user; the role that RBAC gives it is too small for that";
        self.lint(LintCode::SharedCredentials, flag, problem, "set it to `true`");
        let problem = "the benchmark asks for one account for each controller";
        self.lint(LintCode::CisCredentials, flag, problem, "set it to `true`");
    }
}
