//! The command line of a unit as systemd reads it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use kcm_tests::peers;

use super::{TARGETS, UNIT};

pub(crate) fn has_systemd() -> bool {
    let is_there = Path::new(SYSTEMD).is_file();
    if !is_there {
        peers::skip(&format!("{SYSTEMD} is not installed"));
    }
    is_there
}

const SYSTEMD: &str = "/lib/systemd/systemd";

/// Returns the arguments with which systemd starts the process of a unit.
///
/// systemd prints them before it expands variables. Without variables, the expansion only turns
/// `$$` into `$` after the executable.
pub(crate) fn argv(unit: &str) -> Vec<Vec<u8>> {
    let mut argv = raw_argv(unit);
    for argument in &mut argv[1..] {
        let parts: Vec<_> = argument.split(|byte| *byte == b'$').collect();
        let doubled = parts.len() % 2 == 1 && parts.iter().skip(1).step_by(2).all(|p| p.is_empty());
        assert!(doubled, "a variable would be replaced in {}", lossy(argument));
        *argument = parts.into_iter().step_by(2).collect::<Vec<_>>().join(&b'$');
    }
    argv
}

pub(super) fn raw_argv(unit: &str) -> Vec<Vec<u8>> {
    let (printed, log) = printed_by_systemd(unit);
    assert!(!log.contains(&format!("{UNIT}:")), "{log}");
    command_line(&printed).unwrap_or_else(|| panic!("no command line in {printed}{log}"))
}

/// Returns the command line of a unit, also if systemd warns about the unit; `None` if systemd does
/// not load the unit.
pub(crate) fn loaded_argv(unit: &str) -> Option<Vec<Vec<u8>>> {
    command_line(&printed_by_systemd(unit).0)
}

fn command_line(printed: &str) -> Option<Vec<Vec<u8>>> {
    let mut lines =
        printed.lines().filter_map(|line| line.trim_start().strip_prefix("Command Line: "));
    let line = lines.next()?;
    assert_eq!(lines.next(), None);
    Some(words(line))
}

/// Returns the state that systemd prints of a unit in its test mode, and its log.
fn printed_by_systemd(unit: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // systemd has a test mode for ordinary users only, who must be able to read the unit.
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(path.join(UNIT), unit).unwrap();
    for target in TARGETS {
        fs::write(path.join(target), "[Unit]\n").unwrap();
    }
    let mut command = Command::new(SYSTEMD);
    command.args(["--test", "--system", "--unit", UNIT]).env_clear();
    command.env("SYSTEMD_UNIT_PATH", path).env("XDG_RUNTIME_DIR", path);
    if fs::metadata(path).unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    let output = peers::output(&mut command);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    (String::from_utf8_lossy(&output.stdout).into_owned(), log)
}

/// Parses words of systemd's output: plain ones, and ones in double quotes with the escapes of C.
fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words = vec![Vec::new()];
    let (mut bytes, mut is_quoted) = (line.bytes(), false);
    while let Some(byte) = bytes.next() {
        let word = words.last_mut().unwrap();
        match byte {
            b'"' => is_quoted = !is_quoted,
            b' ' if !is_quoted => words.push(Vec::new()),
            b'\\' if is_quoted => word.push(match bytes.next().unwrap() {
                digit @ b'0'..=b'3' => {
                    let mut low = || bytes.next().unwrap() - b'0';
                    (digit - b'0') << 6 | low() << 3 | low()
                }
                b'a' => 7,
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'v' => 11,
                b'f' => 12,
                b'r' => b'\r',
                itself @ (b'\\' | b'"' | b'$' | b'`') => itself,
                other => panic!("\\{} in {line}", char::from(other)),
            }),
            byte => word.push(byte),
        }
    }
    words
}

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
