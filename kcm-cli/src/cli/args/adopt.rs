//! Arguments of `kcm adopt`.

use std::path::PathBuf;

use clap::Args;

use super::CommonArguments;
use super::init::master;
use crate::ops::adopt::{AdoptRequest, AdoptSsh};

#[derive(Debug, Args)]
pub(crate) struct AdoptArguments {
    /// Replace the cluster file, trust bundle, CSR file and signing config if they exist
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Write without asking for confirmation; kcm asks only on a terminal
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// A master to adopt; repeat for each
    #[arg(long = "master", value_name = "NAME=ADDRESS", value_parser = master, required = true)]
    masters: Vec<(String, String)>,
    /// Use the folder DIR/<master> in place of each master, without the network
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Login name on the masters
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// TCP port of sshd on the masters
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Private key file for ssh
    #[arg(long, value_name = "FILE")]
    identity_file: Option<PathBuf>,
    /// ssh configuration file to use instead of ~/.ssh/config
    #[arg(long, value_name = "FILE")]
    ssh_config: Option<PathBuf>,
    /// Use of sudo on the masters: passwordless, password or none
    #[arg(long, value_name = "HOW")]
    sudo: Option<String>,
    /// Policy for unknown host keys: strict or accept-new
    #[arg(long, value_name = "HOW")]
    host_keys: Option<String>,
    /// Name of the kube-controller-manager unit
    #[arg(long, value_name = "NAME", default_value = crate::cluster::layout::UNIT)]
    unit: String,
    /// Path of the CA certificate on this machine, fetched if it does not exist [default:
    /// pki/ca/cert/ca.pem beside the cluster file]
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// Path of the CA key on this machine; it may not exist yet [default: ca-key.pem beside the CA
    /// certificate]
    #[arg(long, value_name = "FILE")]
    ca_key: Option<PathBuf>,
}

impl AdoptArguments {
    /// Returns the request for these arguments.
    ///
    /// Options name files relative to the working directory, a cluster file relative to its own
    /// folder. Paths become absolute where the two folders differ.
    pub(crate) fn request(&self, common: &CommonArguments) -> std::io::Result<AdoptRequest> {
        let is_here = common.is_standard_stream()
            || common.file.parent().is_none_or(|it| it.as_os_str().is_empty());
        let named = |path: &Option<PathBuf>| -> std::io::Result<Option<String>> {
            let path = path
                .as_ref()
                .map(|path| if is_here { Ok(path.clone()) } else { std::path::absolute(path) });
            Ok(path.transpose()?.map(|path| path.display().to_string()))
        };
        let ssh = AdoptSsh {
            user: self.user.clone(),
            port: self.port,
            identity_file: named(&self.identity_file)?,
            config_file: named(&self.ssh_config)?,
            sudo: self.sudo.clone(),
            host_keys: self.host_keys.clone(),
        };
        let mut request = AdoptRequest::new(self.masters.clone(), ssh);
        request.unit.clone_from(&self.unit);
        if let Some(path) = named(&self.ca_cert)? {
            let beside = PathBuf::from(&path).with_file_name("ca-key.pem");
            request.ca_key = beside.display().to_string();
            request.ca_cert = path;
        }
        if let Some(path) = named(&self.ca_key)? {
            request.ca_key = path;
        }
        Ok(request)
    }
}
