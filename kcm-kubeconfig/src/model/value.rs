use std::fmt;

use crate::Secret;

/// A value that this crate keeps without interpreting it: an unknown field, an extension, an exec
/// plugin, an auth provider.
///
/// Any text in it may be a credential, such as an exec plugin's environment or an auth provider's
/// refresh token. Therefore every text is a [`Secret`], and `Debug` shows the structure only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`, `~` or an absent value.
    Null,
    /// A YAML 1.1 boolean.
    Bool(bool),
    /// A number with its original spelling (`0x1F`, `1_000`, `1.10`), so that printing loses
    /// nothing.
    Number(String),
    /// Text.
    Text(Secret<String>),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(Fields),
}

/// Fields in the order of the text; they are printed in kubectl's order.
///
/// `Debug` shows keys and structure, never texts.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Returns `true` if the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the field with exactly this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Inserts a field and returns the value that it replaces.
    pub fn insert(&mut self, key: impl Into<String>, value: Value) -> Option<Value> {
        let key = key.into();
        if let Some((_, old)) = self.0.iter_mut().find(|(name, _)| *name == key) {
            return Some(std::mem::replace(old, value));
        }
        self.0.push((key, value));
        None
    }

    /// Removes a field and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let index = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(index).1)
    }

    /// Returns the fields in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Appends a field whose key the caller knows to be new.
    pub(crate) fn push_new(&mut self, key: String, value: Value) {
        self.0.push((key, value));
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_keys_but_no_text() {
        let mut fields = Fields::default();
        fields.insert("env", Value::List(vec![Value::Text("hunter2".to_owned().into())]));
        assert_eq!(format!("{fields:?}"), r#"{"env": List([Text(Secret(..))])}"#);
    }

    #[test]
    fn insert_replaces_in_place_and_remove_takes_out() {
        let mut fields = Fields::default();
        assert_eq!(fields.insert("a", Value::Null), None);
        fields.insert("b", Value::Bool(true));
        assert_eq!(fields.insert("a", Value::Bool(false)), Some(Value::Null));
        assert_eq!(fields.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(fields.remove("a"), Some(Value::Bool(false)));
        assert_eq!((fields.len(), fields.get("a")), (1, None));
    }
}
