//! Arguments of `kcm certs`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use kcm_pki::GoDuration;

use super::{ApplyArguments, CertsTimerArguments, FleetArguments, YesArguments};

#[derive(Debug, Subcommand)]
pub(crate) enum CertsVerb {
    /// Show the remaining lifetime of all certificates, on this machine and on the masters; exit
    /// with 3 if one is due
    Check(CertsCheckArguments),
    /// Renew due certificates on all masters with a full rollout and leader handover; change
    /// nothing else
    Renew(CertsRenewArguments),
    /// Write requests for the certificates that are due, to be signed by hand; change no master
    Request(CertsRequestArguments),
    /// Check signed certificates against the requests, store them, and apply
    Import(CertsImportArguments),
    /// Write a systemd service and timer that check or renew certificates on this machine
    Timer(CertsTimerArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CertsCheckArguments {
    #[command(flatten)]
    pub(crate) fleet: FleetArguments,
    /// Treat certificates that expire within this time as due, such as 720h [default:
    /// pki.renewBefore, or 30 days, but at most a third of the lifetime]
    #[arg(long, value_name = "DURATION", value_parser = str::parse::<GoDuration>)]
    pub(crate) within: Option<GoDuration>,
    /// Also write metrics to FILE, for the textfile collector of the Prometheus node exporter
    #[arg(long, value_name = "FILE")]
    pub(crate) textfile: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CertsRequestArguments {
    #[command(flatten)]
    pub(crate) fleet: FleetArguments,
    /// Also request certificates that are not due
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CertsImportArguments {
    /// Signed certificates in PEM, each followed by its intermediates; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) apply: ApplyArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CertsRenewArguments {
    #[command(flatten)]
    pub(crate) fleet: FleetArguments,
    #[command(flatten)]
    pub(crate) confirm: YesArguments,
    /// Also renew certificates that are not due
    #[arg(long)]
    pub(crate) force: bool,
    /// Issue the new certificate for the existing key of this machine instead of a new key
    #[arg(long)]
    pub(crate) same_key: bool,
    /// Treat certificates that expire within this time as due, such as 720h [default: as for check]
    #[arg(long, value_name = "DURATION", value_parser = str::parse::<GoDuration>)]
    pub(crate) within: Option<GoDuration>,
    /// Also write metrics after the renewal to FILE, for the textfile collector of the Prometheus
    /// node exporter
    #[arg(long, value_name = "FILE")]
    pub(crate) textfile: Option<PathBuf>,
}
