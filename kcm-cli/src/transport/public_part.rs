//! The public part of a private key, found by a rule on its hexadecimal digits.
//!
//! A shell can apply the same rule (`shell/scripts/looking.sh`). A key is therefore compared with a
//! certificate on the master, and no byte of it leaves the master. Pure.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kcm_pki::{Fingerprint, PublicKey};
use regex::Regex;
use serde_json::Value;
use zeroize::Zeroizing;

/// Pattern of an RSA key in PKCS#8 or PKCS#1 (RFC 8017, appendix A.1.2): the modulus ends where the
/// exponent 65537 begins.
const RSA_KEY: &str = "^(?:3082.{4}020100300d06092a864886f70d01010105000482.{4})?3082.{4}020100(?:028181|0282.{4})00(.*?)0203010001";
/// Pattern of an ECDSA key on the three curves, in PKCS#8 or SEC 1 (RFC 5915, section 3): the point
/// is at the end.
const EC_KEY: &str = "^30.*a1(?:44034200|64036200|818903818600)(04(?:.{128}|.{192}|.{264}))$";
/// Pattern of an RSA public key in a certificate (RFC 8017, appendix A.1.1).
const RSA_PUBLIC: &str = "300d06092a864886f70d010101050003(?:81..|82.{4})0030(?:81..|82.{4})(?:028181|0282.{4})00(.*?)0203010001";
/// Pattern of an ECDSA public key in a certificate (RFC 5480, section 2.2).
const EC_PUBLIC: &str = "03(?:4200|6200|818600)(04(?:.{128}|.{192}|.{264}))$";

#[expect(clippy::expect_used, reason = "the patterns are constants")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a valid pattern")
}

/// Returns the digest of the public part of the private key in a PEM file, or `None` if the rule
/// finds no public part.
pub(super) fn of_key(pem: &[u8]) -> Option<Fingerprint> {
    static PATTERNS: LazyLock<[Regex; 2]> = LazyLock::new(|| [RSA_KEY, EC_KEY].map(pattern));
    digest_of(&*PATTERNS, &first_key(pem)?)
}

/// Returns the digest of the same part of a public key, or `None` for a key of another kind.
pub(crate) fn of_public_key(key: &PublicKey) -> Option<Fingerprint> {
    static PATTERNS: LazyLock<[Regex; 2]> = LazyLock::new(|| [RSA_PUBLIC, EC_PUBLIC].map(pattern));
    digest_of(&*PATTERNS, key.der())
}

/// Returns the digest of the same part of a JSON Web Key (RFC 7518 section 6), or `None` for a key of
/// another kind.
pub(crate) fn of_jwk(key: &Value) -> Option<Fingerprint> {
    let octets = |name: &str| {
        let text = key.get(name)?.as_str()?;
        URL_SAFE_NO_PAD.decode(text).ok()
    };
    let digits = match key.get("kty")?.as_str()? {
        "RSA" => hexadecimal(&octets("n")?),
        "EC" => format!("04{}{}", *hexadecimal(&octets("x")?), *hexadecimal(&octets("y")?)).into(),
        _ => return None,
    };
    Some(Fingerprint::of(digits.as_bytes()))
}

fn digest_of(patterns: &[Regex], der: &[u8]) -> Option<Fingerprint> {
    let digits = hexadecimal(der);
    let mut found = patterns.iter().filter_map(|it| it.captures(&digits)?.get(1));
    found.next().map(|public| Fingerprint::of(public.as_str().as_bytes()))
}

/// Decodes the first private key of a PEM file.
fn first_key(pem: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(pem).ok()?;
    let is_begin =
        |line: &&str| line.starts_with("-----BEGIN ") && line.contains("PRIVATE KEY-----");
    let lines = text.lines().skip_while(|line| !is_begin(line)).skip(1);
    let lines = lines.take_while(|line| !line.starts_with("-----"));
    let mut body = Zeroizing::new(String::with_capacity(text.len()));
    let is_base64 = |it: &char| it.is_ascii_alphanumeric() || "+/=".contains(*it);
    lines.for_each(|line| body.extend(line.chars().filter(is_base64)));
    STANDARD.decode(&*body).ok().map(Zeroizing::new)
}

fn hexadecimal(bytes: &[u8]) -> Zeroizing<String> {
    let mut digits = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    for byte in bytes {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use kcm_pki::{KeyAlgorithm, PrivateKey, PublicKey};

    use super::*;

    #[test]
    fn a_key_and_its_certificate_have_one_public_part() {
        for algorithm in [
            KeyAlgorithm::Rsa2048,
            KeyAlgorithm::Rsa3072,
            KeyAlgorithm::EcdsaP256,
            KeyAlgorithm::EcdsaP384,
            KeyAlgorithm::EcdsaP521,
        ] {
            let key = PrivateKey::generate(algorithm).unwrap();
            let pem = key.to_pem();
            let found = of_key(pem.as_bytes());
            let public: &PublicKey = key.public_key();
            assert_eq!(found, of_public_key(public), "{algorithm}");
            let other = PrivateKey::generate(algorithm).unwrap().to_pem();
            assert!(found.is_some() && of_key(other.as_bytes()) != found, "{algorithm}");
            let crlf = format!("text\n{}", pem.replace('\n', "\r\n"));
            assert_eq!(of_key(crlf.as_bytes()), found, "{algorithm}");
        }
        for text in
            ["", "garbage", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
        {
            assert_eq!(of_key(text.as_bytes()), None, "{text}");
        }
    }
}
