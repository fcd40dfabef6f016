//! Decrypts private keys that a passphrase protects: PKCS #8 with PBES2, and OpenSSL's traditional
//! form.

mod cipher;
mod pbes2;

use md5::{Digest as _, Md5};
use zeroize::{Zeroize as _, Zeroizing};

use self::cipher::Cipher;
use super::KeyError;
use crate::pem;

/// The label of `EncryptedPrivateKeyInfo`, RFC 7468 section 11.
pub(super) const PKCS8_LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// Decrypts an encrypted block; returns the DER form of the key inside.
///
/// A wrong passphrase is detected by the padding and the structure only: neither form has a
/// checksum.
pub(super) fn decrypt(
    block: &pem::Block<'_>,
    passphrase: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let pem = block
        .decode_public()
        .ok_or_else(|| malformed("the PEM block is truncated or not base64"))?;
    if block.label == PKCS8_LABEL {
        return pbes2::decrypt(pem.contents(), passphrase);
    }
    let info = pem.headers().get("DEK-Info");
    let info = info.ok_or_else(|| malformed("the header `DEK-Info` is missing"))?;
    let (name, iv) =
        info.split_once(',').ok_or_else(|| malformed("the header `DEK-Info` has no IV"))?;
    let cipher = match name.trim() {
        "AES-128-CBC" => Cipher::Aes128,
        "AES-192-CBC" => Cipher::Aes192,
        "AES-256-CBC" => Cipher::Aes256,
        "DES-EDE3-CBC" => Cipher::TripleDes,
        other => return Err(KeyError::UnsupportedEncryption { scheme: other.to_owned() }),
    };
    let iv = from_hex(iv.trim())
        .filter(|iv| iv.len() == cipher.block_len())
        .ok_or_else(|| malformed("the header `DEK-Info` has a malformed IV"))?;
    let salt = iv.get(..SALT_LEN).unwrap_or_default();
    let key = bytes_to_key(cipher.key_len(), passphrase, salt);
    cipher.decrypt(&key, &iv, pem.contents())
}

const SALT_LEN: usize = 8;

/// Derives a key as OpenSSL's `EVP_BytesToKey` does with MD5 and one iteration
/// (<https://docs.openssl.org/3.0/man3/EVP_BytesToKey/>). The salt is the start of the IV.
fn bytes_to_key(length: usize, passphrase: &[u8], salt: &[u8]) -> Zeroizing<Vec<u8>> {
    // The capacity prevents that a reallocation leaves a copy behind.
    let mut key = Zeroizing::new(Vec::with_capacity(length + 16));
    let mut digest = Zeroizing::new([0_u8; 16]);
    while key.len() < length {
        let mut hasher = Md5::new();
        if !key.is_empty() {
            hasher.update(digest.as_slice());
        }
        hasher.update(passphrase);
        hasher.update(salt);
        let mut output = hasher.finalize();
        digest.copy_from_slice(&output);
        output.as_mut_slice().zeroize();
        key.extend_from_slice(digest.as_slice());
    }
    key.truncate(length);
    key
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |octet: &u8| char::from(*octet).to_digit(16);
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

fn malformed(reason: &str) -> KeyError {
    KeyError::Malformed { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
