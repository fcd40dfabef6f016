//! Converts a document to a YAML tree in kubectl's order.

use zeroize::Zeroizing;

use crate::model::{Cluster, Context, Fields, Kubeconfig, Named, User, Value};
use crate::yaml::write::{Node, document, natural_order};

type Entries<'a> = Vec<(&'a str, Node<'a>)>;

impl Kubeconfig {
    /// Prints the document byte for byte as `kubectl config` would write it to the file and
    /// `kubectl config view --raw` would print it.
    ///
    /// Entries are sorted by the bytes of their names, and keys in kubectl's order. The text
    /// contains the private key and is wiped on drop.
    ///
    /// kubectl drops unknown fields; they are printed by the same rules. Some output differs from
    /// kubectl's, where kubectl could not read back the same value:
    ///
    /// - `U+0085`, which kubectl turns into a blank, is escaped.
    /// - `DEL`, the other C1 controls, `U+FFFE` and `U+FFFF`, which kubectl rejects, are escaped.
    /// - A key `<<`, which kubectl takes for a merge, is quoted.
    #[must_use]
    pub fn to_yaml(&self) -> Zeroizing<String> {
        let entries = root(self);
        let length = entries.iter().map(|(key, node)| length_of(node, key.len())).sum();
        document(&entries, length)
    }
}

fn root(kubeconfig: &Kubeconfig) -> Entries<'_> {
    let known = vec![
        ("apiVersion", Node::Text("v1")),
        ("clusters", named(&kubeconfig.clusters, "cluster", cluster)),
        ("contexts", named(&kubeconfig.contexts, "context", context)),
        ("current-context", Node::Text(&kubeconfig.current_context)),
        ("kind", Node::Text("Config")),
        ("preferences", fields(&kubeconfig.preferences)),
        ("users", named(&kubeconfig.users, "user", user)),
    ];
    with_other(known, &kubeconfig.other)
}

/// Converts one of the lists; `null` if empty.
fn named<'a, T>(
    entries: &'a [Named<T>],
    key: &'static str,
    body: fn(&'a T) -> Entries<'a>,
) -> Node<'a> {
    if entries.is_empty() {
        return Node::Null;
    }
    let mut sorted: Vec<&Named<T>> = entries.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let print = |named: &'a Named<T>| {
        let mut known =
            vec![(key, Node::Map(body(&named.entry))), ("name", Node::Text(&named.name))];
        known.sort_by(|(a, _), (b, _)| natural_order(a, b));
        Node::Map(with_other(known, &named.other))
    };
    Node::List(sorted.into_iter().map(print).collect())
}

fn cluster(cluster: &Cluster) -> Entries<'_> {
    let mut known = Vec::with_capacity(4);
    push_text(&mut known, "certificate-authority", &cluster.certificate_authority);
    push_data(&mut known, "certificate-authority-data", &cluster.certificate_authority_data);
    push_flag(&mut known, "disable-compression", cluster.disable_compression);
    push_flag(&mut known, "insecure-skip-tls-verify", cluster.insecure_skip_tls_verify);
    push_text(&mut known, "proxy-url", &cluster.proxy_url);
    known.push(("server", Node::Text(&cluster.server)));
    push_text(&mut known, "tls-server-name", &cluster.tls_server_name);
    with_other(known, &cluster.other)
}

fn context(context: &Context) -> Entries<'_> {
    let mut known = vec![("cluster", Node::Text(&context.cluster))];
    push_text(&mut known, "namespace", &context.namespace);
    known.push(("user", Node::Text(&context.user)));
    with_other(known, &context.other)
}

fn user(user: &User) -> Entries<'_> {
    let mut known = Vec::with_capacity(4);
    push_text(&mut known, "client-certificate", &user.client_certificate);
    push_data(&mut known, "client-certificate-data", &user.client_certificate_data);
    push_text(&mut known, "client-key", &user.client_key);
    push_data(&mut known, "client-key-data", user.client_key_data.expose_secret());
    push_text(&mut known, "password", user.password.expose_secret());
    push_text(&mut known, "token", user.token.expose_secret());
    push_text(&mut known, "tokenFile", &user.token_file);
    push_text(&mut known, "username", &user.username);
    with_other(known, &user.other)
}

fn push_text<'a>(known: &mut Entries<'a>, key: &'static str, text: &'a str) {
    if !text.is_empty() {
        known.push((key, Node::Text(text)));
    }
}

fn push_data<'a>(known: &mut Entries<'a>, key: &'static str, data: &'a [u8]) {
    if !data.is_empty() {
        known.push((key, Node::Base64(data)));
    }
}

fn push_flag(known: &mut Entries<'_>, key: &'static str, flag: bool) {
    if flag {
        known.push((key, Node::Bool(true)));
    }
}

fn with_other<'a>(mut known: Entries<'a>, other: &'a Fields) -> Entries<'a> {
    if !other.is_empty() {
        known.extend(other.iter().map(|(key, value)| (key, node(value))));
        known.sort_by(|(a, _), (b, _)| natural_order(a, b));
    }
    known
}

fn fields(other: &Fields) -> Node<'_> {
    Node::Map(with_other(Vec::new(), other))
}

fn node(value: &Value) -> Node<'_> {
    match value {
        Value::Null => Node::Null,
        Value::Bool(flag) => Node::Bool(*flag),
        Value::Number(text) => Node::Number(text),
        Value::Text(text) => Node::Text(text.expose_secret()),
        Value::List(items) => Node::List(items.iter().map(node).collect()),
        Value::Map(entries) => fields(entries),
    }
}

/// Estimates a printed length generously, so that the buffer is seldom reallocated.
fn length_of(node: &Node<'_>, key: usize) -> usize {
    const INDENT_AND_PUNCTUATION: usize = 24;
    key + INDENT_AND_PUNCTUATION
        + match node {
            Node::Null | Node::Bool(_) => 0,
            Node::Number(text) | Node::Text(text) => text.len(),
            Node::Base64(bytes) => bytes.len().div_ceil(3) * 4,
            Node::List(items) => items.iter().map(|item| length_of(item, 0)).sum(),
            Node::Map(entries) => {
                entries.iter().map(|(key, node)| length_of(node, key.len())).sum()
            }
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_document_prints_the_defaults_kubectl_prints() {
        let expected = "apiVersion: v1\nclusters: null\ncontexts: null\ncurrent-context: \"\"\nkind: Config\npreferences: {}\nusers: null\n";
        assert_eq!(*Kubeconfig::default().to_yaml(), expected);
    }

    #[test]
    fn empty_entries_print_what_kubectl_always_prints() {
        let document = Kubeconfig {
            clusters: vec![Named::new("c", Cluster::default())],
            contexts: vec![Named::new("x", Context::default())],
            users: vec![Named::new("u", User::default())],
            ..Kubeconfig::default()
        };
        let expected = "apiVersion: v1\nclusters:\n- cluster:\n    server: \"\"\n  name: c\ncontexts:\n- context:\n    cluster: \"\"\n    user: \"\"\n  name: x\ncurrent-context: \"\"\nkind: Config\npreferences: {}\nusers:\n- name: u\n  user: {}\n";
        assert_eq!(*document.to_yaml(), expected);
    }

    #[test]
    fn unknown_fields_are_printed_among_the_known_ones() {
        let mut entry = Cluster { server: "https://a".into(), ..Cluster::default() };
        entry.other.insert("zone", Value::Number("010".into()));
        entry.other.insert("extensions", Value::List(vec![]));
        let document =
            Kubeconfig { clusters: vec![Named::new("c", entry)], ..Kubeconfig::default() };
        let text = document.to_yaml();
        assert!(
            text.contains(
                "- cluster:\n    extensions: []\n    server: https://a\n    zone: 010\n  name: c\n"
            ),
            "{}",
            *text
        );
    }
}
