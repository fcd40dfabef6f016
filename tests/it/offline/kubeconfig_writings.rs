//! Tests of spellings of a kubeconfig: kcm reads the same as kubectl, with the same effect, and
//! shows no secret.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use kcm_kubeconfig::{Access, AccessError, public_view};
use kcm_pki::Fingerprint;
use kcm_tests::{Workspace, peers};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value as Json;

use writings::{hidden, pem, writings};

mod writings;

/// Returns the content of a text as kubectl reads it, if kubectl accepts it.
fn by_kubectl(folder: &Path, text: &str) -> Option<Json> {
    fs::write(folder.join("file"), text).unwrap();
    let mut command = Command::new("kubectl");
    command.current_dir(folder).env("HOME", folder).env_remove("KUBECONFIG");
    command.args(["config", "view", "--raw", "-o", "json", "--kubeconfig", "file"]);
    let output = peers::output(&mut command);
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

fn view(text: &str) -> String {
    public_view(text, |value| Fingerprint::of(value).to_hex())
}

fn access(text: &str) -> Result<Access, AccessError> {
    Access::of_public_view(&view(text))
}

/// Returns the public view of each text, as the shell functions of a master print it.
fn by_shell(shell: &[&str], texts: &[String]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let functions = include_str!("../../../kcm-cli/src/transport/shell/scripts/kubeconfig.sh");
    let mut script = format!("LC_ALL=C; export LC_ALL; set -fuC\nnewline='\n'\n{functions}\n");
    for (index, text) in texts.iter().enumerate() {
        fs::write(folder.path().join(index.to_string()), text).unwrap();
        writeln!(script, "kubeconfig_public <{index} >{index}.out").unwrap();
    }
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).current_dir(folder.path()).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let read = |index: usize| fs::read(folder.path().join(format!("{index}.out"))).unwrap();
    (0..texts.len()).map(|index| String::from_utf8_lossy(&read(index)).into_owned()).collect()
}

fn shells() -> Vec<Vec<&'static str>> {
    let all = [vec!["sh"], vec!["bash", "--posix"], vec!["busybox", "sh"]];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_here = |name: &str| std::env::split_paths(&path).any(|it| it.join(name).is_file());
    all.into_iter().filter(|shell| is_here(shell[0])).collect()
}

#[test]
fn every_writing_is_accepted_exactly_if_kubectl_accepts_it() {
    if !peers::has("kubectl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut accepted = 0;
    for text in writings() {
        let theirs = by_kubectl(folder.path(), &text);
        let ours = access(&text);
        let Some(theirs) = theirs else {
            let ours = ours.map_err(|error| error.to_string());
            let ours = ours.map(|_| ());
            assert!(ours.as_ref().is_err_and(|it| it.contains("line ")), "{text}\n{ours:?}");
            continue;
        };
        // The form that kubectl writes has the same effect.
        let canonical = access(&serde_json::to_string(&theirs).unwrap());
        match (ours, canonical) {
            (Ok(ours), Ok(canonical)) => {
                let hides = ["SECRETSECRET", "it''s", "Server"].iter().any(|it| text.contains(it));
                assert!(hides || ours == canonical, "{text}");
                assert_eq!(ours.authority(), canonical.authority(), "{text}");
                assert_eq!(ours.certificate(), canonical.certificate(), "{text}");
                assert_eq!(ours.key_digest(), canonical.key_digest(), "{text}");
                accepted += 1;
                let name = theirs["contexts"][0]["context"]["cluster"].as_str().unwrap();
                let clusters = theirs["clusters"].as_array().unwrap();
                let cluster = clusters.iter().find(|it| it["name"] == name).unwrap();
                assert_eq!(ours.server(), cluster["cluster"]["server"], "{text}");
            }
            (Err(AccessError::Lookup(ours)), Err(AccessError::Lookup(canonical))) => {
                assert_eq!(ours, canonical, "{text}");
            }
            (ours, canonical) => {
                panic!("{text}\nours {:?}\nkubectl {:?}", ours.err(), canonical.err())
            }
        }
    }
    assert!(accepted >= 60, "{accepted}");
}

#[test]
fn what_cannot_be_told_apart_is_refused_by_its_line() {
    for (line, text) in hidden() {
        let error = access(&text).unwrap_err();
        assert!(matches!(error, AccessError::Hidden { .. }), "{text}\n{error}");
        assert!(error.to_string().starts_with(&format!("line {line}: ")), "{text}\n{error}");
    }
}

#[test]
fn no_key_is_in_the_view_of_any_writing() {
    let key = pem("RSA PRIVATE KEY", "hunterTwo9+/");
    for text in writings().into_iter().chain(hidden().into_iter().map(|(_, text)| text)) {
        let view = view(&text);
        let windows = (60..key.len() - 60).map(|at| &key[at..at + 8]);
        let shown = windows.into_iter().find(|it| view.contains(it));
        assert_eq!(shown, None, "{text}\n{view}");
        for secret in ["SECRETSECRET", "hunter22", "it''s"] {
            assert!(!view.contains(secret), "{view}");
        }
    }
}

#[test]
fn a_shell_shows_of_every_writing_what_kcm_shows() {
    let texts: Vec<_> = writings().into_iter().chain(hidden().into_iter().map(|it| it.1)).collect();
    for shell in shells() {
        for (text, shown) in texts.iter().zip(by_shell(&shell, &texts)) {
            assert_eq!(shown, view(text), "{shell:?} {text:?}");
        }
    }
}

/// Returns texts of YAML fragments with a secret in each, from a fixed seed.
fn hostile() -> Vec<String> {
    let piece = prop::sample::select(vec![
        "client-key-data",
        "token",
        "server",
        "name",
        "user",
        "users",
        "exec",
        "unknown",
        "proxy-url",
        "x y",
        "certificate-authority-data",
        "password",
        ": ",
        ":",
        " ",
        "  ",
        "\n",
        "\n  ",
        "\n    ",
        "\n- ",
        "\n  - ",
        "- ",
        "-",
        "\t",
        "\r\n",
        "\r",
        "\"",
        "'",
        "''",
        "\\",
        "\\\"",
        "\\/",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ",",
        "|",
        ">-\n",
        "#",
        " # ",
        "&a ",
        "*a",
        "!!str ",
        "?",
        "? ",
        "---\n",
        "...",
        "%",
        "@",
        "null",
        "~",
        "true",
        "1",
        "https://a:1",
        "https://u@h",
        "/k.pem",
        "LS0t",
        "é",
        "集",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{1}",
        "a",
        "YWJj\n  ZGVm",
        "=",
        "<<",
        "*",
        "$x",
        "`",
        "a,b",
        "(c)",
        "//[::1]:1",
        ".",
        "+",
        "hunterTwo9",
    ]);
    let text = prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat());
    let mut runner = TestRunner::deterministic();
    (0..600).map(|_| text.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn a_shell_shows_of_hostile_texts_what_kcm_shows() {
    let texts = hostile();
    for shell in shells() {
        for (text, shown) in texts.iter().zip(by_shell(&shell, &texts)) {
            assert_eq!(shown, view(text), "{shell:?} {text:?}");
        }
    }
}

#[test]
fn every_writing_that_kubectl_accepts_is_shown_in_kubectls_writing_without_secrets() {
    if !peers::has("kubectl") {
        return;
    }
    let workspace = Workspace::empty();
    let show = |text: &str| {
        workspace.write("x", text);
        workspace.kcm(&["kubeconfig", "show", "x"])
    };
    let key = pem("RSA PRIVATE KEY", "hunterTwo9+/");
    let mut shown = 0;
    for text in writings() {
        let theirs = by_kubectl(workspace.path(), &text);
        let ours = show(&text);
        assert!(!format!("{ours:?}").contains(&key[200..240]), "{text}");
        let Some(theirs) = theirs else {
            // kubectl reads JSON as YAML, and refuses escapes of JSON that YAML does not have.
            let is_refused = ours.code == 1 && ours.stderr.contains("line ");
            assert!(is_refused || text.starts_with('{'), "{text}\n{ours:?}");
            continue;
        };
        assert_eq!(ours.code, 0, "{text}\n{ours:?}");
        assert!(!ours.stdout.contains("# hidden"), "{text}\n{ours:?}");
        // Fields that kubectl does not know are kept.
        let canonical = show(&theirs.to_string()).stdout;
        let known = ours.stdout.lines().filter(|line| canonical.contains(*line)).count();
        assert!(known >= canonical.lines().count() - 1, "{text}\n{ours:?}\n{canonical}");
        shown += 1;
    }
    assert!(shown >= 60, "{shown}");
}
