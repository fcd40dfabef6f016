use proptest::prelude::*;

use super::*;
use crate::{Secret, Value};

fn read(text: &str) -> Kubeconfig {
    let parsed = Kubeconfig::from_yaml(text).unwrap();
    assert_eq!(parsed.warnings, [], "{text}");
    parsed.kubeconfig
}

fn refusal(text: &str) -> String {
    Kubeconfig::from_yaml(text).unwrap_err().to_string()
}

#[test]
fn kubectls_hostile_names_are_read_and_printed_unchanged() {
    let text = include_str!("../../testdata/kubectl-1.32/names.kubeconfig");
    let document = read(text);
    assert_eq!(*document.to_yaml(), text);
    assert_eq!(document.current().unwrap().context.entry.namespace, "on");
    assert_eq!((document.clusters.len(), document.users.len()), (60, 60));
}

#[test]
fn json_is_read_as_well() {
    let document = read(
        r#"{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"https:\/\/a",
	"certificate-authority-data":"UEVN","insecure-skip-tls-verify":true}}],"users":null,"contexts":[]}"#,
    );
    let cluster = document.cluster("c").unwrap();
    assert_eq!((&*cluster.server, cluster.embedded_ca()), ("https://a", Some(&b"PEM"[..])));
    assert!(cluster.insecure_skip_tls_verify);
}

#[test]
fn nothing_at_all_is_an_empty_document() {
    for text in
        ["", "\n", "---\n", "null\n", "{}", "apiVersion: v1\nkind: Config\n", "\u{FEFF}kind: ''\n"]
    {
        assert_eq!(read(text), Kubeconfig::default(), "{text:?}");
    }
}

#[test]
fn unknown_fields_are_kept_at_every_level() {
    let text = "apiVersion: v1\nclusters:\n- cluster:\n    extensions:\n    - extension:\n        last: 1\n      name: e\n    server: https://a\n    x-zone: null\n  name: c\n  x-note: a\ncontexts: null\ncurrent-context: \"\"\nkind: Config\npreferences:\n  colors: true\nusers:\n- name: u\n  user:\n    as-groups:\n    - g\n    exec:\n      args:\n      - --a\n      env: null\nx-top:\n- - 0x1F\n";
    assert_eq!(*read(text).to_yaml(), text);
}

#[test]
fn what_kubectl_drops_without_a_word_is_a_warning() {
    for (text, expected) in [
        ("Clusters: []\n", "line 1, column 1: kubectl ignores `Clusters`; write `clusters`"),
        (
            "users:\n- name: a\n  user:\n    tokenfile: x\n",
            "line 4, column 5: kubectl ignores `tokenfile`; write `tokenFile`",
        ),
        (
            "kind: Config\n---\nkind: Config\n",
            "line 2, column 1: kubectl ignores the second YAML document",
        ),
        (
            "kind: Config\nkind: Config\n",
            "line 2, column 1: duplicate key `kind`: the last value is used",
        ),
    ] {
        let warnings = Kubeconfig::from_yaml(text).unwrap().warnings;
        assert_eq!(warnings.iter().map(Warning::to_string).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn equal_names_are_refused_as_by_kubectl() {
    assert_eq!(
        refusal("users:\n- name: a\n- user: {}\n  name: a\n"),
        "line 4, column 9: duplicate entry `a` in `users`; rename or remove one of the entries"
    );
}

#[test]
fn types_are_checked_as_go_does() {
    let namespace =
        |value: &str| format!("contexts:\n- name: a\n  context:\n    namespace: {value}\n");
    for value in ["on", "1_000", "010", "0x1F", "1e3", ".5", "true"] {
        assert!(
            refusal(&namespace(value))
                .starts_with("line 4, column 16: `namespace` must be a string"),
            "{value}"
        );
    }
    for value in ["\"on\"", "'1'", "1:30", "2001-01-01", "a b", "1.2.3"] {
        let text = value.trim_matches(['"', '\'']);
        assert_eq!(read(&namespace(value)).context("a").unwrap().namespace, text);
    }
    for value in ["null", "~", ""] {
        assert_eq!(read(&namespace(value)).context("a").unwrap().namespace, "");
    }
    let flag = |value: &str| {
        format!("clusters:\n- name: a\n  cluster:\n    insecure-skip-tls-verify: {value}\n")
    };
    assert!(read(&flag("yes")).cluster("a").unwrap().insecure_skip_tls_verify);
    assert!(!read(&flag("off")).cluster("a").unwrap().insecure_skip_tls_verify);
    assert!(refusal(&flag("\"true\"")).contains("must be a boolean, not a string"));
    assert!(refusal("clusters: a\n").contains("`clusters` must be a list, not a string"));
    assert!(refusal("users:\n- a\n").contains("`users` must be a map, not a string"));
    assert!(refusal("- a\n").contains("`the document` must be a map"));
}

#[test]
fn other_kinds_of_files_are_refused() {
    assert!(refusal("apiVersion: apps/v1\nkind: Deployment\n").contains("apiVersion is `apps/v1`"));
    assert!(refusal("apiVersion: v1\nkind: Secret\n").contains("kind is `Secret`"));
}

#[test]
fn base64_may_be_broken_into_lines_but_must_be_base64() {
    let key = |value: &str| format!("users:\n- name: u\n  user:\n    client-key-data: {value}\n");
    let expected: Secret<Vec<u8>> = b"PEMPEM".to_vec().into();
    for value in ["UEVNUEVN", "|\n      UEVN\n      UEVN", "\"UEVN\\r\\nUEVN\""] {
        assert_eq!(read(&key(value)).user("u").unwrap().client_key_data, expected, "{value}");
    }
    for value in ["UEVN UEVN", "UEV", "UEVN=", "/etc/key.pem", "UEV-"] {
        assert!(
            refusal(&key(value))
                .contains("`client-key-data` is not base64; use `client-key` for a file path")
        );
    }
}

#[test]
fn comments_and_renamed_keys_come_back_as_warnings() {
    let text = "# a\nkind: Config # b\npreferences:\n  n: 1\n  \"y\": 2\n";
    let parsed = Kubeconfig::from_yaml(text).unwrap();
    let shown: Vec<String> = parsed.warnings.iter().map(Warning::to_string).collect();
    assert_eq!(
        shown,
        [
            "line 1, column 1: the comment and 1 more are not preserved",
            "line 4, column 3: kubectl renames the unquoted key `n`; the key is kept, in quotes"
        ]
    );
    assert_eq!(parsed.kubeconfig.preferences.get("n"), Some(&Value::Number("1".into())));
}

#[test]
fn no_error_quotes_a_secret() {
    for text in [
        "users:\n- name: u\n  user:\n    token: [hunter2]\n",
        "users:\n- name: u\n  user:\n    token: hunter2: x\n",
        "users:\n- name: u\n  user:\n    token: \"hunter2\n",
        "users:\n- name: u\n  user:\n    password: 0x1\n    client-key-data: hunter2\n",
        "users:\n- name: u\n  user:\n    token: *hunter2\n",
        "users:\n- name: u\n  user: hunter2\n",
    ] {
        let error = Kubeconfig::from_yaml(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>().prop_map(|it| it.replace(['\u{2028}', '\u{2029}'], "")),
        "[ \\n\\t'\":#,a-z0-9_.{}\\[\\]|>&*!-]{0,100}",
        "(on|no|~|null|0x1|1:2|1e3)"
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Number(number.to_string())),
        text().prop_map(|text| Value::Text(text.into())),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(text(), inner, 0..4).prop_map(|entries| {
                let mut fields = Fields::default();
                for (key, value) in entries {
                    fields.insert(key, value);
                }
                Value::Map(fields)
            }),
        ]
    })
}

prop_compose! {
    fn document()(
        names in prop::collection::btree_set(text(), 3),
        texts in prop::collection::vec(text(), 12),
        data in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 3),
        unknown in value(),
    ) -> Kubeconfig {
        let mut names = names.into_iter();
        let mut texts = texts.into_iter();
        let mut data = data.into_iter();
        let mut name = || names.next().unwrap();
        let mut text = || texts.next().unwrap();
        let mut data = || data.next().unwrap();
        let mut cluster = Cluster {
            server: text(), certificate_authority: text(), tls_server_name: text(), proxy_url: text(),
            certificate_authority_data: data(), insecure_skip_tls_verify: true, disable_compression: false,
            other: Fields::default(),
        };
        cluster.other.insert("x-unknown", unknown);
        Kubeconfig {
            clusters: vec![Named::new(name(), cluster)],
            contexts: vec![Named::new(name(), Context { cluster: text(), user: text(), namespace: text(), other: Fields::default() })],
            users: vec![Named::new(name(), User {
                client_certificate_data: data(), client_key_data: data().into(), token: text().into(),
                password: text().into(), username: text(), ..User::default()
            })],
            current_context: text(),
            ..Kubeconfig::default()
        }
    }
}

/// Sorts unknown maps, since printing sorts them too.
fn sorted(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(sorted).collect()),
        Value::Map(fields) => {
            let mut entries: Vec<_> = fields.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let mut fields = Fields::default();
            for (key, value) in entries {
                fields.insert(key, sorted(value));
            }
            Value::Map(fields)
        }
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_printed_reads_back_as_the_same_document(mut document in document()) {
        let text = document.to_yaml();
        let mut parsed = Kubeconfig::from_yaml(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{}", *text)))?;
        prop_assert_eq!(&parsed.kubeconfig.to_yaml(), &text);
        for document in [&mut document, &mut parsed.kubeconfig] {
            let value = sorted(document.clusters[0].entry.other.get("x-unknown").unwrap());
            document.clusters[0].entry.other.insert("x-unknown", value);
        }
        prop_assert_eq!(parsed.kubeconfig, document);
        prop_assert_eq!(parsed.warnings, vec![]);
    }
}
