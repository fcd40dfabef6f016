use proptest::prelude::*;
use serde_yaml::Value;

use super::*;

fn reason(text: &str) -> String {
    match document(text) {
        Err(
            YamlError::Syntax { at, problem: what, .. } | YamlError::Unsupported { at, what, .. },
        ) => format!("{}:{} {what}", at.line, at.column),
        Err(YamlError::TooDeep { at }) => format!("{}:{} deep", at.line, at.column),
        Err(YamlError::DuplicateKey { at, key }) => {
            format!("{}:{} twice {key}", at.line, at.column)
        }
        Err(YamlError::SecondDocument { at }) => format!("{}:{} second", at.line, at.column),
        Ok(document) => panic!("{text:?} was read as {document:?}"),
    }
}

#[test]
fn what_kubeconfigs_have_no_use_for_is_refused_by_name() {
    for (text, expected) in [
        ("a: &x b\n", "1:4 an anchor (`&name`)"),
        ("a:\n- *x\n", "2:3 an alias (`*name`)"),
        ("a: !!str b\n", "1:4 a tag (`!type`)"),
        ("a:\n  <<: {b: c}\n", "2:3 a merge key (`<<`)"),
        ("%YAML 1.1\n---\na: b\n", "1:1 a YAML directive"),
        ("a: b\n---\nc: d\n", "2:1 second"),
        ("a: b\n...\nc: d\n", "2:1 second"),
        ("a: 1\nb: 2\na: 3\n", "3:1 twice a"),
        ("{a: 1, \"a\": 2}\n", "1:8 twice a"),
        ("? [a]\n: b\n", "2:1 a key that is no text"),
        ("[a: b]\n", "1:3 a `key: value` directly within `[]`"),
    ] {
        assert_eq!(reason(text), expected, "{text:?}");
    }
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, expected) in [
        ("a: b: c\n", "1:5 `: ` within a value"),
        ("a:\n\tb: c\n", "2:1 a tab in the indentation"),
        ("a: \"b\n", "1:5 a quote that is not closed"),
        ("a: 'b' c\n", "1:8 text behind a value"),
        ("a: - b\n", "1:4 a list item behind a key"),
        ("a: b\nc\n", "2:1 a line that is no `key: value`"),
        ("a:\n    b: c\n  d: e\n", "3:3 a line indented too far"),
        ("a: b\n  c: d\n", "2:4 `: ` within a value"),
        ("a: {b: c\n", "2:1 a `{` or `[` that is not closed"),
        ("a: [b:]\n", "1:6 a `key: value` directly within `[]`"),
        ("a: {b:}\n", "1:6 a key without `: `"),
        ("a: {b:c}\n", "1:8 a key without `: `"),
        ("a: [b}\n", "1:6 neither `,` nor `]` behind an item"),
        ("a: @b\n", "1:4 a character that cannot begin a plain value"),
        ("a: \"\\q\"\n", "1:5 an unknown escape sequence"),
        ("é: \u{7}\n", "1:4 a control character"),
        ("a: |x\n  b\n", "1:5 text behind `|` or `>`"),
    ] {
        assert_eq!(reason(text), expected, "{text:?}");
    }
}

#[test]
fn bombs_end_in_an_error() {
    for open in ["[", "{a: ", "- ", "? "] {
        assert!(reason(&open.repeat(100_000)).ends_with("deep"), "{open}");
    }
    let ladder: Vec<String> = (0..200).map(|depth| " ".repeat(depth) + "a:\n").collect();
    assert!(reason(&ladder.concat()).ends_with("deep"));
}

#[test]
fn comments_are_counted_where_they_are_comments() {
    let text = "# one\na: b # two\nc: 'd # e' # three\nf: |\n  # text\n# four\ng: h#i\nj: [k, # five\n  l]\n";
    let lines: Vec<usize> = document(text).unwrap().comments.iter().map(|at| at.line).collect();
    assert_eq!(lines, [1, 2, 3, 6, 8]);
}

#[test]
fn a_plain_scalar_is_told_from_a_quoted_one() {
    let Kind::Map(root) = document("a: on\nb: \"on\"\n").unwrap().root.unwrap().kind else {
        panic!()
    };
    let plain =
        |entry: &Entry<'_>| matches!(&entry.value.kind, Kind::Scalar(scalar) if scalar.plain);
    assert_eq!(root.iter().map(plain).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn surrogate_pairs_of_json_are_joined() {
    let Kind::List(items) = document(r#"["\uD83D\uDE00"]"#).unwrap().root.unwrap().kind else {
        panic!()
    };
    assert!(matches!(&items[0].kind, Kind::Scalar(scalar) if scalar.text == "😀"));
    for lone in [r#"["\uD83D"]"#, r#"["\uD83Dx"]"#, r#"["\uDE00"]"#, r#"["\uD83D\u0041"]"#] {
        assert!(document(lone).is_err(), "{lone}");
    }
}

/// The same tree with every scalar as text, which is what the two readers must agree on.
fn ours(node: &Node<'_>) -> Value {
    match &node.kind {
        Kind::Scalar(scalar) => Value::String(scalar.text.clone().into_owned()),
        Kind::List(items) => Value::Sequence(items.iter().map(ours).collect()),
        Kind::Map(entries) => Value::Mapping(
            entries
                .iter()
                .map(|entry| {
                    (Value::String(entry.key.text.clone().into_owned()), ours(&entry.value))
                })
                .collect(),
        ),
    }
}

fn agrees(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Sequence(a), Value::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agrees(a, b))
        }
        (Value::Mapping(a), Value::Mapping(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((ak, av), (bk, bv))| agrees(ak, bk) && agrees(av, bv))
        }
        (Value::String(a), Value::String(b)) => a == b,
        // A number may be spelled differently; a null is spelled in several ways.
        (Value::String(_), Value::Number(_)) => true,
        (Value::String(a), Value::Null) => {
            matches!(a.as_str(), "" | "~" | "null" | "Null" | "NULL")
        }
        (Value::String(a), Value::Bool(b)) => {
            a.eq_ignore_ascii_case(if *b { "true" } else { "false" })
        }
        _ => false,
    }
}

/// Texts that are nearly YAML.
fn near_yaml() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b: ",
        "c:",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "-",
        " ",
        "  ",
        "'",
        "\"",
        "|",
        ">-",
        "|+\n",
        "# x",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ",",
        "? ",
        ": ",
        "---\n",
        "...",
        "\\n",
        "\\",
        "\t",
        "\r\n",
        "é",
        "''",
        "1",
        "~",
        "\u{2028}",
        "x: y\n",
        "- z\n",
        "\n- ",
        "\n  - k: ",
        "\"q\": ",
        "|2\n",
        "\n\n",
        "\\\n",
        "#",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_accepted_another_reader_reads_alike(text in near_yaml()) {
        if let Ok(document) = document(&text) {
            let ours = document.root.as_ref().map_or(Value::Null, ours);
            match serde_yaml::from_str::<Value>(&text) {
                Ok(theirs) => prop_assert!(
                    agrees(&ours, &theirs) || (ours == Value::Null && theirs == Value::Null),
                    "{text:?}\nours {ours:?}\ntheirs {theirs:?}"
                ),
                Err(error) => prop_assert!(
                    document.root.is_none() || error.to_string().contains("more than one document"),
                    "{text:?}\nours {ours:?}\ntheirs {error}"
                ),
            }
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,80}") {
        let _ = document(&text);
    }
}
