//! The stand-in for kube-apiserver.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    kcm_tests::standin::api_server::main(&arguments)
}
