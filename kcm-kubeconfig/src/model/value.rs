use std::fmt;

use crate::Secret;

/// A piece of a kubeconfig that this crate keeps without understanding it: an unknown field, an extension, an exec
/// plugin, an auth provider.
///
/// Any text in it may be a credential (an exec plugin's environment, an auth provider's refresh token), so all text
/// is a [`Secret`] and `Debug` shows the shape only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`, `~` or nothing at all.
    Null,
    /// A YAML 1.1 boolean.
    Bool(bool),
    /// A number, spelled as it was read (`0x1F`, `1_000`, `1.10`), so that nothing is lost on the way out.
    Number(String),
    /// Text.
    Text(Secret<String>),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(Fields),
}

/// Fields kept in the order in which they were read; they are printed in kubectl's order.
///
/// `Debug` shows the keys and the shape, never a text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Looks a field up by its exact key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Puts a field in, and returns the value it replaces.
    pub fn insert(&mut self, key: impl Into<String>, value: Value) -> Option<Value> {
        let key = key.into();
        if let Some((_, old)) = self.0.iter_mut().find(|(name, _)| *name == key) {
            return Some(std::mem::replace(old, value));
        }
        self.0.push((key, value));
        None
    }

    /// Takes a field out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let index = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(index).1)
    }

    /// Returns the fields in the order in which they were read.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Appends a field that the caller knows to be new.
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
