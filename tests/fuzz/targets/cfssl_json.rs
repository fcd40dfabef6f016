//! Any text is a CSR file or an error, a signing config or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = kcm_pki::CsrFile::parse(text);
    let _ = kcm_pki::SigningConfig::parse(text);
    let _ = kcm_pki::Hosts::parse([text]);
});
