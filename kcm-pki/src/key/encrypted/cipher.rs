use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey,
    UnboundCipherKey,
};
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _, block_padding::Pkcs7};
use des::TdesEde3;
use zeroize::Zeroizing;

use super::malformed;
use crate::key::KeyError;

/// A block cipher in CBC mode with the padding of PKCS #7 (RFC 8018 appendix B.2).
#[derive(Clone, Copy)]
pub(super) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
}

impl Cipher {
    pub(super) fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
        }
    }

    pub(super) fn block_len(self) -> usize {
        match self {
            Self::TripleDes => 8,
            _ => 16,
        }
    }

    /// Decrypts a key and removes the padding. The buffer is wiped also after an error.
    pub(super) fn decrypt(
        self,
        key: &[u8],
        iv: &[u8],
        contents: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        if contents.is_empty() || !contents.len().is_multiple_of(self.block_len()) {
            return Err(malformed("the encrypted contents are not whole blocks"));
        }
        let mut buffer = Zeroizing::new(contents.to_vec());
        let length = match self {
            Self::Aes128 => decrypt_aes(&AES_128, key, iv, &mut buffer),
            Self::Aes192 => decrypt_aes(&AES_192, key, iv, &mut buffer),
            Self::Aes256 => decrypt_aes(&AES_256, key, iv, &mut buffer),
            Self::TripleDes => decrypt_triple_des(key, iv, &mut buffer),
        };
        let length = length.ok_or(KeyError::WrongPassphrase)?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

fn decrypt_aes(
    algorithm: &'static Algorithm,
    key: &[u8],
    iv: &[u8],
    buffer: &mut [u8],
) -> Option<usize> {
    let key = UnboundCipherKey::new(algorithm, key).ok()?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
    let iv: [u8; 16] = iv.try_into().ok()?;
    key.decrypt(buffer, DecryptionContext::Iv128(iv.into())).ok().map(|plain| plain.len())
}

fn decrypt_triple_des(key: &[u8], iv: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let cipher = cbc::Decryptor::<TdesEde3>::new_from_slices(key, iv).ok()?;
    cipher.decrypt_padded::<Pkcs7>(buffer).ok().map(<[u8]>::len)
}
