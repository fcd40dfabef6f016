//! The requested action and query, read from a request's method and URI.

use std::collections::BTreeMap;

use hyper::{Method, Uri};

use super::kinds::{self, Kind, SECRETS};
use super::rbac::Access;
use super::status::Failure;

/// A parsed request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) access: Access,
    pub(super) query: BTreeMap<String, String>,
}

impl Asked {
    pub(super) fn read(method: &Method, uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query: BTreeMap<String, String> = pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name), decode(value))
            })
            .collect();
        let access = access(method, uri.path(), &query);
        Self { access, query }
    }

    /// Reports whether the query sets a parameter to `1` or `true`.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.query.get(name).is_some_and(|value| matches!(value.as_str(), "1" | "true"))
    }

    /// Returns the kind and the subresource, if the server stores them.
    pub(super) fn kind(&self) -> Option<(&'static Kind, &str)> {
        let Access::Resource { group, resource, .. } = &self.access else { return None };
        let (plural, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let kind = kinds::find(group, "v1", plural)?;
        let is_known = subresource.is_empty() || kind.subresources.contains(&subresource);
        is_known.then_some((kind, subresource))
    }
}

/// Determines the action as `RequestInfoFactory` of k8s.io/apiserver does.
fn access(method: &Method, path: &str, query: &BTreeMap<String, String>) -> Access {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (group, rest) = match parts.as_slice() {
        ["api", "v1", rest @ ..] if !rest.is_empty() => ("", rest),
        ["apis", group, "v1", rest @ ..] if !rest.is_empty() => (*group, rest),
        _ => {
            let verb = method.as_str().to_lowercase();
            return Access::Path { verb, path: path.to_owned() };
        }
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..]
            if !rest.is_empty() && !matches!(rest[0], "finalize" | "status") =>
        {
            (*namespace, rest)
        }
        rest => ("", rest),
    };
    let name = rest.get(1).copied().unwrap_or_default();
    let resource = match rest {
        [plural, _, subresource @ ..] if !subresource.is_empty() => {
            format!("{plural}/{}", subresource.join("/"))
        }
        rest => rest[0].to_owned(),
    };
    let is_watch = query.get("watch").is_some_and(|value| matches!(value.as_str(), "1" | "true"));
    let verb = match (method.as_str(), name.is_empty()) {
        ("GET" | "HEAD", false) => "get",
        ("GET" | "HEAD", true) if is_watch => "watch",
        ("GET" | "HEAD", true) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", false) => "delete",
        ("DELETE", true) => "deletecollection",
        _ => "",
    };
    // The action on a namespace is authorized within that namespace.
    let namespace = match (group, rest[0]) {
        ("", "namespaces") => name,
        _ => namespace,
    };
    Access::Resource {
        verb: verb.to_owned(),
        group: group.to_owned(),
        resource,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn decode(text: &str) -> String {
    let octets = text.as_bytes();
    let mut decoded = Vec::new();
    let mut index = 0;
    while let Some(octet) = octets.get(index) {
        let hex = text.get(index + 1..index + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (octet, hex) {
            (b'%', Some(value)) => {
                decoded.push(value);
                index += 2;
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(*octet),
        }
        index += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The label and field selectors of a list or a watch.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<(String, Comparison)>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Clone, Debug)]
enum Comparison {
    Equal(String),
    Unequal(String),
    Exists,
    Absent,
}

impl Selector {
    /// Returns the selector of one label.
    pub(super) fn of_label(key: &str, value: &str) -> Self {
        let labels = vec![(key.to_owned(), Comparison::Equal(value.to_owned()))];
        Self { labels, fields: Vec::new() }
    }

    /// Reads the selectors of objects of a kind.
    pub(super) fn read(kind: &Kind, query: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let mut selector = Self::default();
        for term in terms(query.get("labelSelector")) {
            if term.contains(['(', ')', ' ']) {
                let why = format!("this stand-in knows no label selectors like {term:?}");
                return Err(Failure::bad_request(why));
            }
            selector.labels.push(match compare(term) {
                Some((key, true, value)) => (key.to_owned(), Comparison::Equal(value.to_owned())),
                Some((key, false, value)) => {
                    (key.to_owned(), Comparison::Unequal(value.to_owned()))
                }
                None => match term.strip_prefix('!') {
                    Some(key) => (key.to_owned(), Comparison::Absent),
                    None => (term.to_owned(), Comparison::Exists),
                },
            });
        }
        for term in terms(query.get("fieldSelector")) {
            let is_known = |key: &str| match key {
                "metadata.name" | "metadata.namespace" => true,
                "type" => kind == SECRETS,
                _ => false,
            };
            let compared = compare(term).filter(|(key, ..)| is_known(key));
            let Some((key, is_equal, value)) = compared else {
                return Err(Failure::bad_request(format!("field label not supported: {term}")));
            };
            selector.fields.push((key.to_owned(), is_equal, value.to_owned()));
        }
        Ok(selector)
    }

    pub(super) fn takes(&self, object: &serde_json::Value) -> bool {
        let label = |key: &str| object["metadata"]["labels"][key].as_str();
        let has_labels = self.labels.iter().all(|(key, comparison)| match comparison {
            Comparison::Equal(value) => label(key) == Some(value),
            Comparison::Unequal(value) => label(key) != Some(value),
            Comparison::Exists => label(key).is_some(),
            Comparison::Absent => label(key).is_none(),
        });
        let field = |path: &str| object.pointer(&format!("/{}", path.replace('.', "/")));
        let has_fields = self.fields.iter().all(|(path, is_equal, value)| {
            (field(path).and_then(|field| field.as_str()) == Some(value)) == *is_equal
        });
        has_labels && has_fields
    }
}

fn terms(selector: Option<&String>) -> impl Iterator<Item = &str> {
    let terms = selector.into_iter().flat_map(|text| text.split(','));
    terms.filter(|term| !term.is_empty())
}

fn compare(term: &str) -> Option<(&str, bool, &str)> {
    if let Some((key, value)) = term.split_once("!=") {
        return Some((key, false, value));
    }
    let (key, value) = term.split_once("==").or_else(|| term.split_once('='))?;
    Some((key, true, value))
}
