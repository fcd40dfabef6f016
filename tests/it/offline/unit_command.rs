//! Tests of `kcm unit`: what it says of a unit is what systemd does with the unit.

mod check;
mod diff;

use kcm_tests::{CommandOutput, Workspace};
use serde_json::Value;

use crate::offline::schemas::assert_output_is_valid;
use crate::offline::systemd::{argv, has_systemd};

const UNIT: &str = "kube-controller-manager.service";
const MASTER: &str = "k8s-master-01";

fn render(workspace: &Workspace, further: &[&str]) -> CommandOutput {
    workspace.kcm(&[&["unit", "render"], further].concat())
}

/// Returns the unit of the tutorial's first master.
fn unit(workspace: &Workspace) -> String {
    let ran = render(workspace, &["--master", MASTER]);
    assert_eq!((ran.code, &*ran.stderr), (0, ""), "{ran:?}");
    ran.stdout
}

/// Runs a command with `-o json`; returns its exit code and its document, which must be valid.
fn document(workspace: &Workspace, line: &[&str]) -> (i32, Value) {
    let ran = workspace.kcm(&[line, &["-o", "json"]].concat());
    assert_eq!(assert_output_is_valid(&ran.stdout).len(), 1, "{ran:?}");
    (ran.code, serde_json::from_str(&ran.stdout).unwrap())
}

#[test]
fn the_unit_of_a_master_is_the_one_that_apply_writes() {
    for systemd in
        ["", "systemd: {hardening: strict, user: kube, directives: {Service: {Nice: 5}}}\n"]
    {
        let workspace = Workspace::new();
        workspace.edit("masters:\n", &format!("{systemd}masters:\n"));
        let rendered = ["k8s-master-01", "k8s-master-02", "k8s-master-03"]
            .map(|master| (master, render(&workspace, &["--master", master])));
        let flags = "controllerManager: {flags: {external-cloud-volume-plugin: 'a \"b\" $c %d'}}\nmasters:\n";
        workspace.apply();
        for (master, ran) in rendered {
            let written = workspace.read(&format!("out/{master}/etc/systemd/system/{UNIT}"));
            assert_eq!((ran.code, ran.stdout), (0, written), "{master}");
        }
        workspace.edit("masters:\n", flags);
        let hostile = unit(&workspace);
        workspace.apply();
        let written = workspace.read(&format!("out/{MASTER}/etc/systemd/system/{UNIT}"));
        assert_eq!(hostile, written);
    }
}

#[test]
fn flags_after_two_dashes_reach_the_process_verbatim() {
    if !has_systemd() {
        return;
    }
    let workspace = Workspace::empty();
    let hostile = [
        "--cluster-name=a b",
        "--controllers=*,-x",
        "--node-monitor-period=%n $HOME ${HOME} \\ \" '",
        "--external-cloud-volume-plugin=\u{1F600} ä\ttab",
        "--feature-gates=A=true,B=false",
        "--v=2",
    ];
    let options =
        ["--program", "/opt/my dir/kcm%n", "--user", "kube", "--hardening", "strict", "--"];
    let ran = render(&workspace, &[&options[..], &hostile].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("\nUser=kube\nNoNewPrivileges=yes\n"), "{}", ran.stdout);
    let mut expected: Vec<_> = hostile.iter().map(|it| it.as_bytes().to_vec()).collect();
    expected.sort();
    let mut found = argv(&ran.stdout);
    assert_eq!(found.remove(0), b"/opt/my dir/kcm%n");
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_rendered_unit_has_no_findings_and_equals_itself() {
    let workspace = Workspace::new();
    workspace.write(UNIT, unit(&workspace));
    let ran = workspace.kcm(&["unit", "check", UNIT, "--kubernetes", "1.36"]);
    assert_eq!((ran.code, &*ran.stderr), (0, ""), "{ran:?}");
    assert!(ran.stdout.ends_with("No findings in 1 unit.\n"), "{ran:?}");
    let ran = workspace.kcm(&["unit", "diff", UNIT, UNIT]);
    assert_eq!((ran.code, &*ran.stderr), (0, ""), "{ran:?}");
}
