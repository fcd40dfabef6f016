//! Tables of the keys of a JSON schema, and the reference of the cluster file.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::NOTE;
use super::markdown::{code, codes, sentence, table};
use crate::cli::args::DocumentKind;
use crate::cli::schema::schema;

/// Returns the page about the cluster file.
pub(super) fn cluster_file() -> String {
    let schema = schema(DocumentKind::ClusterFile);
    let mut text = format!(
        "# Cluster file\n{NOTE}\n\n`kcm init` writes a commented cluster file, and `kcm schema` prints its JSON schema for editors. Relative paths start at the folder of the file.\n"
    );
    let mut sections = vec![(String::new(), &schema)];
    let mut place = 0;
    while let Some((path, section)) = sections.get(place).cloned() {
        let prefix = if path.is_empty() { path.clone() } else { format!("{path}.") };
        if !path.is_empty() {
            write!(text, "\n## {path}\n\n{}\n", sentence(description(section))).unwrap();
        }
        let rows: Vec<_> = keys(section)
            .map(|(key, value)| {
                let path = format!("{prefix}{key}");
                let (meaning, default) = meaning_and_default(description(value));
                let default = if is_required(section, key) { "required".into() } else { default };
                let nested = nested(&schema, value).map(|(is_list, nested)| {
                    let path = if is_list { format!("{path}[]") } else { path.clone() };
                    let known = sections.iter().find(|(_, known)| std::ptr::eq(*known, nested));
                    let known = known.map(|(path, _)| path.clone());
                    known.unwrap_or_else(|| {
                        sections.push((path.clone(), nested));
                        path
                    })
                });
                let kind = match nested {
                    Some(path) => format!("[{path}](#{})", anchor(&path)),
                    None => kind(value),
                };
                // A default shows the form of the value.
                let example = if default.is_empty() || default == "required" {
                    example(value)
                } else {
                    String::new()
                };
                [code(path), kind, default, meaning + &example]
            })
            .collect();
        write!(text, "\n{}", table(["Key", "Type", "Default", "Meaning"], &rows)).unwrap();
        place += 1;
    }
    text
}

/// Returns the anchor of a heading, as mdBook and GitHub form it.
pub(super) fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || "-_ ".contains(*it));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

pub(super) fn description(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

/// Returns the keys of an object with their schemas.
pub(super) fn keys(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flat_map(Map::iter)
}

pub(super) fn is_required(schema: &Value, key: &str) -> bool {
    schema["required"].as_array().is_some_and(|keys| keys.iter().any(|it| it == key))
}

/// Returns the name of the definition that a schema refers to.
pub(super) fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// Returns the section of a key, and true if the key has a list of them.
fn nested<'a>(root: &'a Value, value: &Value) -> Option<(bool, &'a Value)> {
    let optional = value["anyOf"].as_array().and_then(|any| any.iter().find_map(reference));
    let of_list = reference(&value["items"]).map(|name| (true, name));
    let (is_list, name) = reference(value).or(optional).map(|name| (false, name)).or(of_list)?;
    Some((is_list, &root["$defs"][name]))
}

/// Separates the default from the rest of a description.
fn meaning_and_default(description: &str) -> (String, String) {
    let text = sentence(description);
    let Some((before, rest)) = text.split_once("Default: ") else { return (text, String::new()) };
    let (default, after) = rest.split_once(". ").unwrap_or((rest.trim_end_matches('.'), ""));
    (format!("{before}{after}").trim_end().to_owned(), default.to_owned())
}

/// Returns the type of a key that is not a section.
fn kind(value: &Value) -> String {
    if let Some(any) = value["anyOf"].as_array() {
        return any.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let types: Vec<_> = match &value["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let name = |name: &&str| match *name {
        "string" => "text".to_owned(),
        "array" => format!("list of {}", kind(&value["items"])),
        "object" => match &value["additionalProperties"] {
            values @ Value::Object(_) => format!("map to {}", kind(values)),
            _ => "map".to_owned(),
        },
        other => other.to_owned(),
    };
    let types: Vec<_> = types.iter().filter(|name| **name != "null").map(name).collect();
    types.join(" or ")
}

/// Returns the examples of a key as a sentence.
fn example(value: &Value) -> String {
    let examples = value["examples"].as_array().into_iter().flatten();
    let written = |example: &Value| match example {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let examples: Vec<_> = examples.map(written).collect();
    let word = if examples.len() > 1 { "Examples" } else { "Example" };
    if examples.is_empty() { String::new() } else { format!(" {word}: {}.", codes(examples)) }
}
