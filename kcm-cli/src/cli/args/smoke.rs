//! Arguments of `kcm smoke`.

use std::path::PathBuf;

use clap::Args;
use kcm_kubeconfig::ServerUrl;
use kcm_pki::GoDuration;

use super::{KubeconfigArguments, SelectArguments};

#[derive(Debug, Args)]
pub(crate) struct SmokeArguments {
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    #[command(flatten)]
    pub(crate) admin: KubeconfigArguments,
    /// Time limit of each check; a leader needs about 5s to renew the Lease twice
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = str::parse::<GoDuration>)]
    pub(crate) timeout: GoDuration,
    /// Also check that the created objects are in etcd, at this client URL; repeat for more
    #[arg(long, value_name = "URL", requires_all = ["etcd_cacert", "etcd_cert", "etcd_key"], value_parser = str::parse::<ServerUrl>)]
    pub(crate) etcd: Vec<ServerUrl>,
    /// CA of etcd's serving certificate
    #[arg(long, value_name = "FILE", requires = "etcd")]
    pub(crate) etcd_cacert: Option<PathBuf>,
    /// Client certificate that etcd accepts
    #[arg(long, value_name = "FILE", requires = "etcd")]
    pub(crate) etcd_cert: Option<PathBuf>,
    /// Private key of the client certificate
    #[arg(long, value_name = "FILE", requires = "etcd")]
    pub(crate) etcd_key: Option<PathBuf>,
}
