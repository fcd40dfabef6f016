//! Whatever is wrong, kcm says so once, where it is and how to mend it, and changes nothing.
//!
//! The cases are tables: what is spoilt in a site that is right, the exit code, and the message word for
//! word, so that all messages can be read in one place.

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

use kcm_tests::{Ran, Site, kcm, peers};

/// The operator's words are wrong.
const USAGE: i32 = 2;
/// The world is not as it must be.
const FAILED: i32 = 1;

/// Something wrong in a site that is right otherwise.
struct Case {
    name: String,
    spoil: Spoil,
    /// What is typed after `kcm`.
    arguments: Vec<&'static str>,
    /// Verbs that are tried in place of the first argument, each with the same result.
    verbs: &'static [&'static str],
    /// A shell script that prepares the world and runs its arguments.
    within: Option<&'static str>,
    /// Whether `-o json` is tried too.
    has_json: bool,
    code: i32,
    error: &'static str,
}

type Spoil = Box<dyn Fn(&Site) + Send + Sync>;

impl Case {
    fn new(
        name: impl Into<String>,
        code: i32,
        spoil: impl Fn(&Site) + Send + Sync + 'static,
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

    /// Everything that is not as it must be, in words.
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
        let site = Site::new();
        (self.spoil)(&site);
        let before = site.tree().content();
        let ran = self.ran(&site, arguments);
        let said = without_what_varies(&ran.stderr, &site);
        let expected = format!("error: {}\n", self.error);
        let errors = ran.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        let document = serde_json::from_str::<serde_json::Value>(&ran.stdout);
        let fault = if ran.code != self.code {
            format!("exit code {}, not {}", ran.code, self.code)
        } else if said != expected {
            "another message".to_owned()
        } else if errors != 1 || ran.stderr.contains("panicked") {
            format!("{errors} errors")
        } else if site.tree().content() != before {
            "something changed".to_owned()
        } else if arguments.contains(&"json") {
            match document {
                Ok(document) if document["error"].is_string() => return None,
                _ => format!("no JSON document with an error: {:?}", ran.stdout),
            }
        } else if !ran.stdout.is_empty() {
            format!("unexpected output {:?}", ran.stdout)
        } else {
            return None;
        };
        Some(format!("{fault}\nexpected {expected}found    {said}"))
    }

    fn ran(&self, site: &Site, arguments: &[&str]) -> Ran {
        let Some(script) = self.within else { return site.kcm(arguments) };
        let mut command = Command::new("sh");
        command.args(["-euc", script, "sh"]).arg(kcm()).args(arguments).current_dir(site.path());
        let output = peers::output(&mut command);
        Ran {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The message without what is not its matter or differs from run to run: warnings, the site's folder,
/// digests, and the time.
fn without_what_varies(text: &str, site: &Site) -> String {
    let folder = site.path().canonicalize().unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("warning: "));
    // clap adds a tip and how the verb is used.
    let lines = lines.take_while(|line| !line.is_empty());
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let text = text.replace(&format!("{}/", folder.display()), "");
    let text = cut(&text, "sha256:", |c| !c.is_ascii_hexdigit());
    let text = cut(&text, "(it is ", |c| c == ')');
    cut(&cut(&text, "not valid before ", |c| c == ' '), "expired at ", |c| c == ' ')
}

/// Replaces what follows each `mark`, up to the first character that `is_end`, by an ellipsis.
fn cut(text: &str, mark: &str, is_end: impl Fn(char) -> bool) -> String {
    let mut parts = text.split(mark);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let end = part.find(&is_end).unwrap_or(part.len());
        format!("{text}{mark}…{}", &part[end..])
    })
}

/// Runs all cases on all processors; fails with everything that is wrong.
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
