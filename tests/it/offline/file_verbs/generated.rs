//! Bad inputs that are generated from good ones, at least 610 in all. Each differs from a good one
//! in one place.

use std::collections::BTreeSet;

use kcm_tests::{CommandOutput, Workspace};
use serde_json::json;

use super::{CA, PAIR};

const CA_KEY: &str = "pki/ca/cert/ca-key.pem";
const MASTER: &str = "k8s-master-01";

/// A folder, and the bad inputs that commands refused in it.
struct Refusals {
    workspace: Workspace,
    /// The distinct inputs.
    inputs: BTreeSet<String>,
    /// Number of commands that were run.
    runs: usize,
}

impl Refusals {
    fn new() -> Self {
        let workspace = Workspace::one_master();
        workspace.apply();
        Self { workspace, inputs: BTreeSet::new(), runs: 0 }
    }

    /// Writes each input to `file`, and requires that every command fails with one error that names
    /// the file. The code is the exit code that the documentation gives a mistake in such a file.
    fn of(&mut self, file: &str, inputs: Vec<String>, commands: &[(&[&str], i32)]) {
        for input in inputs {
            self.workspace.write(file, &input);
            for (line, code) in commands {
                self.refuses(file, line, *code);
            }
            self.inputs.insert(input);
        }
    }

    fn refuses(&mut self, file: &str, line: &[&str], expected: i32) {
        self.runs += 1;
        let before = self.workspace.tree().content();
        let ran = self.workspace.kcm(line);
        let CommandOutput { code, stdout, stderr } = &ran;
        let input = || self.workspace.read(file);
        assert_eq!(*code, expected, "{line:?}: {ran:?}\n{}", input());
        let all = || stdout.lines().chain(stderr.lines());
        let errors: Vec<_> = all().filter(|it| it.starts_with("error")).collect();
        // A unit is checked to its end, so that one mistake can have two effects.
        let is_unit_check = line.starts_with(&["unit", "check"]);
        assert!(errors.len() == 1 || is_unit_check && errors.len() == 2, "{ran:?}\n{}", input());
        let are_named = errors.iter().all(|error| error.contains(file));
        assert!(are_named, "{line:?}: {ran:?}\n{}", input());
        assert!(!stderr.contains("panicked"), "{line:?}: {ran:?}");
        let is_check = line.get(1) == Some(&"check");
        assert!(is_check || stdout.is_empty(), "{line:?}: {ran:?}");
        assert!(self.workspace.tree().content() == before, "{line:?} wrote a file");
    }

    fn read(&self, file: &str) -> String {
        self.workspace.read(file)
    }
}

/// Returns beginnings of a text of different lengths, of which none is the whole text.
fn cut(text: &str, number: usize) -> Vec<String> {
    let text = text.trim_end();
    let lengths = (0..number).map(|it| text.len() * it / number);
    lengths.map(|length| text[..length].to_owned()).collect()
}

/// Returns a JSON text, each time without one of the characters that give it its structure.
fn broken_json(text: &str) -> Vec<String> {
    let places = text.match_indices(['{', '}', '[', ']', ':', ',', '"']).map(|(place, _)| place);
    let without = places.map(|place| format!("{}{}", &text[..place], &text[place + 1..]));
    without.chain(cut(text, 20)).collect()
}

/// Returns a PEM text cut short, without one of its characters, and with other labels.
fn broken_pem(text: &str) -> Vec<String> {
    let body = text.find('\n').unwrap() + 1;
    let end = text.find("\n-----END").unwrap();
    let places = (0..15).map(|it| body + (end - body) * it / 15);
    let places = places.map(|place| place + usize::from(&text[place..=place] == "\n"));
    let without = places.map(|place| format!("{}{}", &text[..place], &text[place + 1..]));
    let labels = [("BEGIN", "BEGIN X"), ("END", "END X"), ("-----BEGIN", "----BEGIN")];
    let labels = labels.map(|(from, to)| text.replacen(from, to, 1));
    without.chain(labels).chain(cut(text, 15)).collect()
}

/// Returns a YAML text, each time with one line that is no part of such a document.
fn broken_yaml(text: &str) -> Vec<String> {
    let lines: Vec<_> = text.lines().collect();
    let with = |line: &str| {
        let at = |place| [&lines[..place], &[line], &lines[place..]].concat().join("\n") + "\n";
        (1..=lines.len()).map(at).collect::<Vec<_>>()
    };
    ["@", "}", "a: b: c", "*unknown", "\"open", "- x"].into_iter().flat_map(with).collect()
}

/// Returns a unit, each time with one more word in a line of the command.
fn broken_units(unit: &str) -> Vec<String> {
    let words =
        ["\"x", "'x", "--cluster-name=%Q", "stray", "--profilling=true", "--profiling=maybe"];
    let lines: Vec<_> = unit.lines().collect();
    let is_flag = |place: &usize| lines[*place].starts_with("  --");
    let places: Vec<_> = (0..lines.len()).filter(is_flag).collect();
    let with = |place: usize, word: &str| {
        let mut lines = lines.clone();
        let line = format!("  {word} {}", lines[place].trim_start());
        lines[place] = &line;
        lines.join("\n") + "\n"
    };
    words.iter().flat_map(|word| places.iter().map(move |place| with(*place, word))).collect()
}

#[test]
fn no_generated_csr_config_or_pem_passes_a_command_of_cert() {
    let mut refusals = Refusals::new();
    let csr = json!({"CN": "a", "hosts": ["a.example", "10.0.0.1"],
        "key": {"algo": "ecdsa", "size": 256}, "names": [{"O": "o", "OU": "u"}]});
    let ca = json!({"CN": "a", "key": {"algo": "ecdsa", "size": 256}, "ca": {"pathlen": 1}});
    let config = json!({"signing": {"profiles": {
        "p": {"usages": ["signing", "client auth"], "expiry": "1h"}}}});
    for (file, content) in [("csr.json", &csr), ("ca.json", &ca), ("config.json", &config)] {
        refusals.workspace.write(file, content.to_string());
    }
    let request = ["cert", "request", "csr.json", "--out", "x"];
    assert_eq!(refusals.workspace.kcm(&request).code, 0);
    let signer = ["--ca", CA, "--ca-key", CA_KEY];
    let with = |line: &[&'static str], signer: &[&'static str]| [line, signer].concat();
    let out = ["--out", "new/x"];
    let issue = with(&["cert", "issue", "csr.json", out[0], out[1]], &signer);
    let bad_csr = with(&["cert", "issue", "bad", out[0], out[1]], &signer);
    let bad_config = with(&issue, &["--config", "bad", "--profile", "p"]);
    let bad_request = with(&["cert", "sign", "bad", out[0], out[1]], &signer);
    let bad_subject = with(&["cert", "sign", "x.csr", "bad", out[0], out[1]], &signer);
    let new_ca = ["cert", "new-ca", "ca.json", out[0], out[1]];
    refusals.of(
        "bad",
        broken_json(&csr.to_string()),
        &[(&["cert", "request", "bad", out[0], out[1]], 2), (&bad_csr, 2), (&bad_subject, 2)],
    );
    refusals.of(
        "bad",
        broken_json(&ca.to_string()),
        &[(&["cert", "new-ca", "bad", out[0], out[1]], 2)],
    );
    refusals.of("bad", broken_json(&config.to_string()), &[(&bad_config, 2)]);
    let certificate = refusals.read(CA);
    let issue_by = |ca, key| with(&issue[..5], &["--ca", ca, "--ca-key", key]);
    refusals.of(
        "bad",
        broken_pem(&certificate),
        &[
            (&["cert", "show", "bad"], 1),
            (&["cert", "verify", "bad", "--ca", CA], 1),
            (&["cert", "verify", CA, "--ca", "bad"], 1),
            (&issue_by("bad", CA_KEY), 1),
            (&with(&new_ca, &["--ca", "bad", "--ca-key", CA_KEY]), 1),
        ],
    );
    let key = refusals.read(CA_KEY);
    refusals.of("bad", broken_pem(&key), &[(&issue_by(CA, "bad"), 1)]);
    let request = refusals.read("x.csr");
    refusals.of("bad", broken_pem(&request), &[(&bad_request, 1)]);
    let (inputs, runs) = (refusals.inputs.len(), refusals.runs);
    println!("{inputs} inputs, {runs} runs");
    assert!(inputs >= 260 && runs >= 550, "{inputs} inputs, {runs} runs");
}

#[test]
fn no_generated_text_or_pem_becomes_a_kubeconfig() {
    let mut refusals = Refusals::new();
    let [certificate, key] =
        ["", "-key"].map(|it| format!("{PAIR}/kube-controller-manager{it}.pem"));
    let files = [CA, &*certificate, &*key];
    let good = super::build(files, &["--embed-certs", "--out", "good"]);
    assert_eq!(refusals.workspace.kcm(&good).code, 0);
    let replace = super::build(files, &["--embed-certs", "--out", "bad"]);
    let text = refusals.read("good");
    refusals.of(
        "bad",
        broken_yaml(&text),
        &[(&["kubeconfig", "show", "bad"], 1), (&["kubeconfig", "check", "bad"], 1), (&replace, 1)],
    );
    for place in 0..3 {
        let content = refusals.read(files[place]);
        let mut files = files;
        files[place] = "bad";
        let line = super::build(files, &["--embed-certs", "--out", "new/x"]);
        refusals.of("bad", broken_pem(&content), &[(&line, 1)]);
    }
    let content = refusals.read(CA);
    let check = ["kubeconfig", "check", "good", "--ca", "bad"];
    refusals.of("bad", broken_pem(&content), &[(&check, 1)]);
    let (inputs, runs) = (refusals.inputs.len(), refusals.runs);
    println!("{inputs} inputs, {runs} runs");
    assert!(inputs >= 200 && runs >= 450, "{inputs} inputs, {runs} runs");
}

#[test]
fn no_generated_unit_or_cluster_file_passes_a_command_of_unit() {
    let mut refusals = Refusals::new();
    let unit = "kube-controller-manager.service";
    let good = format!("out/{MASTER}/etc/systemd/system/{unit}");
    let text = refusals.read(&good);
    let check = ["unit", "check", unit, "--kubernetes", "1.36"];
    refusals.of(unit, broken_units(&text), &[(&check, 1)]);
    let text = refusals.read("kcm.yaml");
    let render = ["unit", "render", "--master", MASTER, "-f", "bad.yaml"];
    refusals.of("bad.yaml", broken_yaml(&text), &[(&render, 2)]);
    let (inputs, runs) = (refusals.inputs.len(), refusals.runs);
    println!("{inputs} inputs, {runs} runs");
    assert!(inputs >= 150 && runs >= 150, "{inputs} inputs, {runs} runs");
}
