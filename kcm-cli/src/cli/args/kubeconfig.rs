//! The kubeconfig of an administrator, for `kcm smoke` and `kcm drill`.

use std::path::PathBuf;

use clap::Args;

use crate::kube::KubeconfigContext;

#[derive(Debug, Args)]
pub(crate) struct KubeconfigArguments {
    /// Kubeconfig of an administrator, who may create a namespace [default: $KUBECONFIG; smoke also
    /// tries ~/.kube/config, and drill checks no reconciliation without one]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current context]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl KubeconfigArguments {
    /// Returns the named kubeconfig, else the files of `$KUBECONFIG`, if it is set.
    pub(crate) fn named(&self) -> Option<KubeconfigContext> {
        let listed = || {
            let list = std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty())?;
            Some(std::env::split_paths(&list).filter(|it| !it.as_os_str().is_empty()).collect())
        };
        let files = self.kubeconfig.clone().map(|file| vec![file]).or_else(listed)?;
        Some(KubeconfigContext { files, context: self.context.clone() })
    }

    /// Returns the kubeconfig that kubectl would use.
    pub(crate) fn as_kubectl(&self) -> KubeconfigContext {
        self.named().unwrap_or_else(|| {
            let home = std::env::home_dir().unwrap_or_default();
            let files = vec![home.join(".kube/config")];
            KubeconfigContext { files, context: self.context.clone() }
        })
    }
}
