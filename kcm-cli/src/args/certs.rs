//! `kcm certs`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use kcm_pki::GoDuration;

use super::SelectArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum CertsVerb {
    /// Says how long every certificate lasts, here and on the masters; exits with 3 if one is due
    Check(CertsCheckArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CertsCheckArguments {
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    /// What ends within this time is due, as in 720h [default: pki.renewBefore, or the last 30 days, but
    /// no more than the last third of its life]
    #[arg(long, value_name = "DURATION", value_parser = str::parse::<GoDuration>)]
    pub(crate) within: Option<GoDuration>,
    /// Also writes it as metrics, for the textfile collector of Prometheus' node exporter
    #[arg(long, value_name = "FILE")]
    pub(crate) textfile: Option<PathBuf>,
}
