//! The codes of lints, each with its severity and its description.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The severity of a lint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// A recommendation of the CIS Kubernetes Benchmark or of good practice is not met; reported on
    /// request.
    Benchmark,
    /// kube-controller-manager starts, but probably not as intended.
    Warning,
    /// kube-controller-manager does not start, or exits when it becomes the leader.
    Error,
}

/// Defines the codes with their names, severities and descriptions.
macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $severity:ident;)+) => {
        /// The kinds of lints. Their names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum LintCode { $($(#[doc = $doc])* $variant,)+ }

        impl LintCode {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns the stable name, such as `flag-removed`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns the greatest severity of lints with this code.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)+ }
            }

            /// Returns a sentence that describes the code.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*).trim_ascii_start(),)+ }
            }
        }
    };
}

codes! {
    /// No known version has the flag.
    FlagUnknown = "flag-unknown", Error;
    /// The version no longer has the flag.
    FlagRemoved = "flag-removed", Error;
    /// The version does not have the flag yet.
    FlagTooNew = "flag-too-new", Error;
    /// The value does not have the type of the flag, or is not one of the accepted values.
    BadValue = "bad-value", Error;
    /// The number is outside the accepted range.
    ValueRange = "value-range", Error;
    /// The value is accepted, but a controller then does nothing or misbehaves.
    OddValue = "odd-value", Warning;
    /// `--controllers` contains an unknown or malformed name.
    ControllerUnknown = "controller-unknown", Error;
    /// A feature gate is unknown.
    GateUnknown = "gate-unknown", Error;
    /// A feature gate is locked to its default.
    GateLocked = "gate-locked", Error;
    /// A feature gate does not have the form `NAME=true` or `NAME=false`.
    GateValue = "gate-value", Error;
    /// A feature gate is on, but a feature gate that it depends on is off.
    GateNeeds = "gate-needs", Error;
    /// `--leader-elect-resource-lock` names a lock type that the version does not support.
    ResourceLock = "resource-lock", Error;
    /// The Lease has no name.
    LeaseName = "lease-name", Error;
    /// The durations of leader election contradict each other.
    LeaseTiming = "lease-timing", Error;
    /// `--leader-elect=false`: all processes are active at the same time.
    NoLeaderElection = "no-leader-election", Error;
    /// `--allocate-node-cidrs` without `--cluster-cidr`.
    ClusterCidrMissing = "cluster-cidr-missing", Error;
    /// `--cluster-cidr` without `--allocate-node-cidrs` is ignored.
    ClusterCidrIgnored = "cluster-cidr-ignored", Benchmark;
    /// A list of CIDRs is neither one CIDR nor one CIDR of each IP family.
    BadCidrs = "bad-cidrs", Error;
    /// A node mask flag does not match the IP families of the cluster CIDR.
    NodeMaskFlag = "node-mask-flag", Error;
    /// A node mask size is not valid for the prefix of the cluster CIDR.
    NodeMaskSize = "node-mask-size", Error;
    /// The address ranges of pods and services overlap.
    OverlappingCidrs = "overlapping-cidrs", Warning;
    /// `--cidr-allocator-type` names an allocator that is not available.
    CidrAllocator = "cidr-allocator", Error;
    /// A signing certificate is set without its key, or a key without its certificate.
    SigningPair = "signing-pair", Error;
    /// The general signing pair is combined with a pair for a single signer.
    SigningConflict = "signing-conflict", Error;
    /// `--cloud-provider` names a provider that the version does not support.
    CloudProvider = "cloud-provider", Error;
    /// The burst is zero or less, but a rate limit is set.
    RateLimit = "rate-limit", Error;
    /// The cipher suites lack the one that HTTP/2 requires.
    TlsHttp2 = "tls-http2", Error;
    /// A serving certificate is set without its key, or a key without its certificate.
    TlsPair = "tls-pair", Error;
    /// `--requestheader-uid-headers` lacks the standard header, or its feature gate is off.
    UidHeaders = "uid-headers", Error;
    /// Logging options that cannot be combined.
    LogOptions = "log-options", Error;
    /// `--show-hidden-metrics-for-version` is not the previous minor version.
    HiddenMetrics = "hidden-metrics", Error;
    /// `--emulated-version` is outside the range that the version supports.
    EmulatedVersion = "emulated-version", Error;
    /// Each flag is valid in some version, but no version accepts all of them.
    NoCommonVersion = "no-common-version", Error;
    /// Controllers share one account: `--use-service-account-credentials` is off.
    SharedCredentials = "shared-credentials", Warning;
    /// The CA key signs service account tokens: rotating the CA invalidates all of them.
    CaKeySignsTokens = "ca-key-signs-tokens", Benchmark;
    /// CIS 1.3.1: `--terminated-pod-gc-threshold` must be set.
    CisTerminatedPods = "cis-1.3.1", Benchmark;
    /// CIS 1.3.2: `--profiling=false`.
    CisProfiling = "cis-1.3.2", Benchmark;
    /// CIS 1.3.3: `--use-service-account-credentials=true`.
    CisCredentials = "cis-1.3.3", Benchmark;
    /// CIS 1.3.4: `--service-account-private-key-file` must be set.
    CisServiceAccountKey = "cis-1.3.4", Benchmark;
    /// CIS 1.3.5: `--root-ca-file` must be set.
    CisRootCa = "cis-1.3.5", Benchmark;
    /// CIS 1.3.6: the feature gate `RotateKubeletServerCertificate` must not be off.
    CisRotateServing = "cis-1.3.6", Benchmark;
    /// CIS 1.3.7: `--bind-address=127.0.0.1`.
    CisBindAddress = "cis-1.3.7", Benchmark;
}

impl LintCode {
    /// Reports whether the code concerns names that are known only from [`OLDEST_WITH_NAMES`] on.
    ///
    /// [`OLDEST_WITH_NAMES`]: crate::KubernetesVersion::OLDEST_WITH_NAMES
    pub(super) fn is_of_names(self) -> bool {
        matches!(
            self,
            Self::ControllerUnknown | Self::GateUnknown | Self::GateLocked | Self::GateNeeds
        )
    }
}

impl fmt::Display for LintCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LintCode {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name).ok_or(())
    }
}

impl Serialize for LintCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_read_back() {
        let names: BTreeSet<_> = LintCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), LintCode::ALL.len());
        for code in LintCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert!(code.description().ends_with('.'), "{code}");
        }
    }
}
