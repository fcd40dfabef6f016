//! `kcm certs timer`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct CertsTimerArguments {
    /// The cluster file
    #[arg(short, long, value_name = "FILE", default_value = "kcm.yaml")]
    pub(crate) file: PathBuf,
    /// Leaves metrics there, for the textfile collector of Prometheus' node exporter
    #[arg(long, value_name = "FILE")]
    pub(crate) textfile: Option<PathBuf>,
    /// Renews what is due (`kcm certs renew`), rather than telling (`kcm certs check`)
    #[arg(long)]
    pub(crate) renew: bool,
    /// The service does not fail when something is due, for those who alert on the metrics; without it,
    /// `systemctl --failed` lists the service from then on until it is renewed
    #[arg(long, requires = "textfile", conflicts_with = "renew")]
    pub(crate) due_succeeds: bool,
    /// When, as systemd.time(7) has it; up to an hour later by chance, and made up for if the machine was off
    #[arg(long, value_name = "TIME", default_value = "daily")]
    pub(crate) on_calendar: String,
    /// What the two units are called
    #[arg(long, value_name = "NAME", default_value = "kcm-certs")]
    pub(crate) name: String,
    /// Where they are written [default: /etc/systemd/system for root, else ~/.config/systemd/user]
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}
