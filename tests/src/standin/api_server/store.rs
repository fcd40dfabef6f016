//! The stored objects, their revisions, and the journal file that outlives the process.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::kinds::Kind;

/// The key of an object: kind, namespace, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) resource: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(kind: &Kind, namespace: &str, name: &str) -> Self {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Self { resource: kind.qualified(), namespace, name }
    }
}

/// A change, as watchers see it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) revision: u64,
    pub(super) what: &'static str,
    pub(super) key: Key,
    pub(super) object: Value,
}

/// All objects, with recent changes.
#[derive(Debug)]
pub(super) struct Store {
    objects: BTreeMap<Key, Value>,
    revision: u64,
    changes: VecDeque<Change>,
    news: watch::Sender<u64>,
    journal: Option<File>,
}

impl Store {
    /// Opens the store with the objects of an earlier process in `folder`. Without a folder, it
    /// starts empty and persists nothing.
    pub(super) fn open(folder: Option<&Path>) -> Result<Self, String> {
        let mut store = Self {
            objects: BTreeMap::new(),
            revision: 1,
            changes: VecDeque::new(),
            news: watch::Sender::new(1),
            journal: None,
        };
        if let Some(folder) = folder {
            let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
            fs::create_dir_all(folder).map_err(failed)?;
            let path = folder.join("objects.jsonl");
            let written = fs::read(&path).unwrap_or_default();
            let whole = written.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            store.replay(&String::from_utf8_lossy(written.get(..whole).unwrap_or_default()));
            let journal = File::options().create(true).append(true).open(&path).map_err(failed)?;
            // The next line must not continue an incomplete one.
            journal.set_len(whole as u64).map_err(failed)?;
            store.journal = Some(journal);
        }
        Ok(store)
    }

    /// Applies the whole lines of a journal. An incomplete last line, left by a kill, was never
    /// acknowledged.
    fn replay(&mut self, journal: &str) {
        for line in journal.lines() {
            let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            let (resource, namespace, name) = (text("resource"), text("namespace"), text("name"));
            let key = Key { resource, namespace, name };
            self.revision = entry["revision"].as_u64().unwrap_or(self.revision);
            match &entry["object"] {
                Value::Null => self.objects.remove(&key),
                object => self.objects.insert(key, object.clone()),
            };
        }
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    /// Returns the objects of a kind in one namespace, or in all if `namespace` is empty.
    pub(super) fn list<'a>(
        &'a self,
        kind: &Kind,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Key, &'a Value)> {
        let resource = kind.qualified();
        self.objects.iter().filter(move |(key, _)| {
            key.resource == resource && (namespace.is_empty() || key.namespace == namespace)
        })
    }

    /// Stores an object with a new revision and returns it.
    pub(super) fn put(&mut self, key: &Key, mut object: Value) -> Value {
        let what = if self.objects.contains_key(key) { "MODIFIED" } else { "ADDED" };
        object["metadata"]["resourceVersion"] = json!((self.revision + 1).to_string());
        self.objects.insert(key.clone(), object.clone());
        self.record(what, key, object.clone());
        object
    }

    /// Removes an object and returns it.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Value> {
        let mut object = self.objects.remove(key)?;
        object["metadata"]["resourceVersion"] = json!((self.revision + 1).to_string());
        self.record("DELETED", key, object.clone());
        Some(object)
    }

    fn record(&mut self, what: &'static str, key: &Key, object: Value) {
        self.revision += 1;
        if let Some(journal) = &mut self.journal {
            let kept = if what == "DELETED" { &Value::Null } else { &object };
            let line = json!({
                "revision": self.revision, "resource": key.resource, "namespace": key.namespace,
                "name": key.name, "object": kept,
            });
            journal.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
        let revision = self.revision;
        self.changes.push_back(Change { revision, what, key: key.clone(), object });
        if self.changes.len() > REMEMBERED {
            self.changes.pop_front();
        }
        self.news.send_replace(revision);
    }

    /// Returns the changes after a revision. The error is the oldest available revision, if
    /// `revision` is older.
    pub(super) fn changes_after(&self, revision: u64) -> Result<Vec<Change>, u64> {
        let oldest = self.changes.front().map_or(self.revision, |change| change.revision - 1);
        if revision < oldest {
            return Err(oldest);
        }
        Ok(self.changes.iter().filter(|change| change.revision > revision).cloned().collect())
    }

    /// Returns a receiver that is notified of each change.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}

const REMEMBERED: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_a_kill_cut_off_does_not_spoil_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str| Key {
            resource: "configmaps".to_owned(),
            namespace: "default".to_owned(),
            name: name.to_owned(),
        };
        let open = || Store::open(Some(folder.path())).unwrap();
        open().put(&key("first"), json!({}));
        let path = folder.path().join("objects.jsonl");
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"{\"revision\": 9, \"name\": \"\xe9\x9b").unwrap();
        open().put(&key("second"), json!({}));
        let store = open();
        assert!(store.get(&key("first")).is_some() && store.get(&key("second")).is_some());
        assert_eq!(store.revision(), 3);
    }
}
