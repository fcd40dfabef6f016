//! Arguments of `kcm lint`.

use clap::Args;
use kcm_systemd::KubernetesVersion;

#[derive(Debug, Args)]
pub(crate) struct LintArguments {
    /// Check against this version instead of that of the cluster file, as before an upgrade; repeat
    /// for more
    #[arg(long, value_name = "VERSION", value_parser = str::parse::<KubernetesVersion>)]
    pub(crate) kubernetes: Vec<KubernetesVersion>,
    /// Also report findings of the CIS Kubernetes Benchmark and of good practice
    #[arg(long)]
    pub(crate) cis: bool,
}
