//! Reads the inputs of the commands: CSR files, requests, signing configs and CAs.

use std::path::{Path, PathBuf};

use kcm_pki::{CaCertificate, CertificateAuthority, CertificateRequest, CsrFile, SigningConfig};
use zeroize::Zeroizing;

use super::Signing;
use crate::cluster::SecretSource;
use crate::error::Error;
use crate::pki::{AskPassphrase, KeyFile, OperatorError, in_words, key_exposure, read, with_help};
use crate::util::files::read_small_or_stdin;
use crate::util::words::in_full;

const CSR: &str = "the CSR file";
const SUBJECT: &str = "the subject file";
const REQUEST: &str = "the certificate request";
const CONFIG: &str = "the signing config (--config)";
const CA: &str = "the CA certificate (--ca)";
const CA_KEY: &str = "the CA key (--ca-key)";

/// A file, or standard input for `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input(PathBuf);

impl Input {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the whole input, of bounded length.
    ///
    /// # Errors
    /// [`OperatorError`] if the input cannot be read, or is too long.
    pub(crate) fn read(&self, what: &'static str) -> Result<Zeroizing<Vec<u8>>, OperatorError> {
        read_small_or_stdin(&self.0)
            .map_err(|error| OperatorError::unreadable(what, &self.0, &error))
    }

    /// Reads the input as text. Any error is a mistake of the operator.
    fn text(&self, what: &'static str) -> Result<String, OperatorError> {
        let bytes = self.read(what).map_err(|error| match error {
            OperatorError::File { what, error } => {
                OperatorError::configuration(what, &self.0, error.detail)
            }
            OperatorError::Content { what, path, why } => {
                OperatorError::configuration(what, &path, why)
            }
            other @ OperatorError::Configuration { .. } => other,
        })?;
        String::from_utf8(bytes.to_vec()).map_err(|_| {
            OperatorError::configuration(what, &self.0, "not UTF-8 text; save the file as UTF-8")
        })
    }
}

/// Reads a CSR file, with warnings about it.
///
/// # Errors
/// If the file cannot be read or is not a CSR of cfssl.
pub(crate) fn read_csr(input: &Input) -> Result<(CsrFile, Vec<String>), Error> {
    read_json(input, CSR)
}

/// Reads a file with the subject of a certificate, in the form of a CSR file.
///
/// # Errors
/// As for [`read_csr`].
pub(crate) fn read_subject(path: &Path) -> Result<(CsrFile, Vec<String>), Error> {
    read_json(&Input::new(path), SUBJECT)
}

fn read_json(input: &Input, what: &'static str) -> Result<(CsrFile, Vec<String>), Error> {
    let path = input.path();
    let parsed = CsrFile::parse(&input.text(what)?)
        .map_err(|error| OperatorError::configuration(what, path, in_full(&error)))?;
    Ok((parsed.value, in_words(path, &parsed.warnings)))
}

/// Reads a certificate request in PEM, or in the JSON that cfssl prints.
///
/// # Errors
/// If the request cannot be read, is weak, or its signature is invalid.
pub(crate) fn read_request(input: &Input) -> Result<CertificateRequest, Error> {
    let bytes = input.read(REQUEST)?;
    let json = serde_json::from_slice::<CfsslOutput>(&bytes).ok();
    let pem = json.and_then(|json| json.csr.or(json.certificate_request));
    let pem = pem.as_deref().map_or(&bytes[..], str::as_bytes);
    let request = CertificateRequest::from_pem(pem).map_err(|error| {
        OperatorError::content(REQUEST, input.path(), with_help(&error, "correct the path"))
    })?;
    Ok(request)
}

/// The fields of cfssl's output, and of the answers of its server, that hold a request. The key in
/// it is not read.
#[derive(serde::Deserialize)]
struct CfsslOutput {
    csr: Option<String>,
    certificate_request: Option<String>,
}

/// The files of a CA.
#[derive(Clone, Debug)]
pub(crate) struct CaFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) passphrase: SecretSource,
}

/// The files of a CA and of its policy.
#[derive(Clone, Debug)]
pub(crate) struct SigningFiles {
    pub(crate) ca: CaFiles,
    pub(crate) config: Option<PathBuf>,
    /// Name of the profile; the default profile if absent.
    pub(crate) profile: Option<String>,
}

impl SigningFiles {
    /// Reads the policy, then the CA.
    ///
    /// # Errors
    /// If a file cannot be read or used, or the profile does not exist.
    pub(crate) fn open(&self, ask: &AskPassphrase<'_>) -> Result<Signing, Error> {
        let (config, mut warnings) = match &self.config {
            None => (SigningConfig::built_in(), Vec::new()),
            Some(path) => {
                let parsed = SigningConfig::parse(&Input::new(path).text(CONFIG)?)
                    .map_err(|error| OperatorError::configuration(CONFIG, path, in_full(&error)))?;
                (parsed.value, in_words(path, &parsed.warnings))
            }
        };
        let profile = match &self.profile {
            Some(name) => config.profile(name),
            None => config.default_profile(),
        };
        let profile = profile
            .cloned()
            .map_err(|error| Error::Request(format!("--profile: {}", in_full(&error)).into()))?;
        let authority = self.ca.open(ask)?;
        warnings.extend(key_exposure(CA_KEY, &self.ca.key));
        Ok(Signing { authority, profile, warnings })
    }
}

impl CaFiles {
    /// Reads the CA.
    ///
    /// # Errors
    /// If a file cannot be read or used.
    pub(crate) fn open(&self, ask: &AskPassphrase<'_>) -> Result<CertificateAuthority, Error> {
        let unusable = |error: &dyn std::error::Error, path: &Path, what, help| {
            OperatorError::content(what, path, with_help(error, help))
        };
        let certificate = read(CA, &self.certificate)?;
        let certificate = CaCertificate::load(&certificate).map_err(|error| {
            unusable(&error, &self.certificate, CA, "name the certificate of the CA")
        })?;
        let (path, passphrase) = (&*self.key, &self.passphrase);
        let file = KeyFile { what: CA_KEY, path, passphrase, source: "--passphrase" };
        let key = file.parse(&read(CA_KEY, path)?, ask)?;
        let authority = CertificateAuthority::new(certificate, key).map_err(|error| {
            unusable(&error, &self.key, CA_KEY, "name the key of the CA certificate")
        })?;
        Ok(authority)
    }
}
