//! Arguments of `kcm kubeconfig`. Options with the meaning of a kubectl option have its name.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use kcm_kubeconfig::ServerUrl;
use kcm_pki::GoDuration;

use crate::ops::kubeconfig::KubeconfigRequest;

#[derive(Debug, Subcommand)]
pub(crate) enum KubeconfigVerb {
    /// Write the kubeconfig of a component, with the bytes of kubectl's set-cluster,
    /// set-credentials, set-context and use-context
    Build(KubeconfigBuildArguments),
    /// Print a kubeconfig without its secrets
    Show(KubeconfigShowArguments),
    /// Check server, certificate, key, CA, dates and modes of a kubeconfig; exit with 1 for errors,
    /// and with 3 for warnings and due certificates
    Check(KubeconfigCheckArguments),
}

#[derive(Debug, Args)]
pub(crate) struct KubeconfigBuildArguments {
    /// Name of the cluster
    #[arg(long, value_name = "NAME", default_value = "kubernetes")]
    cluster: String,
    /// URL of the API server: `https://HOST:PORT`
    #[arg(long, value_name = "URL", value_parser = str::parse::<ServerUrl>)]
    server: ServerUrl,
    /// File with the CA certificates of the API server
    #[arg(long, value_name = "FILE")]
    certificate_authority: PathBuf,
    /// Name of the user
    #[arg(long, value_name = "NAME", default_value = "kube-controller-manager")]
    user: String,
    /// File with the client certificate
    #[arg(long, value_name = "FILE")]
    client_certificate: PathBuf,
    /// File with the private key of the client certificate
    #[arg(long, value_name = "FILE")]
    client_key: PathBuf,
    /// Embed the content of the files instead of their paths
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true"
    )]
    embed_certs: bool,
    /// Name of the context, which becomes the current one
    #[arg(long, value_name = "NAME", default_value = "default")]
    context: String,
    /// The kubeconfig; `-` is standard output, even on a terminal [default: standard output, unless
    /// it is a terminal and the kubeconfig contains the private key]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace an existing kubeconfig even if it has entries, settings or comments that the new one
    /// does not have
    #[arg(long, requires = "out")]
    pub(crate) replace: bool,
}

impl KubeconfigBuildArguments {
    /// Returns the file to write; `None` for standard output.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        self.out.as_ref().filter(|out| out.as_os_str() != "-")
    }

    pub(crate) fn request(&self) -> KubeconfigRequest {
        KubeconfigRequest {
            cluster: self.cluster.clone(),
            server: self.server.clone(),
            certificate_authority: self.certificate_authority.clone(),
            user: self.user.clone(),
            client_certificate: self.client_certificate.clone(),
            client_key: self.client_key.clone(),
            context: self.context.clone(),
            embed_certs: self.embed_certs,
            out: self.file().cloned(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct KubeconfigShowArguments {
    /// The kubeconfig; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) kubeconfig: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct KubeconfigCheckArguments {
    /// The kubeconfig
    #[arg(value_name = "FILE")]
    pub(crate) kubeconfig: PathBuf,
    /// File with the CA certificates that must have issued the client certificate [default: the CA
    /// of the kubeconfig]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Expected URL of the API server
    #[arg(long, value_name = "URL", value_parser = str::parse::<ServerUrl>)]
    pub(crate) server: Option<ServerUrl>,
    /// Treat certificates that expire within this time as due, such as 720h [default: 30 days, but
    /// at most a third of the lifetime]
    #[arg(long, value_name = "DURATION", value_parser = str::parse::<GoDuration>)]
    pub(crate) within: Option<GoDuration>,
}
