//! Other implementations, which judge ours.

use std::path::Path;
use std::process::{Command, Output};

/// Whether a peer is on this machine. With `KCM_REQUIRE_PEERS=1` a missing one is a failure; without, the
/// test prints that it skips.
#[must_use]
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        skip(&format!("{program} is not installed"));
    }
    found
}

/// Whether tests run as root, which some peers need. As [`has`].
#[must_use]
pub fn is_root() -> bool {
    let is_root = run(Command::new("id").arg("-u")).trim() == "0";
    if !is_root {
        skip("this needs root");
    }
    is_root
}

/// Prints why a test skips, or fails where that is not allowed.
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

/// Runs a command, however it ends.
pub fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// `openssl` in a folder.
#[must_use]
pub fn openssl(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments);
    command
}
