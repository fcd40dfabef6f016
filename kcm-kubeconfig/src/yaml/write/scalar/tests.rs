use proptest::prelude::*;

use crate::yaml::read;
use crate::yaml::write::{Node, document};

const HOSTILE: &str = include_str!("../../../../testdata/kubectl-1.32/hostile.json");
const CONFIG_MAP: &str = include_str!("../../../../testdata/kubectl-1.32/configmap.yaml");

#[test]
fn every_hostile_text_is_printed_with_kubectls_bytes() {
    let texts: Vec<String> = serde_yaml::from_str(HOSTILE).unwrap();
    assert!(texts.len() > 250, "{}", texts.len());
    let keys: Vec<String> = (0..texts.len()).map(|index| format!("k{index:03}")).collect();
    let data =
        keys.iter().zip(&texts).map(|(key, text)| (key.as_str(), Node::Text(text))).collect();
    let printed = document(&[("apiVersion", Node::Text("v1")), ("data", Node::Map(data))], 0);
    let expected = CONFIG_MAP.split("kind: ConfigMap\n").next().unwrap();
    for (ours, kubectls) in printed.split("\n  k").zip(expected.split("\n  k")) {
        assert_eq!(ours, kubectls);
    }
    assert_eq!(*printed, expected);
}

#[test]
fn what_kubectl_cannot_write_is_escaped() {
    let print = |text| document(&[("k", Node::Text(text))], 0);
    assert_eq!(*print("a\u{85}b"), "k: \"a\\Nb\"\n");
    assert_eq!(*print("a\u{7F}b"), "k: \"a\\x7Fb\"\n");
}

#[test]
fn keys_are_quoted_like_values_but_never_span_lines() {
    let print = |key| document(&[(key, Node::Null)], 0).to_string();
    assert_eq!(print("on"), "\"on\": null\n");
    assert_eq!(print("it's: a"), "'it''s: a': null\n");
    assert_eq!(print("<<"), "'<<': null\n");
    let long = "a b".repeat(40);
    assert_eq!(print(&long), format!("{long}: null\n"));
    assert_eq!(print("a\nb"), "? |-\n  a\n  b\n: null\n");
}

#[test]
fn short_base64_that_looks_like_something_else_is_quoted() {
    let print = |bytes: &[u8]| document(&[("k", Node::Base64(bytes))], 0).to_string();
    assert_eq!(print(&[0xD7, 0x6D, 0xF8]), "k: \"1234\"\n");
    assert_eq!(print(&[0xB6, 0xBB, 0x9E]), "k: \"true\"\n");
    assert_eq!(print(b"PEM"), "k: UEVN\n");
}

/// Generates texts of the characters that are special in YAML.
fn text() -> impl Strategy<Value = String> {
    let char = prop_oneof![
        8 => prop::sample::select(" \n\t'\":#-?,[]{}&*!|>%@`~=<\\ab01_.eExyn+/".chars().collect::<Vec<_>>()),
        1 => prop::sample::select("\r\u{85}\u{FEFF}\u{A0}é集😀\0\u{7F}\u{1B}".chars().collect::<Vec<_>>()),
        1 => any::<char>().prop_filter("refused", |c| !matches!(c, '\u{2028}' | '\u{2029}')),
    ];
    prop_oneof![
        prop::collection::vec(char.clone(), 0..12).prop_map(String::from_iter),
        prop::collection::vec(char, 0..200).prop_map(String::from_iter),
        "[0-9_.eExob:+ TZ-]{0,12}",
        "([a-z']{1,9} ){0,60}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_reads_back_as_it_was(key in text(), value in text()) {
        let nested = Node::List(vec![Node::Map(vec![(&key, Node::Text(&value))]), Node::Text(&key)]);
        let printed = document(&[("k", nested), ("v", Node::Text(&value))], 0);
        let tree = read::document(&printed).map(|document| document.root);
        let read::Kind::Map(root) = tree.clone().unwrap().unwrap().kind else { panic!("{tree:?}") };
        let scalar = |kind: &read::Kind<'_>| match kind {
            read::Kind::Scalar(scalar) => scalar.text.clone().into_owned(),
            other => panic!("{other:?}"),
        };
        let read::Kind::List(items) = &root[0].value.kind else { panic!("{root:?}") };
        let read::Kind::Map(inner) = &items[0].kind else { panic!("{items:?}") };
        prop_assert_eq!(&inner[0].key.text, &key, "{}", *printed);
        prop_assert_eq!(scalar(&inner[0].value.kind), value.clone(), "{}", *printed);
        prop_assert_eq!(scalar(&items[1].kind), key, "{}", *printed);
        prop_assert_eq!(scalar(&root[1].value.kind), value, "{}", *printed);
    }

    #[test]
    fn another_reader_of_yaml_agrees(value in text()) {
        let printed = document(&[("v", Node::Text(&value)), ("w", Node::Null)], 0);
        let theirs: std::collections::BTreeMap<String, Option<String>> = serde_yaml::from_str(&printed).unwrap();
        prop_assert_eq!(theirs["v"].as_deref().unwrap_or_default(), &value, "{}", *printed);
        prop_assert_eq!(&theirs["w"], &None);
    }
}
