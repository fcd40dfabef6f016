//! Ways of writing a kubeconfig: kcm reads what kubectl reads, with the same effect, and no secret is shown.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kcm_kubeconfig::{Access, AccessError, public_view};
use kcm_pki::Fingerprint;
use kcm_tests::peers;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value as Json;

const BLOCK: &str = "apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority-data: CA
    server: https://10.0.0.10:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: kcm
  name: default
current-context: default
users:
- name: kcm
  user:
    client-certificate-data: CRT
    client-key-data: KEY
";

fn pem(label: &str, filling: &str) -> String {
    let body = filling.repeat(40);
    let lines = body.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned());
    let lines = lines.collect::<Vec<_>>().join("\n");
    BASE64.encode(format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"))
}

/// The text with real data in place of CA, CRT and KEY; CAn is a piece of it.
fn filled(text: &str) -> String {
    let data = [
        ("CA", pem("CERTIFICATE", "MIICa+/")),
        ("CRT", pem("CERTIFICATE", "MIIDb/+")),
        ("KEY", pem("RSA PRIVATE KEY", "hunterTwo9+/")),
    ];
    data.into_iter().fold(text.to_owned(), |text, (name, data)| {
        let (a, rest) = data.split_at(76);
        let (b, c) = rest.split_at(76);
        let pieces = [("1", a), ("2", b), ("3", c)];
        let text = pieces.into_iter().fold(text + "\0", |text, (number, piece)| {
            text.replace(&format!("{name}{number}"), piece)
        });
        let text = [
            ("\"", "\""),
            ("'", "'"),
            (": ", "\n"),
            (": ", "\r"),
            (": ", " "),
            (": ", "\t"),
            (": ", "}"),
            (": ", ","),
            (": ", "\0"),
            ("\t", "\n"),
        ]
        .into_iter()
        .fold(text, |text, (before, after)| {
            text.replace(&format!("{before}{name}{after}"), &format!("{before}{data}{after}"))
        });
        text.trim_end_matches('\0').to_owned()
    })
}

/// The block form with replacements.
fn block(replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(BLOCK.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

const FLOW: &str = "{apiVersion: v1, kind: Config, current-context: default,
clusters: [{name: kubernetes, cluster: {server: 'https://10.0.0.10:6443', certificate-authority-data: CA}}],
contexts: [{name: default, context: {cluster: kubernetes, user: kcm}}],
users: [{name: kcm, user: {client-certificate-data: CRT, client-key-data: KEY}}]}
";
const JSON: &str = r#"{"apiVersion":"v1","kind":"Config","preferences":{},"clusters":[{"name":"kubernetes","cluster":{"server":"https://10.0.0.10:6443","certificate-authority-data":"CA"}}],"users":[{"name":"kcm","user":{"client-certificate-data":"CRT","client-key-data":"KEY"}}],"contexts":[{"name":"default","context":{"cluster":"kubernetes","user":"kcm"}}],"current-context":"default"}"#;

/// Writings that are to be accepted or refused exactly as by kubectl.
fn writings() -> Vec<String> {
    let pretty = |indent: &str| {
        let value: Json = serde_json::from_str(JSON).unwrap();
        let mut out = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
        serde::Serialize::serialize(&value, &mut serializer).unwrap();
        String::from_utf8(out).unwrap()
    };
    let name_first = "clusters:\n- name: kubernetes\n  cluster:\n    certificate-authority-data: CA\n    server: https://10.0.0.10:6443\n";
    let as_is = "clusters:\n- cluster:\n    certificate-authority-data: CA\n    server: https://10.0.0.10:6443\n  name: kubernetes\n";
    let mut all = vec![
        BLOCK.to_owned(),
        FLOW.to_owned(),
        FLOW.replace('\n', " "),
        JSON.to_owned(),
        JSON.replace('/', "\\/"),
        JSON.replace("\":", "\" : "),
        pretty("  "),
        pretty("\t"),
        pretty("    ").replace('\n', "\r\n"),
        format!("\u{feff}{JSON}"),
        format!("---\n{JSON}\n"),
        format!("--- {JSON}\n"),
        format!("\u{feff}{BLOCK}"),
        BLOCK.replace('\n', "\r\n"),
        BLOCK.trim_end().to_owned(),
        format!("---\n{BLOCK}"),
        format!("# managed by a tool's template: don't edit\n\n{BLOCK}"),
        format!("# one\n--- # two\n{BLOCK}"),
        format!("{BLOCK}---\n{BLOCK}"),
        format!("{BLOCK}---\nnot: [yaml\n"),
        format!("{BLOCK}...\n"),
        format!("{BLOCK}# client-key-data: {}\n", pem("RSA PRIVATE KEY", "old")),
        BLOCK.replace("\n", "\n\n"),
        BLOCK.replace("\n", " \n"),
        BLOCK.replace("\n", "\t\n"),
        BLOCK.replace("\n", " # note: 'x' \"y\n"),
        BLOCK.replace(": ", ":   "),
        BLOCK.replace(": ", ":\t"),
        BLOCK
            .replace("\n-", "\n  -")
            .replace("\n  c", "\n    c")
            .replace("\n  n", "\n    n")
            .replace("\n  u", "\n    u")
            .replace("\n    c", "\n      c")
            .replace("\n    s", "\n      s")
            .replace("\n    u", "\n      u")
            .replace("\n      name", "\n    name")
            .replace("\n      user:\n", "\n    user:\n"),
        block(&[
            ("- cluster:", "-   cluster:"),
            ("  name: kubernetes", "    name: kubernetes"),
            ("    cert", "        cert"),
            ("    server", "        server"),
        ]),
        block(&[(as_is, name_first)]),
        block(&[("- name: kcm", "-\n  name: kcm")]),
        block(&[("name: kubernetes", "name: \"kubernetes\"")]),
        block(&[("https://10.0.0.10:6443", "\"https://10.0.0.10:6443\"")]),
        block(&[("https://10.0.0.10:6443", "'https://10.0.0.10:6443' # x")]),
        block(&[
            ("current-context", "\"current-context\""),
            ("kind", "'kind'"),
            ("server", "\"server\""),
        ]),
        block(&[(": CA\n", ": \"CA\"\n"), (": KEY\n", ": 'KEY'\n")]),
        block(&[(": CA\n", ":\n      CA1\n      CA2\n      CA3\n")]),
        block(&[(": CA\n", ": CA1\n      CA2\n      CA3\n")]),
    ];
    for header in ["|", "|-", "|+", ">", ">-", "|2", ">+ # pem"] {
        let text =
            |name: &str| format!(": {header}\n      {name}1\n      {name}2\n      {name}3\n");
        all.push(block(&[
            (": CA\n", &text("CA")),
            (": CRT\n", &text("CRT")),
            (": KEY\n", &text("KEY")),
        ]));
    }
    let quoted = |quote: &str| format!(": {quote}KEY1\n      KEY2\n\n      KEY3{quote}\n");
    all.extend([
        block(&[(": KEY\n", &quoted("\""))]),
        block(&[(": KEY\n", &quoted("'"))]),
        block(&[("name: kubernetes", "name: &name kubernetes"), ("cluster: kubernetes", "cluster: *name")]),
        block(&[("- cluster:\n", "- cluster: &c\n"), ("  name: kubernetes\n", "  name: kubernetes\n- name: other\n  cluster: *c\n")]),
        block(&[("- cluster:\n", "- cluster: &c\n"), ("  name: kubernetes\n", "  name: kubernetes\n- name: other\n  cluster: {<<: *c, server: 'https://b'}\n")]),
        block(&[("- cluster:\n", "- cluster: &c\n"), ("  name: kubernetes\n", "  name: other\n- name: kubernetes\n  cluster:\n    <<: *c\n    server: https://b\n")]),
        block(&[("    server", "    insecure-skip-tls-verify: no\n    server")]),
        block(&[("    server", "    insecure-skip-tls-verify: true\n    tls-server-name: api.example\n    proxy-url: http://10.0.0.9:3128\n    server")]),
        block(&[("https://10.0.0.10:6443", "https://[fd00::1]:6443")]),
        block(&[("https://10.0.0.10:6443", "HTTPS://lb.example/a%20b/~c")]),
        block(&[(": CRT\n", ": CRT\n    token: SECRETSECRET,d?[e]\n")]),
        block(&[(": CRT\n", ": CRT\n    username: admin\n    password: 'it''s'\n")]),
        block(&[(": CRT\n", ": CRT\n    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: x\n      args:\n        - --name\n        - \"a b\"\n      env:\n      - name: A\n        value: SECRETSECRET\n      interactiveMode: Never\n")]),
        block(&[(": CRT\n", ": CRT\n    auth-provider: {name: oidc, config: {id-token: SECRETSECRET, server: a}}\n")]),
        block(&[(": CRT\n", ": CRT\n    extra: SECRETSECRET\n")]),
        block(&[("kind: Config\n", "kind: Config\npreferences: {colors: true}\nx-unknown: [a, {b: c}]\n")]),
        block(&[("kind: Config\n", "")]),
        block(&[("apiVersion: v1\n", "")]),
        block(&[("apiVersion: v1\n", "apiVersion: v2\n")]),
        block(&[("kind: Config\n", "kind: Deployment\n")]),
        block(&[("    server", "    server: https://first\n    server")]),
        block(&[("users:\n", "users: null\nusers:\n")]),
        block(&[("  name: kubernetes\n", "  name: kubernetes\n- cluster: {server: a}\n  name: kubernetes\n")]),
        block(&[("name: default\n", "name: 1\n"), ("context: default\n", "context: 1\n")]),
        block(&[("name: default\n", "name: \"1\"\n"), ("context: default\n", "context: '1'\n")]),
        block(&[("default\n", "yes\n")]),
        block(&[("default\n", "2001-01-01\n")]),
        block(&[("default\n", "arn:aws:eks:eu-1:1:cluster/a@b\n")]),
        block(&[("default\n", "my own context\n")]),
        block(&[("default\n", "集群\n")]),
        block(&[("default\n", "a, b\n")]),
        block(&[("    server", "    Server")]),
        block(&[("clusters:", "Clusters:")]),
        block(&[("    server: https://10.0.0.10:6443\n", "")]),
        block(&[("current-context: default", "current-context: \"\"")]),
        block(&[("current-context: default", "current-context: other")]),
        block(&[("current-context: default", "current-context:")]),
        block(&[("    cluster: kubernetes", "    cluster: nowhere")]),
        block(&[("    user: kcm", "    user: nobody")]),
        block(&[("- name: kcm\n", "- null\n- name: kcm\n")]),
        block(&[("    client-key-data: KEY", "    client-key-data: /etc/key.pem")]),
        block(&[("    client-key-data: KEY", "    client-key-data: UEVNUEV")]),
        block(&[("client-certificate-data: CRT", "client-certificate: /etc/a b/kcm.pem"), ("client-key-data: KEY", "client-key: ../kcm-key.pem")]),
        block(&[("    server", "\tserver")]),
        block(&[("    server: ", "    server: a: ")]),
        block(&[("users:", "users")]),
        block(&[("    server", "   server")]),
        BLOCK.replace("client-key-data: KEY", "client-key-data: \"KEY1"),
        FLOW.replace("]}\n", "]"),
        "{}".to_owned(),
        String::new(),
        "not a kubeconfig\n".to_owned(),
        "- a\n- b\n".to_owned(),
        "[]".to_owned(),
        "null\n".to_owned(),
    ]);
    all.iter().map(|text| filled(text)).collect()
}

/// Writings that kubectl takes and kcm refuses by their line, because tokens alone do not tell what is public.
fn hidden() -> Vec<(usize, String)> {
    let hidden = [
        (6, block(&[("    server", "    \"s\\x65rver\"")])),
        (6, block(&[("https:", "\"\\x68ttps:"), (":6443", ":6443\"")])),
        (6, block(&[("https://", "https://u:hunter22@")])),
        (4, block(&[("- cluster:", "? x\n: y\n- cluster:")])),
        (18, block(&[(": CRT\n", ": CRT\n    token: abc,\"d\n")])),
        (1, format!("%YAML 1.1\n---\n{BLOCK}")),
        (13, block(&[("context: default", "context: |-\n  default")])),
        (18, block(&[(": CRT\n", ": CRT\n    token: |\n      abc\n")])),
        (1, BLOCK.replace("users", "users\u{2028}")),
    ];
    hidden.into_iter().map(|(line, text)| (line, filled(&text))).collect()
}

/// What kubectl makes of a text, if it takes it.
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

/// What a shell with the functions of a master shows of each text.
fn by_shell(shell: &[&str], texts: &[String]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let functions = include_str!("../../kcm-cli/src/transport/ssh/shell/kubeconfig.sh");
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
        // Written by kubectl, the same says the same.
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

/// Texts of the pieces of YAML, with a secret in each, always the same.
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
