//! `kcm unit check`: what systemd drops, and the arguments that remain.

use serde_json::Value;

use super::{UNIT, document, unit};
use crate::offline::systemd::{has_systemd, loaded_argv};
use kcm_tests::Workspace;

/// A change to the unit of the tutorial, the exit code, and codes of findings.
type Writing = (&'static str, &'static str, i32, &'static [&'static str]);

#[rustfmt::skip]
const WRITINGS: &[Writing] = &[
    ("Description=", "# a comment\nDescription=", 0, &[]),
    ("  --v=2", "  \"--v=2\"", 0, &[]),
    ("  --v=2", "  --v 2", 0, &[]),
    ("  --v=2", "  # a comment\n  --v=2", 0, &[]),
    ("--cluster-name=kubernetes", "--cluster-name=%N", 0, &[]),
    ("\n", "\r\n", 0, &[]),
    ("RestartSec=5", "RestartSecs=5", 3, &["unknown-key"]),
    ("[Install]", "[Instal]", 3, &["unknown-section"]),
    ("[Unit]", "Wants=x.target\n[Unit]", 3, &["outside-section"]),
    ("RestartSec=5", "RestartSec 5", 3, &["missing-equals"]),
    ("RestartSec=5", "=5", 3, &["missing-key"]),
    ("[Install]", "[Install] # x", 1, &["bad-section-header"]),
    ("  --v=2", "  --v=2 \\", 1, &["swallowed-line", "unit-arguments"]),
    ("  --leader-elect=true \\", "  --leader-elect=true \\\n", 3, &["empty-line-ends-directive", "unit-setting-lost"]),
    ("  --leader-elect=true \\", "  --leader-elect=true \\ ", 1, &["blank-after-backslash", "unit-setting-lost", "unit-arguments"]),
    ("  --leader-elect=true \\", "  --leader-elect=true \\ # note", 1, &["note-after-backslash", "unit-setting-lost", "unit-arguments"]),
    ("  --v=2", "  --v=2 # verbose", 1, &["comment-in-value", "unit-arguments"]),
    ("  --v=2", "  --v=2 \"x", 1, &["unbalanced-quotes"]),
    ("  --v=2", "  --v=2 --cluster-name=\\q", 3, &["unknown-escape", "flag-repeated"]),
    ("  --v=2", "  --v=2 --cluster-name=%Q", 1, &["unknown-specifier"]),
    ("  --v=2", "  --v=%b", 3, &["specifier"]),
    ("  --v=2", "  --v=2 $OPTS", 3, &["variable-not-set"]),
    ("  --v=2", "  --v=2 --kubeconfig=x$OPTS", 3, &["dollar-in-word"]),
    ("  --v=2", "  --v=2 ; /bin/true", 1, &["several-commands"]),
    ("  --v=2", "  --v=2 --v=3", 3, &["flag-repeated"]),
    ("  --v=2", "  --v=2 stray", 1, &["unit-arguments"]),
    ("  --v=2", "  --v=2 --profilling=true", 1, &["flag-unknown"]),
    ("--leader-elect=true", "--leader-elect=maybe", 1, &["bad-value"]),
    ("ExecStart=/opt", "ExecStart=opt", 1, &["bad-executable"]),
    ("Restart=always", "Restart=allways", 3, &["unit-setting-lost"]),
    ("RestartSec=5", "RestartSec=five", 3, &["unit-setting-lost"]),
    ("Restart=always", "Restart=always\nType=forking", 3, &["unit-setting-lost"]),
    ("ExecStart=", "ExecStart=/bin/true\nExecStart=", 1, &["unit-commands"]),
    ("ExecStart=", "X-ExecStart=", 1, &["unit-commands"]),
    ("Restart=always", "EnvironmentFile=/etc/none\nRestart=always", 1, &["file-missing"]),
    ("Restart=always", "EnvironmentFile=-/etc/none\nRestart=always", 0, &[]),
    ("Restart=always", "EnvironmentFile=/etc/export\nRestart=always", 0, &[]),
    ("  --v=2", "  $OPTS\nEnvironmentFile=/etc/export", 3, &["variable-name", "variable-not-set"]),
    ("  --v=2", "  $OPTS\nEnvironmentFile=/etc/opts", 0, &[]),
    ("  --v=2", "  ${OPTS}\nEnvironmentFile=/etc/opts", 1, &["variable-in-braces"]),
    ("  --v=2", "  --v=2\0", 3, &["stray-line-end"]),
];

fn findings(document: &Value) -> Vec<&str> {
    let findings = document["units"][0]["findings"].as_array().unwrap();
    findings.iter().map(|it| it["code"].as_str().unwrap()).collect()
}

/// Returns the arguments of the first command as JSON has them.
fn arguments(document: &Value) -> Vec<Vec<u8>> {
    let Some(command) = document["units"][0]["commands"].get(0) else { return Vec::new() };
    let program = std::iter::once(&command["executable"]);
    let all = program.chain(command["arguments"].as_array().unwrap());
    all.map(|it| it.as_str().unwrap().as_bytes().to_vec()).collect()
}

fn workspace() -> (Workspace, String) {
    let workspace = Workspace::new();
    workspace.write("root/etc/export", "export OPTS=\"--v=2\"\n");
    workspace.write("root/etc/opts", "OPTS=\"--v=2 --profiling=false\"\n");
    let text = unit(&workspace);
    (workspace, text)
}

#[test]
fn every_writing_has_its_findings_with_lines_and_the_arguments_of_systemd() {
    let (workspace, text) = workspace();
    let (mut compared, knows) = (0, has_systemd());
    for (from, to, code, expected) in WRITINGS {
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{from}");
        workspace.write(UNIT, &changed);
        let line = ["unit", "check", UNIT, "--kubernetes", "1.36", "--root", "root"];
        let (exit, document) = document(&workspace, &line);
        let found = findings(&document);
        assert_eq!(exit, *code, "{to:?}: {document:#}");
        assert_eq!(found.is_empty(), expected.is_empty(), "{to:?}: {document:#}");
        assert!(expected.iter().all(|it| found.contains(it)), "{to:?}: {found:?}");
        let text = workspace.kcm(&line);
        assert_eq!(text.code, exit, "{to:?}");
        assert_eq!(text.stdout.matches("\n  help: ").count(), found.len(), "{to:?}: {text:?}");
        // systemd expands variables and specifiers later than it prints a command line.
        if !knows || changed.contains('$') || found.contains(&"specifier") {
            continue;
        }
        match loaded_argv(&changed) {
            Some(theirs) => {
                compared += 1;
                assert_eq!(arguments(&document), theirs, "{to:?}");
            }
            None => assert_eq!(exit, 1, "{to:?}: systemd refuses the unit"),
        }
    }
    assert!(!knows || compared >= 20, "{compared}");
    assert!(WRITINGS.len() >= 20);
}

#[test]
fn a_finding_names_file_and_line() {
    let (workspace, text) = workspace();
    workspace.write(UNIT, text.replace("RestartSec=5", "RestartSecs=5"));
    workspace.write(&format!("{UNIT}.d/20.conf"), "[Service]\nExecStartt=x\n");
    workspace.write(&format!("{UNIT}.d/10.conf"), "[Service]\nEnvironmentFile=/etc/export\n");
    workspace.write(&format!("{UNIT}.d/30.txt"), "[Service]\nNoKey=x\n");
    let line = text.lines().position(|it| it.starts_with("RestartSec=")).unwrap() + 1;
    let (exit, document) = document(&workspace, &["unit", "check", UNIT, "--root", "root"]);
    assert_eq!(exit, 3);
    let checked = &document["units"][0];
    let drop_ins = [format!("{UNIT}.d/10.conf"), format!("{UNIT}.d/20.conf")];
    assert_eq!(checked["dropIns"], serde_json::json!(drop_ins));
    assert_eq!(checked["environmentFiles"], serde_json::json!(["/etc/export"]));
    let findings = checked["findings"].as_array().unwrap();
    let places: Vec<_> = findings.iter().map(|it| (&it["file"], &it["line"])).collect();
    assert!(places.contains(&(&Value::from(UNIT), &Value::from(line))), "{findings:?}");
    assert!(places.contains(&(&Value::from(&*drop_ins[1]), &Value::from(2))), "{findings:?}");
    assert!(findings[0]["help"].as_str().unwrap().contains("did you mean"), "{findings:?}");
}

#[test]
fn drop_ins_count_as_in_systemd() {
    let (workspace, text) = workspace();
    workspace.write(UNIT, &text);
    workspace.write(
        &format!("{UNIT}.d/10.conf"),
        "[Service]\nExecStart=\nExecStart=/usr/bin/other a b\n",
    );
    let (exit, document) = document(&workspace, &["unit", "check", UNIT]);
    assert_eq!(exit, 3, "{document:#}");
    let commands = serde_json::json!([{ "executable": "/usr/bin/other", "arguments": ["a", "b"] }]);
    assert_eq!(document["units"][0]["commands"], commands);
    assert_eq!(findings(&document), ["unit-program"]);
    assert_eq!(document["units"][0]["checkedFlags"], false);
}

#[test]
fn a_wrapper_hides_the_flags_and_another_component_has_none() {
    let (workspace, _) = workspace();
    for (program, codes) in [
        ("/usr/bin/docker run registry/kube-controller-manager:v1.36.0", vec!["unit-program"]),
        ("/bin/sh -c \"exec kube-controller-manager --v=2\"", vec!["unit-program"]),
        ("/usr/bin/etcd --data-dir /var/lib/etcd", vec![]),
    ] {
        let unit = format!("[Service]\nExecStart={program}\n");
        workspace.write("x.service", unit);
        let (exit, document) = document(&workspace, &["unit", "check", "x.service"]);
        assert_eq!(exit, if codes.is_empty() { 0 } else { 3 }, "{document:#}");
        assert_eq!(findings(&document), codes);
        assert_eq!(document["units"][0]["checkedFlags"], false);
    }
}

#[test]
fn an_empty_or_masked_unit_is_an_error_and_several_units_are_checked_at_once() {
    let (workspace, text) = workspace();
    workspace.write(UNIT, &text);
    workspace.write("empty.service", "");
    std::os::unix::fs::symlink("/dev/null", workspace.file("null.service")).unwrap();
    let line = ["unit", "check", UNIT, "empty.service", "null.service", "--kubernetes", "1.36"];
    let (exit, document) = document(&workspace, &line);
    assert_eq!(exit, 1);
    let units = document["units"].as_array().unwrap();
    let codes: Vec<_> =
        units.iter().map(|it| it["findings"][0]["code"].as_str().unwrap_or("-")).collect();
    assert_eq!(codes, ["-", "unit-masked", "unit-masked"]);
}
