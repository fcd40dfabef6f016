//! Other implementations, which check the results of kcm.

use std::path::Path;
use std::process::{Command, Output};

/// Reports whether a program is installed on this machine.
///
/// If it is not, prints that the test skips, or panics under `KCM_REQUIRE_PEERS=1`.
#[must_use]
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        skip(&format!("{program} is not installed"));
    }
    found
}

/// Reports whether tests run as root, which some peers need; if not, prints or panics like [`has`].
#[must_use]
pub fn is_root() -> bool {
    let is_root = run(Command::new("id").arg("-u")).trim() == "0";
    if !is_root {
        skip("this needs root");
    }
    is_root
}

/// Prints why a test skips, or panics under `KCM_REQUIRE_PEERS=1`.
pub fn skip(why: &str) {
    assert!(
        std::env::var_os("KCM_REQUIRE_PEERS").is_none_or(|value| value != "1"),
        "{why}, and KCM_REQUIRE_PEERS=1 forbids to skip"
    );
    eprintln!("skipped: {why}");
}

/// Runs a command that must succeed; returns its standard output.
pub fn run(command: &mut Command) -> String {
    let output = output(command);
    assert!(
        output.status.success(),
        "{command:?} failed: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command, whatever its exit status.
pub fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Returns an `openssl` command that runs in a folder.
#[must_use]
pub fn openssl(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments);
    command
}
