//! `kcm certs`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use kcm_pki::GoDuration;

use super::{CertsTimerArguments, SelectArguments};

#[derive(Debug, Subcommand)]
pub(crate) enum CertsVerb {
    /// Says how long every certificate lasts, here and on the masters; exits with 3 if one is due
    Check(CertsCheckArguments),
    /// Renews what is due, on all masters, with the whole rollout and without a gap in the lead; nothing else changes
    Renew(CertsRenewArguments),
    /// Writes a systemd service and timer that do so on this machine every day
    Timer(CertsTimerArguments),
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

#[derive(Debug, Args)]
pub(crate) struct CertsRenewArguments {
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    /// Renews also what is not due
    #[arg(long)]
    pub(crate) force: bool,
    /// Issues the new certificate for the key that this machine has, instead of a new one
    #[arg(long)]
    pub(crate) same_key: bool,
    /// What ends within this time is due, as in 720h [default: as for check]
    #[arg(long, value_name = "DURATION", value_parser = str::parse::<GoDuration>)]
    pub(crate) within: Option<GoDuration>,
    /// Also writes how long every certificate lasts then, as metrics, for the textfile collector of Prometheus' node
    /// exporter
    #[arg(long, value_name = "FILE")]
    pub(crate) textfile: Option<PathBuf>,
}
