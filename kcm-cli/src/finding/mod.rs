//! Findings: problems and likely mistakes, each with a stable code, a location and a fix.

pub(crate) mod lint_code;

use std::fmt;

use serde::Serialize;

use crate::util::words::harmless;

/// A problem or a likely mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
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
    pub mend: String,
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The finding is reported, and the rollout continues.
    Warning,
    /// The finding prevents the rollout.
    Error,
}

/// The stable code of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
    OtherCa,
    /// The service would sign tokens with a different key than now.
    OtherServiceAccountKey,
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
    /// Files cannot be written, or the disk space is insufficient.
    NoRoom,
    /// Two masters have the same host name, which makes the leader ambiguous.
    HostnameTwice,
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
    /// The API server rejects the identity.
    IdentityRefused,
    /// The leader cannot be determined from this machine.
    LeadUnknown,
    /// The leader is an unknown process.
    StrangerLeads,
    /// A drop-in file that kcm did not write changes the unit.
    DropIn,
    /// A kube-controller-manager runs outside the unit.
    StrayProcess,
    /// Another process listens on the port of kube-controller-manager.
    PortTaken,
    /// A master did not answer further queries.
    NotExamined,
    /// An account does not exist.
    AccountMissing,
    /// A record that an earlier run left on a master is unreadable.
    NoteUnreadable,
    /// No earlier generation exists.
    NothingEarlier,
    /// No other healthy master would remain.
    LastHealthy,
    /// A master could not be queried.
    NotSeen,
    /// kube-controller-manager is not deployed.
    NotDeployed,
    /// The service was stopped.
    ServiceStopped,
    /// The service failed and is not restarted.
    ServiceFailed,
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
    Drifted,
    /// The service does not use the current credentials file.
    NotTakenUp,
    /// The deployment was not created by kcm.
    NotManaged,
    /// A key is readable by every user.
    SecretReadable,
    /// A file is writable by every user.
    FileWritable,
    /// A certificate expires soon.
    CertificateDue,
    /// A certificate has expired, or is not valid yet.
    CertificateExpired,
    /// A certificate does not match the cluster file and would be replaced.
    CertificateReplaced,
    /// A certificate could not be read.
    CertificateUnseen,
    /// The keys for service account tokens differ between masters.
    ServiceAccountKeyDiffers,
    /// No process renews the Lease.
    NobodyLeads,
    /// Files cannot be compared with the cluster file.
    NotCompared,
    /// systemd does not apply a setting of the unit as written.
    UnitLoss,
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
    OtherSubject,
    /// Clients accept more CA certificates than the signing CA.
    TrustBundle,
}

impl Finding {
    /// Creates an error about a master.
    pub(crate) fn error(
        code: FindingCode,
        master: &str,
        problem: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity: Severity::Error,
            master: Some(master.to_owned()),
            problem: problem.into(),
            mend: mend.into(),
        }
    }

    /// Creates a warning about this machine or several masters.
    pub(crate) fn general(
        code: FindingCode,
        problem: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let (problem, mend) = (problem.into(), mend.into());
        Self { code, severity: Severity::Warning, master: None, problem, mend }
    }

    /// Turns a finding into a warning.
    pub(crate) fn into_warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }
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

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, master, problem, mend, .. } = self;
        if let Some(master) = master {
            write!(f, "{}: ", harmless(master))?;
        }
        write!(f, "{}; {} [{code}]", harmless(problem), harmless(mend))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_where_what_and_what_to_do() {
        let finding = Finding::error(FindingCode::UnitMasked, "m1", "it is masked", "unmask it");
        assert_eq!(finding.to_string(), "m1: it is masked; unmask it [unit-masked]");
    }
}
