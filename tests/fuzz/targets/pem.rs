//! Any bytes are a certificate or an error, a key or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = kcm_pki::Certificate::from_der(bytes);
    let _ = kcm_pki::PrivateKey::from_pem(bytes);
    if let Ok(certificate) = kcm_pki::Certificate::from_pem(bytes) {
        let again = kcm_pki::Certificate::from_pem(certificate.to_pem().as_bytes());
        assert_eq!(again.as_ref(), Ok(&certificate));
    }
});
