//! The stand-in for kube-controller-manager.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    kcm_tests::standin::controller_manager::main(&arguments)
}
