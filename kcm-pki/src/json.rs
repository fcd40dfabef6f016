//! JSON with the semantics of Go's `encoding/json`: field names are case-insensitive, the last
//! duplicate counts, and `null` means absent.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use crate::{text::nearest, warning::Warning};

/// A JSON syntax error, or a field of the wrong type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is not JSON.
    #[error("line {line}, column {column}: {problem}")]
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// The column in bytes, counted from 1.
        column: usize,
        /// Description of the error.
        problem: String,
    },
    /// A field has the wrong type.
    #[error("`{field}` must be {expected}, not {found}")]
    WrongType {
        /// The field's path, `names[1].C`, or `the file` for the whole file.
        field: String,
        /// Required type, with an article.
        expected: &'static str,
        /// Description of the actual value.
        found: String,
    },
}

/// A JSON value that keeps every member of an object, with duplicates, in the order of the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Parses a complete text.
///
/// Nesting deeper than 128 levels is a syntax error, so that no text can exhaust the stack.
pub(crate) fn parse(text: &str) -> Result<Json, JsonError> {
    if text.starts_with('\u{feff}') {
        let problem =
            "the file starts with a byte order mark; save the file as UTF-8 without a byte order mark".to_owned();
        return Err(JsonError::Syntax { line: 1, column: 1, problem });
    }
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column().max(1));
        JsonError::Syntax { line, column, problem: problem(text, &error) }
    })
}

fn problem(text: &str, error: &serde_json::Error) -> String {
    let at = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let rest = at.get(error.column().saturating_sub(1)..).unwrap_or_default();
    if rest.starts_with("//") || rest.starts_with("/*") || rest.starts_with('#') {
        return "JSON does not support comments; remove the comment".to_owned();
    }
    let message = error.to_string();
    message.split(" at line ").next().unwrap_or(&message).to_owned()
}

impl Json {
    fn describe(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(value) => format!("the number {value}"),
            Self::Text(value) => format!("the string {value:?}"),
            Self::List(_) => "a list".to_owned(),
            Self::Object(_) => "an object".to_owned(),
        }
    }
}

/// The members of an object, with the object's own path for messages.
pub(crate) struct Fields<'a> {
    path: String,
    members: &'a [(String, Json)],
}

impl<'a> Fields<'a> {
    /// Reads `value` as an object; an empty path denotes the whole file.
    pub(crate) fn of(value: &'a Json, path: impl Into<String>) -> Result<Self, JsonError> {
        let path = path.into();
        match value {
            Json::Object(members) => Ok(Self { path, members }),
            other => Err(wrong_type(&path, "an object", other)),
        }
    }

    /// Returns the path of a field of this object.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Returns all members of an object with arbitrary keys, the last of each name, in the order of
    /// the text; members that are `null` are omitted.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Json)> {
        let members = self.members;
        members.iter().enumerate().filter_map(|(index, (name, value))| {
            let overridden = members.iter().skip(index + 1).any(|(later, _)| later == name);
            (!overridden && *value != Json::Null).then_some((name.as_str(), value))
        })
    }

    /// Returns `true` if a field is present and not `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub(crate) fn object(&self, name: &str) -> Result<Option<Fields<'a>>, JsonError> {
        self.find(name).map(|value| Fields::of(value, self.path(name))).transpose()
    }

    pub(crate) fn list(&self, name: &str) -> Result<&'a [Json], JsonError> {
        match self.find(name) {
            None => Ok(&[]),
            Some(Json::List(items)) => Ok(items),
            Some(other) => Err(wrong_type(&self.path(name), "a list", other)),
        }
    }

    pub(crate) fn string(&self, name: &str) -> Result<Option<&'a str>, JsonError> {
        match self.find(name) {
            None => Ok(None),
            Some(value) => as_str(value, &self.path(name)).map(Some),
        }
    }

    /// Reads a list of strings; a `null` in it is an empty string, as in Go.
    pub(crate) fn strings(&self, name: &str) -> Result<Vec<&'a str>, JsonError> {
        let path = self.path(name);
        let items = self.list(name)?.iter().enumerate();
        items.map(|(index, item)| as_str(item, &format!("{path}[{index}]"))).collect()
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<bool, JsonError> {
        match self.find(name) {
            None => Ok(false),
            Some(Json::Bool(value)) => Ok(*value),
            Some(other) => Err(wrong_type(&self.path(name), "true or false", other)),
        }
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, JsonError> {
        let Some(value) = self.find(name) else {
            return Ok(None);
        };
        let number = match value {
            Json::Number(number) => number.as_i64(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| wrong_type(&self.path(name), "an integer", value))
    }

    /// Warns of duplicates and of fields that are not in `read`; cfssl knows those in `unread`, but
    /// not the others.
    pub(crate) fn warn_of_others(
        &self,
        read: &[&'static str],
        unread: &[&'static str],
        warnings: &mut Vec<Warning>,
    ) {
        for (index, (name, value)) in self.members.iter().enumerate() {
            let field = self.path(name);
            if *value == Json::Null {
                continue;
            }
            if self
                .members
                .iter()
                .take(index)
                .any(|(earlier, _)| earlier.eq_ignore_ascii_case(name))
            {
                warnings.push(Warning::DuplicateField { field });
            } else if among(unread, name) {
                warnings.push(Warning::UnsupportedField { field });
            } else if !among(read, name) {
                let nearest = nearest(name, read.iter().copied());
                let nearest = read.iter().copied().find(|known| Some(*known) == nearest);
                warnings.push(Warning::UnknownField { field, nearest });
            }
        }
    }

    fn find(&self, name: &str) -> Option<&'a Json> {
        let mut matching =
            self.members.iter().rev().filter(|(member, _)| member.eq_ignore_ascii_case(name));
        matching.find(|(_, value)| *value != Json::Null).map(|(_, value)| value)
    }
}

fn among(known: &[&str], name: &str) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn as_str<'a>(value: &'a Json, path: &str) -> Result<&'a str, JsonError> {
    match value {
        Json::Text(text) => Ok(text),
        Json::Null => Ok(""),
        other => Err(wrong_type(path, "a string", other)),
    }
}

fn wrong_type(path: &str, expected: &'static str, found: &Json) -> JsonError {
    let field = if path.is_empty() { "the file" } else { path }.to_owned();
    JsonError::WrongType { field, expected, found: found.describe() }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = entries.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}
