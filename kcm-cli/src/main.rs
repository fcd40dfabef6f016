//! The `kcm` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    kcm::cli::main()
}
