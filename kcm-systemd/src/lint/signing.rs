//! Lints of certificate and token signers, and of cloud providers.

use super::{LintCode, Linter, Severity};

/// Signers that can have separate pairs, as in `--cluster-signing-NAME-cert-file`.
const SIGNERS: [&str; 4] =
    ["kubelet-serving", "kubelet-client", "kube-apiserver-client", "legacy-unknown"];

impl Linter<'_> {
    pub(super) fn signing(&mut self) {
        let general = self.signing_pair("cluster-signing", Severity::Warning);
        for signer in SIGNERS {
            let prefix = format!("cluster-signing-{signer}");
            if self.signing_pair(&prefix, Severity::Error) && general {
                let [cert, key] = [format!("{prefix}-cert-file"), format!("{prefix}-key-file")];
                let (flag, other) =
                    if self.set(&cert).is_some() { (cert, key) } else { (key, cert) };
                let problem = "the flag cannot be combined with `--cluster-signing-cert-file` or `--cluster-signing-key-file`";
                let help = "set either the general pair, or one pair for each signer";
                self.lint(LintCode::SigningConflict, &flag, problem, help).with(&[
                    &other,
                    "cluster-signing-cert-file",
                    "cluster-signing-key-file",
                ]);
            }
        }
    }

    /// Checks that a pair is complete, and reports whether a part of it is set.
    fn signing_pair(&mut self, prefix: &str, severity: Severity) -> bool {
        let (cert, key) = (format!("{prefix}-cert-file"), format!("{prefix}-key-file"));
        let (has_cert, has_key) = (self.set(&cert).is_some(), self.set(&key).is_some());
        if has_cert != has_key {
            let (missing, present) = if has_cert { (key, cert) } else { (cert, key) };
            let problem = format!("the flag is not set, but `--{present}` is set");
            let help = "set both flags, or neither";
            let lint = self.lint(LintCode::SigningPair, &missing, problem, help).with(&[&present]);
            // An incomplete general pair only turns the signers off.
            lint.severity = severity;
        }
        has_cert || has_key
    }

    pub(super) fn cloud_provider(&mut self) {
        let flag = "cloud-provider";
        let Some(provider) = self.set(flag) else { return };
        let has_legacy = !self.is_from(29)
            || (!self.is_from(31) && self.gates.is_on("DisableCloudProviders") == Some(false));
        let is_known = match provider {
            "external" => true,
            "azure" | "gce" | "vsphere" => has_legacy,
            "aws" => !self.is_from(27),
            "openstack" => !self.is_from(26),
            // The providers of older versions are not all known.
            _ => !self.is_from(25),
        };
        if !is_known {
            let problem = format!("the cloud provider `{provider}` is not supported");
            let help = "remove the flag, or set the flag to `external`";
            self.lint(LintCode::CloudProvider, flag, problem, help);
        }
    }
}
