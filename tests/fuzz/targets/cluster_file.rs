//! Fuzzes the parser of cluster files. Every error must name the file.
#![no_main]

use std::path::Path;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = kcm::Cluster::parse(text, Path::new("kcm.yaml")) {
        assert!(error.to_string().starts_with("kcm.yaml"), "{error}");
    }
});
