use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::hex;

/// A SHA-256 digest, usually of a certificate in DER.
///
/// Displayed, parsed and serialised as `sha256:` and 64 lowercase hexadecimal digits. A fingerprint
/// is safe to publish: it does not reveal the digested octets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Computes the fingerprint of `octets`.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, octets).as_ref());
        Self(bytes)
    }

    /// Returns the 32 octets of the digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the 64 lowercase hexadecimal digits without prefix, as `sha256sum` prints them.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a fingerprint; write `sha256:` and 64 hexadecimal digits")]
#[non_exhaustive]
pub struct FingerprintError {
    /// Text as given.
    pub text: String,
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || FingerprintError { text: text.to_owned() };
        let digits = text.strip_prefix("sha256:").ok_or_else(refused)?;
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(refused());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            *byte = pair.iter().try_fold(0, |value, digit| {
                let digit = char::from(*digit).to_digit(16).ok_or_else(refused)?;
                u8::try_from(digit).map(|digit| value << 4 | digit).map_err(|_| refused())
            })?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // `printf abc | sha256sum`
    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn display_is_the_digest_in_lowercase_hexadecimal() {
        assert_eq!(Fingerprint::of(b"abc").to_string(), ABC);
    }

    #[test]
    fn display_and_json_come_back_as_the_same_fingerprint() {
        let fingerprint = Fingerprint::of(b"abc");
        assert_eq!(ABC.parse(), Ok(fingerprint));
        let json = serde_json::to_string(&fingerprint).unwrap();
        assert_eq!(json, format!("\"{ABC}\""));
        assert_eq!(serde_json::from_str::<Fingerprint>(&json).unwrap(), fingerprint);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "sha256:", "ba7816bf", &ABC[..70], &format!("{ABC}0"), &ABC.replace('f', "g")]
        {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }
}
