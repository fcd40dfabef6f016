//! `kcm drill`.

use std::path::PathBuf;

use clap::Args;
use kcm_pki::GoDuration;

use super::SelectArguments;
use crate::event::DrillMethod;
use crate::ops::drill::DrillExtent;

#[derive(Debug, Args)]
pub(crate) struct DrillArguments {
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    /// Goes on until each healthy master has taken over once
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    end: EndArguments,
    /// Also where no other master is healthy: nobody leads then until it is back
    #[arg(long)]
    pub(crate) even_the_last: bool,
    /// An administrator's kubeconfig: each leader must reconcile a Deployment, whose Pod is placed nowhere; $KUBECONFIG
    /// is not read
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// How long a leader may take for that
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = str::parse::<GoDuration>)]
    pub(crate) timeout: GoDuration,
    /// Draws a timeline of leaders, gaps, health and reconciliation into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

/// How a leader is ended: stopped, unless something else is asked for.
#[derive(Debug, Args)]
struct EndArguments {
    /// Kills each leader as a crash would (SIGKILL) instead of stopping it
    #[arg(long)]
    kill: bool,
    /// Frees the Lease of each leader that is stopped, as `kcm apply` does, instead of letting it run out; with --all,
    /// its service is started again only once another leads
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
