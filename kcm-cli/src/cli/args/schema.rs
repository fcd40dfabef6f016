//! Arguments of `kcm schema`.

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    /// Print the schema of this document
    #[arg(long, value_name = "KIND", value_enum, default_value_t = DocumentKind::ClusterFile)]
    pub(crate) of: DocumentKind,
}

/// A document that kcm reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentKind {
    /// The cluster file
    ClusterFile,
    /// The result of plan
    Plan,
    /// The file of plan --out
    PlanFile,
    /// The result of apply, rollback, remove and certs renew
    Outcome,
    /// The result of status
    Status,
    /// The result of certs check
    CertificateCheck,
    /// The result of certs request
    CertificateRequests,
    /// The result of rotate
    Rotations,
    /// The result of smoke
    SmokeReport,
    /// The result of drill
    DrillReport,
    /// The result of adopt
    Adoption,
    /// The result of lint
    LintReport,
    /// The result of kubeconfig check
    KubeconfigCheck,
    /// The result of kubeconfig show
    KubeconfigView,
    /// The result of unit check
    UnitCheck,
    /// The result of unit diff
    UnitDiff,
    /// The result of cert new-ca, request, sign and issue
    CertificateFiles,
    /// The result of cert show
    CertificateList,
    /// The result of cert verify
    CertificateVerification,
    /// The result of version
    Version,
    /// The failure of any command
    Error,
    /// A line of -o jsonl: an event of a command
    Event,
    /// A line of -o jsonl --verbose: an exchange with a master
    Exchange,
}
