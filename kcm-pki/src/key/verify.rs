//! Verifies signatures with the algorithms that TLS peers accept.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::{prelude::FromDer as _, x509::SubjectPublicKeyInfo};

use super::{KeyType, PublicKey};

/// The reason a signature is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureError {
    /// The digest is MD5 or SHA-1.
    Weak,
    /// Neither RSA (PKCS #1 v1.5) nor ECDSA with SHA-256, SHA-384 or SHA-512.
    Unsupported,
    /// The algorithm does not belong to the type of the key.
    OtherKeyType,
    /// The key did not make the signature.
    Bad,
}

impl PublicKey {
    /// Verifies a signature; `algorithm` is the dotted object identifier of a signature algorithm
    /// (RFC 4055 section 5, RFC 5758 section 3.2).
    pub(crate) fn verify(
        &self,
        algorithm: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let verifier = self.verifier(algorithm)?;
        let Ok(([], spki)) = SubjectPublicKeyInfo::from_der(self.der()) else {
            return Err(SignatureError::Bad);
        };
        UnparsedPublicKey::new(verifier, spki.subject_public_key.data)
            .verify(message, signature)
            .map_err(|_| SignatureError::Bad)
    }

    fn verifier(
        &self,
        algorithm: &str,
    ) -> Result<&'static dyn VerificationAlgorithm, SignatureError> {
        let (is_rsa, bits) = match algorithm {
            // MD2, MD5 and SHA-1 with RSA; SHA-1 with DSA and with ECDSA.
            "1.2.840.113549.1.1.2"
            | "1.2.840.113549.1.1.4"
            | "1.2.840.113549.1.1.5"
            | "1.3.14.3.2.29"
            | "1.2.840.10040.4.3"
            | "1.2.840.10045.4.1" => return Err(SignatureError::Weak),
            "1.2.840.113549.1.1.11" => (true, 256),
            "1.2.840.113549.1.1.12" => (true, 384),
            "1.2.840.113549.1.1.13" => (true, 512),
            "1.2.840.10045.4.3.2" => (false, 256),
            "1.2.840.10045.4.3.3" => (false, 384),
            "1.2.840.10045.4.3.4" => (false, 512),
            _ => return Err(SignatureError::Unsupported),
        };
        Ok(match (self.key_type(), is_rsa, bits) {
            (KeyType::Rsa { .. }, true, 256) => &RSA_PKCS1_2048_8192_SHA256,
            (KeyType::Rsa { .. }, true, 384) => &RSA_PKCS1_2048_8192_SHA384,
            (KeyType::Rsa { .. }, true, _) => &RSA_PKCS1_2048_8192_SHA512,
            (KeyType::EcdsaP256, false, 256) => &ECDSA_P256_SHA256_ASN1,
            (KeyType::EcdsaP256, false, 384) => &ECDSA_P256_SHA384_ASN1,
            (KeyType::EcdsaP256, false, _) => &ECDSA_P256_SHA512_ASN1,
            (KeyType::EcdsaP384, false, 256) => &ECDSA_P384_SHA256_ASN1,
            (KeyType::EcdsaP384, false, 384) => &ECDSA_P384_SHA384_ASN1,
            (KeyType::EcdsaP384, false, _) => &ECDSA_P384_SHA512_ASN1,
            (KeyType::EcdsaP521, false, 256) => &ECDSA_P521_SHA256_ASN1,
            (KeyType::EcdsaP521, false, 384) => &ECDSA_P521_SHA384_ASN1,
            (KeyType::EcdsaP521, false, _) => &ECDSA_P521_SHA512_ASN1,
            _ => return Err(SignatureError::OtherKeyType),
        })
    }
}
