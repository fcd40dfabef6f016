//! Findings: problems and likely mistakes, each with a stable code, a location and a fix.

pub(crate) mod lint_code;

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::util::words::harmless;

/// A problem or a likely mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Finding {
    /// Stable code for programs.
    pub code: FindingCode,
    /// Severity of the finding.
    pub severity: Severity,
    /// Name of the master; `None` for this machine or for several masters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// The problem.
    pub problem: String,
    /// The fix.
    pub help: String,
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The finding is reported, and the rollout continues.
    Warning,
    /// The finding prevents the rollout.
    Error,
}

/// The stable code of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FindingCode {
    /// A managed path is not a regular file.
    NotAFile,
    /// The unit is masked and cannot be started.
    UnitMasked,
    /// systemd loads the unit from another file than the managed one.
    UnitShadowed,
    /// A CA file on a master differs from the configured CA.
    CaMismatch,
    /// The service would sign tokens with a different key than now.
    ServiceAccountKeyMismatch,
    /// An API server does not verify tokens of both service account keys.
    ServiceAccountKeyUnverified,
    /// A former service account key is still in use.
    ServiceAccountKeyInUse,
    /// An API server or a namespace does not trust the CA that a rotation introduces.
    CaNotTrusted,
    /// The CA that a rotation replaced is still in use.
    CaInUse,
    /// The CA key lies on a master although no flag names it.
    CaKeyUnread,
    /// A CA key does not match the certificate beside it.
    CaKeyMismatch,
    /// The CA files differ between masters.
    CaDiffers,
    /// A file that the service reads does not exist.
    FileMissing,
    /// A file that the service reads has no valid content for its purpose.
    FileUnusable,
    /// The user of the service cannot read a file that the service needs.
    FileUnreadable,
    /// A user other than root can replace files that kcm reads and writes as root.
    FolderUntrusted,
    /// The disk space is insufficient.
    DiskSpace,
    /// Files cannot be written.
    NotWritable,
    /// Two masters have the same host name, which makes the leader ambiguous.
    HostnameDuplicate,
    /// A master's clock differs from the clock of this machine.
    ClockOff,
    /// kube-controller-manager cannot be executed.
    ProgramFails,
    /// kube-controller-manager does not know a flag of the unit.
    FlagUnknown,
    /// kube-controller-manager is newer than the API server, which Kubernetes does not support.
    ProgramTooNew,
    /// The API server is unreachable.
    ApiUnreachable,
    /// The certificate or the answers of the API server are not valid.
    ApiUnusable,
    /// The API server rejects the identity.
    IdentityRefused,
    /// The leader cannot be determined from this machine.
    LeaderUnknown,
    /// The leader is an unknown process.
    LeaderUnmanaged,
    /// The leader is a master that options exclude.
    LeaderExcluded,
    /// A drop-in file that kcm did not write changes the unit.
    DropIn,
    /// A kube-controller-manager runs outside the unit.
    ProcessUnmanaged,
    /// Another process listens on the port of kube-controller-manager.
    PortTaken,
    /// A master did not answer further queries.
    ChecksIncomplete,
    /// An account does not exist.
    AccountMissing,
    /// A record that an earlier run left on a master is unreadable.
    RecordUnreadable,
    /// No earlier generation exists.
    NoEarlierGeneration,
    /// No other healthy master would remain.
    LastHealthy,
    /// A master could not be queried.
    NotObserved,
    /// kube-controller-manager is not deployed.
    NotDeployed,
    /// The service was stopped.
    ServiceStopped,
    /// The service failed and is not restarted.
    ServiceFailed,
    /// The service exited, and systemd restarts it for the first time.
    ServiceExited,
    /// The service fails repeatedly.
    CrashLooping,
    /// The service was restarted by systemd a short time ago.
    Restarted,
    /// The service does not start at boot.
    NotEnabled,
    /// The service runs but is not healthy.
    Unhealthy,
    /// The running process was started with other files than those on disk.
    RestartPending,
    /// Files differ from the cluster file.
    Drift,
    /// The service does not use the current credentials file.
    CertificateNotReloaded,
    /// The deployment was not created by kcm.
    NotManaged,
    /// A file with a secret is accessible to other users.
    SecretReadable,
    /// A file is writable by every user.
    FileWritable,
    /// A certificate expires soon.
    CertificateDue,
    /// A certificate has expired.
    CertificateExpired,
    /// A certificate is not valid yet.
    CertificateNotYetValid,
    /// A certificate does not match the cluster file and would be replaced.
    CertificateReplaced,
    /// A certificate could not be read.
    CertificateNotObserved,
    /// The keys for service account tokens differ between masters.
    ServiceAccountKeyDiffers,
    /// No process renews the Lease.
    NoLeader,
    /// Files cannot be compared with the cluster file.
    NotCompared,
    /// systemd does not apply a setting of the unit as written.
    UnitSettingLost,
    /// The arguments of a unit come from more than its file.
    UnitExpanded,
    /// A flag occurs more than once.
    FlagRepeated,
    /// Masters differ in a setting that must be equal.
    MastersDiffer,
    /// A setting on a master cannot be expressed in a cluster file.
    NotReproduced,
    /// A flag has a lint finding.
    FlagLint,
    /// The CA key is not on this machine.
    CaKeyMissing,
    /// A renewal would issue a certificate with another subject.
    SubjectMismatch,
    /// Clients accept more CA certificates than the signing CA.
    TrustBundle,
    /// A private key does not match its certificate.
    KeyMismatch,
    /// A certificate was not issued by the expected CA, or is not valid for its use.
    CertificateUntrusted,
    /// The server URL of a kubeconfig is invalid.
    ServerInvalid,
    /// The server URL of a kubeconfig is not the expected one.
    ServerDiffers,
    /// The current context of a kubeconfig is missing or incomplete.
    ContextInvalid,
    /// A user of a kubeconfig has no complete credentials.
    CredentialMissing,
    /// A user of a kubeconfig has other credentials beside the client certificate.
    CredentialStale,
    /// kubectl ignores or changes a part of a kubeconfig.
    KubeconfigIgnored,
}

impl Finding {
    /// Creates an error about a master.
    pub(crate) fn error(
        code: FindingCode,
        master: &str,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity: Severity::Error,
            master: Some(master.to_owned()),
            problem: problem.into(),
            help: help.into(),
        }
    }

    /// Creates a warning about this machine or several masters.
    pub(crate) fn general(
        code: FindingCode,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let (problem, help) = (problem.into(), help.into());
        Self { code, severity: Severity::Warning, master: None, problem, help }
    }

    /// Turns a finding into an error.
    pub(crate) fn into_error(self) -> Self {
        Self { severity: Severity::Error, ..self }
    }

    /// Turns a finding into a warning.
    pub(crate) fn into_warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }
}

/// Merges equal findings of several masters into one that names them all, in the order of the first.
pub(crate) fn grouped(findings: &[Finding]) -> Vec<Finding> {
    let mut groups: Vec<Finding> = Vec::new();
    for finding in findings {
        let is_equal = |group: &&mut Finding| {
            (group.code, group.severity) == (finding.code, finding.severity)
                && (&group.problem, &group.help) == (&finding.problem, &finding.help)
        };
        let Some(group) = groups.iter_mut().find(is_equal) else {
            groups.push(finding.clone());
            continue;
        };
        let masters: Vec<_> =
            group.master.take().into_iter().chain(finding.master.clone()).collect();
        group.master = (!masters.is_empty()).then(|| masters.join(", "));
    }
    groups
}

/// Formats findings, each group of equal findings on lines of its own.
pub(crate) fn listed(findings: &[Finding]) -> String {
    grouped(findings).iter().fold(String::new(), |text, finding| format!("{text}{finding}\n"))
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Two lines: severity, code, masters and problem; then the fix, indented.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, severity, master, problem, help } = self;
        write!(f, "{severity}[{code}]: ")?;
        if let Some(master) = master {
            write!(f, "{}: ", harmless(master))?;
        }
        write!(f, "{}\n  help: {}", harmless(problem), harmless(help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_where_what_and_what_to_do() {
        let finding = Finding::error(FindingCode::UnitMasked, "m1", "it is masked", "unmask it");
        assert_eq!(finding.to_string(), "error[unit-masked]: m1: it is masked\n  help: unmask it");
    }

    #[test]
    fn equal_findings_are_one_that_names_their_masters() {
        let of = |master| Finding::error(FindingCode::UnitMasked, master, "p", "h");
        let general = || Finding::general(FindingCode::UnitMasked, "p", "h");
        let found = grouped(&[of("m1"), general(), of("m2"), of("m1").into_warning(), general()]);
        let masters: Vec<_> = found.iter().map(|it| it.master.as_deref()).collect();
        assert_eq!(masters, [Some("m1, m2"), Some("m1")]);
    }
}
