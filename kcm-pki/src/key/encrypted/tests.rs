use proptest::prelude::*;

use crate::{
    key::{KeyError, PrivateKey},
    pem,
    testing::testdata,
};

const P256: &str = testdata!("keys/p256.sec1.pem");
const SCRYPT: &str = testdata!("encrypted/scrypt.pem");

fn open(pem: &str, passphrase: &str) -> Result<PrivateKey, KeyError> {
    PrivateKey::from_encrypted_pem(pem.as_bytes(), passphrase.as_bytes())
}

#[test]
fn every_encryption_of_openssl_is_read() {
    for pem in [
        testdata!("encrypted/pbes2-aes-128-cbc-1.pem"),
        testdata!("encrypted/pbes2-aes-192-cbc-384.pem"),
        testdata!("encrypted/pbes2-aes-256-cbc-256.pem"),
        testdata!("encrypted/pbes2-aes-256-cbc-512.pem"),
        testdata!("encrypted/pbes2-des3-1.pem"),
        SCRYPT,
        testdata!("encrypted/traditional-aes128.pem"),
        testdata!("encrypted/traditional-aes192.pem"),
        testdata!("encrypted/traditional-aes256.pem"),
        testdata!("encrypted/traditional-des3.pem"),
    ] {
        assert_eq!(*open(pem, "secret").unwrap().to_pem(), P256);
        assert_eq!(*open(&pem.replace('\n', "\r\n"), "secret").unwrap().to_pem(), P256);
        assert!(PrivateKey::is_encrypted(pem.as_bytes()));
        assert_eq!(PrivateKey::from_pem(pem.as_bytes()).unwrap_err(), KeyError::Encrypted);
    }
    for pem in [testdata!("encrypted/rsa.pem"), testdata!("encrypted/traditional-rsa.pem")] {
        assert_eq!(*open(pem, "secret").unwrap().to_pem(), testdata!("keys/rsa-2048.pkcs1.pem"));
    }
    let empty = testdata!("encrypted/empty-passphrase.pem");
    assert_eq!(*open(empty, "").unwrap().to_pem(), P256);
}

#[test]
fn a_plain_key_needs_no_passphrase() {
    assert_eq!(*open(P256, "any").unwrap().to_pem(), P256);
    assert!(!PrivateKey::is_encrypted(P256.as_bytes()) && !PrivateKey::is_encrypted(b"text"));
}

#[test]
fn a_wrong_passphrase_is_reported_as_such() {
    for pem in [
        testdata!("encrypted/pbes2-aes-128-cbc-1.pem"),
        testdata!("encrypted/pbes2-des3-1.pem"),
        testdata!("encrypted/traditional-aes256.pem"),
        testdata!("encrypted/traditional-des3.pem"),
    ] {
        // Some of these passphrases give valid padding by chance.
        for number in 0..300 {
            let error = open(pem, &format!("secret{number}")).unwrap_err();
            assert_eq!(error, KeyError::WrongPassphrase);
        }
        assert_eq!(open(pem, "").unwrap_err(), KeyError::WrongPassphrase);
    }
}

#[test]
fn unsupported_encryption_is_named() {
    for (pem, scheme) in [
        (testdata!("encrypted/pbes1.pem"), "PBE-SHA1-3DES"),
        (testdata!("encrypted/pbes2-aes-256-cbc-224.pem"), "HMAC with SHA-224"),
        (testdata!("encrypted/pbes2-camellia-256-cbc-256.pem"), "CAMELLIA-256-CBC"),
        (testdata!("encrypted/traditional-camellia256.pem"), "CAMELLIA-256-CBC"),
    ] {
        let scheme = scheme.to_owned();
        assert_eq!(open(pem, "secret").unwrap_err(), KeyError::UnsupportedEncryption { scheme });
    }
}

#[test]
fn a_hostile_cost_is_refused() {
    let error = open(testdata!("encrypted/costly.pem"), "secret").unwrap_err();
    assert!(error.to_string().contains("PBKDF2 with 10000001 iterations"), "{error}");
    let mut der = pem::blocks(SCRYPT.as_bytes())[0].decode_public().unwrap().into_contents();
    // N, r and p.
    let costs = [2, 2, 0x40, 0, 2, 1, 8, 2, 1, 1];
    let at = der.windows(costs.len()).position(|window| window == costs).unwrap();
    let mut refused = |costs: [u8; 10]| {
        der[at..at + costs.len()].copy_from_slice(&costs);
        open(&pem::encode(super::PKCS8_LABEL, &der), "secret").unwrap_err()
    };
    let costly = |cost: &str| KeyError::DerivationTooCostly { cost: cost.to_owned() };
    let memory = refused([2, 2, 0x40, 0, 2, 1, 127, 2, 1, 1]);
    assert_eq!(memory, costly("scrypt with N=16384, r=127 and p=1"));
    let work = refused([2, 2, 0x40, 0, 2, 1, 8, 2, 1, 127]);
    assert_eq!(work, costly("scrypt with N=16384, r=8 and p=127"));
    for costs in [
        [2, 2, 0x40, 1, 2, 1, 8, 2, 1, 1],
        [2, 2, 0x40, 0, 2, 1, 0, 2, 1, 1],
        [2, 2, 0x40, 0, 2, 1, 8, 2, 1, 0],
    ] {
        assert!(matches!(refused(costs), KeyError::Malformed { .. }), "{costs:?}");
    }
}

#[test]
fn damaged_headers_are_refused() {
    let pem = testdata!("encrypted/traditional-aes128.pem");
    for (from, to) in [
        ("DEK-Info: ", "DEK: "),
        ("AES-128-CBC,", "AES-128-CBC"),
        ("AES-128-CBC,", "AES-128-CBC,0"),
        ("AES-128-CBC,", "AES-128-CBC,00"),
        ("AES-128-CBC,", "AES-128-CBC,é"),
    ] {
        let error = open(&pem.replace(from, to), "secret").unwrap_err();
        assert!(matches!(error, KeyError::Malformed { .. }), "{to}: {error:?}");
    }
    assert!(matches!(open(&pem[..150], "secret"), Err(KeyError::Malformed { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_damage_makes_the_reader_panic(position in 0_usize..239, with in any::<u8>()) {
        let pem = testdata!("encrypted/pbes2-aes-256-cbc-256.pem");
        let mut der = pem::blocks(pem.as_bytes())[0].decode_public().unwrap().into_contents();
        der[position] = with;
        let _ = open(&pem::encode(super::PKCS8_LABEL, &der), "secret");
    }

    #[test]
    fn no_text_makes_the_reader_panic(headers in "[A-Za-z0-9:, -]{0,30}", body in "[A-Za-z0-9+/=\n]{0,80}") {
        for label in ["RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
            let file = format!(
                "-----BEGIN {label}-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: {headers}\n\n{body}\n-----END {label}-----\n"
            );
            prop_assert!(open(&file, "x").is_err());
        }
    }
}
