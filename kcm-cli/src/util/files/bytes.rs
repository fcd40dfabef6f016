//! Bytes on their way to a file.

use std::fmt;
use std::sync::Arc;

use kcm_pki::Fingerprint;
use zeroize::Zeroizing;

/// Bytes that may hold a key, and their SHA-256: wiped when the last clone is dropped, shown as their digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes {
    bytes: Arc<Zeroizing<Vec<u8>>>,
    digest: Fingerprint,
}

impl Bytes {
    /// Takes the bytes over and digests them.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = Zeroizing::new(bytes.into());
        Self { digest: Fingerprint::of(&bytes), bytes: Arc::new(bytes) }
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// Their SHA-256.
    #[must_use]
    pub fn digest(&self) -> Fingerprint {
        self.digest
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {}", self.bytes.len(), self.digest)
    }
}
