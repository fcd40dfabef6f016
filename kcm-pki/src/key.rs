mod der;
mod encrypted;
mod private;
mod public;
mod verify;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::only;

pub(crate) use self::verify::SignatureError;
pub use self::{
    private::PrivateKey,
    public::{PublicKey, PublicKeyError},
};

/// Algorithm and size of a key pair that can be generated.
///
/// Displayed, parsed and serialised as `rsa-2048`, `rsa-3072`, `rsa-4096`, `rsa-8192`,
/// `ecdsa-p256`, `ecdsa-p384` and `ecdsa-p521`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// RSA with 2048 bits; generation takes about a tenth of a second.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits; generation takes about half a second.
    Rsa4096,
    /// RSA with 8192 bits; generation can take a minute.
    Rsa8192,
    /// ECDSA on the curve P-256.
    EcdsaP256,
    /// ECDSA on the curve P-384.
    EcdsaP384,
    /// ECDSA on the curve P-521.
    EcdsaP521,
}

impl KeyAlgorithm {
    /// All algorithms, RSA before ECDSA, each from small to large.
    pub const ALL: [Self; 7] = [
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::Rsa8192,
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::EcdsaP521,
    ];

    /// Returns the name, `rsa-2048`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::Rsa8192 => "rsa-8192",
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::EcdsaP521 => "ecdsa-p521",
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not the name of a key algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a key algorithm; write one of: {}", KeyAlgorithm::ALL.map(KeyAlgorithm::as_str).join(", "))]
#[non_exhaustive]
pub struct UnknownKeyAlgorithm {
    /// Text as given.
    pub text: String,
}

impl FromStr for KeyAlgorithm {
    type Err = UnknownKeyAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| UnknownKeyAlgorithm { text: text.to_owned() })
    }
}

impl Serialize for KeyAlgorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for KeyAlgorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The type of a key in a file or a certificate, including unsupported types.
///
/// Displayed like [`KeyAlgorithm`], with any size for RSA (`rsa-2560`). Other algorithms and curves
/// are displayed as dotted object identifiers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyType {
    /// RSA with a modulus of this many bits.
    Rsa {
        /// Number of bits of the modulus.
        bits: u32,
    },
    /// An elliptic curve key on P-256.
    EcdsaP256,
    /// An elliptic curve key on P-384.
    EcdsaP384,
    /// An elliptic curve key on P-521.
    EcdsaP521,
    /// Another algorithm or curve.
    Other {
        /// Object identifier, such as `1.3.101.112` for Ed25519.
        oid: String,
    },
}

impl KeyType {
    /// Returns the algorithm that would generate such a key, if this crate supports one.
    #[must_use]
    pub fn algorithm(&self) -> Option<KeyAlgorithm> {
        match self {
            Self::Rsa { bits: 2048 } => Some(KeyAlgorithm::Rsa2048),
            Self::Rsa { bits: 3072 } => Some(KeyAlgorithm::Rsa3072),
            Self::Rsa { bits: 4096 } => Some(KeyAlgorithm::Rsa4096),
            Self::Rsa { bits: 8192 } => Some(KeyAlgorithm::Rsa8192),
            Self::EcdsaP256 => Some(KeyAlgorithm::EcdsaP256),
            Self::EcdsaP384 => Some(KeyAlgorithm::EcdsaP384),
            Self::EcdsaP521 => Some(KeyAlgorithm::EcdsaP521),
            Self::Rsa { .. } | Self::Other { .. } => None,
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "rsa-{bits}"),
            Self::EcdsaP256 => f.write_str("ecdsa-p256"),
            Self::EcdsaP384 => f.write_str("ecdsa-p384"),
            Self::EcdsaP521 => f.write_str("ecdsa-p521"),
            Self::Other { oid } => f.write_str(oid),
        }
    }
}

/// The reason a private key cannot be generated or read. No message contains key material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The cryptographic library could not generate a key.
    #[error("cannot generate a key of type {algorithm}: {reason}")]
    Generate {
        /// Requested algorithm.
        algorithm: KeyAlgorithm,
        /// Message of the library.
        reason: String,
    },
    /// The file does not contain a private key in PEM form.
    #[error("no private key in PEM format{}", only(found))]
    NoKey {
        /// Labels of the PEM blocks in the file.
        found: Vec<String>,
    },
    /// The file contains more than one private key.
    #[error("expected exactly one private key, found {count}")]
    SeveralKeys {
        /// Number of private keys.
        count: usize,
    },
    /// The key is protected by a passphrase.
    #[error(
        "the private key is encrypted; decrypt the key with `umask 077; openssl pkey -in KEY.pem -out PLAIN.pem`"
    )]
    Encrypted,
    /// The passphrase does not decrypt the key.
    #[error("the passphrase does not decrypt the private key; check the passphrase")]
    WrongPassphrase,
    /// The key is encrypted in a way that this crate does not support.
    #[error(
        "the private key is encrypted with {scheme}, which is not supported; encrypt the key again \
         with `openssl pkcs8 -topk8 -v2 aes-256-cbc`"
    )]
    UnsupportedEncryption {
        /// Name or object identifier of the scheme, cipher or pseudorandom function.
        scheme: String,
    },
    /// The passphrase would be hashed so often that a hostile file could stop the program.
    #[error(
        "the private key is encrypted with {cost}, which is too costly; encrypt the key again with \
         `openssl pkcs8 -topk8 -v2 aes-256-cbc`"
    )]
    DerivationTooCostly {
        /// Function and parameters.
        cost: String,
    },
    /// The block is cut off, is not base64, or is not a private key structure.
    #[error("cannot parse the private key: {reason}")]
    Malformed {
        /// Description of the error.
        reason: String,
    },
    /// The key has a type that this crate does not support.
    #[error(
        "the private key has the unsupported type {key_type}; use RSA with 2048 to 8192 bits, \
         or ECDSA on P-256, P-384 or P-521"
    )]
    Unsupported {
        /// The label of the PEM block or the object identifier of the algorithm or curve.
        key_type: String,
    },
    /// An RSA key that is too small.
    #[error("the RSA key has {bits} bits, which is too weak; use at least 2048 bits")]
    TooWeak {
        /// Number of bits of the modulus.
        bits: u32,
    },
    /// An RSA key that is too large for TLS peers.
    #[error("the RSA key has {bits} bits, which is not supported; use at most 8192 bits")]
    TooLarge {
        /// Number of bits of the modulus.
        bits: u32,
    },
}

#[cfg(test)]
mod tests;
