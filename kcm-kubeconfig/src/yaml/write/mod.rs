//! Prints block structure with the layout of goyaml.v2: two columns per indent, lists not indented
//! below their key.
//! Reference: <https://github.com/kubernetes-sigs/yaml/blob/v1.4.0/goyaml.v2/emitterc.go>

mod buffer;
mod order;
mod scalar;

use zeroize::Zeroizing;

use buffer::Buffer;
pub(crate) use order::natural_order;

/// A tree to print. Maps keep their order.
#[derive(Clone, Debug)]
pub(crate) enum Node<'a> {
    Null,
    Bool(bool),
    /// A number, printed verbatim.
    Number(&'a str),
    Text(&'a str),
    Base64(&'a [u8]),
    List(Vec<Node<'a>>),
    Map(Vec<(&'a str, Node<'a>)>),
}

/// Prints a document. `capacity` is the estimated length in bytes.
pub(crate) fn document(entries: &[(&str, Node<'_>)], capacity: usize) -> Zeroizing<String> {
    let mut printer = Printer { out: Buffer::with_capacity(capacity) };
    printer.map(entries, 0, Start::NewLine);
    printer.out.end_line();
    printer.out.into_text()
}

/// The position of the first line of a collection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    NewLine,
    /// After `- `, `? ` or `: ` on the same line.
    Here,
}

struct Printer {
    out: Buffer,
}

impl Printer {
    fn map(&mut self, entries: &[(&str, Node<'_>)], indent: usize, start: Start) {
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 || start == Start::NewLine {
                self.out.new_line(indent);
            }
            if scalar::is_simple_key(key) {
                scalar::write_key(&mut self.out, key);
                self.out.push(":");
                self.value(value, indent);
            } else {
                self.out.push("? ");
                scalar::write(&mut self.out, key, indent + 2);
                self.out.new_line(indent);
                self.out.push(": ");
                self.item(value, indent);
            }
        }
    }

    /// Prints the value after `key:`.
    fn value(&mut self, node: &Node<'_>, indent: usize) {
        match node {
            Node::Map(entries) if !entries.is_empty() => {
                self.map(entries, indent + 2, Start::NewLine);
            }
            Node::List(items) if !items.is_empty() => self.list(items, indent, Start::NewLine),
            leaf => {
                self.out.push(" ");
                self.leaf(leaf, indent + 2);
            }
        }
    }

    fn list(&mut self, items: &[Node<'_>], indent: usize, start: Start) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 || start == Start::NewLine {
                self.out.new_line(indent);
            }
            self.out.push("- ");
            self.item(item, indent);
        }
    }

    /// Prints the node after `- `.
    fn item(&mut self, node: &Node<'_>, indent: usize) {
        match node {
            Node::Map(entries) if !entries.is_empty() => self.map(entries, indent + 2, Start::Here),
            Node::List(items) if !items.is_empty() => self.list(items, indent + 2, Start::Here),
            leaf => self.leaf(leaf, indent + 2),
        }
    }

    fn leaf(&mut self, node: &Node<'_>, indent: usize) {
        match node {
            Node::Null => self.out.push("null"),
            Node::Bool(true) => self.out.push("true"),
            Node::Bool(false) => self.out.push("false"),
            Node::Number(text) => self.out.push(text),
            Node::Text(text) => scalar::write(&mut self.out, text, indent),
            Node::Base64(bytes) => self.out.push_base64(bytes),
            Node::List(_) => self.out.push("[]"),
            Node::Map(_) => self.out.push("{}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_not_indented_and_nested_ones_are_compact() {
        let text = document(
            &[
                (
                    "a",
                    Node::List(vec![Node::Map(vec![
                        ("b", Node::Null),
                        ("c", Node::Map(vec![("d", Node::Bool(true))])),
                    ])]),
                ),
                ("e", Node::List(vec![Node::List(vec![Node::Text("f"), Node::List(vec![])])])),
                ("g", Node::Map(vec![])),
            ],
            0,
        );
        assert_eq!(*text, "a:\n- b: null\n  c:\n    d: true\ne:\n- - f\n  - []\ng: {}\n");
    }

    #[test]
    fn a_key_too_long_to_be_simple_is_explicit() {
        let key = "k".repeat(129);
        let text = document(&[(&key, Node::List(vec![Node::Text("a")]))], 0);
        assert_eq!(*text, format!("? {key}\n: - a\n"));
    }
}
