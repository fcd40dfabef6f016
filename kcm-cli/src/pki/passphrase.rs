//! Private keys that may be encrypted.

use std::io;
use std::path::Path;

use kcm_pki::PrivateKey;
use zeroize::Zeroizing;

use super::OperatorError;
use super::inputs::with_help;
use crate::cluster::SecretSource;

/// Prompts for a passphrase on the terminal; the argument is the question.
pub(crate) type AskPassphrase<'a> = dyn Fn(&str) -> io::Result<Zeroizing<String>> + 'a;

/// A file with a private key, and the source of its passphrase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyFile<'a> {
    /// Description of the key, with its key in the cluster file or its option.
    pub(crate) what: &'static str,
    /// Path of the file.
    pub(crate) path: &'a Path,
    /// Source of the passphrase, read only if the key is encrypted.
    pub(crate) passphrase: &'a SecretSource,
    /// Key of the source in the cluster file, or its option.
    pub(crate) source: &'static str,
}

impl KeyFile<'_> {
    /// Parses the content of the file.
    ///
    /// # Errors
    /// If there is no passphrase, or the key cannot be used.
    pub(crate) fn parse(
        self,
        pem: &[u8],
        ask: &AskPassphrase<'_>,
    ) -> Result<PrivateKey, OperatorError> {
        let Self { what, path, passphrase, source } = self;
        let key = if PrivateKey::is_encrypted(pem) {
            let prompt = || ask(&format!("Passphrase of {what} {}: ", path.display()));
            let passphrase = passphrase.read(source, prompt).map_err(|error| {
                OperatorError::content(what, path, error.explanation().at("the key is encrypted"))
            })?;
            PrivateKey::from_encrypted_pem(pem, passphrase.as_bytes())
        } else {
            PrivateKey::from_pem(pem)
        };
        key.map_err(|error| {
            OperatorError::content(
                what,
                path,
                with_help(&error, "replace the file with the CA key"),
            )
        })
    }
}
