//! Any bytes are read as a unit, with its commands and its links.
#![no_main]

use kcm_systemd::{CommandLine, Install, UnitFile};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = UnitFile::parse(bytes);
    let _ = Install::of(&file);
    for entry in &file.entries {
        let _ = CommandLine::parse(&entry.value);
    }
    let _ = file.to_unit();
});
