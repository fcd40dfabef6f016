//! Arguments of `kcm certs timer`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct CertsTimerArguments {
    /// Write metrics to FILE at each run, for the textfile collector of the Prometheus node
    /// exporter
    #[arg(long, value_name = "FILE")]
    pub(crate) textfile: Option<PathBuf>,
    /// Renew due certificates (`kcm certs renew`) instead of only checking them (`kcm certs check`)
    #[arg(long)]
    pub(crate) renew: bool,
    /// Let the service succeed when a certificate is due, for alerts on the metrics; otherwise
    /// `systemctl --failed` lists the service until the renewal
    #[arg(long, requires = "textfile", conflicts_with = "renew")]
    pub(crate) due_succeeds: bool,
    /// Time of the runs in systemd.time(7) syntax; each run is delayed by up to 1h at random, and a
    /// missed run is caught up after downtime
    #[arg(long, value_name = "TIME", default_value = "daily")]
    pub(crate) on_calendar: String,
    /// Name of the two units
    #[arg(long, value_name = "NAME", default_value = "kcm-certs")]
    pub(crate) name: String,
    /// Folder of the units [default: /etc/systemd/system for root, else ~/.config/systemd/user]
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}
