use proptest::prelude::*;

use super::*;
use crate::testing::{RSA_2048, testdata};

const RSA_2048_PKCS8: &str = testdata!("keys/rsa-2048.pkcs8.pem");
const P256_SEC1: &str = testdata!("keys/p256.sec1.pem");
const P256_PKCS8: &str = testdata!("keys/p256.pkcs8.pem");

fn load(pem: &str) -> PrivateKey {
    PrivateKey::from_pem(pem.as_bytes()).unwrap()
}

fn refused(pem: &str) -> KeyError {
    PrivateKey::from_pem(pem.as_bytes()).unwrap_err()
}

#[test]
fn names_come_back_as_the_same_algorithm() {
    for algorithm in KeyAlgorithm::ALL {
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        let json = serde_json::to_string(&algorithm).unwrap();
        assert_eq!(json, format!("\"{algorithm}\""));
        assert_eq!(serde_json::from_str::<KeyAlgorithm>(&json).unwrap(), algorithm);
    }
    let message = "rsa-1024".parse::<KeyAlgorithm>().unwrap_err().to_string();
    assert!(message.contains("rsa-2048, rsa-3072"), "{message}");
}

#[test]
fn every_form_is_written_as_openssl_writes_it() {
    for (read, written) in [
        (RSA_2048, RSA_2048),
        (RSA_2048_PKCS8, RSA_2048),
        (testdata!("keys/rsa-2560.pem"), testdata!("keys/rsa-2560.pem")),
        (testdata!("keys/rsa-3072.pem"), testdata!("keys/rsa-3072.pem")),
        (testdata!("keys/rsa-4096.pem"), testdata!("keys/rsa-4096.pem")),
        (P256_SEC1, P256_SEC1),
        (P256_PKCS8, P256_SEC1),
        (testdata!("keys/p256.parameters.pem"), P256_SEC1),
        (testdata!("keys/p256.no-public.pem"), P256_SEC1),
        (testdata!("keys/p256.compressed.pem"), P256_SEC1),
        (testdata!("keys/p384.sec1.pem"), testdata!("keys/p384.sec1.pem")),
        (testdata!("keys/p384.pkcs8.pem"), testdata!("keys/p384.sec1.pem")),
        (testdata!("keys/p521.sec1.pem"), testdata!("keys/p521.sec1.pem")),
        (testdata!("keys/p521.pkcs8.pem"), testdata!("keys/p521.sec1.pem")),
        (testdata!("cfssl/root-key.pem"), testdata!("cfssl/root-key.pem")),
        (testdata!("cfssl/many-key.pem"), testdata!("cfssl/many-key.pem")),
    ] {
        assert_eq!(*load(read).to_pem(), written);
    }
}

#[test]
fn a_key_is_found_among_other_text_and_blocks() {
    let certificate = testdata!("cfssl/root.pem");
    for file in [
        RSA_2048.replace('\n', "\r\n"),
        format!("Bag Attributes\n  friendlyName: x\n{RSA_2048}"),
        format!("{certificate}{RSA_2048}{certificate}"),
        RSA_2048.trim_end().to_owned(),
    ] {
        assert_eq!(*load(&file).to_pem(), RSA_2048);
    }
}

#[test]
fn a_wrong_label_does_not_matter() {
    let mislabelled = RSA_2048.replace("RSA PRIVATE KEY", "PRIVATE KEY");
    assert_eq!(*load(&mislabelled).to_pem(), RSA_2048);
    let mislabelled = P256_SEC1.replace("EC PRIVATE KEY", "PRIVATE KEY");
    assert_eq!(*load(&mislabelled).to_pem(), P256_SEC1);
}

#[test]
fn types_and_sizes_are_told() {
    for (pem, key_type, algorithm) in [
        (RSA_2048, "rsa-2048", Some(KeyAlgorithm::Rsa2048)),
        (testdata!("keys/rsa-2560.pem"), "rsa-2560", None),
        (testdata!("keys/rsa-4096.pem"), "rsa-4096", Some(KeyAlgorithm::Rsa4096)),
        (P256_SEC1, "ecdsa-p256", Some(KeyAlgorithm::EcdsaP256)),
        (testdata!("keys/p521.sec1.pem"), "ecdsa-p521", Some(KeyAlgorithm::EcdsaP521)),
    ] {
        let key = load(pem);
        assert_eq!(key.key_type().to_string(), key_type);
        assert_eq!(key.algorithm(), algorithm);
    }
}

#[test]
fn the_digest_follows_the_key() {
    use crate::oid;
    for (pem, signature) in [
        (RSA_2048, oid::SHA256_WITH_RSA),
        (testdata!("keys/rsa-2560.pem"), oid::SHA256_WITH_RSA),
        (testdata!("keys/rsa-3072.pem"), oid::SHA384_WITH_RSA),
        (testdata!("keys/rsa-4096.pem"), oid::SHA512_WITH_RSA),
        (P256_SEC1, oid::ECDSA_WITH_SHA256),
        (testdata!("keys/p384.sec1.pem"), oid::ECDSA_WITH_SHA384),
        (testdata!("keys/p521.sec1.pem"), oid::ECDSA_WITH_SHA512),
    ] {
        assert_eq!(load(pem).signature_algorithm(), signature);
    }
}

#[test]
fn generated_keys_come_back_from_pem() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::EcdsaP521] {
        let key = PrivateKey::generate(algorithm).unwrap();
        assert_eq!(key.algorithm(), Some(algorithm));
        let again = load(&key.to_pem());
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(again.to_pem(), key.to_pem());
        assert!(key.to_pem().starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
    }
    let key = PrivateKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    assert_eq!(key.algorithm(), Some(KeyAlgorithm::Rsa2048));
    assert_eq!(load(&key.to_pem()).public_key(), key.public_key());
}

#[test]
fn what_is_not_exactly_one_key_is_refused() {
    assert_eq!(refused(""), KeyError::NoKey { found: vec![] });
    let error = refused(testdata!("cfssl/root.pem"));
    assert_eq!(error.to_string(), "no private key in PEM format (found: CERTIFICATE)");
    assert_eq!(refused(&format!("{RSA_2048}{P256_SEC1}")), KeyError::SeveralKeys { count: 2 });
}

#[test]
fn encrypted_keys_are_refused_with_what_to_do() {
    for pem in [testdata!("keys/encrypted.pkcs8.pem"), testdata!("keys/encrypted.pkcs1.pem")] {
        let error = refused(pem);
        assert_eq!(error, KeyError::Encrypted);
        assert!(error.to_string().contains("openssl pkey -in"));
    }
}

#[test]
fn weak_and_foreign_keys_are_refused() {
    assert_eq!(refused(testdata!("keys/rsa-1024.pem")), KeyError::TooWeak { bits: 1024 });
    let unsupported = |key_type: &str| KeyError::Unsupported { key_type: key_type.into() };
    assert_eq!(refused(testdata!("keys/ed25519.pem")), unsupported("1.3.101.112"));
    assert_eq!(refused(testdata!("keys/secp256k1.pem")), unsupported("1.3.132.0.10"));
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAQID\n-----END OPENSSH PRIVATE KEY-----\n";
    assert_eq!(refused(openssh), unsupported("OPENSSH PRIVATE KEY"));
}

#[test]
fn damaged_keys_are_refused() {
    let cut = &RSA_2048[..RSA_2048.len() / 2];
    let inner = RSA_2048.replacen("MII", "AII", 1);
    let mut swapped = P256_SEC1.to_owned();
    // The last octets are the public key; a different one does not match the private half.
    let at = swapped.find("\n-----END").unwrap() - 8;
    let other = if &swapped[at..=at] == "A" { "B" } else { "A" };
    swapped.replace_range(at..=at, other);
    for pem in [cut, &inner, &swapped] {
        assert!(matches!(refused(pem), KeyError::Malformed { .. }), "{pem}");
    }
}

#[test]
fn debug_and_errors_show_nothing_of_the_private_half() {
    let key = load(P256_SEC1);
    let debug = format!("{key:?}");
    assert!(debug.starts_with("PrivateKey(of PublicKey(ecdsa-p256, id "), "{debug}");
    assert_eq!(debug.len(), "PrivateKey(of PublicKey(ecdsa-p256, id ))".len() + 40);
}

proptest! {
    #[test]
    fn no_octets_make_the_reader_panic(octets in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = PublicKey::from_der(&octets);
        let block = crate::pem::encode("PRIVATE KEY", &octets);
        prop_assert!(PrivateKey::from_pem(block.as_bytes()).is_err());
    }

    #[test]
    fn no_damage_to_a_key_makes_the_reader_panic(position in 0_usize..121, with in any::<u8>()) {
        let blocks = crate::pem::blocks(P256_SEC1.as_bytes());
        let mut der = blocks[0].decode().unwrap();
        der[position] = with;
        let _ = PrivateKey::from_pem(crate::pem::encode("EC PRIVATE KEY", &der).as_bytes());
    }
}
