//! The kubeconfig of a control plane component.

use crate::pem::{PemError, check_certificates, check_private_key};
use crate::{CertificateSource, KeySource, Kubeconfig, ServerUrl, StaleCredential};

/// Parameters of the kubeconfig of a control plane component, with one cluster, one user and one
/// current context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentKubeconfig {
    /// Name of the cluster entry; `kubernetes` in the tutorial.
    pub cluster: String,
    /// URL of the API server.
    pub server: ServerUrl,
    /// CA that signed the API server's certificate.
    pub certificate_authority: CertificateSource,
    /// Name of the user entry; in the tutorial, the certificate's CN without `system:`:
    /// `kube-controller-manager`.
    pub user: String,
    /// Client certificate of the component, with intermediates if needed.
    pub client_certificate: CertificateSource,
    /// Private key of the certificate. The caller checks that the two match.
    pub client_key: KeySource,
    /// Name of the context entry, which becomes the current one; `default` in the tutorial.
    pub context: String,
}

/// A parameter that is not valid in a kubeconfig.
///
/// The document is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentError {
    /// A name or a path is empty.
    #[error("`{parameter}` is empty")]
    Empty {
        /// Field of [`ComponentKubeconfig`].
        parameter: &'static str,
    },
    /// A name or a path contains a control character.
    #[error("`{parameter}` contains a control character")]
    ControlCharacter {
        /// Field of [`ComponentKubeconfig`].
        parameter: &'static str,
    },
    /// An embedded certificate or key is not valid PEM of its type.
    #[error("cannot embed `{parameter}`")]
    Pem {
        /// Field of [`ComponentKubeconfig`].
        parameter: &'static str,
        /// The error of the PEM.
        source: PemError,
    },
}

impl ComponentKubeconfig {
    /// Builds the document that the tutorial's four `kubectl config` commands would write to a new
    /// file.
    ///
    /// # Errors
    /// A [`ComponentError`] with the name of the invalid parameter.
    pub fn build(self) -> Result<Kubeconfig, ComponentError> {
        let mut kubeconfig = Kubeconfig::default();
        self.apply_to(&mut kubeconfig)?;
        Ok(kubeconfig)
    }

    /// Updates an existing document as the tutorial's four commands would: other entries and
    /// unknown fields are kept.
    ///
    /// Returns existing credentials of the user beside the certificate, see
    /// [`User::remove_stale_credentials`](crate::User::remove_stale_credentials).
    ///
    /// # Errors
    /// A [`ComponentError`] with the name of the invalid parameter. The document is unchanged then.
    pub fn apply_to(
        self,
        kubeconfig: &mut Kubeconfig,
    ) -> Result<Vec<StaleCredential>, ComponentError> {
        self.check()?;
        kubeconfig.set_cluster(&self.cluster, self.server.as_str(), self.certificate_authority);
        let stale =
            kubeconfig.set_credentials(&self.user, self.client_certificate, self.client_key);
        kubeconfig.set_context(&self.context, self.cluster, self.user);
        kubeconfig.current_context = self.context;
        Ok(stale)
    }

    fn check(&self) -> Result<(), ComponentError> {
        check_text("cluster", &self.cluster)?;
        check_text("user", &self.user)?;
        check_text("context", &self.context)?;
        check_certificate("certificate_authority", &self.certificate_authority)?;
        check_certificate("client_certificate", &self.client_certificate)?;
        match &self.client_key {
            KeySource::Embedded(pem) => check_private_key(pem.expose_secret())
                .map_err(|source| ComponentError::Pem { parameter: "client_key", source }),
            KeySource::File(path) => check_text("client_key", path),
        }
    }
}

fn check_certificate(
    parameter: &'static str,
    source: &CertificateSource,
) -> Result<(), ComponentError> {
    match source {
        CertificateSource::Embedded(pem) => {
            check_certificates(pem).map_err(|source| ComponentError::Pem { parameter, source })
        }
        CertificateSource::File(path) => check_text(parameter, path),
    }
}

fn check_text(parameter: &'static str, text: &str) -> Result<(), ComponentError> {
    if text.is_empty() {
        Err(ComponentError::Empty { parameter })
    } else if text.contains(char::is_control) {
        Err(ComponentError::ControlCharacter { parameter })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
