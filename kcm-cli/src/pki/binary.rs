//! The kube-controller-manager binary on the operator's machine.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::OperatorError;
use crate::cluster::Cluster;
use crate::transport::ProgramFacts;
use crate::util::files::Bytes;
use crate::util::words::size;

const BINARY: &str = "kube-controller-manager (install.binary)";
/// Largest accepted binary, in bytes: several times the size of any release so far.
const LONGEST: u64 = 1 << 30;
/// Time limit for `--version` and `--help`: several times what they need.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
/// Largest accepted output, in bytes: several times the length of the help.
const LONGEST_HELP: u64 = 1 << 20;
/// Number of bytes of the ELF header that are read.
const HEADER: usize = 20;

/// The kube-controller-manager binary, read once for all masters.
#[derive(Clone, Debug)]
pub struct Binary {
    /// The program.
    pub bytes: Bytes,
    /// Architecture of the program, as in the names of Kubernetes downloads.
    pub machine: &'static str,
}

/// Reads the binary, if the cluster file names one.
pub(crate) fn uploaded_binary(cluster: &Cluster) -> Result<Option<Binary>, OperatorError> {
    cluster.install.binary.as_deref().map(read_binary).transpose()
}

/// Reports whether a file contains these bytes. False if the file cannot be read.
pub(crate) fn holds(path: &Path, bytes: &[u8]) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let mut content = Vec::new();
    if file.take(LONGEST).read_to_end(&mut content).is_err() || bytes.is_empty() {
        return false;
    }
    content.windows(bytes.len()).any(|window| window == bytes)
}

/// Runs the program on this machine with `--version` and `--help`.
///
/// Returns `None` if it does not run, for example because it is for another architecture.
pub(crate) fn program_facts(path: &Path) -> Option<ProgramFacts> {
    Some(ProgramFacts { version: output(path, "--version")?, help: output(path, "--help")? })
}

/// Runs the program and returns its output. `None` if it fails or exceeds the time limit.
fn output(path: &Path, argument: &str) -> Option<String> {
    // A name without a directory would be searched for in `PATH`.
    let path = std::path::absolute(path).ok()?;
    // A file, because a pipe buffer is smaller than the help.
    let mut printed = tempfile::tempfile().ok()?;
    let mut command = Command::new(path);
    command.arg(argument).env_clear().stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = command.stdout(printed.try_clone().ok()?).spawn().ok()?;
    let end = Instant::now() + LONGEST_ANSWER;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => sleep(Duration::from_millis(5)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    printed.rewind().ok()?;
    let mut text = String::new();
    printed.take(LONGEST_HELP).read_to_string(&mut text).ok()?;
    status.success().then_some(text)
}

/// Reads the program and checks that it is an executable for a supported architecture.
fn read_binary(path: &Path) -> Result<Binary, OperatorError> {
    let failed = |error| OperatorError::unreadable(BINARY, path, &error);
    let wrong = |reason: String| OperatorError::content(BINARY, path, reason);
    // Opening a named pipe would block.
    let found = fs::metadata(path).map_err(failed)?;
    if found.is_dir() {
        return Err(wrong("is a directory; write the path of the binary".to_owned()));
    }
    if !found.is_file() {
        return Err(wrong("not a regular file; write the path of the binary".to_owned()));
    }
    if found.len() > LONGEST {
        let reason = format!("larger than {}; check the path", size(LONGEST));
        return Err(wrong(reason));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    // The file may grow after the check.
    file.take(LONGEST).read_to_end(&mut bytes).map_err(failed)?;
    let machine = machine(&bytes).map_err(|reason| {
        wrong(format!("{reason}; use the binary from the Kubernetes server archive for Linux"))
    })?;
    Ok(Binary { bytes: Bytes::new(bytes), machine })
}

/// Returns the architecture of a Linux program (ELF header: `e_ident`, `e_type`, `e_machine`). The
/// error says why a file is not one.
fn machine(bytes: &[u8]) -> Result<&'static str, String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    if bytes.starts_with(b"#!") {
        return Err("a script, not an ELF executable".to_owned());
    }
    let Some(&[0x7f, b'E', b'L', b'F', class, order, .., kind1, kind2, machine1, machine2]) =
        bytes.first_chunk::<HEADER>()
    else {
        return Err("not an ELF executable".to_owned());
    };
    let number = |bytes| match order {
        2 => u16::from_be_bytes(bytes),
        _ => u16::from_le_bytes(bytes),
    };
    // Position-independent executables have the type of shared objects.
    if !matches!(number([kind1, kind2]), 2 | 3) {
        return Err("an ELF file, but not an executable".to_owned());
    }
    if class != 2 {
        return Err("built for a 32-bit architecture".to_owned());
    }
    match (number([machine1, machine2]), order) {
        (21, 1) => Ok("ppc64le"),
        (22, 2) => Ok("s390x"),
        (62, 1) => Ok("amd64"),
        (183, 1) => Ok("arm64"),
        (243, 1) => Ok("riscv64"),
        (other, _) => Err(format!("built for an unsupported architecture (ELF machine {other})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(class: u8, order: u8, kind: [u8; 2], machine: [u8; 2]) -> Vec<u8> {
        let ident = [0x7f, b'E', b'L', b'F', class, order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        [&ident[..], &kind, &machine, &[0; 44]].concat()
    }

    #[test]
    fn a_program_says_which_machine_it_is_for() {
        assert_eq!(machine(&header(2, 1, [2, 0], [62, 0])), Ok("amd64"));
        assert_eq!(machine(&header(2, 1, [3, 0], [183, 0])), Ok("arm64"));
        assert_eq!(machine(&header(2, 2, [0, 2], [0, 22])), Ok("s390x"));
        let this = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(machine(&this).is_ok());
    }

    #[test]
    fn what_is_no_program_for_a_64_bit_machine_is_said() {
        let cases: [(&[u8], &str); 7] = [
            (b"", "empty"),
            (b"#!/bin/sh\nexit 0\n", "script"),
            (b"\x7fELF", "not an ELF executable"),
            (b"not a program at all, but text", "not an ELF executable"),
            (&header(1, 1, [2, 0], [3, 0]), "32-bit"),
            (&header(2, 1, [1, 0], [62, 0]), "not an executable"),
            (&header(2, 1, [2, 0], [8, 0]), "ELF machine 8"),
        ];
        for (bytes, expected) in cases {
            let said = machine(bytes).unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
    }
}
