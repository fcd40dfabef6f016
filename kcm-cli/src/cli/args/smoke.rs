//! `kcm smoke`.

use std::path::PathBuf;

use clap::Args;
use kcm_kubeconfig::ServerUrl;
use kcm_pki::GoDuration;

use super::SelectArguments;

#[derive(Debug, Args)]
pub(crate) struct SmokeArguments {
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    /// An administrator's kubeconfig, which may make a namespace; $KUBECONFIG is not read
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: PathBuf,
    /// How long each check may take; a leader needs about 5s to renew the Lease twice
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = str::parse::<GoDuration>)]
    pub(crate) timeout: GoDuration,
    /// Also looks for the keys in etcd, at this client URL; repeat for more
    #[arg(long, value_name = "URL", requires_all = ["etcd_cacert", "etcd_cert", "etcd_key"], value_parser = str::parse::<ServerUrl>)]
    pub(crate) etcd: Vec<ServerUrl>,
    /// The CA of etcd's serving certificate
    #[arg(long, value_name = "FILE", requires = "etcd")]
    pub(crate) etcd_cacert: Option<PathBuf>,
    /// A client certificate that etcd takes
    #[arg(long, value_name = "FILE", requires = "etcd")]
    pub(crate) etcd_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "etcd")]
    pub(crate) etcd_key: Option<PathBuf>,
}
