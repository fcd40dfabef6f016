//! The reference of the documents that kcm prints, from their JSON schemas.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::ValueEnum as _;
use serde_json::Value;

use super::NOTE;
use super::markdown::{code, codes, sentence, table};
use super::schema::{anchor, description, is_required, keys, reference};
use crate::cli::args::DocumentKind;
use crate::cli::schema::schema;

/// Headings of a table of keys.
const HEADINGS: [&str; 3] = ["Key", "Type", "Meaning"];

/// Returns the page.
pub(super) fn page() -> String {
    let mut text = format!(
        "# JSON documents\n{NOTE}\n\n`kcm schema --of KIND` prints the JSON schema of a kind. A key with a question mark can be absent. \
         A later version can add keys. [Exit codes and machine-readable output](exit-codes-and-json.md) has the rules for all documents.\n"
    );
    let mut types = BTreeMap::new();
    for (kind, schema) in kinds() {
        let value = kind.to_possible_value().unwrap();
        let of = value.get_help().unwrap().to_string();
        let title = schema["title"].as_str().unwrap();
        // The first sentence only names the type.
        let about = sentence(description(&schema));
        let about = about.split_once(". ").map_or("", |(_, rest)| rest);
        let about = format!("{} {about}", sentence(&of));
        let schema_command = code(format!("kcm schema --of {}", value.get_name()));
        let about = format!("{} Schema: {schema_command}.", about.trim_end());
        write!(text, "\n## {title}\n\n{about}\n").unwrap();
        let scope = Scope { definitions: &schema["$defs"] };
        text += &scope.body(&schema);
        for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
            // A document that another one contains has its section already.
            let has_section = kinds().any(|(_, schema)| schema["title"] == **name);
            if name == "FindingCode" || has_section || is_wrapper(definition) {
                continue;
            }
            let body = format!("{}\n{}", sentence(description(definition)), scope.body(definition));
            let other = types.insert(name.clone(), body.clone());
            assert!(other.is_none_or(|other| other == body), "two types have the name {name}");
        }
    }
    text += "\n## Types\n\nTypes of several documents and of nested keys, in alphabetical order.\n";
    for (name, body) in types {
        write!(text, "\n### {name}\n\n{body}").unwrap();
    }
    text
}

/// Returns the kinds of documents that kcm prints, with their schemas.
fn kinds() -> impl Iterator<Item = (&'static DocumentKind, Value)> {
    let all = DocumentKind::value_variants().iter();
    all.filter(|it| **it != DocumentKind::ClusterFile).map(|kind| (kind, schema(*kind)))
}

/// True for a choice between objects with one key each, which is described where it is used.
fn is_wrapper(schema: &Value) -> bool {
    let variants = schema["oneOf"].as_array();
    variants.is_some_and(|all| {
        all.iter().all(|it| it["additionalProperties"] == false && keys(it).count() == 1)
    })
}

/// Returns the key whose constant value tells variants apart, or nothing.
fn tag(variants: &[Value]) -> &str {
    let tagged = |it| keys(it).find(|(_, value)| value["const"].is_string());
    variants.iter().find_map(tagged).map_or("", |(key, _)| key)
}

/// The definitions of the schema at which the page is.
struct Scope<'a> {
    definitions: &'a Value,
}

impl Scope<'_> {
    /// Returns the tables of an object, a choice or a text.
    fn body(&self, schema: &Value) -> String {
        let rows: Vec<_> = keys(schema).map(|(key, value)| self.row(schema, key, value)).collect();
        let fields =
            if rows.is_empty() { String::new() } else { format!("\n{}", table(HEADINGS, &rows)) };
        let choice = match schema["oneOf"].as_array() {
            Some(all) if all.iter().all(|it| it["const"].is_string()) => {
                let row =
                    |it: &Value| [code(it["const"].as_str().unwrap()), sentence(description(it))];
                let rows: Vec<_> = all.iter().map(row).collect();
                format!("\n{}", table(["Value", "Meaning"], &rows))
            }
            Some(all) => self.variants(all),
            None if rows.is_empty() => format!("\nType: {}.\n", self.kind(schema)),
            None => String::new(),
        };
        fields + &choice
    }

    fn row(&self, schema: &Value, key: &str, value: &Value) -> [String; 3] {
        let mark = if is_required(schema, key) { "" } else { "?" };
        [format!("`{key}`{mark}"), self.kind(value), sentence(description(value))]
    }

    /// Returns a table of variants, which differ in the constant value of one key.
    fn variants(&self, all: &[Value]) -> String {
        let tag = tag(all);
        let rows: Vec<_> = all.iter().flat_map(|variant| self.variant(tag, variant)).collect();
        let heading = if tag.is_empty() { "Variant".to_owned() } else { code(tag) };
        format!("\n{}", table([&heading, "Key", "Type", "Meaning"], &rows))
    }

    /// Returns the rows of a variant: its value and meaning, then its keys.
    fn variant(&self, tag: &str, variant: &Value) -> Vec<[String; 4]> {
        let value = variant["properties"][tag]["const"].as_str().map(code).unwrap_or_default();
        let meaning = sentence(description(variant));
        let mut rows = vec![[value, String::new(), String::new(), meaning]];
        for (key, field) in keys(variant).filter(|(key, _)| *key != tag) {
            let [key, kind, meaning] = self.row(variant, key, field);
            rows.push([String::new(), key, kind, meaning]);
        }
        // A variant can have the keys of another choice.
        let others = variant["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        let tag = self::tag(others);
        for other in others {
            for [value, key, kind, meaning] in self.variant(tag, other) {
                let key = if value.is_empty() { key } else { format!("`{tag}`: {value}") };
                rows.push([String::new(), key, kind, meaning]);
            }
        }
        rows
    }

    /// Returns the type of a value, with links to the named types.
    fn kind(&self, value: &Value) -> String {
        if let Some(name) = reference(value) {
            let definition = &self.definitions[name];
            return match definition["oneOf"].as_array() {
                _ if name == "FindingCode" => "[finding code](finding-codes.md)".to_owned(),
                Some(all) if is_wrapper(definition) => self.wrapper(all),
                _ => format!("[{name}](#{})", anchor(name)),
            };
        }
        if let Some(any) = value["anyOf"].as_array() {
            return any.iter().map(|it| self.kind(it)).collect::<Vec<_>>().join(" or ");
        }
        if let Some(only) = value["const"].as_str() {
            return code(only);
        }
        if let Some(all) = value["enum"].as_array() {
            return codes(all.iter().filter_map(Value::as_str));
        }
        let types: Vec<_> = match &value["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        if types.is_empty() {
            return "any value".to_owned();
        }
        types.iter().map(|kind| self.named(kind, value)).collect::<Vec<_>>().join(" or ")
    }

    /// Returns the text for a type of JSON.
    fn named(&self, kind: &str, value: &Value) -> String {
        match kind {
            "string" if value["format"] == "date-time" => "time (RFC 3339)".to_owned(),
            "string" => match value["pattern"].as_str() {
                Some(pattern) => format!("text `{pattern}`"),
                None => "text".to_owned(),
            },
            "array" => match (&value["items"], value["prefixItems"].as_array()) {
                (_, Some(items)) => {
                    let items: Vec<_> = items.iter().map(|it| self.kind(it)).collect();
                    format!("list of ({})", items.join(", "))
                }
                (items, None) => format!("list of {}", self.kind(items)),
            },
            "object" => match &value["additionalProperties"] {
                values @ Value::Object(_) => format!("map to {}", self.kind(values)),
                _ => "object".to_owned(),
            },
            other => other.to_owned(),
        }
    }

    /// Returns the text for a choice between objects with one key each.
    fn wrapper(&self, all: &[Value]) -> String {
        let variants = all.iter().flat_map(keys);
        let variants =
            variants.map(|(key, value)| format!("`{{{key}}}` with {}", self.kind(value)));
        variants.collect::<Vec<_>>().join(" or ")
    }
}
