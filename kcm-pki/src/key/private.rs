use std::fmt;

use aws_lc_rs::{
    encoding::{AsBigEndian as _, AsDer as _, EcPrivateKeyBin, EcPrivateKeyRfc5915Der, Pkcs8V1Der},
    rsa,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
        ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _,
    },
};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512,
    PKCS_RSA_SHA256, PKCS_RSA_SHA384, PKCS_RSA_SHA512, PublicKeyData as _, SignatureAlgorithm,
    SigningKey as _,
};
use rustls_pki_types::PrivateKeyDer;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    KeyAlgorithm, KeyError, KeyType, PublicKey,
    der::{self, Structure},
    encrypted,
};
use crate::{certificate::Certificate, oid, pem};

/// A private key, with which a CA signs or a component authenticates.
///
/// `Debug` shows the public half only. This crate and its libraries wipe the private half on drop.
/// They do not wipe temporary buffers of the PEM decoder and encoder.
pub struct PrivateKey {
    signer: KeyPair,
    /// Key as re-encoded PKCS#1 or SEC1, so that the same key always results in the same file.
    encoded: Zeroizing<Vec<u8>>,
    public_key: PublicKey,
}

impl PrivateKey {
    /// Generates a key pair with the randomness of the operating system.
    ///
    /// RSA keys take from a tenth of a second (2048 bits) to a minute (8192 bits) on one core.
    ///
    /// # Errors
    /// [`KeyError::Generate`] if the library fails, for example without randomness.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        let encoded = match algorithm {
            KeyAlgorithm::Rsa2048 => generate_rsa(rsa::KeySize::Rsa2048),
            KeyAlgorithm::Rsa3072 => generate_rsa(rsa::KeySize::Rsa3072),
            KeyAlgorithm::Rsa4096 => generate_rsa(rsa::KeySize::Rsa4096),
            KeyAlgorithm::Rsa8192 => generate_rsa(rsa::KeySize::Rsa8192),
            KeyAlgorithm::EcdsaP256 => generate_ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
            KeyAlgorithm::EcdsaP384 => generate_ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
            KeyAlgorithm::EcdsaP521 => generate_ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING),
        };
        let encoded = encoded.map_err(|reason| KeyError::Generate { algorithm, reason })?;
        let (_, key_type) = der::inspect(&encoded).ok_or_else(not_a_key)?;
        Self::from_encoded(encoded, &key_type)
    }

    /// Reads the only private key of a PEM file.
    ///
    /// PKCS#1, PKCS#8 and SEC1 are detected independently of the label. The key may follow other
    /// blocks, such as certificates and `EC PARAMETERS`. CRLF and text around the blocks are
    /// allowed.
    ///
    /// # Errors
    /// [`KeyError`] if the file has no key or several, or if its key cannot be used.
    pub fn from_pem(file: &[u8]) -> Result<Self, KeyError> {
        let block = key_block(file)?;
        if is_encrypted(&block) {
            return Err(KeyError::Encrypted);
        }
        Self::from_block(&block)
    }

    /// Reads the only private key of a PEM file, which may be encrypted.
    ///
    /// Supported are PKCS #8 (`ENCRYPTED PRIVATE KEY`) with PBES2: PBKDF2 with HMAC and SHA-1,
    /// SHA-256, SHA-384 or SHA-512, or scrypt; AES in CBC mode, or DES-EDE3-CBC. Also OpenSSL's
    /// traditional form (`DEK-Info`) with the same ciphers. A key that is not encrypted is read as
    /// by [`Self::from_pem`], as OpenSSL does.
    ///
    /// The costs of the derivation are limited to some seconds and 128 MiB. Keys and plaintexts are
    /// wiped; the intermediate blocks of scrypt and MD5 are not.
    ///
    /// # Errors
    /// [`KeyError::WrongPassphrase`] if the contents do not decrypt to a private key;
    /// [`KeyError::UnsupportedEncryption`] and [`KeyError::DerivationTooCostly`] before the
    /// passphrase is used; otherwise as for [`Self::from_pem`].
    pub fn from_encrypted_pem(file: &[u8], passphrase: &[u8]) -> Result<Self, KeyError> {
        let block = key_block(file)?;
        if !is_encrypted(&block) {
            return Self::from_block(&block);
        }
        let der = encrypted::decrypt(&block, passphrase)?;
        // A wrong passphrase gives valid padding once in about 256 times.
        der::inspect(&der).ok_or(KeyError::WrongPassphrase)?;
        Self::from_der(&der)
    }

    /// Returns `true` if the only private key of a PEM file is encrypted, so that
    /// [`Self::from_encrypted_pem`] needs a passphrase.
    #[must_use]
    pub fn is_encrypted(file: &[u8]) -> bool {
        key_block(file).is_ok_and(|block| is_encrypted(&block))
    }

    fn from_block(block: &pem::Block<'_>) -> Result<Self, KeyError> {
        if !["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"].contains(&block.label) {
            return Err(KeyError::Unsupported { key_type: block.label.to_owned() });
        }
        let der = block.decode().ok_or_else(|| KeyError::Malformed {
            reason: "the PEM block is truncated or not base64".to_owned(),
        })?;
        Self::from_der(&der)
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let (structure, key_type) = der::inspect(der).ok_or_else(not_a_key)?;
        match key_type {
            KeyType::Rsa { bits: bits @ ..2048 } => return Err(KeyError::TooWeak { bits }),
            KeyType::Rsa { bits: bits @ 8193.. } => return Err(KeyError::TooLarge { bits }),
            _ => {}
        }
        let encoded = match (&key_type, structure) {
            (KeyType::EcdsaP256, _) => reencode_ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, der),
            (KeyType::EcdsaP384, _) => reencode_ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING, der),
            (KeyType::EcdsaP521, _) => reencode_ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING, der),
            (KeyType::Rsa { .. }, Structure::Pkcs8) => encode_rsa(rsa::KeyPair::from_pkcs8(der)),
            (KeyType::Rsa { .. }, _) => encode_rsa(rsa::KeyPair::from_der(der)),
            (KeyType::Other { oid }, _) => {
                return Err(KeyError::Unsupported { key_type: oid.clone() });
            }
        };
        let encoded = encoded.map_err(|reason| KeyError::Malformed { reason })?;
        Self::from_encoded(encoded, &key_type)
    }

    /// Builds a key from PKCS#1 or SEC1 as encoded by the cryptographic library.
    fn from_encoded(encoded: Zeroizing<Vec<u8>>, key_type: &KeyType) -> Result<Self, KeyError> {
        // The digest depends on the key size, with the same bounds as in cfssl.
        let algorithm = match key_type {
            KeyType::Rsa { bits: ..3072 } => &PKCS_RSA_SHA256,
            KeyType::Rsa { bits: ..4096 } => &PKCS_RSA_SHA384,
            KeyType::Rsa { .. } => &PKCS_RSA_SHA512,
            KeyType::EcdsaP256 => &PKCS_ECDSA_P256_SHA256,
            KeyType::EcdsaP384 => &PKCS_ECDSA_P384_SHA384,
            KeyType::EcdsaP521 => &PKCS_ECDSA_P521_SHA512,
            KeyType::Other { oid } => {
                return Err(KeyError::Unsupported { key_type: oid.clone() });
            }
        };
        let typed = match key_type {
            KeyType::Rsa { .. } => PrivateKeyDer::Pkcs1(encoded.as_slice().into()),
            _ => PrivateKeyDer::Sec1(encoded.as_slice().into()),
        };
        let malformed =
            |error: &dyn fmt::Display| KeyError::Malformed { reason: error.to_string() };
        let signer = KeyPair::from_der_and_sign_algo(&typed, algorithm)
            .map_err(|error| malformed(&error))?;
        let public_key = PublicKey::from_der(&signer.subject_public_key_info())
            .map_err(|error| malformed(&error))?;
        Ok(Self { signer, encoded, public_key })
    }

    /// Encodes the key as cfssl and `openssl rsa -traditional` or `openssl ec` do: PKCS#1 as `RSA
    /// PRIVATE KEY`, SEC1 with the curve and the public key as `EC PRIVATE KEY`.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        let label = match self.key_type() {
            KeyType::Rsa { .. } => "RSA PRIVATE KEY",
            _ => "EC PRIVATE KEY",
        };
        pem::encode(label, &self.encoded)
    }

    /// Returns the type of the key.
    #[must_use]
    pub fn key_type(&self) -> &KeyType {
        self.public_key.key_type()
    }

    /// Returns the algorithm that would generate such a key; `None` for an RSA key of another size.
    #[must_use]
    pub fn algorithm(&self) -> Option<KeyAlgorithm> {
        self.key_type().algorithm()
    }

    /// Returns the public half.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Returns `true` if `certificate` has the public half of this key.
    #[must_use]
    pub fn matches(&self, certificate: &Certificate) -> bool {
        self.public_key == *certificate.public_key()
    }

    /// Signs a structure with the digest of [`Self::signature_algorithm`]: returns the SEQUENCE of
    /// structure, algorithm and signature, the form of a certificate (RFC 5280 section 4.1) and of
    /// a certificate request (RFC 2986 section 4.2).
    pub(crate) fn sign_structure(&self, der: &[u8]) -> Result<Vec<u8>, String> {
        let signature = self.signer.sign(der).map_err(|error| error.to_string())?;
        Ok(yasna::construct_der(|writer| {
            writer.write_sequence(|fields| {
                fields.next().write_der(der);
                fields.next().write_der(self.signature_algorithm());
                fields.next().write_bitvec_bytes(&signature, signature.len() * 8);
            });
        }))
    }

    /// Returns the DER algorithm identifier of signatures with this key.
    pub(crate) fn signature_algorithm(&self) -> &'static [u8] {
        let used: &'static SignatureAlgorithm = self.signer.algorithm();
        let known = [
            (&PKCS_RSA_SHA256, oid::SHA256_WITH_RSA),
            (&PKCS_RSA_SHA384, oid::SHA384_WITH_RSA),
            (&PKCS_RSA_SHA512, oid::SHA512_WITH_RSA),
            (&PKCS_ECDSA_P256_SHA256, oid::ECDSA_WITH_SHA256),
            (&PKCS_ECDSA_P384_SHA384, oid::ECDSA_WITH_SHA384),
        ];
        let known = known.into_iter().find(|(algorithm, _)| *algorithm == used);
        known.map_or(oid::ECDSA_WITH_SHA512, |(_, der)| der)
    }
}

/// Finds the only private key of a PEM file.
fn key_block(file: &[u8]) -> Result<pem::Block<'_>, KeyError> {
    let (mut keys, others): (Vec<_>, Vec<_>) =
        pem::blocks(file).into_iter().partition(|block| block.label.ends_with("PRIVATE KEY"));
    match (keys.pop(), keys.len()) {
        (None, _) => Err(KeyError::NoKey {
            found: others.iter().map(|block| block.label.to_owned()).collect(),
        }),
        (Some(key), 0) => Ok(key),
        (Some(_), others) => Err(KeyError::SeveralKeys { count: others + 1 }),
    }
}

fn is_encrypted(block: &pem::Block<'_>) -> bool {
    block.encrypted || block.label == encrypted::PKCS8_LABEL
}

/// A key as PKCS#1 or SEC1, or the message of the library.
type Encoded = Result<Zeroizing<Vec<u8>>, String>;

fn generate_rsa(size: rsa::KeySize) -> Encoded {
    encode_rsa(rsa::KeyPair::generate(size))
}

fn generate_ecdsa(curve: &'static EcdsaSigningAlgorithm) -> Encoded {
    encode_ecdsa(EcdsaKeyPair::generate(curve))
}

/// Encodes an RSA key as PKCS#1 with minimal integers.
fn encode_rsa(key: Result<rsa::KeyPair, impl fmt::Display>) -> Encoded {
    let key = key.map_err(|error| error.to_string())?;
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().map_err(|error| error.to_string())?;
    der::pkcs8_contents(pkcs8.as_ref()).ok_or_else(|| "the key cannot be encoded".to_owned())
}

/// Reads an EC key and re-encodes it in canonical form.
///
/// The library keeps the form of a key that it reads: without a public key, or with a compressed
/// one. A key built from scalar and point always has an uncompressed public key.
fn reencode_ecdsa(curve: &'static EcdsaSigningAlgorithm, der: &[u8]) -> Encoded {
    let read = EcdsaKeyPair::from_private_key_der(curve, der).map_err(|error| error.to_string())?;
    let scalar: EcPrivateKeyBin<'_> =
        read.private_key().as_be_bytes().map_err(|error| error.to_string())?;
    let point = read.public_key().as_ref();
    encode_ecdsa(EcdsaKeyPair::from_private_key_and_public_key(curve, scalar.as_ref(), point))
}

/// Encodes an EC key as SEC1 with the curve and the public key.
fn encode_ecdsa(key: Result<EcdsaKeyPair, impl fmt::Display>) -> Encoded {
    let key = key.map_err(|error| error.to_string())?;
    let sec1: EcPrivateKeyRfc5915Der<'_> =
        key.private_key().as_der().map_err(|error| error.to_string())?;
    Ok(Zeroizing::new(sec1.as_ref().to_vec()))
}

fn not_a_key() -> KeyError {
    KeyError::Malformed {
        reason: "the key is neither PKCS#1, PKCS#8 nor SEC1 with a named curve".to_owned(),
    }
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        // rcgen keeps its own copy of the DER form and wipes it only on request.
        self.signer.zeroize();
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {:?})", self.public_key)
    }
}
