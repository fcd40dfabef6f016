//! Arguments of `kcm lint`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kcm_systemd::KubernetesVersion;

use super::Form;

#[derive(Debug, Args)]
pub(crate) struct LintArguments {
    /// Path of the cluster file
    #[arg(short, long, value_name = "FILE", default_value = "kcm.yaml")]
    pub(crate) file: PathBuf,
    /// Check against this version instead of that of the cluster file, as before an upgrade; repeat
    /// for more
    #[arg(long, value_name = "VERSION", value_parser = str::parse::<KubernetesVersion>)]
    pub(crate) kubernetes: Vec<KubernetesVersion>,
    /// Also report findings of the CIS Kubernetes Benchmark and of good practice
    #[arg(long)]
    pub(crate) cis: bool,
    /// Format of the result on standard output
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t = LintForm::Human)]
    pub(crate) output: LintForm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LintForm {
    /// Human-readable text
    Human,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

impl LintForm {
    /// Returns the format of an error that ends the command without a report.
    pub(crate) fn form(self) -> Form {
        match self {
            Self::Human => Form::Human,
            Self::Json | Self::Sarif => Form::Json,
        }
    }
}
