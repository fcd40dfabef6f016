//! The login shell of a hostile master.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    kcm_tests::hostile::main(&arguments)
}
