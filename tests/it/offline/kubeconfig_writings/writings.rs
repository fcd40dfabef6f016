//! Texts of valid and invalid kubeconfigs, in all spellings of YAML.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value as Json;

pub(super) const BLOCK: &str = "apiVersion: v1
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

pub(super) fn pem(label: &str, filling: &str) -> String {
    let body = filling.repeat(40);
    let lines = body.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned());
    let lines = lines.collect::<Vec<_>>().join("\n");
    BASE64.encode(format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"))
}

/// Returns the text with data in place of `CA`, `CRT` and `KEY`; `CAn` is a part of it.
pub(super) fn filled(text: &str) -> String {
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

/// Returns the block form with replacements.
pub(super) fn block(replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(BLOCK.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

pub(super) const FLOW: &str = "{apiVersion: v1, kind: Config, current-context: default,
clusters: [{name: kubernetes, cluster: {server: 'https://10.0.0.10:6443', certificate-authority-data: CA}}],
contexts: [{name: default, context: {cluster: kubernetes, user: kcm}}],
users: [{name: kcm, user: {client-certificate-data: CRT, client-key-data: KEY}}]}
";
pub(super) const JSON: &str = r#"{"apiVersion":"v1","kind":"Config","preferences":{},"clusters":[{"name":"kubernetes","cluster":{"server":"https://10.0.0.10:6443","certificate-authority-data":"CA"}}],"users":[{"name":"kcm","user":{"client-certificate-data":"CRT","client-key-data":"KEY"}}],"contexts":[{"name":"default","context":{"cluster":"kubernetes","user":"kcm"}}],"current-context":"default"}"#;

/// Returns texts that kcm must accept or refuse exactly as kubectl does.
pub(super) fn writings() -> Vec<String> {
    let all = [
        in_other_layouts(),
        in_block_scalars(),
        with_other_values(),
        with_other_access(),
        not_valid(),
    ];
    all.iter().flatten().map(|text| filled(text)).collect()
}

fn in_other_layouts() -> Vec<String> {
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
    vec![
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
        BLOCK.replace('\n', "\n\n"),
        BLOCK.replace('\n', " \n"),
        BLOCK.replace('\n', "\t\n"),
        BLOCK.replace('\n', " # note: 'x' \"y\n"),
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
    ]
}

fn in_block_scalars() -> Vec<String> {
    let mut all = Vec::new();
    for header in ["|", "|-", "|+", ">", ">-", "|2", ">+ # pem"] {
        let text =
            |name: &str| format!(": {header}\n      {name}1\n      {name}2\n      {name}3\n");
        all.push(block(&[
            (": CA\n", &text("CA")),
            (": CRT\n", &text("CRT")),
            (": KEY\n", &text("KEY")),
        ]));
    }
    all
}

fn with_other_values() -> Vec<String> {
    let quoted = |quote: &str| format!(": {quote}KEY1\n      KEY2\n\n      KEY3{quote}\n");
    vec![
        block(&[(": KEY\n", &quoted("\""))]),
        block(&[(": KEY\n", &quoted("'"))]),
        block(&[
            ("name: kubernetes", "name: &name kubernetes"),
            ("cluster: kubernetes", "cluster: *name"),
        ]),
        block(&[
            ("- cluster:\n", "- cluster: &c\n"),
            ("  name: kubernetes\n", "  name: kubernetes\n- name: other\n  cluster: *c\n"),
        ]),
        block(&[
            ("- cluster:\n", "- cluster: &c\n"),
            (
                "  name: kubernetes\n",
                "  name: kubernetes\n- name: other\n  cluster: {<<: *c, server: 'https://b'}\n",
            ),
        ]),
        block(&[
            ("- cluster:\n", "- cluster: &c\n"),
            (
                "  name: kubernetes\n",
                "  name: other\n- name: kubernetes\n  cluster:\n    <<: *c\n    server: https://b\n",
            ),
        ]),
        block(&[("    server", "    insecure-skip-tls-verify: no\n    server")]),
        block(&[(
            "    server",
            "    insecure-skip-tls-verify: true\n    tls-server-name: api.example\n    proxy-url: http://10.0.0.9:3128\n    server",
        )]),
        block(&[("https://10.0.0.10:6443", "https://[fd00::1]:6443")]),
        block(&[("https://10.0.0.10:6443", "HTTPS://lb.example/a%20b/~c")]),
        block(&[(": CRT\n", ": CRT\n    token: SECRETSECRET,d?[e]\n")]),
        block(&[(": CRT\n", ": CRT\n    username: admin\n    password: 'it''s'\n")]),
        block(&[(
            ": CRT\n",
            ": CRT\n    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: x\n      args:\n        - --name\n        - \"a b\"\n      env:\n      - name: A\n        value: SECRETSECRET\n      interactiveMode: Never\n",
        )]),
        block(&[(
            ": CRT\n",
            ": CRT\n    auth-provider: {name: oidc, config: {id-token: SECRETSECRET, server: a}}\n",
        )]),
        block(&[(": CRT\n", ": CRT\n    extra: SECRETSECRET\n")]),
    ]
}

fn with_other_access() -> Vec<String> {
    vec![
        block(&[(
            "kind: Config\n",
            "kind: Config\npreferences: {colors: true}\nx-unknown: [a, {b: c}]\n",
        )]),
        block(&[("kind: Config\n", "")]),
        block(&[("apiVersion: v1\n", "")]),
        block(&[("apiVersion: v1\n", "apiVersion: v2\n")]),
        block(&[("kind: Config\n", "kind: Deployment\n")]),
        block(&[("    server", "    server: https://first\n    server")]),
        block(&[("users:\n", "users: null\nusers:\n")]),
        block(&[(
            "  name: kubernetes\n",
            "  name: kubernetes\n- cluster: {server: a}\n  name: kubernetes\n",
        )]),
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
        block(&[
            ("client-certificate-data: CRT", "client-certificate: /etc/a b/kcm.pem"),
            ("client-key-data: KEY", "client-key: ../kcm-key.pem"),
        ]),
    ]
}

fn not_valid() -> Vec<String> {
    vec![
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
    ]
}

/// Returns texts that kubectl accepts and kcm refuses with their line, because tokens alone do not
/// show which values are public.
pub(super) fn hidden() -> Vec<(usize, String)> {
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
