//! Content of a file that may be secret.

use std::fmt;
use std::sync::Arc;

use kcm_pki::Fingerprint;
use zeroize::Zeroizing;

/// Bytes that may hold a key, and their SHA-256. They are wiped when the last clone is dropped, and
/// `Debug` shows only their length and digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes {
    bytes: Arc<Zeroizing<Vec<u8>>>,
    digest: Fingerprint,
}

impl Bytes {
    /// Takes the bytes and computes their digest.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = Zeroizing::new(bytes.into());
        Self { digest: Fingerprint::of(&bytes), bytes: Arc::new(bytes) }
    }

    /// Returns the bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the SHA-256 of the bytes.
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
