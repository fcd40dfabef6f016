//! Reads the certificates and the key of a kubeconfig, embedded or from the files that it names.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use kcm_kubeconfig::Current;
use kcm_pki::{Certificate, PrivateKey};

use super::KubeconfigCheck;
use crate::finding::FindingCode;
use crate::pki::with_help;
use crate::util::explanation::Explanation;
use crate::util::files::{FileError, FileErrorKind, Mode, read_small};

/// A certificate list or a key of a kubeconfig.
pub(super) struct Part<T> {
    /// True if the kubeconfig embeds or names it.
    pub(super) is_named: bool,
    /// The file that the kubeconfig names; `None` if it is embedded.
    pub(super) path: Option<PathBuf>,
    /// The content; `None` if it cannot be used, which is a finding then.
    pub(super) value: Option<T>,
}

/// The certificates and the key of the current context.
pub(super) struct Material {
    pub(super) ca: Part<Vec<Certificate>>,
    pub(super) certificate: Part<Vec<Certificate>>,
    pub(super) key: Part<PrivateKey>,
}

impl Material {
    /// Reads everything, and adds a finding for each part that cannot be used.
    pub(super) fn read(check: &mut KubeconfigCheck, file: &Path, current: Current<'_>) -> Self {
        let (cluster, user) = (&current.cluster.entry, &current.user.entry);
        let parent = file.parent().unwrap_or(Path::new(""));
        let certificates = |pem: &[u8]| {
            let help = "write PEM with certificates only";
            Certificate::all_from_pem(pem).map_err(|error| with_help(&error, help))
        };
        let private = |pem: &[u8]| {
            let help = "write PEM with one unencrypted private key";
            PrivateKey::from_pem(pem).map_err(|error| with_help(&error, help))
        };
        let key = user.embedded_key().map(|key| key.expose_secret().as_slice());
        let source = |field, embedded, path: &str| Source {
            field,
            embedded,
            // Relative paths start at the folder of the kubeconfig.
            path: (!path.is_empty()).then(|| parent.join(path)),
        };
        let ca =
            source("certificate-authority", cluster.embedded_ca(), &cluster.certificate_authority);
        let certificate =
            source("client-certificate", user.embedded_certificate(), &user.client_certificate);
        let key = source("client-key", key, &user.client_key);
        Self {
            ca: ca.read(check, certificates),
            certificate: certificate.read(check, certificates),
            key: key.read(check, private),
        }
    }

    /// Returns the client certificate and those that follow it.
    pub(super) fn client(&self) -> Option<&[Certificate]> {
        self.certificate.value.as_deref()
    }
}

/// A field of a kubeconfig and the field for its embedded data, which takes precedence.
struct Source<'a> {
    field: &'static str,
    embedded: Option<&'a [u8]>,
    path: Option<PathBuf>,
}

impl Source<'_> {
    fn read<T>(
        self,
        check: &mut KubeconfigCheck,
        parse: impl Fn(&[u8]) -> Result<T, Explanation>,
    ) -> Part<T> {
        let Self { field, embedded, path } = self;
        if let Some(pem) = embedded {
            let place = format!("{}: {field}-data", check.file);
            let value = parsed(check, &place, parse(pem));
            return Part { is_named: true, path: None, value };
        }
        let Some(path) = path else { return Part { is_named: false, path: None, value: None } };
        let value = match read_small(&path) {
            Ok(pem) => {
                let place = format!("{} ({field})", path.display());
                parsed(check, &place, parse(&pem))
            }
            Err(error) => {
                let error = FileError::from_io(path.display(), &error);
                let (code, help) = match error.kind {
                    FileErrorKind::NotFound => (
                        FindingCode::FileMissing,
                        "create the file, or correct the path in the kubeconfig",
                    ),
                    FileErrorKind::PermissionDenied => (
                        FindingCode::FileUnreadable,
                        "run as the user of the kubeconfig, or correct the permissions",
                    ),
                    _ => (FindingCode::FileUnusable, "write a regular PEM file"),
                };
                let problem = format!("{} ({field}): {}", error.path, error.detail);
                check.error(code, problem, help);
                None
            }
        };
        Part { is_named: true, path: Some(path), value }
    }
}

fn parsed<T>(
    check: &mut KubeconfigCheck,
    place: &str,
    result: Result<T, Explanation>,
) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(why) => {
            let why = why.or_help("correct the content").at(place);
            check.error(FindingCode::FileUnusable, why.problem, why.help.unwrap_or_default());
            None
        }
    }
}

/// Returns the mode of a file if it is wider than 0600.
pub(super) fn wide_mode(path: &Path) -> Option<Mode> {
    let mode = Mode::from_bits(fs::metadata(path).ok()?.permissions().mode());
    (mode.bits() & !Mode::PRIVATE.bits() != 0).then_some(mode)
}
