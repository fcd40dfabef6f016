//! Arguments of `kcm status`.

use std::path::PathBuf;

use clap::Args;
use kcm_pki::GoDuration;

use super::FleetArguments;

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) fleet: FleetArguments,
    /// Repeat until Ctrl-C, with this pause between two reports
    #[arg(
        short,
        long,
        value_name = "PAUSE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2s",
        value_parser = str::parse::<GoDuration>
    )]
    pub(crate) watch: Option<GoDuration>,
    /// Also list every private key on the masters, with mode, owner, and the flags that name it
    #[arg(long)]
    pub(crate) keys: bool,
    /// Also write metrics to FILE, for the textfile collector of the Prometheus node exporter
    #[arg(long, value_name = "FILE")]
    pub(crate) textfile: Option<PathBuf>,
}
