//! Fuzzes the parsers of certificates and private keys. A certificate must survive a round trip
//! through PEM.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = kcm_pki::Certificate::from_der(bytes);
    let _ = kcm_pki::PrivateKey::from_pem(bytes);
    if let Ok(certificate) = kcm_pki::Certificate::from_pem(bytes) {
        let again = kcm_pki::Certificate::from_pem(certificate.to_pem().as_bytes());
        assert_eq!(again.as_ref(), Ok(&certificate));
    }
});
