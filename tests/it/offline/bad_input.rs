//! Tests of invalid input: kcm reports each problem once, with its location and a fix, and changes
//! nothing.
//!
//! The cases are tables: the change to a valid workspace, the exit code, and the exact message. All
//! messages can be read in one place.

mod cluster_file;
mod command_line;
mod install;
mod json_files;
mod operator_files;
mod operator_pair;
mod targets;

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use kcm_tests::{CommandOutput, Workspace, kcm, peers};

/// Exit code of a usage, cluster file or lint error.
const USAGE: i32 = 2;
/// Exit code of a run that failed and changed nothing.
const FAILED: i32 = 1;

/// Mark before the fix in an expected message. In kcm's output, the fix has a line of its own.
const FIX: &str = " | help: ";

/// One fault in an otherwise valid workspace.
struct Case {
    name: String,
    spoil: Spoil,
    /// Arguments of `kcm`.
    arguments: Vec<&'static str>,
    /// Verbs that replace the first argument one after the other, each with the same result.
    verbs: &'static [&'static str],
    /// Shell script that prepares the environment and runs its arguments.
    within: Option<&'static str>,
    /// True if the case also runs with `-o json`.
    has_json: bool,
    code: i32,
    error: &'static str,
}

type Spoil = Box<dyn Fn(&Workspace) + Send + Sync>;

impl Case {
    fn new(
        name: impl Into<String>,
        code: i32,
        spoil: impl Fn(&Workspace) + Send + Sync + 'static,
        error: &'static str,
    ) -> Self {
        Self {
            name: name.into(),
            spoil: Box::new(spoil),
            arguments: vec!["apply", "--root", "out"],
            verbs: &["apply", "plan"],
            within: None,
            has_json: true,
            code,
            error,
        }
    }

    fn within(self, script: &'static str) -> Self {
        Self { within: Some(script), ..self }
    }

    /// Returns a description of every unexpected result.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for verb in self.verbs {
            for form in [&[][..], &["-o", "json"]] {
                if form.is_empty() || self.has_json {
                    let arguments = self.typed(verb, form);
                    faults.extend(
                        self.run(&arguments).map(|fault| format!("{arguments:?}: {fault}")),
                    );
                }
            }
        }
        faults
    }

    fn typed(&self, verb: &'static str, form: &[&'static str]) -> Vec<&'static str> {
        let rest = self.arguments.iter().skip(1);
        [verb].iter().chain(rest).chain(form).copied().collect()
    }

    fn run(&self, arguments: &[&str]) -> Option<String> {
        let workspace = Workspace::new();
        (self.spoil)(&workspace);
        let before = workspace.tree().content();
        let ran = self.ran(&workspace, arguments);
        let printed = without_what_varies(&ran.stderr, &workspace).replace("\n  help: ", FIX);
        let label = if self.error.starts_with("error[") { "" } else { "error: " };
        let expected = format!("{label}{}\n", self.error);
        let document = serde_json::from_str::<serde_json::Value>(&ran.stdout);
        let fault = if ran.code != self.code {
            format!("exit code {}, not {}", ran.code, self.code)
        } else if printed != expected {
            "another message".to_owned()
        } else if workspace.tree().content() != before {
            "something changed".to_owned()
        } else if arguments.contains(&"json") {
            match document {
                Ok(document) if self.is_said_by(&document) => return None,
                _ => format!("no JSON document with this error: {:?}", ran.stdout),
            }
        } else if !ran.stdout.is_empty() {
            format!("unexpected output {:?}", ran.stdout)
        } else {
            return None;
        };
        Some(format!("{fault}\n<expected\n{expected}<found\n{printed}<end"))
    }

    /// True if the message of a document is a string, and its help is there if the text has one.
    fn is_said_by(&self, document: &serde_json::Value) -> bool {
        let last = self.error.lines().next_back().unwrap_or_default();
        let has_fix = last.contains(FIX) && !last.starts_with("error[");
        document["message"].is_string() && document["help"].is_string() == has_fix
    }

    fn ran(&self, workspace: &Workspace, arguments: &[&str]) -> CommandOutput {
        let Some(script) = self.within else { return workspace.kcm(arguments) };
        let mut command = Command::new("sh");
        command
            .args(["-euc", script, "sh"])
            .arg(kcm())
            .args(arguments)
            .current_dir(workspace.path());
        let output = peers::output(&mut command);
        CommandOutput {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Returns the message without warnings and without values that differ between runs: the workspace's
/// folder, digests, and times.
fn without_what_varies(text: &str, workspace: &Workspace) -> String {
    let folder = workspace.path().canonicalize().unwrap();
    // A warning may have a line with its fix.
    let mut is_warning = false;
    let lines = text.lines().filter(|line| {
        is_warning = line.starts_with("warning") || is_warning && line.starts_with(' ');
        !is_warning
    });
    // clap appends a tip and the usage after an empty line.
    let lines = lines.take_while(|line| !line.is_empty());
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let text = text.replace(&format!("{}/", folder.display()), "");
    let text = cut(&text, "sha256:", |c| !c.is_ascii_hexdigit());
    let text = cut(&text, "(now: ", |c| c == ')');
    cut(&cut(&text, "not valid before ", |c| c == ' '), "expired at ", |c| c == ' ')
}

/// Replaces the text after each `mark`, up to the first character that `is_end`, with an ellipsis.
fn cut(text: &str, mark: &str, is_end: impl Fn(char) -> bool) -> String {
    let mut parts = text.split(mark);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let end = part.find(&is_end).unwrap_or(part.len());
        format!("{text}{mark}…{}", &part[end..])
    })
}

/// Runs all cases on all processors; fails with a list of all faults.
fn check(cases: impl IntoIterator<Item = Case>) {
    let cases: Vec<_> = cases.into_iter().collect();
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = case.faults().into_iter().map(|fault| format!("== {}\n{fault}", case.name));
            faults.lock().unwrap().extend(found);
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} of {}\n{}", faults.len(), cases.len(), faults.join("\n"));
}
