//! Fuzzes the parser of unit files: commands, install links, effective service and environment
//! files.
#![no_main]

use kcm_systemd::{CommandLine, Install, ServiceMeaning, Surroundings, UnitFile};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = UnitFile::parse(bytes);
    let _ = Install::of(&file);
    for entry in &file.entries {
        let _ = CommandLine::parse(&entry.value);
    }
    let _ = file.to_unit();
    let Ok(unit) = "kube-controller-manager.service".parse() else { return };
    let around = Surroundings::of(unit).with_environment(&file);
    let around = around.with_file(&String::from_utf8_lossy(bytes));
    let _ = ServiceMeaning::without_strays(&file, &around);
});
