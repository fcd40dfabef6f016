use proptest::prelude::*;

use super::*;

/// Formats a tree in short form, with quoted scalars as `'text'`.
fn short(node: &Node<'_>) -> String {
    let scalar = |it: &Scalar<'_>| {
        if it.plain { it.text.to_string() } else { format!("'{}'", it.text) }
    };
    match &node.kind {
        Kind::Scalar(it) => scalar(it),
        Kind::List(items) => format!("[{}]", items.iter().map(short).collect::<Vec<_>>().join(",")),
        Kind::Map(entries) => {
            let entries =
                entries.iter().map(|it| format!("{}:{}", scalar(&it.key), short(&it.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
    }
}

fn read(text: &str) -> String {
    document(text).unwrap().root.as_ref().map_or_else(String::new, short)
}

fn reason(text: &str) -> String {
    match document(text) {
        Err(YamlError::Syntax { at, problem }) => format!("{}:{} {problem}", at.line, at.column),
        Err(YamlError::Unsupported { at, what, .. }) => format!("{}:{} {what}", at.line, at.column),
        Err(YamlError::TooDeep { at }) => format!("{}:{} deep", at.line, at.column),
        Ok(document) => panic!("{text:?} was read as {document:?}"),
    }
}

#[test]
fn aliases_and_merge_keys_are_resolved_as_goyaml_does() {
    for (text, expected) in [
        ("a: &x b\nc: *x\n", "{a:b,c:b}"),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}\n", "{a:{b:1},c:{b:1,d:2}}"),
        ("a: &x {b: 1}\nc: {b: 2, <<: *x}\n", "{a:{b:1},c:{b:1}}"),
        ("a: {<<: [{b: 1}, {b: 2, c: 3}]}\n", "{a:{b:1,c:3}}"),
        ("a: {'<<': b}\n", "{a:{'<<':b}}"),
        ("a: !!str 1\nb: !x y\nc: !!bool 'true'\n", "{a:'1',b:'y',c:true}"),
        ("a: 1\nb: 2\na: 3\n", "{a:3,b:2}"),
        ("? a\n: b\n", "{a:b}"),
        ("a: b\n...\n[\n", "{a:b}"),
        ("---\n---\na: b\n", "~"),
    ] {
        assert_eq!(read(text), expected, "{text:?}");
    }
    assert!(reason("a: &x [*x]\n").contains("within"));
    assert!(reason("a: {<<: b}\n").contains("merge key"));
}

#[test]
fn separators_within_single_quotes_are_read_as_goyaml_does() {
    for (text, expected) in [
        ("a: 'b\u{2028}  c'\n", "{a:'b\u{2028}c'}"),
        ("a: 'b \u{2029}\u{2028}\t c'\n", "{a:'b\u{2029}\u{2028}c'}"),
        ("'\u{2028}': \"\\L b\"\n", "{'\u{2028}':'\u{2028} b'}"),
    ] {
        assert_eq!(read(text), expected, "{text:?}");
    }
    for text in
        ["a: 'b\n \u{2028} c'\n", "a: \"b\u{2028} c\"\n", "a: b # \u{2029}\n", "a: |\n  \u{2028}\n"]
    {
        assert!(reason(text).ends_with("separator"), "{text:?}");
    }
}

#[test]
fn mistakes_have_their_place() {
    for (text, place) in [
        ("a: b: c\n", "1:5 "),
        ("a: *b\n", "1:4 "),
        ("x: é\u{7}\n", "1:5 "),
        ("a: b\nc: \u{2028}\n", "2:4 "),
        ("a: [b}\n", "1:"),
        ("a: @b\n", "1:4 "),
        ("? [a]\n: b\n", "1:"),
        ("a: !!binary YQ==\n", "1:"),
    ] {
        assert!(reason(text).starts_with(place), "{text:?} {}", reason(text));
    }
}

#[test]
fn bombs_end_in_an_error() {
    for open in ["[", "{a: ", "- ", "? "] {
        reason(&open.repeat(100_000));
    }
    let ladder: Vec<String> = (0..200).map(|depth| " ".repeat(depth) + "a:\n").collect();
    reason(&ladder.concat());
    let line = |it: u8| {
        format!("{0}: &{0} [*{1},*{1},*{1},*{1},*{1},*{1}]\n", char::from(it), char::from(it - 1))
    };
    let laughs: Vec<String> = (b'b'..b'm').map(line).collect();
    assert!(reason(&format!("a: &a [x]\n{}", laughs.concat())).ends_with("deep"));
}

#[test]
fn comments_and_further_documents_are_counted_where_they_are_some() {
    let text = "# one\na: b # two\nc: 'd # e' # three\nf: |\n  # text\n# four\ng: h#i\nj: [k, # five\n  l]\n";
    let lines: Vec<usize> = document(text).unwrap().comments.iter().map(|at| at.line).collect();
    assert_eq!(lines, [1, 2, 3, 6, 8]);
    assert_eq!(document("a: b\n---\nc: d\n").unwrap().second.unwrap().line, 2);
    assert_eq!(document("---\na: b\n...\n").unwrap().second, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in "([ -~\n]|[\\[\\]{}:,\"'#&*!|>?%@\n -]|.){0,80}") {
        let _ = document(&text);
    }
}
