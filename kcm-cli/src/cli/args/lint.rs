//! `kcm lint`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kcm_systemd::KubernetesVersion;

use super::Form;

#[derive(Debug, Args)]
pub(crate) struct LintArguments {
    /// The cluster file
    #[arg(short, long, value_name = "FILE", default_value = "kcm.yaml")]
    pub(crate) file: PathBuf,
    /// Check against this version in place of the cluster file's; repeat for more, as before an upgrade
    #[arg(long, value_name = "VERSION", value_parser = str::parse::<KubernetesVersion>)]
    pub(crate) kubernetes: Vec<KubernetesVersion>,
    /// Also report what the CIS Kubernetes Benchmark and good practice ask for
    #[arg(long)]
    pub(crate) cis: bool,
    /// How the result is written to standard output
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t = LintForm::Human)]
    pub(crate) output: LintForm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LintForm {
    /// For people
    Human,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

impl LintForm {
    /// The form of an error that leaves no report.
    pub(crate) fn form(self) -> Form {
        match self {
            Self::Human => Form::Human,
            Self::Json | Self::Sarif => Form::Json,
        }
    }
}
