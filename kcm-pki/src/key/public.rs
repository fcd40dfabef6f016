use std::fmt;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use x509_parser::{prelude::FromDer as _, x509::SubjectPublicKeyInfo};

use crate::pem;

use super::{
    KeyAlgorithm, KeyType,
    der::{EC_PUBLIC_KEY, RSA_ENCRYPTION, curve},
};

/// Label of a public key in PEM (RFC 7468 section 13).
const LABEL: &str = "PUBLIC KEY";

/// A public key as in a certificate, a `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    spki: Vec<u8>,
    key_id: [u8; 20],
    key_type: KeyType,
}

/// An error for octets that are not a `SubjectPublicKeyInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot parse the public key")]
pub struct PublicKeyError;

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// [`PublicKeyError`] if `spki` is not a `SubjectPublicKeyInfo` or has trailing data.
    pub fn from_der(spki: &[u8]) -> Result<Self, PublicKeyError> {
        match SubjectPublicKeyInfo::from_der(spki) {
            Ok(([], parsed)) => Ok(Self::from_parsed(&parsed)),
            _ => Err(PublicKeyError),
        }
    }

    pub(crate) fn from_parsed(spki: &SubjectPublicKeyInfo<'_>) -> Self {
        let key = &spki.subject_public_key.data;
        let mut key_id = [0; 20];
        key_id.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, key).as_ref());
        Self { spki: spki.raw.to_vec(), key_id, key_type: key_type(spki) }
    }

    /// Reads every public key of a PEM file (`PUBLIC KEY`, RFC 7468 section 13). Other blocks are
    /// ignored.
    ///
    /// # Errors
    /// [`PublicKeyError`] if a block does not contain a public key.
    pub fn all_from_pem(file: &[u8]) -> Result<Vec<Self>, PublicKeyError> {
        let blocks = pem::blocks(file).into_iter().filter(|block| block.label == LABEL);
        blocks.map(|block| Self::from_der(&block.decode().ok_or(PublicKeyError)?)).collect()
    }

    /// Returns the key in PEM, as `openssl pkey -pubout` writes it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode(LABEL, &self.spki).to_string()
    }

    /// Returns the `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.spki
    }

    /// Returns the key identifier: the SHA-1 digest of the bit string (RFC 5280 section 4.2.1.2,
    /// method 1).
    #[must_use]
    pub fn key_id(&self) -> &[u8; 20] {
        &self.key_id
    }

    /// Returns the type of the key.
    #[must_use]
    pub fn key_type(&self) -> &KeyType {
        &self.key_type
    }

    /// Returns the algorithm that would generate such a key, if this crate supports one.
    #[must_use]
    pub fn algorithm(&self) -> Option<KeyAlgorithm> {
        self.key_type.algorithm()
    }
}

fn key_type(spki: &SubjectPublicKeyInfo<'_>) -> KeyType {
    let oid = spki.algorithm.algorithm.to_id_string();
    let parameters = spki.algorithm.parameters.as_ref();
    match oid.as_str() {
        RSA_ENCRYPTION => match rsa_bits(&spki.subject_public_key.data) {
            Some(bits) => KeyType::Rsa { bits },
            None => KeyType::Other { oid },
        },
        EC_PUBLIC_KEY => match parameters.and_then(|parameters| parameters.as_oid().ok()) {
            Some(name) => curve(&name.to_id_string()),
            None => KeyType::Other { oid },
        },
        _ => KeyType::Other { oid },
    }
}

/// Counts the bits of the modulus, the first field of an `RSAPublicKey` (RFC 8017 appendix A.1.1).
fn rsa_bits(der: &[u8]) -> Option<u32> {
    let (_, key) = x509_parser::public_key::RSAPublicKey::from_der(der).ok()?;
    let significant = key.modulus.iter().skip_while(|octet| **octet == 0);
    let leading_zeros = significant.clone().next()?.leading_zeros();
    let octets = u32::try_from(significant.count()).ok()?;
    (octets * 8).checked_sub(leading_zeros)
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, id {})", self.key_type, crate::text::hex(&self.key_id))
    }
}
