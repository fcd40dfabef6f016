//! Tests that the documents are true: the commands of both READMEs run, and every finding code is
//! documented in both languages.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use kcm_tests::{Workspace, kcm, peers};
use serde_json::Value;

fn document(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// Returns the shell blocks of a document.
fn shell_blocks(text: &str) -> Vec<&str> {
    text.split("```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// Returns the codes that the headings of a page name.
fn headings(page: &str) -> BTreeSet<String> {
    let text = document(page);
    let codes = text.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    codes.map(str::to_owned).collect()
}

#[test]
fn the_first_quick_start_of_both_readmes_runs() {
    let (english, chinese) = (document("README.md"), document("README.zh-CN.md"));
    let starts = [&english, &chinese].map(|text| {
        shell_blocks(text).into_iter().find(|block| block.contains("--root out")).unwrap()
    });
    for start in starts {
        let folder = tempfile::tempdir().unwrap();
        let path = format!(
            "{}:{}",
            kcm().parent().unwrap().display(),
            std::env::var("PATH").unwrap_or_default()
        );
        // `kcm status` may report warnings (exit status 3).
        let script = start.replace("kcm status --root out", "kcm status --root out || test $? = 3");
        let mut shell = Command::new("sh");
        shell.args(["-euc", &script]).current_dir(folder.path()).env("PATH", path);
        peers::run(&mut shell);
        let unit = "kcm-try/out/k8s-master-03/etc/systemd/system/kube-controller-manager.service";
        assert!(folder.path().join(unit).is_file());
    }
}

#[test]
fn every_finding_code_is_documented_in_both_languages_and_no_other() {
    let ran = Workspace::empty().kcm(&["schema", "--of", "status"]);
    let schema: Value = serde_json::from_str(&ran.stdout).unwrap();
    let variants = schema["$defs"]["FindingCode"]["oneOf"].as_array().unwrap();
    let codes: BTreeSet<_> =
        variants.iter().map(|it| it["const"].as_str().unwrap().to_owned()).collect();
    let (english, chinese) = (headings("docs/en/findings.md"), headings("docs/zh-CN/findings.md"));
    assert_eq!(english, chinese);
    let missing: Vec<_> = codes.difference(&english).collect();
    assert!(codes.len() > 50 && missing.is_empty(), "{missing:?}");
}
