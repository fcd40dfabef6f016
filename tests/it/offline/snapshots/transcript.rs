//! Transcript of commands in a workspace's folder, with standard output, standard error and exit code.

use std::fmt::Write as _;
use std::process::Command;

use kcm_tests::{Tree, Workspace, kcm, peers};

use super::normal::{in_order, normal};
use crate::offline::schemas::assert_output_is_valid;

/// The commands that ran in a folder, and their output.
pub(super) struct Transcript<'s> {
    workspace: &'s Workspace,
    text: String,
}

impl<'s> Transcript<'s> {
    /// Creates an empty transcript of runs in the folder of `workspace`.
    pub(super) fn new(workspace: &'s Workspace) -> Self {
        Self { workspace, text: String::new() }
    }

    /// Adds a comment, for example about a change before the next command.
    pub(super) fn note(&mut self, comment: &str) -> &mut Self {
        writeln!(self.text, "# {comment}\n").unwrap();
        self
    }

    /// Runs `kcm` with the words of `line` as arguments.
    pub(super) fn kcm(&mut self, line: &str) -> &mut Self {
        let mut command = Command::new(kcm());
        command.current_dir(self.workspace.path()).args(line.split_whitespace());
        // The width of the terminal and the operator's folders must not affect the output.
        command.env_clear().env("HOME", self.workspace.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let output = peers::output(&mut command);
        writeln!(self.text, "$ kcm {line}").unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        if line.contains("-o json") {
            assert_output_is_valid(&stdout);
        }
        self.add(&stdout);
        let errors = in_order(&String::from_utf8(output.stderr).unwrap());
        if !errors.is_empty() {
            self.text.push_str("--- stderr\n");
            self.add(&errors);
        }
        writeln!(self.text, "= {}\n", output.status.code().unwrap()).unwrap();
        self
    }

    /// Runs each line as [`Transcript::kcm`] does.
    pub(super) fn all(&mut self, lines: &[&str]) -> &mut Self {
        for line in lines {
            self.kcm(line);
        }
        self
    }

    /// Adds the content of a text file.
    pub(super) fn cat(&mut self, file: &str) -> &mut Self {
        writeln!(self.text, "$ cat {file}").unwrap();
        self.add(&self.workspace.read(file));
        self.text.push('\n');
        self
    }

    /// Adds the modes and names of all files and links below a folder.
    pub(super) fn list(&mut self, folder: &str) -> &mut Self {
        writeln!(self.text, "$ find {folder}").unwrap();
        for (path, entry) in Tree::of(&self.workspace.file(folder)).0 {
            let target = String::from_utf8_lossy(&entry.content);
            match entry.mode & 0o170_000 {
                0o040_000 => continue,
                0o120_000 => write!(self.text, "link {} -> {target}", path.display()),
                _ => write!(self.text, "{:04o} {}", entry.mode & 0o7777, path.display()),
            }
            .unwrap();
            self.text.push('\n');
        }
        self.text.push('\n');
        self
    }

    /// Compares the transcript with the snapshot of this name. Needs root: otherwise files have
    /// other owners, and kcm reports that.
    pub(super) fn assert_matches(&self, name: &str) {
        if !peers::is_root() {
            return;
        }
        super::assert_matches(name, &normal(&self.text, Some(self.workspace.path())));
    }

    fn add(&mut self, printed: &str) {
        self.text.push_str(printed);
        if !printed.is_empty() && !printed.ends_with('\n') {
            self.text.push_str("\n(no newline at the end)\n");
        }
    }
}
