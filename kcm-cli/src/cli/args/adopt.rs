//! `kcm adopt`.

use std::path::PathBuf;

use clap::Args;

use super::Form;
use super::init::master;
use crate::ops::adopt::{AdoptRequest, AdoptSsh};

#[derive(Debug, Args)]
pub(crate) struct AdoptArguments {
    /// The cluster file to write; `-` prints it and writes nothing
    #[arg(short, long, value_name = "FILE", default_value = "kcm.yaml")]
    pub(crate) file: PathBuf,
    /// Replaces the cluster file if it exists
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Writes without asking first; only a terminal is asked
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// A master; repeat for each
    #[arg(long = "master", value_name = "NAME=ADDRESS", value_parser = master, required = true)]
    masters: Vec<(String, String)>,
    /// Takes the folder DIR/<master> for each master; the network is never touched
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Login name on the masters
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// TCP port of their sshd
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Private key file for ssh
    #[arg(long, value_name = "FILE")]
    identity_file: Option<PathBuf>,
    /// An ssh configuration file used in place of ~/.ssh/config
    #[arg(long, value_name = "FILE")]
    ssh_config: Option<PathBuf>,
    /// How root's part is done: passwordless, password or none
    #[arg(long, value_name = "HOW")]
    sudo: Option<String>,
    /// What becomes of host keys that are not known: strict or accept-new
    #[arg(long, value_name = "HOW")]
    host_keys: Option<String>,
    /// The unit of kube-controller-manager
    #[arg(long, value_name = "NAME", default_value = crate::cluster::layout::UNIT)]
    unit: String,
    /// The CA certificate on this machine. Default: pki/ca/cert/ca.pem beside the cluster file, fetched if it is not there
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// Where the CA key is, or will be put. Default: ca-key.pem beside the CA certificate
    #[arg(long, value_name = "FILE")]
    ca_key: Option<PathBuf>,
    /// How the result is written to standard output
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t = Form::Human)]
    pub(crate) output: Form,
}

impl AdoptArguments {
    /// What is asked for. Files are as seen from the working folder, and a cluster file's are as seen from its own: the names of
    /// both are the same only where that is the working folder.
    pub(crate) fn request(&self) -> std::io::Result<AdoptRequest> {
        let is_here =
            self.prints() || self.file.parent().is_none_or(|it| it.as_os_str().is_empty());
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

    /// Whether the cluster file is printed.
    pub(crate) fn prints(&self) -> bool {
        self.file.as_os_str() == "-"
    }
}
