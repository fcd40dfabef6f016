//! Any text is a cluster file or one error that names the file.
#![no_main]

use std::path::Path;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = kcm::Cluster::parse(text, Path::new("kcm.yaml")) {
        assert!(error.to_string().starts_with("kcm.yaml"), "{error}");
    }
});
