//! Key files, signatures and JSON Web Keys.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _, RsaKeyPair, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::standin::tls;

/// A signature algorithm of RFC 7518, section 3.1. Each key has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Es256,
    Es384,
    Es512,
}

impl Algorithm {
    const ALL: [Self; 4] = [Self::Rs256, Self::Es256, Self::Es384, Self::Es512];

    /// Returns the algorithm with this name, if service account tokens may use it.
    pub(super) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
        }
    }

    /// Name of the elliptic curve (RFC 7518, section 6.2.1.1).
    fn curve(self) -> Option<&'static str> {
        match self {
            Self::Rs256 => None,
            Self::Es256 => Some("P-256"),
            Self::Es384 => Some("P-384"),
            Self::Es512 => Some("P-521"),
        }
    }

    fn of(key: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        let curve = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        let curve = curve.map(|oid| oid.to_id_string());
        match (key.algorithm.algorithm.to_id_string().as_str(), curve.as_deref()) {
            ("1.2.840.113549.1.1.1", _) => Some(Self::Rs256),
            ("1.2.840.10045.2.1", Some("1.2.840.10045.3.1.7")) => Some(Self::Es256),
            ("1.2.840.10045.2.1", Some("1.3.132.0.34")) => Some(Self::Es384),
            ("1.2.840.10045.2.1", Some("1.3.132.0.35")) => Some(Self::Es512),
            _ => None,
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
            Self::Es512 => &signature::ECDSA_P521_SHA512_FIXED,
        }
    }
}

const CURVES: [&EcdsaSigningAlgorithm; 3] = [
    &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
    &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
    &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
];

/// A key that verifies tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::standin) struct PublicKey {
    /// Key id: SHA-256 of the `SubjectPublicKeyInfo` in base64url without padding.
    pub(in crate::standin) kid: String,
    pub(super) algorithm: Algorithm,
    /// Point of an elliptic curve, or `RSAPublicKey` in DER.
    bits: Vec<u8>,
}

impl PublicKey {
    fn from_info(info: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        Some(Self {
            kid: BASE64.encode(digest(&SHA256, info.raw)),
            algorithm: Algorithm::of(info)?,
            bits: info.subject_public_key.data.to_vec(),
        })
    }

    fn from_spki(der: &[u8]) -> Option<Self> {
        let (rest, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
        rest.is_empty().then(|| Self::from_info(&info))?
    }

    fn from_certificate(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        rest.is_empty().then(|| Self::from_info(certificate.public_key()))?
    }

    /// Reports whether a signature in the format of RFC 7518 is valid.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(self.algorithm.verification(), &self.bits);
        key.verify(message, signature).is_ok()
    }

    /// Name of the signature algorithm.
    pub(in crate::standin) fn algorithm(&self) -> &'static str {
        self.algorithm.name()
    }

    /// Returns the JSON Web Key (RFC 7517).
    pub(in crate::standin) fn jwk(&self) -> Value {
        let (kid, alg) = (&self.kid, self.algorithm.name());
        let Some(curve) = self.algorithm.curve() else {
            let (_, key) = RSAPublicKey::from_der(&self.bits).unwrap();
            let number = |octets: &[u8]| {
                let start = octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len());
                BASE64.encode(&octets[start..])
            };
            let (modulus, exponent) = (number(key.modulus), number(key.exponent));
            return json!({
                "use": "sig", "kty": "RSA", "kid": kid, "alg": alg, "n": modulus, "e": exponent,
            });
        };
        // An uncompressed point is 0x04 and two coordinates of equal length.
        let (x, y) = self.bits[1..].split_at(self.bits.len() / 2);
        json!({
            "use": "sig", "kty": "EC", "kid": kid, "crv": curve, "alg": alg,
            "x": BASE64.encode(x), "y": BASE64.encode(y),
        })
    }
}

/// Returns the public keys of a PEM text, as `ParsePublicKeysPEM` of keyutil.
///
/// Labels do not matter. Public keys, certificates, RSA private keys and ECDSA private keys in SEC1
/// count. An ECDSA private key in PKCS #8 does not.
fn public_keys(pem: &[u8]) -> Result<Vec<PublicKey>, String> {
    let blocks = Pem::iter_from_buffer(pem).flatten();
    let keys: Vec<_> = blocks.filter_map(|block| public_key(&block.contents)).collect();
    if keys.is_empty() {
        return Err("data does not contain any valid RSA or ECDSA public keys".to_owned());
    }
    Ok(keys)
}

/// Reads the public keys of a `--service-account-key-file`.
pub(in crate::standin) fn read_public_keys(path: &Path) -> Result<Vec<PublicKey>, String> {
    public_keys(&tls::read(path)?)
        .map_err(|error| format!("error reading public key file {}: {error}", path.display()))
}

fn public_key(der: &[u8]) -> Option<PublicKey> {
    let private = rsa(der).or_else(|| sec1(der));
    private
        .map(|key| key.public)
        .or_else(|| PublicKey::from_spki(der))
        .or_else(|| PublicKey::from_certificate(der))
}

/// A key that signs tokens.
#[derive(Debug)]
pub(in crate::standin) struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

#[derive(Debug)]
enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
}

impl SigningKey {
    /// Returns the first private key of a PEM text, as `ParsePrivateKeyPEM` of keyutil.
    pub(in crate::standin) fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let key = |block: Pem| match block.label.as_str() {
            "RSA PRIVATE KEY" => pkcs1(&block.contents),
            "EC PRIVATE KEY" => sec1(&block.contents),
            "PRIVATE KEY" => pkcs8(&block.contents),
            _ => None,
        };
        let found = Pem::iter_from_buffer(pem).flatten().find_map(key);
        found.ok_or_else(|| "data does not contain a valid RSA or ECDSA private key".to_owned())
    }

    /// Reads the private key of a file.
    pub(in crate::standin) fn read(path: &Path) -> Result<Self, String> {
        Self::from_pem(&tls::read(path)?)
            .map_err(|error| format!("error reading private key file {}: {error}", path.display()))
    }

    /// Public half of the key.
    pub(in crate::standin) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message in the format of RFC 7518.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }

    fn from_rsa(pair: RsaKeyPair) -> Option<Self> {
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
        let public = PublicKey::from_spki(der.as_ref())?;
        Some(Self { pair: Pair::Rsa(pair), public })
    }

    fn from_ecdsa(pair: EcdsaKeyPair) -> Option<Self> {
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
        let public = PublicKey::from_spki(der.as_ref())?;
        Some(Self { pair: Pair::Ecdsa(pair), public })
    }
}

fn pkcs1(der: &[u8]) -> Option<SigningKey> {
    SigningKey::from_rsa(RsaKeyPair::from_der(der).ok()?)
}

fn rsa(der: &[u8]) -> Option<SigningKey> {
    let pair = RsaKeyPair::from_der(der).or_else(|_| RsaKeyPair::from_pkcs8(der));
    SigningKey::from_rsa(pair.ok()?)
}

fn sec1(der: &[u8]) -> Option<SigningKey> {
    // The library's reader of SEC1 also reads PKCS #8.
    let is_pkcs8 = CURVES.iter().any(|curve| EcdsaKeyPair::from_pkcs8(curve, der).is_ok());
    let parse = |curve: &&'static _| EcdsaKeyPair::from_private_key_der(curve, der).ok();
    CURVES.iter().find_map(parse).filter(|_| !is_pkcs8).and_then(SigningKey::from_ecdsa)
}

fn pkcs8(der: &[u8]) -> Option<SigningKey> {
    let ecdsa = CURVES.iter().find_map(|curve| EcdsaKeyPair::from_pkcs8(curve, der).ok());
    let rsa = || RsaKeyPair::from_pkcs8(der).ok();
    ecdsa.and_then(SigningKey::from_ecdsa).or_else(|| SigningKey::from_rsa(rsa()?))
}

#[cfg(test)]
mod tests {
    use kcm_pki::{KeyAlgorithm, PrivateKey};

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    }

    #[test]
    fn every_form_of_a_key_has_the_same_id() {
        for algorithm in [KeyAlgorithm::Rsa2048, KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP521] {
            let private = PrivateKey::generate(algorithm).unwrap();
            let text = private.to_pem().to_string();
            let signer = SigningKey::from_pem(text.as_bytes()).unwrap();
            let public = pem("PUBLIC KEY", private.public_key().der());
            let mut pair = public_keys(format!("{text}note\n{public}").as_bytes()).unwrap();
            assert_eq!(pair.pop().unwrap(), *signer.public(), "{algorithm}");
            assert_eq!(pair, [signer.public().clone()], "{algorithm}");
            let kid = BASE64.encode(digest(&SHA256, private.public_key().der()));
            assert_eq!(signer.public().kid, kid);
            let signature = signer.sign(b"message");
            assert!(signer.public().verifies(b"message", &signature), "{algorithm}");
            assert!(!signer.public().verifies(b"another", &signature), "{algorithm}");
        }
    }

    #[test]
    fn a_certificate_is_a_public_key_and_no_private_one() {
        let (certificate, key) = crate::ca(KeyAlgorithm::EcdsaP384, "kubernetes");
        let signer = SigningKey::from_pem(key.as_bytes()).unwrap();
        assert_eq!(public_keys(certificate.as_bytes()).unwrap(), [signer.public().clone()]);
        assert!(SigningKey::from_pem(certificate.as_bytes()).is_err());
        assert!(public_keys(b"no PEM").is_err() && SigningKey::from_pem(b"").is_err());
    }

    #[test]
    fn an_ecdsa_key_in_pkcs8_signs_and_does_not_verify() {
        let text = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert!(text.contains("BEGIN PRIVATE KEY"));
        assert!(SigningKey::from_pem(text.as_bytes()).is_ok());
        assert!(public_keys(text.as_bytes()).is_err());
    }
}
