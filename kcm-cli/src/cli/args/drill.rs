//! Arguments of `kcm drill`.

use std::path::PathBuf;

use clap::Args;
use kcm_pki::GoDuration;

use super::{KubeconfigArguments, SelectArguments};
use crate::event::DrillMethod;
use crate::ops::drill::DrillExtent;

#[derive(Debug, Args)]
pub(crate) struct DrillArguments {
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    /// Repeat until each healthy master has become the leader once
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    end: EndArguments,
    /// Run even if no other master is healthy; there is no leader until the service is restored
    #[arg(long)]
    pub(crate) even_the_last: bool,
    #[command(flatten)]
    pub(crate) admin: KubeconfigArguments,
    /// Time limit for each leader to reconcile the Deployment
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = str::parse::<GoDuration>)]
    pub(crate) timeout: GoDuration,
    /// Draw a timeline of leaders, gaps, health and reconciliation as SVG to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

/// The method of ending a leader. Without an option, its service is stopped.
#[derive(Debug, Args)]
struct EndArguments {
    /// Kill each leader with SIGKILL, as in a crash, instead of stopping it
    #[arg(long)]
    kill: bool,
    /// Release the Lease of each stopped leader, as `kcm apply` does, instead of letting it expire.
    /// With --all, start its service only after another master leads
    #[arg(long, conflicts_with = "kill")]
    handover: bool,
}

impl DrillArguments {
    pub(crate) fn method(&self) -> DrillMethod {
        match (self.end.kill, self.end.handover) {
            (true, _) => DrillMethod::Kill,
            (false, true) => DrillMethod::Handover,
            (false, false) => DrillMethod::Stop,
        }
    }

    pub(crate) fn extent(&self) -> DrillExtent {
        if self.all { DrillExtent::All } else { DrillExtent::Once }
    }
}
