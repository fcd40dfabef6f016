//! Fuzzes the parsers of certificate requests and of the subjects in them. A request must survive a
//! round trip through PEM, and its subject one through DER.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = kcm_pki::CertificateRequest::from_pem(bytes);
    if let Ok(subject) = kcm_pki::Subject::from_der(bytes) {
        assert_eq!(subject.der(), bytes);
    }
    if let Ok(request) = kcm_pki::CertificateRequest::from_der(bytes) {
        let again = kcm_pki::CertificateRequest::from_pem(request.to_pem().as_bytes());
        assert_eq!(again.as_ref(), Ok(&request));
    }
});
