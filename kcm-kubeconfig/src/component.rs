//! The kubeconfig of a control plane component.

use crate::pem::{PemError, check_certificates, check_private_key};
use crate::{CertificateSource, KeySource, Kubeconfig, ServerUrl, StaleCredential};

/// What it takes to make the kubeconfig of a control plane component: one cluster, one user, one context, in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentKubeconfig {
    /// The name of the cluster entry. The tutorial's is `kubernetes`.
    pub cluster: String,
    /// The URL of the API server.
    pub server: ServerUrl,
    /// The CA that signed the API server's certificate.
    pub certificate_authority: CertificateSource,
    /// The name of the user entry. The tutorial's is the certificate's CN, without its `system:`:
    /// `kube-controller-manager`.
    pub user: String,
    /// The component's certificate, with its intermediates if there are any.
    pub client_certificate: CertificateSource,
    /// The private key of that certificate. Whether the two match is for the caller to check.
    pub client_key: KeySource,
    /// The name of the context entry, which becomes the current one. The tutorial's is `default`.
    pub context: String,
}

/// A parameter that cannot go into a kubeconfig. Nothing has been made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentError {
    /// A name or a path is empty.
    #[error("`{parameter}` is empty")]
    Empty {
        /// The field of [`ComponentKubeconfig`].
        parameter: &'static str,
    },
    /// A name or a path holds a control character, which no kubeconfig of kubectl's can hold.
    #[error("`{parameter}` holds a control character")]
    ControlCharacter {
        /// The field of [`ComponentKubeconfig`].
        parameter: &'static str,
    },
    /// An embedded certificate or key is not the PEM it should be.
    #[error("`{parameter}` cannot be embedded")]
    Pem {
        /// The field of [`ComponentKubeconfig`].
        parameter: &'static str,
        /// Why.
        source: PemError,
    },
}

impl ComponentKubeconfig {
    /// Makes the document that the tutorial's four `kubectl config` commands would write to a new file.
    ///
    /// # Errors
    /// Names the parameter that does not fit.
    pub fn build(self) -> Result<Kubeconfig, ComponentError> {
        let mut kubeconfig = Kubeconfig::default();
        self.apply_to(&mut kubeconfig)?;
        Ok(kubeconfig)
    }

    /// Does to an existing document what the tutorial's four commands would do: other entries and unknown fields stay.
    ///
    /// Returns the credentials of the user that stand beside its certificate from before, see
    /// [`User::remove_stale_credentials`](crate::User::remove_stale_credentials).
    ///
    /// # Errors
    /// Names the parameter that does not fit. The document has not been changed then.
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
