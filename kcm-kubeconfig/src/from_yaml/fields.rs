//! Reads single fields: enforces types as Go's JSON decoder does, and keeps unknown fields.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Fields, ReadError, Warning};
use crate::Secret;
use crate::model::Value;
use crate::public_view::is_hidden;
use crate::yaml::read::{Entry, Kind, Node, Scalar};
use crate::yaml::{Plain, resolve};

/// Returns the entries of a map; empty for `null`.
pub(super) fn map<'a>(node: Node<'a>, field: &str) -> Result<Vec<Entry<'a>>, ReadError> {
    match node.kind {
        Kind::Map(entries) => Ok(entries),
        _ if is_null(&node) => Ok(Vec::new()),
        _ => Err(wrong_type(&node, field, "a map", "write the fields as `key: value` lines")),
    }
}

/// Returns the items of a list; empty for `null`.
pub(super) fn each<'a>(node: Node<'a>, field: &str) -> Result<Vec<Node<'a>>, ReadError> {
    match node.kind {
        Kind::List(items) => Ok(items),
        _ if is_null(&node) => Ok(Vec::new()),
        _ => Err(wrong_type(&node, field, "a list", "start each entry with `- `")),
    }
}

/// Returns a text; empty for `null`. Booleans and numbers are rejected, as by kubectl.
pub(super) fn text(entry: Entry<'_>) -> Result<String, ReadError> {
    scalar_text(entry).map(Cow::into_owned)
}

/// Returns a text that is a secret.
pub(super) fn secret_text(entry: Entry<'_>) -> Result<Secret<String>, ReadError> {
    text(entry).map(Secret::new)
}

/// Returns a YAML 1.1 boolean; `false` for `null`.
pub(super) fn flag(entry: &Entry<'_>) -> Result<bool, ReadError> {
    if let Kind::Scalar(Scalar { text, plain: true }) = &entry.value.kind {
        match resolve(text) {
            Plain::Bool(flag) => return Ok(flag),
            Plain::Null => return Ok(false),
            Plain::Text | Plain::Number | Plain::Timestamp => {}
        }
    }
    Err(wrong_type(
        &entry.value,
        &entry.key.text,
        "a boolean",
        "write true or false without quotes",
    ))
}

/// Returns embedded public data. In a public view, the value may be a digest.
pub(super) fn data(entry: Entry<'_>, is_view: bool) -> Result<Vec<u8>, ReadError> {
    let (field, path_field) = match &*entry.key.text {
        "certificate-authority-data" => ("certificate-authority-data", "certificate-authority"),
        "client-key-data" => ("client-key-data", "client-key"),
        _ => ("client-certificate-data", "client-certificate"),
    };
    let at = entry.value.at;
    let text = scalar_text(entry)?;
    if is_view && is_hidden(&text) {
        return Ok(text.into_owned().into_bytes());
    }
    let decoded = decode(&text).ok_or(ReadError::Base64 { at, field, path_field });
    if let Cow::Owned(mut text) = text {
        text.zeroize();
    }
    decoded
}

/// Returns embedded data that are a secret.
pub(super) fn key_data(entry: Entry<'_>, is_view: bool) -> Result<Secret<Vec<u8>>, ReadError> {
    data(entry, is_view).map(Secret::new)
}

/// Keeps an unknown field.
pub(super) fn other(
    warnings: &mut Vec<Warning>,
    fields: &mut Fields,
    entry: Entry<'_>,
    known: &[&'static str],
) {
    if let Some(expected) = known.iter().find(|known| known.eq_ignore_ascii_case(&entry.key.text))
        && *expected != entry.key.text
    {
        let key = entry.key.text.clone().into_owned();
        warnings.push(Warning::WrongCase { at: entry.at, key, expected });
    }
    keep(warnings, fields, entry);
}

fn keep(warnings: &mut Vec<Warning>, fields: &mut Fields, entry: Entry<'_>) {
    if entry.key.plain && !matches!(resolve(&entry.key.text), Plain::Text | Plain::Timestamp) {
        warnings.push(Warning::KeyKept { at: entry.at, key: entry.key.text.clone().into_owned() });
    }
    let value = value(warnings, entry.value);
    // The YAML reader has removed duplicate keys.
    fields.push_new(entry.key.text.into_owned(), value);
}

fn value(warnings: &mut Vec<Warning>, node: Node<'_>) -> Value {
    match node.kind {
        Kind::List(items) => {
            Value::List(items.into_iter().map(|item| value(warnings, item)).collect())
        }
        Kind::Map(entries) => {
            let mut fields = Fields::default();
            for entry in entries {
                keep(warnings, &mut fields, entry);
            }
            Value::Map(fields)
        }
        Kind::Scalar(scalar) => match resolve(&scalar.text) {
            Plain::Null if scalar.plain => Value::Null,
            Plain::Bool(flag) if scalar.plain => Value::Bool(flag),
            Plain::Number if scalar.plain => Value::Number(scalar.text.into_owned()),
            _ => Value::Text(Secret::new(scalar.text.into_owned())),
        },
    }
}

fn scalar_text(entry: Entry<'_>) -> Result<Cow<'_, str>, ReadError> {
    if is_null(&entry.value) {
        return Ok(Cow::Borrowed(""));
    }
    match entry.value.kind {
        Kind::Scalar(Scalar { text, plain }) if !plain || is_text(&text) => Ok(text),
        _ => Err(wrong_type(&entry.value, &entry.key.text, "a string", "put the value in quotes")),
    }
}

/// Decodes base64 as Go does: padded, with line breaks anywhere.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|b| matches!(b, b'\n' | b'\r')) {
        let joined: Zeroizing<Vec<u8>> =
            text.bytes().filter(|b| !matches!(b, b'\n' | b'\r')).collect::<Vec<_>>().into();
        STANDARD.decode(&*joined).ok()
    } else {
        STANDARD.decode(text).ok()
    }
}

fn is_text(plain: &str) -> bool {
    matches!(resolve(plain), Plain::Text | Plain::Timestamp)
}

fn is_null(node: &Node<'_>) -> bool {
    matches!(&node.kind, Kind::Scalar(Scalar { text, plain: true }) if resolve(text) == Plain::Null)
}

fn wrong_type(
    node: &Node<'_>,
    field: &str,
    expected: &'static str,
    help: &'static str,
) -> ReadError {
    let found = match &node.kind {
        Kind::List(_) => "a list",
        Kind::Map(_) => "a map",
        Kind::Scalar(Scalar { plain: false, .. }) => "a string",
        Kind::Scalar(Scalar { text, .. }) => match resolve(text) {
            Plain::Null => "null",
            Plain::Bool(_) => "a boolean",
            Plain::Number => "a number",
            Plain::Text | Plain::Timestamp => "a string",
        },
    };
    ReadError::WrongType { at: node.at, field: field.to_owned(), expected, found, help }
}
