//! Tests that the documents are true: the commands of both READMEs run, the links lead somewhere,
//! and both languages have the same finding codes, metrics and exit codes.

mod links;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kcm_tests::{Workspace, kcm, peers};

/// Returns the path of a file of the repository.
fn repository(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn document(path: impl AsRef<Path>) -> String {
    fs::read_to_string(repository(path)).unwrap()
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

/// Returns the table rows of a page that begin with a code: the code, and the codes in the second
/// cell.
fn coded_rows(page: &str) -> Vec<(String, Vec<String>)> {
    let text = document(page);
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" |");
        let code = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        let others = cells.next()?.split('`').skip(1).step_by(2);
        Some((code.to_owned(), others.map(str::to_owned).collect()))
    });
    rows.collect()
}

/// Returns the exit codes of the table of a page.
fn exit_codes(page: &str) -> Vec<String> {
    let text = document(page);
    let codes = text.lines().filter_map(|line| {
        let code = line.strip_prefix("| ")?.split(' ').next()?;
        code.parse::<u8>().ok().map(|_| code.to_owned())
    });
    codes.collect()
}

// The unit tests of kcm compare the English pages with the code.

#[test]
fn both_languages_document_the_same_finding_codes() {
    let (english, chinese) = (headings("docs/en/findings.md"), headings("docs/zh-CN/findings.md"));
    assert!(english.len() > 100, "{english:?}");
    assert_eq!(english, chinese);
}

/// Returns the code blocks of a page without comments, and the code spans outside them.
fn code(page: &str) -> (Vec<String>, BTreeSet<String>) {
    let text = document(page);
    let parts: Vec<_> = text.split("```").collect();
    let blocks = parts.iter().skip(1).step_by(2).map(|block| {
        let lines = block.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
        lines.collect::<Vec<_>>().join("\n")
    });
    let spans = parts.iter().step_by(2).flat_map(|text| text.split('`').skip(1).step_by(2));
    (blocks.collect(), spans.map(str::to_owned).collect())
}

#[test]
fn both_languages_have_the_same_code() {
    let pages = [
        "tutorial",
        "deploy",
        "adopt",
        "renew",
        "status-and-monitoring",
        "drill",
        "rollback-and-remove",
        "troubleshooting",
        "findings",
        "reference/metrics",
        "reference/exit-codes-and-json",
    ];
    let pages = pages.map(|page| (format!("docs/en/{page}.md"), format!("docs/zh-CN/{page}.md")));
    let readmes = ("README.md".to_owned(), "README.zh-CN.md".to_owned());
    for (english, chinese) in pages.into_iter().chain([readmes]) {
        assert_eq!(code(&english), code(&chinese), "{english}");
    }
}

#[test]
fn both_languages_document_the_same_metrics_and_labels() {
    let metrics = |page: &str| {
        let rows = coded_rows(page).into_iter();
        rows.filter(|(name, _)| name.starts_with("kcm_")).collect::<Vec<_>>()
    };
    let english = metrics("docs/en/reference/metrics.md");
    assert!(english.len() > 10, "{english:?}");
    assert_eq!(english, metrics("docs/zh-CN/reference/metrics.md"));
}

#[test]
fn both_languages_document_the_exit_codes_and_error_codes_of_kcm() {
    let help = Workspace::empty().kcm(&["--help"]).stdout;
    let (_, listed) = help.split_once("Exit codes:\n").unwrap();
    let listed = listed.lines().filter_map(|line| line.split_whitespace().next());
    // The text of a code may go on in the next line.
    let listed: Vec<_> = listed.filter(|word| word.parse::<u8>().is_ok()).collect();
    for language in ["en", "zh-CN"] {
        let page = format!("docs/{language}/reference/exit-codes-and-json.md");
        assert_eq!(exit_codes(&page), listed, "{page}");
    }
    let codes = |language: &str| {
        let rows = coded_rows(&format!("docs/{language}/reference/exit-codes-and-json.md"));
        let is_code = |code: &String| code.chars().all(|it| it.is_ascii_lowercase() || it == '-');
        rows.into_iter().map(|(code, _)| code).filter(is_code).collect::<Vec<_>>()
    };
    assert_eq!(codes("en"), codes("zh-CN"));
}
