//! Arguments of `kcm init`.

use clap::Args;

use crate::cluster::init::Init;

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// URL of the API server as the masters reach it, usually of a load balancer
    #[arg(long, value_name = "URL", default_value = "https://192.168.1.210:6443")]
    server: String,
    /// Address range of Pods
    #[arg(long, value_name = "CIDR", default_value = "172.20.0.0/16")]
    cluster_cidr: String,
    /// Address range of Services
    #[arg(long, value_name = "CIDR", default_value = "10.68.0.0/16")]
    service_cidr: String,
    /// Name and address of a master; repeat for each master
    #[arg(long = "master", value_name = "NAME=ADDRESS", value_parser = master, default_values = TUTORIAL)]
    masters: Vec<(String, String)>,
    /// Login name on the masters
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Create a root CA if none exists and nothing is deployed; for trials
    #[arg(long)]
    create_ca: bool,
}

impl InitArguments {
    pub(crate) fn answers(&self) -> Init {
        Init {
            server: self.server.clone(),
            cluster_cidr: self.cluster_cidr.clone(),
            service_cidr: self.service_cidr.clone(),
            masters: self.masters.clone(),
            user: self.user.clone(),
            create_ca: self.create_ca,
        }
    }
}

/// The masters of the tutorial, with example addresses that the operator replaces.
const TUTORIAL: [&str; 3] =
    ["k8s-master-01=192.168.1.204", "k8s-master-02=192.168.1.205", "k8s-master-03=192.168.1.206"];

pub(super) fn master(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, address)) if !name.is_empty() && !address.is_empty() => {
            Ok((name.to_owned(), address.to_owned()))
        }
        _ => Err("expected NAME=ADDRESS, such as `k8s-master-01=192.168.1.204`".to_owned()),
    }
}
