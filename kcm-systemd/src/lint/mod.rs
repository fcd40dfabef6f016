//! What can be said of the flags of kube-controller-manager before it is started with them.

mod network;
mod rules;
mod value;

use std::fmt;

use serde::{Serialize, Serializer};

use crate::flags::{Flags, KubernetesVersion};

/// One thing to be said about a set of flags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FlagLint {
    /// What it is.
    pub code: LintCode,
    /// The flag concerned, without dashes; the one to change, if several are.
    pub flag: String,
    /// The particulars: what was found, and how to mend it.
    pub detail: String,
}

/// How bad a lint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The CIS Kubernetes Benchmark asks for something else.
    Benchmark,
    /// It runs, but hardly as intended.
    Warning,
    /// kube-controller-manager does not start, or does not do its work.
    Error,
}

/// Writes the codes with their names and severities.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $severity:ident;)+) => {
        /// The kinds of lints. Their names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum LintCode { $($(#[$doc])* $variant,)+ }

        impl LintCode {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable name, such as `flag-removed`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// How bad it is.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)+ }
            }
        }
    };
}

codes! {
    /// No known version has the flag.
    FlagUnknown = "flag-unknown", Error;
    /// The version does not have the flag any more.
    FlagRemoved = "flag-removed", Error;
    /// The version does not have the flag yet.
    FlagTooNew = "flag-too-new", Error;
    /// The value is not of the flag's type.
    BadValue = "bad-value", Error;
    /// `--leader-elect-resource-lock` names a lock that the version does not have.
    ResourceLock = "resource-lock", Error;
    /// `--allocate-node-cidrs` without `--cluster-cidr`.
    ClusterCidrMissing = "cluster-cidr-missing", Error;
    /// `--cluster-cidr` without `--allocate-node-cidrs`.
    ClusterCidrIgnored = "cluster-cidr-ignored", Warning;
    /// A list of CIDRs that is not one of each family at most.
    BadCidrs = "bad-cidrs", Error;
    /// A node mask flag that does not go with the families of the cluster CIDR.
    NodeMaskFlag = "node-mask-flag", Error;
    /// A node mask that does not go with the prefix of the cluster CIDR.
    NodeMaskSize = "node-mask-size", Error;
    /// Pods and services share addresses.
    OverlappingCidrs = "overlapping-cidrs", Error;
    /// A signing certificate without its key, or the other way round.
    SigningPair = "signing-pair", Error;
    /// The general signing pair beside one for a single signer.
    SigningConflict = "signing-conflict", Error;
    /// `--cloud-provider` names a provider that the version does not have.
    CloudProvider = "cloud-provider", Error;
    /// The timing of the lease contradicts itself.
    LeaseTiming = "lease-timing", Error;
    /// `--leader-elect=false`: every process would act at once.
    NoLeaderElection = "no-leader-election", Warning;
    /// The key of the CA signs service account tokens: rotating the CA ends all of them.
    CaKeySignsTokens = "ca-key-signs-tokens", Warning;
    /// CIS 1.3.1: `--terminated-pod-gc-threshold` is to be chosen.
    CisTerminatedPods = "cis-1.3.1", Benchmark;
    /// CIS 1.3.2: `--profiling=false`.
    CisProfiling = "cis-1.3.2", Benchmark;
    /// CIS 1.3.3, and necessary with the role that RBAC gives: `--use-service-account-credentials=true`.
    CisCredentials = "cis-1.3.3", Error;
    /// CIS 1.3.4: `--service-account-private-key-file` is to be set.
    CisServiceAccountKey = "cis-1.3.4", Benchmark;
    /// CIS 1.3.5: `--root-ca-file` is to be set.
    CisRootCa = "cis-1.3.5", Benchmark;
    /// CIS 1.3.6: the feature gate `RotateKubeletServerCertificate` is not to be off.
    CisRotateServing = "cis-1.3.6", Benchmark;
    /// CIS 1.3.7: `--bind-address=127.0.0.1`.
    CisBindAddress = "cis-1.3.7", Benchmark;
}

impl FlagLint {
    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

impl fmt::Display for FlagLint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{}: {} ({})", self.flag, self.detail, self.code)
    }
}

impl fmt::Display for LintCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for LintCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Checks flags against a version, against each other, and against section 1.3 of the CIS Kubernetes Benchmark.
///
/// Only what the flags alone can tell: whether files exist and what they hold is not looked at, nor are the names in
/// `--controllers`. Each flag counts with the default of the program where it is not set.
#[must_use]
pub fn lint_flags(flags: &Flags, version: KubernetesVersion) -> Vec<FlagLint> {
    let mut linter = Linter { flags, version, lints: Vec::new() };
    linter.names_and_values();
    linter.leader_election();
    linter.network();
    linter.signing();
    linter.cloud_provider();
    linter.benchmark();
    linter.lints
}

/// A run over one set of flags.
struct Linter<'a> {
    flags: &'a Flags,
    version: KubernetesVersion,
    lints: Vec<FlagLint>,
}

impl<'a> Linter<'a> {
    fn lint(&mut self, code: LintCode, flag: &str, detail: impl Into<String>) {
        self.lints.push(FlagLint { code, flag: flag.into(), detail: detail.into() });
    }

    /// The value of a flag, unless it is not set or empty.
    fn set(&self, flag: &str) -> Option<&'a str> {
        self.flags.get(flag).filter(|value| !value.is_empty())
    }

    /// The value of a boolean flag, or its default; the default too if the value is none.
    fn is_on(&self, flag: &str, default: bool) -> bool {
        self.flags.get(flag).and_then(value::boolean).unwrap_or(default)
    }
}

#[cfg(test)]
mod tests;
