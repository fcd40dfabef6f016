use proptest::prelude::*;

use super::*;

/// Not a digest, but as long as one, and safe to look for.
fn digest(bytes: &[u8]) -> String {
    let sum = bytes.iter().fold(0u64, |sum, b| sum.wrapping_mul(31).wrapping_add(u64::from(*b)));
    format!("{sum:064x}")
}

fn view(text: &str) -> String {
    public_view(text, |bytes| format!("<{}>", bytes.len()))
}

#[test]
fn a_kubeconfig_of_kubectl_is_shown_but_for_its_key() {
    let text = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: LS0tQQ==\n    server: https://192.168.1.210:6443\n  name: kubernetes\ncontexts:\n- context:\n    cluster: kubernetes\n    user: kube-controller-manager\n  name: default\ncurrent-context: \"\"\nkind: Config\npreferences: {}\nusers:\n- name: kube-controller-manager\n  user:\n    client-certificate-data: LS0tQg==\n    client-key-data: LS0tQw==\n";
    let expected = text.replace("client-key-data: LS0tQw==", "client-key-data: sha256:<8>");
    assert_eq!(view(text), expected);
}

#[test]
fn what_follows_a_hidden_block_is_shown_again() {
    let text = "users:\n- name: a\n  user:\n    exec:\n      args:\n      - secret\n      command: x\n    client-key: /k.pem\n- name: b\n  user:\n    token: |\n      server: secret\n    username: \"x\"\n    tokenFile: /t\n";
    let expected = "users:\n- name: a\n  user:\n    exec:\nsha256:<11>\nsha256:<14>\nsha256:<16>\n    client-key: /k.pem\n- name: b\n  user:\n    token: sha256:<1>\nsha256:<20>\n    username: sha256:<3>\n    tokenFile: /t\n";
    assert_eq!(view(text).replace("client-key: sha256:<6>", "client-key: /k.pem"), expected);
}

#[test]
fn odd_texts_keep_their_lines() {
    assert_eq!(view(""), "");
    assert_eq!(view("\n"), "\n");
    assert_eq!(view("kind: Config"), "kind: Config\n");
    assert_eq!(view("\n\n  \nx"), "\n\n  \nsha256:<1>\n");
}

#[test]
fn a_private_key_under_a_public_name_is_hidden() {
    for shift in 0..3 {
        let mut pem = "x".repeat(shift);
        pem.push_str("-----BEGIN EC PRIVATE KEY-----\n");
        let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pem);
        let text = format!("    client-certificate-data: {data}\n");
        assert!(!view(&text).contains(&data), "{text}");
    }
}

#[test]
fn a_line_that_opens_something_hides_the_rest() {
    for open in [
        "token: \"a",
        "token: 'a",
        "user: {token: a,",
        "args: [a,",
        "\"token",
        "? \"a",
        "# x\n- 'a",
        "exec: \"a\" b \"",
        "token: \"a\\\"",
        "x\ry",
        "x: y\u{2028}",
        "--- {",
        "name: \"a\"\"",
    ] {
        let text = format!("{open}\nserver: secret\n");
        assert!(!view(&text).contains("server: secret"), "{text:?} {}", view(&text));
    }
}

#[test]
fn hidden_lists_without_indentation_stay_hidden() {
    for text in [
        "as-groups:\n- server: secret\n",
        "- as-groups:\n  - server: secret\n",
        "  token:\n  -\n    server: secret\n",
    ] {
        assert!(!view(text).contains("secret"), "{text}");
    }
}

const SECRET: &str = "sEcReT";

/// A secret value in every style of YAML, for a key at `indent`.
fn styles(indent: usize, prefix: &str) -> Vec<String> {
    let deeper = " ".repeat(indent + 2);
    let s = format!("{prefix}{SECRET}");
    vec![
        format!(" {s}"),
        format!(" \"{s}\""),
        format!(" '{s}'"),
        format!(" \"a\n{s}\""),
        format!(" 'a''\n{s}'"),
        format!(" \"a\\\"\n{s}\"\n"),
        format!(" \"a\n\n{deeper}{s}\n\""),
        format!(" |\n{deeper}{s}\n\n{deeper}{s}"),
        format!(" |2-\n{deeper}    {s}\n{deeper}{s}"),
        format!(" >-\n{deeper}{s}\n{deeper} {s}"),
        format!("\n{deeper}{s}"),
        format!("\n{deeper}\"{s}\n{s}\""),
        format!(" a\n{deeper}{s}"),
        format!(" !!str {s}"),
        format!(" &a {s}"),
        format!(" {{a: b, {s}: c,\n{s}: {s}}}"),
        format!(" [a,\n{s}\n]"),
        format!(
            "\n{}- {s}\n{}- a: |\n{}     {s}",
            " ".repeat(indent),
            " ".repeat(indent),
            " ".repeat(indent)
        ),
        format!("  {s} # {s}"),
        format!(" a\r{deeper}{s}"),
        format!(" \"a\u{2028}{s}\""),
        format!(" a # '\n{deeper}# {s}"),
    ]
}

fn secret_key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "token",
        "password",
        "client-key-data",
        "exec",
        "auth-provider",
        "extensions",
        "unknown",
        "\"token\"",
        "'token'",
        "? token\n:",
        "- token",
        "-   token",
        "- - token",
        "as-groups",
    ])
}

fn harmless() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "server: https://a",
        "name: b",
        "client-key: /k",
        "# it's",
        "",
        "user:",
        "- name: c",
        "username: \"x\"",
        "x: [1]",
        "preferences: {}",
        "token: t",
        "namespace: \"y",
        "-",
        "- - {}",
        "key: 'v' # '",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_secret_under_a_secret_key_is_never_shown(
        before in prop::collection::vec((0usize..6, harmless()), 0..6),
        indent in 0usize..6,
        key in secret_key(),
        style in any::<prop::sample::Index>(),
        prefix in prop::sample::select(vec!["", "server: ", "name: ", "- name: ", "user: ", "client-certificate-data: "]),
        after in prop::collection::vec((0usize..6, harmless()), 0..4),
    ) {
        let line = |(indent, line): &(usize, &str)| format!("{}{line}\n", " ".repeat(*indent));
        let blanks = " ".repeat(indent);
        let dashes = key.len() - key.trim_start_matches(['-', ' ']).len();
        let styles = styles(indent + dashes, prefix);
        let value = style.get(&styles);
        let colon = if key.ends_with(':') { "" } else { ":" };
        let key = key.replace('\n', &format!("\n{blanks}"));
        let mut lines: Vec<String> = before.iter().map(line).collect();
        lines.push(format!("{blanks}{key}{colon}{value}\n"));
        lines.extend(after.iter().map(line));
        let text = lines.concat();
        let view = public_view(&text, digest);
        prop_assert!(!view.contains(SECRET), "{text}\n=>\n{view}");
        prop_assert_eq!(view.lines().count(), text.matches('\n').count());
    }

    #[test]
    fn any_text_at_all_has_a_view(text in "[ \\-a-z:\"'{}\\[\\]#|>&*!?\r\n\u{2028}é]{0,200}") {
        let view = public_view(&text, digest);
        prop_assert!(view.is_empty() || view.ends_with('\n'));
    }
}
