//! Fuzzes the parsers of CSR files, signing configs and host lists.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = kcm_pki::CsrFile::parse(text);
    let _ = kcm_pki::SigningConfig::parse(text);
    let _ = kcm_pki::Hosts::parse([text]);
});
