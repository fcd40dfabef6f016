//! Builds the kubeconfig that kubectl's `set-cluster`, `set-credentials`, `set-context` and
//! `use-context` write to a new file.

use std::fmt;
use std::path::{Path, PathBuf};

use kcm_kubeconfig::{
    CertificateSource, ComponentError, ComponentKubeconfig, KeySource, Kubeconfig, Secret,
    ServerUrl, path_in_kubeconfig,
};
use kcm_pki::{Certificate, PrivateKey};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::finding::{Finding, FindingCode};
use crate::pki::{OperatorError, with_help};
use crate::util::explanation::Explanation;
use crate::util::files::read_small;
use crate::util::words::in_full;

const CA: &str = "--certificate-authority";
const CERTIFICATE: &str = "--client-certificate";
const KEY: &str = "--client-key";

/// The parameters of a kubeconfig, named as kubectl's options.
#[derive(Clone, Debug)]
pub struct KubeconfigRequest {
    /// Name of the cluster entry.
    pub cluster: String,
    /// URL of the API server.
    pub server: ServerUrl,
    /// File with the CA certificates of the API server.
    pub certificate_authority: PathBuf,
    /// Name of the user entry.
    pub user: String,
    /// File with the client certificate, and intermediate certificates if needed.
    pub client_certificate: PathBuf,
    /// File with the private key of the certificate.
    pub client_key: PathBuf,
    /// Name of the context entry, which becomes the current context.
    pub context: String,
    /// True if the kubeconfig holds the content of the files, false if it holds their paths.
    pub embed_certs: bool,
    /// The kubeconfig file. Paths below its folder are written relative to the folder. If `None`,
    /// all paths are absolute.
    pub out: Option<PathBuf>,
}

/// A kubeconfig that is not written yet.
pub struct BuiltKubeconfig {
    /// Text of the kubeconfig, byte for byte as kubectl writes it.
    pub text: Zeroizing<String>,
    /// True if the text contains the private key.
    pub has_key: bool,
    /// Files that the kubeconfig names and that could not be checked, because they do not exist on
    /// this machine.
    pub warnings: Vec<Finding>,
    pub(super) document: Kubeconfig,
}

/// Shows no text, which may contain the private key.
impl fmt::Debug for BuiltKubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuiltKubeconfig").field("has_key", &self.has_key).finish_non_exhaustive()
    }
}

/// Builds a kubeconfig. Reads the three files and writes nothing.
///
/// # Errors
/// If a file is not PEM of its kind, the key does not match the certificate, or a name is invalid. A
/// missing file is an error only if it would be embedded.
pub fn build_kubeconfig(request: &KubeconfigRequest) -> Result<BuiltKubeconfig, Error> {
    let authority = File::read(CA, &request.certificate_authority, request)?;
    let certificate = File::read(CERTIFICATE, &request.client_certificate, request)?;
    let key = File::read(KEY, &request.client_key, request)?;
    check_content(&authority, &certificate, &key)?;
    let missing = [&authority, &certificate, &key].into_iter().filter_map(File::missing);
    let warnings = missing.collect();
    let document = ComponentKubeconfig {
        cluster: request.cluster.clone(),
        server: request.server.clone(),
        certificate_authority: authority.certificates(request)?,
        user: request.user.clone(),
        client_certificate: certificate.certificates(request)?,
        client_key: match &key.content {
            Some(pem) if request.embed_certs => KeySource::Embedded(Secret::new(pem.to_vec())),
            _ => KeySource::File(key.named(request)?),
        },
        context: request.context.clone(),
    };
    let document = document.build().map_err(|error| match error {
        ComponentError::Pem { parameter, ref source } => {
            let file = match parameter {
                "certificate_authority" => &authority,
                "client_certificate" => &certificate,
                _ => &key,
            };
            file.invalid(format!("{}; correct the file", in_full(source)))
        }
        error => Error::Request(in_full(&error).into()),
    })?;
    Ok(BuiltKubeconfig {
        text: document.to_yaml(),
        has_key: request.embed_certs,
        warnings,
        document,
    })
}

/// Checks the files that exist, also those that the kubeconfig only names.
fn check_content(
    authority: &File<'_>,
    certificate: &File<'_>,
    key: &File<'_>,
) -> Result<(), Error> {
    let help = "write the path of a PEM file with certificates";
    if let Some(pem) = &authority.content {
        Certificate::all_from_pem(pem).map_err(|error| authority.unusable(&error, help))?;
    }
    let parsed = certificate.content.as_ref().map(|pem| Certificate::all_from_pem(pem));
    let parsed = parsed.transpose().map_err(|error| certificate.unusable(&error, help))?;
    let help = "write the path of a PEM file with an unencrypted private key";
    let private = key.content.as_ref().map(|pem| PrivateKey::from_pem(pem));
    let private = private.transpose().map_err(|error| key.unusable(&error, help))?;
    match (parsed.as_deref(), private) {
        (Some([leaf, ..]), Some(private)) if !private.matches(leaf) => {
            let reason = format!(
                "the private key does not match the certificate in {} ({}); write the paths of a certificate and of its own key",
                certificate.path.display(),
                leaf.subject()
            );
            Err(key.invalid(reason))
        }
        _ => Ok(()),
    }
}

/// A file that the kubeconfig embeds or names.
struct File<'a> {
    /// Option that names the file.
    option: &'static str,
    path: &'a Path,
    /// Content; `None` if the file does not exist.
    content: Option<Zeroizing<Vec<u8>>>,
}

impl<'a> File<'a> {
    fn read(
        option: &'static str,
        path: &'a Path,
        request: &KubeconfigRequest,
    ) -> Result<Self, Error> {
        let content = match read_small(path) {
            Ok(content) => Some(content),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !request.embed_certs => {
                None
            }
            Err(error) => return Err(OperatorError::unreadable(option, path, &error).into()),
        };
        Ok(Self { option, path, content })
    }

    /// Returns the certificates to embed, or the path to name.
    fn certificates(&self, request: &KubeconfigRequest) -> Result<CertificateSource, Error> {
        Ok(match &self.content {
            Some(pem) if request.embed_certs => CertificateSource::Embedded(pem.to_vec()),
            _ => CertificateSource::File(self.named(request)?),
        })
    }

    /// Returns the path as kubectl writes it.
    fn named(&self, request: &KubeconfigRequest) -> Result<String, Error> {
        let absolute = |path: &Path| {
            let whole = std::path::absolute(path).ok();
            let text = whole.and_then(|whole| whole.to_str().map(str::to_owned));
            text.ok_or_else(|| {
                self.invalid("the path is empty or not UTF-8; use another path".to_owned())
            })
        };
        let folder = match request.out.as_deref().map(std::path::absolute) {
            Some(Ok(out)) => absolute(out.parent().unwrap_or(Path::new("/")))?,
            Some(Err(_)) | None => String::new(),
        };
        Ok(path_in_kubeconfig(&folder, &absolute(self.path)?))
    }

    fn missing(&self) -> Option<Finding> {
        let Self { option, path, content } = self;
        let problem = format!(
            "{option} {}: the file does not exist on this machine, and the kubeconfig names it unchecked",
            path.display()
        );
        let help = "create the file on the machine that uses the kubeconfig, or correct the path";
        content.is_none().then(|| Finding::general(FindingCode::FileMissing, problem, help))
    }

    fn unusable(&self, error: &dyn std::error::Error, help: &str) -> Error {
        self.invalid(with_help(error, help))
    }

    fn invalid(&self, why: impl Into<Explanation>) -> Error {
        OperatorError::content(self.option, self.path, why).into()
    }
}
