use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

/// Returns a fake digest of the usual length that is safe to search for.
fn digest(bytes: &[u8]) -> String {
    let sum = bytes.iter().fold(0u64, |sum, b| sum.wrapping_mul(31).wrapping_add(u64::from(*b)));
    format!("{sum:064x}")
}

fn view(text: &str) -> String {
    public_view(text, |bytes| format!("<{}>", bytes.len()))
}

fn certificate() -> String {
    STANDARD.encode("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
}

#[test]
fn a_kubeconfig_of_kubectl_is_shown_but_for_its_key() {
    let text = format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {0}\n    server: https://192.168.1.210:6443\n  name: kubernetes\ncontexts:\n- context:\n    cluster: kubernetes\n    user: kube-controller-manager\n  name: default\ncurrent-context: \"\"\nkind: Config\npreferences: {{}}\nusers:\n- name: kube-controller-manager\n  user:\n    client-certificate-data: {0}\n    client-key-data: LS0tQw==\n",
        certificate()
    );
    let expected = text.replace("client-key-data: LS0tQw==", "client-key-data: sha256:<8>");
    assert_eq!(view(&text), expected);
}

#[test]
fn every_style_is_shown_alike() {
    for (text, expected) in [
        ("server: \"https://a:1/b\" # c", "server: \"https://a:1/b\" #"),
        (
            "{\"name\":\"a\",\"user\" : {\"token\":\"t\"}}",
            "{\"name\":\"a\",\"user\" : {\"token\":\"sha256:<1>\"}}",
        ),
        ("{\n\t\"name\": \"a\"\t\n}", "{\n\t\"name\": \"a\"\n}"),
        ("-   name: 'x y'\r\n-\r\n  name: z\r\n", "-   name: 'x y'\n-\n  name: z"),
        ("server: https://[::1]:6443", "server: https://[::1]:6443"),
        ("server: \"https:\\/\\/a\"", "server: \"escaped-sha256:<11>\""),
        (
            "certificate-authority-data: |-\n  A1\n  B2\nname: x",
            "certificate-authority-data: A1B2\n\n\nname: x",
        ),
        ("---\nname: &a b\nuser: *a", "   \nname: &<1> b\nuser: *<1>"),
        ("# x\n--- {\"name\": b}", "#\n    {\"name\": b}"),
        (
            "token: a,b [c] {d\nname: e",
            "token: sha256:<1>,sha256:<1> [sha256:<1>] {sha256:<1>\nname: e",
        ),
        ("name: a\n---\nname: b\n", "name: a"),
        (
            "exec:\n  args:\n  - a\n  - 'b'\n  env: null\nname: c",
            "exec:\n  sha256:<4>:\n  - sha256:<1>\n  - 'sha256:<1>'\n  sha256:<3>: null\nname: c",
        ),
        ("client-key-data: /k.pem", "client-key-data: not-base64-sha256:<6>"),
        ("user: \"a\\x41\"", "user: \"escaped-sha256:<5>\""),
        ("\u{feff}kind: Config", "kind: Config"),
        ("name: 集群", "name: sha256:<6>"),
        ("name: |\n  a", "name:  # hidden from here"),
        ("name: a\n  b", "name: a\n   # hidden from here"),
        ("a\rb", " # hidden from here"),
        ("\n\n  \nx", "\n\n\nsha256:<1>"),
    ] {
        let one = certificate();
        let text = text.replace("A1", &one[..40]).replace("B2", &one[40..]);
        let expected = expected.replace("A1", &one[..40]).replace("B2", &one[40..]);
        assert_eq!(view(&text), format!("{expected}\n"), "{text}");
    }
    assert_eq!(view(""), "");
}

#[test]
fn equal_values_have_equal_digests_in_every_style() {
    for style in ["YWJj", "'YWJj'", "\"YWJj\"", "\n  YWJj", "|\n  YWJj", "|2-\n  YW\n\n  Jj"] {
        let view = view(&format!("client-key-data: {style}\n"));
        assert!(view.contains("sha256:<4>"), "{view}");
    }
}

#[test]
fn what_is_no_certificate_is_hidden_under_every_key() {
    let key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIAbc\n-----END EC PRIVATE KEY-----\n";
    let both = format!("{}{key}", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for shift in 0..3 {
        for pem in [key, &both] {
            let data = STANDARD.encode("x".repeat(shift) + pem);
            for name in OUTER.iter().chain(LEAF) {
                for text in [
                    format!("{name}: {data}\n"),
                    format!("{name}: \"{data}\"\n"),
                    format!("{name}: |\n  {}\n  {}\n", &data[..50], &data[50..]),
                ] {
                    let view = view(&text);
                    assert!(!windows(&data).any(|it| view.contains(it)), "{text}\n{view}");
                }
            }
        }
    }
}

fn windows(secret: &str) -> impl Iterator<Item = &str> {
    (0..secret.len().saturating_sub(7)).filter_map(|at| secret.get(at..at + 8))
}

/// Returns a value in every YAML style, for a key at `indent`.
fn styles(indent: usize, s: &str) -> Vec<String> {
    let deeper = " ".repeat(indent + 2);
    let (a, b) = s.split_at(s.len() / 2);
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
        format!(" {a}\n{deeper}{b}"),
        format!(" |\n{deeper}{a}\n{deeper}{b}"),
        format!(" \"{a}\\\n{deeper}{b}\""),
        format!(" \"{a}\\n{b}\""),
        format!(" !!str {s}"),
        format!(" !{s} a"),
        format!(" &{s} a"),
        format!(" *{s}"),
        format!(" {{a: b, {s}: c,\n{s}: {s}}}"),
        format!(" {{\"server\":\"{s}\",\"name\": '{s}'}}"),
        format!(" [a,\n{s}\n]"),
        format!("\n{0}- {s}\n{0}- a: |\n{0}     {s}", " ".repeat(indent)),
        format!("\n{deeper}- name: {s}\n{deeper}  server: \"{s}\""),
        format!("  {s} # {s}"),
        format!(" a\r{deeper}{s}"),
        format!(" \"a\u{2028}{s}\""),
        format!(" a # '\n{deeper}# {s}"),
        format!(" a, \"{s}"),
        format!(" a [\"{s}"),
        format!(" ? {s}"),
        format!(" @{s}"),
        format!(" \"{s}"),
        format!(" '{s}"),
        format!(" |\n{deeper}'\n{deeper}name: {s}"),
        format!(" a \"b\n{deeper}server: {s}"),
        format!(" {}", s.chars().flat_map(|c| [c, '\0']).collect::<String>()),
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
        "{token",
        "{ \"user\": {\"token\"",
        "- {name: a, token",
        "#",
        "# server",
        "--- #",
        "x: &",
        "token ",
        "\"to\\x6ben\"",
        "client-certificate-data",
        "certificate-authority-data",
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
        "}",
        "]",
        "{",
        "name: {",
        "user: [",
        ",",
        "token: |",
        "name: >",
        "'",
        "\"",
        "a\tb",
        "\tname:",
        "---",
        "...",
        "%YAML 1.1",
        "? a",
        ": b",
        "a: b \"c",
        "x: &a",
        "y: *a",
        "! z",
        "\r",
        "\\",
        "name: a, b",
        "name: x # y",
        "password: a?b",
        "\"name\":\"z\"",
        "{\"a\":1,",
        "'name' : 'z'}",
        "- 'a",
        "- \"b",
    ])
}

prop_compose! {
    /// Generates a secret, or its base64, as in a kubeconfig.
    fn secret()(
        bytes in prop::collection::vec(any::<u8>(), 24..60),
        form in 0..5,
    ) -> String {
        let data = STANDARD.encode(&bytes);
        match form {
            0 => STANDARD.encode(format!("-----BEGIN RSA PRIVATE KEY-----\n{data}\n-----END RSA PRIVATE KEY-----\n")),
            1 => format!("ey{}.{}", data.replace(['+', '/', '='], "-"), data.replace(['+', '/', '='], "_")),
            2 => data.trim_end_matches('=').to_owned(),
            3 => format!("{}:{}", &data[..16], &data[16..]),
            _ => data.replace(['+', '/', '='], "x"),
        }
    }
}

#[test]
fn a_quoted_text_that_swallows_a_key_hides_what_follows() {
    let secret = "AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for quote in ["'", "\""] {
        let text = format!("users:\n  - {quote}a\ntoken: |\n  {quote}\n  name: {secret}\n");
        let view = public_view(&text, digest);
        assert!(!view.contains("AAAA") && view.contains("hidden from here"), "{view}");
        let text = format!("users:\n- name: {quote}a\n   b{quote}\n  user: {{}}\n");
        assert!(!public_view(&text, digest).contains("hidden"), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_piece_of_a_secret_is_shown(
        before in prop::collection::vec((0usize..6, harmless()), 0..7),
        indent in 0usize..6,
        key in secret_key(),
        secret in secret(),
        style in any::<prop::sample::Index>(),
        prefix in prop::sample::select(vec!["", "", "", "server: ", "name: ", "- name: ", "user: ", "client-certificate-data: ", "' \" name: "]),
        after in prop::collection::vec((0usize..6, harmless()), 0..4),
        end in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let line = |(indent, line): &(usize, &str)| format!("{}{line}\n", " ".repeat(*indent));
        let blanks = " ".repeat(indent);
        let dashes = key.len() - key.trim_start_matches(['-', ' ']).len();
        let styles = styles(indent + dashes, &format!("{prefix}{secret}"));
        // A comment ends with its line.
        let lines_of_value = if key.contains('#') { 1 } else { usize::MAX };
        let value = style.get(&styles);
        let value = value.split('\n').take(lines_of_value).collect::<Vec<_>>().join("\n");
        let colon = if key.ends_with([':', '&', '#']) { "" } else { ":" };
        let key = key.replace('\n', &format!("\n{blanks}"));
        let mut lines: Vec<String> = before.iter().map(line).collect();
        lines.push(format!("{blanks}{key}{colon}{value}\n"));
        lines.extend(after.iter().map(line));
        let text = lines.concat().replace('\n', end);
        let view = public_view(&text, digest);
        for window in windows(&secret) {
            prop_assert!(!view.contains(window), "{window}: {text}\n=>\n{view}");
        }
    }

    #[test]
    fn any_text_at_all_has_a_view(text in "[ \\-a-z:\"'{}\\[\\]#|>&*!?\r\n\u{2028}é]{0,200}") {
        let _ = public_view(&text, digest);
    }
}
