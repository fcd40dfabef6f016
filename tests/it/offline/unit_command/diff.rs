//! `kcm unit diff`: units are compared by their effect.

use kcm_tests::Workspace;
use serde_json::Value;

use super::{UNIT, document, unit};

/// A change to the unit of the tutorial, and the settings that differ then.
type Pair = (&'static str, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const PAIRS: &[Pair] = &[
    ("Description=", "# a comment\nDescription=", &[]),
    ("Description=Kubernetes", "Description=Another", &[]),
    ("Documentation=", "Documentation=https://example.com ", &[]),
    ("  --v=2", "  -v 2", &[]),
    ("  --v=2", "  \"--v=2\"", &[]),
    ("--leader-elect=true", "--leader_elect", &[]),
    ("  --v=2", "  # a comment\n  --v=2", &[]),
    ("Restart=always", "Restart=no\nRestart=always", &[]),
    ("Restart=always", "Restart=always\nRestart=allways", &[]),
    ("[Install]", "[Unit]\nAfter=x.target\nAfter=\n[Install]", &[]),
    ("  --v=2", "  $OPTS\nEnvironmentFile=/etc/opts", &[]),
    ("  --v=2", "  --v=4", &["--v"]),
    (" \\\n  --v=2", "", &["--v"]),
    ("  --v=2", "  --v=2 --profiling=false", &["--profiling"]),
    ("--leader-elect=true", "--leader-elect=false", &["--leader-elect"]),
    ("ExecStart=/opt/kubernetes/bin", "ExecStart=/usr/bin", &["program"]),
    ("ExecStart=", "ExecStart=-", &["prefixes"]),
    ("Restart=always", "Restart=on-failure", &["[Service] Restart"]),
    ("Restart=always\n", "", &["[Service] Restart"]),
    ("RestartSec=5", "RestartSec=10", &["[Service] RestartSec"]),
    ("RestartSec=5", "RestartSec=5\nUser=kube", &["[Service] User"]),
    ("RestartSec=5", "RestartSec=5\nEnvironment=GOGC=50", &["[Service] Environment"]),
    ("RestartSec=5", "RestartSec=5\nCapabilityBoundingSet=", &["[Service] CapabilityBoundingSet"]),
    ("RestartSec=5", "RestartSec=5\nEnvironmentFile=/etc/process", &["[Service] EnvironmentFile"]),
    ("[Install]", "[Unit]\nAfter=x.target\n[Install]", &["[Unit] After"]),
    ("multi-user", "graphical", &["[Install] WantedBy"]),
    ("  --v=2", "  --v=2 $OPTS\nEnvironmentFile=/etc/more", &["--profiling", "--v"]),
    // The last of two counts.
    ("--v=2", "--v=2 \\\n  --kubeconfig=/x", &["--kubeconfig"]),
];

fn settings(document: &Value) -> Vec<&str> {
    let differences = document["differences"].as_array().unwrap();
    differences.iter().map(|it| it["setting"].as_str().unwrap()).collect()
}

fn workspace() -> (Workspace, String) {
    let workspace = Workspace::new();
    workspace.write("root/etc/opts", "OPTS=--v=2\n");
    workspace.write("root/etc/more", "OPTS=\"--v=5 --profiling=false\"\n");
    workspace.write("root/etc/process", "GOGC=50\n");
    let text = unit(&workspace);
    workspace.write(&format!("a/{UNIT}"), &text);
    (workspace, text)
}

#[test]
fn every_pair_differs_in_the_settings_with_another_effect_only() {
    let (workspace, text) = workspace();
    let (first, second) = (format!("a/{UNIT}"), format!("b/{UNIT}"));
    for (from, to, expected) in PAIRS {
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{from}");
        workspace.write(&second, changed);
        for pair in [[&*first, &second], [&*second, &first]] {
            let line = [&["unit", "diff"], &pair[..], &["--root", "root"]].concat();
            let (exit, document) = document(&workspace, &line);
            assert_eq!(settings(&document), *expected, "{to:?}: {document:#}");
            assert_eq!(exit, if expected.is_empty() { 0 } else { 3 }, "{to:?}");
            let text = workspace.kcm(&line);
            assert_eq!(text.code, exit, "{to:?}: {text:?}");
            assert!(expected.iter().all(|it| text.stdout.contains(it)), "{to:?}: {text:?}");
        }
    }
    assert!(PAIRS.len() >= 20);
}

#[test]
fn a_drop_in_has_the_effect_of_a_changed_unit() {
    let (workspace, text) = workspace();
    let (first, second) = (format!("a/{UNIT}"), format!("b/{UNIT}"));
    workspace.write(&format!("{first}.d/10.conf"), "[Service]\nRestartSec=10\nNice=5\n");
    workspace.write(&second, text.replace("RestartSec=5", "RestartSec=10\nNice=5"));
    let (exit, document) = document(&workspace, &["unit", "diff", &first, &second]);
    assert_eq!((exit, settings(&document)), (0, vec![]));
    workspace.write(&format!("{first}.d/20.conf"), "[Service]\nNice=\nNice=6\n");
    let (exit, document) = super::document(&workspace, &["unit", "diff", &first, &second]);
    assert_eq!((exit, settings(&document)), (3, vec!["[Service] Nice"]));
    let difference = &document["differences"][0];
    assert_eq!((&difference["first"][0], &difference["second"][0]), (&"6".into(), &"5".into()));
}

#[test]
fn a_unit_whose_effect_is_unknown_is_an_error() {
    let (workspace, text) = workspace();
    let (first, second) = (format!("a/{UNIT}"), format!("b/{UNIT}"));
    for (from, to) in [
        ("  --v=2", "  %b"),
        ("  --v=2", "  stray"),
        ("ExecStart=", "ExecStart=@"),
        ("[Unit]", "[Unit"),
    ] {
        workspace.write(&second, text.replace(from, to));
        let ran = workspace.kcm(&["unit", "diff", &first, &second]);
        assert!(ran.code == 1 && ran.stderr.contains(&second), "{to}: {ran:?}");
        let errors = ran.stderr.matches("error: ").count();
        assert_eq!((&*ran.stdout, errors), ("", 1), "{to}: {ran:?}");
    }
}
