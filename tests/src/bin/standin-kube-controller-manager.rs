//! The stand-in for kube-controller-manager.

use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Size in bytes above which a stand-in was padded to the real program's size, for benchmarks.
const PADDED: u64 = 64 << 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let takes = match arguments.first().map(String::as_str) {
        Some("--version") => 150,
        Some("--help") => 300,
        _ => 0,
    };
    let is_padded = std::fs::metadata("/proc/self/exe").is_ok_and(|found| found.len() > PADDED);
    // Uses as much processor time as the real program.
    let start = Instant::now();
    while is_padded && start.elapsed() < Duration::from_millis(takes) {
        std::hint::spin_loop();
    }
    kcm_tests::standin::controller_manager::main(&arguments)
}
