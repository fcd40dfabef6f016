//! PKCS #8 encryption with PBES2 (RFC 5958 section 3, RFC 8018 section 6.2).

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2::{
    self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA384, PBKDF2_HMAC_SHA512,
};
use scrypt::scrypt;
use yasna::{ASN1Result, BERReader, BERReaderSeq};
use zeroize::Zeroizing;

use super::{cipher::Cipher, malformed};
use crate::{asn1, key::KeyError, oid};

/// Maximum PBKDF2 iterations, some seconds of work. OWASP recommended 1,300,000 for SHA-1 in 2023.
const MAX_ITERATIONS: u64 = 10_000_000;
/// Maximum of N x r of scrypt: 128 MiB of memory. OpenSSL writes 16384 x 8.
const MAX_SCRYPT_MEMORY: u64 = 1 << 20;
/// Maximum of N x r x p of scrypt, some seconds of work.
const MAX_SCRYPT_WORK: u64 = 1 << 22;

/// An algorithm identifier: its dotted object identifier, and its parameters in DER.
type Algorithm = (String, Option<Vec<u8>>);

/// Decrypts an `EncryptedPrivateKeyInfo`; returns the `PrivateKeyInfo` inside.
pub(super) fn decrypt(der: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let ((scheme, parameters), contents) =
        parse(der, |fields| Ok((read_algorithm(fields.next())?, fields.next().read_bytes()?)))?;
    if scheme != PBES2 {
        return Err(unsupported(&scheme));
    }
    let (derivation, encryption) = parse(&parameters.unwrap_or_default(), |fields| {
        Ok((read_algorithm(fields.next())?, read_algorithm(fields.next())?))
    })?;
    let cipher = match encryption.0.as_str() {
        "2.16.840.1.101.3.4.1.2" => Cipher::Aes128,
        "2.16.840.1.101.3.4.1.22" => Cipher::Aes192,
        "2.16.840.1.101.3.4.1.42" => Cipher::Aes256,
        "1.2.840.113549.3.7" => Cipher::TripleDes,
        other => return Err(unsupported(other)),
    };
    let iv = asn1::parse_der(&encryption.1.unwrap_or_default(), read_octets);
    let iv = iv.ok().filter(|iv| iv.len() == cipher.block_len());
    let iv = iv.ok_or_else(|| malformed("the IV of the encryption is malformed"))?;
    let key = derive(&derivation, cipher.key_len(), passphrase)?;
    cipher.decrypt(&key, &iv, &contents)
}

fn derive(
    (function, parameters): &Algorithm,
    length: usize,
    passphrase: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let parameters = parameters.as_deref().unwrap_or_default();
    let mut key = Zeroizing::new(vec![0; length]);
    let key_len = match function.as_str() {
        PBKDF2 => derive_pbkdf2(parameters, passphrase, &mut key)?,
        SCRYPT => derive_scrypt(parameters, passphrase, &mut key)?,
        other => return Err(unsupported(other)),
    };
    if key_len.is_some_and(|stated| usize::try_from(stated) != Ok(length)) {
        return Err(malformed("the length of the derived key does not match the cipher"));
    }
    Ok(key)
}

/// Derives a key with `PBKDF2-params` (RFC 8018 appendix A.2); returns the stated key length.
fn derive_pbkdf2(
    parameters: &[u8],
    passphrase: &[u8],
    key: &mut [u8],
) -> Result<Option<u64>, KeyError> {
    let (salt, iterations, key_len, prf) = parse(parameters, |fields| {
        let salt = fields.next().read_bytes()?;
        let iterations = fields.next().read_u64()?;
        let key_len = fields.read_optional(read_number)?;
        let prf = fields.read_optional(read_algorithm)?;
        Ok((salt, iterations, key_len, prf))
    })?;
    let algorithm = match prf.as_ref().map(|(oid, _)| oid.as_str()) {
        // The default, HMAC with SHA-1.
        None | Some("1.2.840.113549.2.7") => PBKDF2_HMAC_SHA1,
        Some("1.2.840.113549.2.9") => PBKDF2_HMAC_SHA256,
        Some("1.2.840.113549.2.10") => PBKDF2_HMAC_SHA384,
        Some("1.2.840.113549.2.11") => PBKDF2_HMAC_SHA512,
        Some(other) => return Err(unsupported(other)),
    };
    if iterations > MAX_ITERATIONS {
        return Err(KeyError::DerivationTooCostly {
            cost: format!("PBKDF2 with {iterations} iterations, above {MAX_ITERATIONS}"),
        });
    }
    let iterations = u32::try_from(iterations).ok().and_then(NonZeroU32::new);
    let iterations = iterations.ok_or_else(|| malformed("PBKDF2 has no iterations"))?;
    pbkdf2::derive(algorithm, iterations, &salt, passphrase, key);
    Ok(key_len)
}

/// Derives a key with `scrypt-params` (RFC 7914 section 7.1); returns the stated key length.
fn derive_scrypt(
    parameters: &[u8],
    passphrase: &[u8],
    key: &mut [u8],
) -> Result<Option<u64>, KeyError> {
    let (salt, n, r, p, key_len) = parse(parameters, |fields| {
        let salt = fields.next().read_bytes()?;
        let n = fields.next().read_u64()?;
        let r = fields.next().read_u64()?;
        let p = fields.next().read_u64()?;
        Ok((salt, n, r, p, fields.read_optional(read_number)?))
    })?;
    let memory = n.checked_mul(r).filter(|memory| *memory <= MAX_SCRYPT_MEMORY);
    let work = memory.and_then(|memory| memory.checked_mul(p));
    if work.is_none_or(|work| work > MAX_SCRYPT_WORK) {
        return Err(KeyError::DerivationTooCostly {
            cost: format!("scrypt with N={n}, r={r} and p={p}"),
        });
    }
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let parameters = (n.is_power_of_two() && n > 1)
        .then(|| u8::try_from(n.trailing_zeros()).ok())
        .flatten()
        .and_then(|log_n| scrypt::Params::new(log_n, small(r), small(p)).ok())
        .ok_or_else(|| malformed("the parameters of scrypt are invalid"))?;
    scrypt(passphrase, &salt, &parameters, key)
        .map_err(|_| malformed("the parameters of scrypt are invalid"))?;
    Ok(key_len)
}

/// Reads a SEQUENCE.
fn parse<T>(
    der: &[u8],
    fields: impl FnOnce(&mut BERReaderSeq<'_, '_>) -> ASN1Result<T>,
) -> Result<T, KeyError> {
    asn1::parse_der(der, |reader| reader.read_sequence(fields))
        .map_err(|_| malformed("the encrypted key is not PKCS #8"))
}

fn read_algorithm(reader: BERReader<'_, '_>) -> ASN1Result<Algorithm> {
    reader.read_sequence(|fields| {
        Ok((oid::read_dotted(fields.next())?, fields.read_optional(oid::read_element)?))
    })
}

fn read_number(reader: BERReader<'_, '_>) -> ASN1Result<u64> {
    reader.read_u64()
}

fn read_octets(reader: BERReader<'_, '_>) -> ASN1Result<Vec<u8>> {
    reader.read_bytes()
}

const PBES2: &str = "1.2.840.113549.1.5.13";
const PBKDF2: &str = "1.2.840.113549.1.5.12";
const SCRYPT: &str = "1.3.6.1.4.1.11591.4.11";

/// Returns the error for an algorithm, with the name that OpenSSL prints if it is a common one.
fn unsupported(oid: &str) -> KeyError {
    let scheme = match oid {
        "1.2.840.113549.1.5.3" => "PBE-MD5-DES",
        "1.2.840.113549.1.5.10" => "PBE-SHA1-DES",
        "1.2.840.113549.1.12.1.1" => "PBE-SHA1-RC4-128",
        "1.2.840.113549.1.12.1.3" => "PBE-SHA1-3DES",
        "1.2.840.113549.1.12.1.4" => "PBE-SHA1-2DES",
        "1.2.840.113549.1.12.1.6" => "PBE-SHA1-RC2-40",
        "1.3.14.3.2.7" => "DES-CBC",
        "2.16.840.1.101.3.4.1.6" => "AES-128-GCM",
        "2.16.840.1.101.3.4.1.46" => "AES-256-GCM",
        "1.2.392.200011.61.1.1.1.4" => "CAMELLIA-256-CBC",
        "1.2.840.113549.2.8" => "HMAC with SHA-224",
        other => other,
    };
    KeyError::UnsupportedEncryption { scheme: scheme.to_owned() }
}
