//! `kcm cert` that is killed at any system call.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use kcm_pki::{Certificate, CertificateRequest, PrivateKey};
use kcm_tests::{CommandOutput, Workspace, kcm, peers};
use serde_json::json;

use super::{names, signing, site};
use crate::offline::cuts::{Cut, at_every_call};

const FILES: [&str; 3] = ["x-key.pem", "x.csr", "x.pem"];

/// A command that writes the files of `new/x`.
struct Write {
    arguments: &'static [&'static str],
    /// True if the command replaces the files of an earlier run.
    replaces: bool,
}

const ISSUE: Write = Write {
    arguments: &[
        "cert",
        "issue",
        "server-csr.json",
        "--ca",
        "ca.pem",
        "--ca-key",
        "ca-key.pem",
        "--out",
        "new/x",
    ],
    replaces: true,
};

const NEW_CA: Write =
    Write { arguments: &["cert", "new-ca", "quick-ca.json", "--out", "new/x"], replaces: false };

impl Write {
    fn run(&self, workspace: &Workspace) -> CommandOutput {
        workspace.kcm(self.arguments)
    }

    /// Runs the command up to a system call. Returns true if the command ended before it. Without a
    /// umask, only the command itself keeps others from its files.
    fn killed(&self, workspace: &Workspace, cut: Cut) -> bool {
        let strace = cut.strace();
        let mut command = Command::new("sh");
        command.args(["-c", "umask 0; exec \"$@\"", "sh"]).arg(strace.get_program());
        command.args(strace.get_args()).arg(kcm()).args(self.arguments);
        peers::output(command.current_dir(workspace.path())).status.success()
    }

    /// Kills the command at every system call, each time in a folder with the files of `old`.
    /// Returns the number of cuts.
    fn cut_everywhere(&self, workspace: &Workspace, old: Option<&str>) -> usize {
        at_every_call(|cut| {
            let new = workspace.file("new");
            let _ = fs::remove_dir_all(&new);
            if let Some(old) = old {
                fs::create_dir(&new).unwrap();
                for file in FILES {
                    fs::copy(workspace.file(old).join(file), new.join(file)).unwrap();
                }
            }
            let has_finished = self.killed(workspace, cut);
            assert_no_key_is_readable_by_others(&new, cut);
            let present = FILES.into_iter().filter(|file| is_valid(workspace, file, cut)).count();
            assert!(old.is_none() || present == 3, "{cut:?}: a former file is lost");

            let again = self.run(workspace);
            let is_complete =
                again.stderr.contains("of an interrupted run, whose files are complete");
            match again.code {
                0 if self.replaces || present == 0 => {}
                2 if !self.replaces && (is_complete || present == 3) => {}
                _ => panic!("{cut:?}: {again:?}"),
            }
            assert_is_a_set(workspace, cut);
            let left = fs::read_dir(&new).unwrap().map(|entry| entry.unwrap().file_name());
            let mut left: Vec<_> = left.collect();
            left.sort();
            assert_eq!(left, FILES, "{cut:?}: leftovers");
            has_finished
        })
    }
}

fn assert_no_key_is_readable_by_others(folder: &Path, cut: Cut) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
        let has_key = text.contains("PRIVATE KEY") || path.to_string_lossy().contains("-key");
        assert!(!has_key || mode == 0o600, "{cut:?}: {} has mode {mode:o}", path.display());
    }
}

/// Reports whether a file exists. An existing file must be complete.
fn is_valid(workspace: &Workspace, file: &str, cut: Cut) -> bool {
    let Ok(text) = fs::read(workspace.file("new").join(file)) else { return false };
    let is_whole = match file {
        "x-key.pem" => PrivateKey::from_pem(&text).is_ok(),
        "x.csr" => CertificateRequest::from_pem(&text).is_ok(),
        _ => Certificate::from_pem(&text).is_ok(),
    };
    assert!(is_whole, "{cut:?}: {file} is partial");
    true
}

/// Asserts that certificate, key and request exist, have their modes and belong together.
fn assert_is_a_set(workspace: &Workspace, cut: Cut) {
    let [key, request, certificate] = FILES.map(|file| workspace.read(&format!("new/{file}")));
    let key = PrivateKey::from_pem(key.as_bytes()).unwrap();
    let request = CertificateRequest::from_pem(request.as_bytes()).unwrap();
    let certificate = Certificate::from_pem(certificate.as_bytes()).unwrap();
    assert!(key.matches(&certificate), "{cut:?}");
    assert_eq!(request.public_key(), certificate.public_key(), "{cut:?}");
    let modes = FILES.map(|file| super::mode(workspace, &format!("new/{file}")));
    assert_eq!(modes, [0o600, 0o644, 0o644], "{cut:?}");
}

#[test]
fn issue_killed_before_any_system_call_is_finished_by_the_next_run() {
    if !peers::has("strace") {
        return;
    }
    let workspace = site();
    let made = signing(&workspace, &["issue", "server-csr.json", "--out", "old/x"]);
    assert_eq!(made.code, 0, "{made:?}");
    for old in [None, Some("old")] {
        let cuts = ISSUE.cut_everywhere(&workspace, old);
        println!("{cuts} cuts");
        assert!(cuts > 50, "only {cuts} cuts");
    }
}

#[test]
fn new_ca_killed_before_any_system_call_is_finished_by_the_next_run() {
    if !peers::has("strace") {
        return;
    }
    let workspace = site();
    let ca = json!({"CN": "quick", "key": {"algo": "ecdsa", "size": 256}, "names": names()});
    workspace.write("quick-ca.json", ca.to_string());
    let cuts = NEW_CA.cut_everywhere(&workspace, None);
    println!("{cuts} cuts");
    assert!(cuts > 50, "only {cuts} cuts");
}
