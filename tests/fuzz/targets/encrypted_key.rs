//! Fuzzes the decryption of private keys, with PEM and with the DER form of PKCS #8.
#![no_main]

use std::fmt::Write as _;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = kcm_pki::PrivateKey::from_encrypted_pem(bytes, b"secret");
    let _ = kcm_pki::PrivateKey::from_encrypted_pem(&pem(bytes), b"secret");
});

/// Encodes octets as an encrypted key.
fn pem(der: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n".to_owned();
    for chunk in der.chunks(3) {
        let group = chunk.iter().fold(0_usize, |group, octet| group << 8 | usize::from(*octet));
        let group = group << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[group >> (18 - 6 * place) & 63];
            text.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    let _ = writeln!(text, "\n-----END ENCRYPTED PRIVATE KEY-----");
    text.into_bytes()
}
