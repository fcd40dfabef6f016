//! The content of a folder as a value, to compare before and after.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The content of a folder by relative path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree(pub BTreeMap<PathBuf, Entry>);

/// A file, folder or link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Type and permission bits, as in `st_mode`.
    pub mode: u32,
    /// Bytes of a file, target of a link; empty for others.
    pub content: Vec<u8>,
    /// Inode number.
    pub inode: u64,
    /// Change time in nanoseconds.
    pub ctime: i64,
}

impl Tree {
    /// Reads `folder` and everything below it; empty if it does not exist.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let mut tree = BTreeMap::new();
        if folder.symlink_metadata().is_ok() {
            walk(folder, folder, &mut tree);
        }
        Self(tree)
    }

    /// Returns mode and content of each entry, without inode numbers and change times.
    #[must_use]
    pub fn content(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let entries = self.0.iter();
        entries.map(|(path, e)| (path.clone(), (e.mode, e.content.clone()))).collect()
    }

    /// Returns the entries of [`Tree::content`] without kcm's folders of earlier generations.
    #[must_use]
    pub fn in_place(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        self.content().into_iter().filter(|(path, _)| !is_kept(path)).collect()
    }
}

/// Names of kcm's folders on a master that hold its records and earlier generations.
const KEPT: [&str; 3] = [".kcm", ".kcm.a", ".kcm.b"];

/// Reports whether a path is in one of kcm's folders of records and earlier generations.
#[must_use]
pub fn is_kept(path: &Path) -> bool {
    path.iter().any(|name| KEPT.iter().any(|kept| name == *kept))
}

fn walk(root: &Path, at: &Path, tree: &mut BTreeMap<PathBuf, Entry>) {
    let found = at.symlink_metadata().unwrap();
    let content = if found.is_symlink() {
        fs::read_link(at).unwrap().into_os_string().into_encoded_bytes()
    } else if found.is_file() {
        fs::read(at).unwrap()
    } else {
        Vec::new()
    };
    let ctime = found.ctime() * 1_000_000_000 + found.ctime_nsec();
    let entry = Entry { mode: found.mode(), content, inode: found.ino(), ctime };
    tree.insert(at.strip_prefix(root).unwrap().to_owned(), entry);
    if found.is_dir() {
        for entry in fs::read_dir(at).unwrap() {
            walk(root, &entry.unwrap().path(), tree);
        }
    }
}
