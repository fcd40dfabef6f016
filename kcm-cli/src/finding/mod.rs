//! What speaks against a rollout, or looks like a mistake: each with a code that stays, its place and its mend.

pub(crate) mod lint_code;

use std::fmt;

use serde::Serialize;

use crate::util::words::harmless;

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is, for programs.
    pub code: FindingCode,
    /// Whether it stops the rollout.
    pub severity: Severity,
    /// The master; none for this machine, or where it is about several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub mend: String,
}

/// Whether a finding stops the rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// It is told.
    Warning,
    /// Nothing is begun.
    Error,
}

/// What a finding is. The words stay the same from version to version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FindingCode {
    /// A managed path names something else than a file.
    NotAFile,
    /// The unit is masked: nothing can start it.
    UnitMasked,
    /// systemd takes the unit from another file than the managed one.
    UnitShadowed,
    /// A file of the CA is there, and it is not ours.
    OtherCa,
    /// The service would sign tokens with another key than it does now.
    OtherServiceAccountKey,
    /// A CA key does not belong to the certificate beside it.
    CaKeyMismatch,
    /// The masters' files of the CA are not the same.
    CaDiffers,
    /// A file that the service reads is not there.
    FileMissing,
    /// A file that the service reads holds nothing of use to it.
    FileUnusable,
    /// A file that the service reads cannot be read by its user.
    FileUnreadable,
    /// Somebody else than root can exchange files that kcm reads and writes as root.
    FolderUntrusted,
    /// Files cannot be written, or do not fit.
    NoRoom,
    /// Two masters have one host name: nobody could tell who leads.
    HostnameTwice,
    /// A master's clock is not this machine's.
    ClockOff,
    /// kube-controller-manager cannot be run.
    ProgramFails,
    /// kube-controller-manager does not know a flag of the unit.
    FlagUnknown,
    /// kube-controller-manager is newer than the API server, which Kubernetes does not support.
    ProgramTooNew,
    /// The API server is not to be had just now.
    ApiUnreachable,
    /// The API server does not take the identity.
    IdentityRefused,
    /// Who leads cannot be seen from here.
    LeadUnknown,
    /// A process that is none of ours leads.
    StrangerLeads,
    /// Somebody else's file changes the unit.
    DropIn,
    /// A kube-controller-manager runs that is not the unit's.
    StrayProcess,
    /// Somebody else listens where kube-controller-manager would.
    PortTaken,
    /// A master did not answer further questions.
    NotExamined,
    /// An account does not exist.
    AccountMissing,
    /// What an earlier run noted on a master cannot be read.
    NoteUnreadable,
    /// There is no earlier generation to go back to.
    NothingEarlier,
    /// No other master would be left that is healthy.
    LastHealthy,
    /// A master could not be asked.
    NotSeen,
    /// There is no kube-controller-manager.
    NotDeployed,
    /// It was stopped.
    ServiceStopped,
    /// It ended, and is not started again.
    ServiceFailed,
    /// It ends again and again.
    CrashLooping,
    /// It ended by itself a short time ago.
    Restarted,
    /// It does not start at boot.
    NotEnabled,
    /// It runs and is not healthy.
    Unhealthy,
    /// It was started from other files than are there.
    RestartPending,
    /// Files are not what the cluster file says.
    Drifted,
    /// It does not use the credentials file that is there.
    NotTakenUp,
    /// It was not put there by kcm.
    NotManaged,
    /// A key is open to everybody.
    SecretReadable,
    /// Everybody can change a file.
    FileWritable,
    /// A certificate ends soon.
    CertificateDue,
    /// A certificate has ended, or has not begun.
    CertificateExpired,
    /// A certificate is not as the cluster file asks, and would be replaced.
    CertificateReplaced,
    /// A certificate could not be seen.
    CertificateUnseen,
    /// The masters' keys for service-account tokens are not the same.
    ServiceAccountKeyDiffers,
    /// Nobody renews the Lease.
    NobodyLeads,
    /// Files cannot be compared with the cluster file.
    NotCompared,
    /// systemd does not do what a unit seems to say.
    UnitLoss,
    /// A unit's arguments come from more than its file.
    UnitExpanded,
    /// A flag is given more than once.
    FlagRepeated,
    /// Masters are not alike where they must be.
    MastersDiffer,
    /// What is there cannot be said in a cluster file.
    NotReproduced,
    /// Something would be better otherwise, by what is known of the flags.
    FlagLint,
    /// The CA key is not on this machine.
    CaKeyMissing,
    /// A renewal would issue a certificate for another subject.
    OtherSubject,
    /// Clients accept more CA certificates than the one that signs.
    TrustBundle,
}

impl Finding {
    /// One about a master that stops the rollout.
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

    /// One about this machine, or several masters, that is told.
    pub(crate) fn general(
        code: FindingCode,
        problem: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let (problem, mend) = (problem.into(), mend.into());
        Self { code, severity: Severity::Warning, master: None, problem, mend }
    }

    /// The same, told and not stopped for.
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
