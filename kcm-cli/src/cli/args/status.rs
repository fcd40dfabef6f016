//! `kcm status`.

use std::path::PathBuf;

use clap::Args;
use kcm_pki::GoDuration;

use super::SelectArguments;

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    /// Looks again and again, with this pause in between, until Ctrl-C
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
    /// Also writes it as metrics, for the textfile collector of Prometheus' node exporter
    #[arg(long, value_name = "FILE")]
    pub(crate) textfile: Option<PathBuf>,
}
