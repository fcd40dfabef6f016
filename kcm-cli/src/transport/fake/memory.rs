//! Files in memory, durable only after a sync.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::util::files::{
    Effect, FileError, FileErrorKind, FileSystem, Mode, NodeKind, Owner, RemotePath, Room, Stat,
};

type Number = u64;
type Entries = BTreeMap<String, Number>;

const ROOT: Number = 0;
const MOST_LINKS: usize = 40;

/// A file system. [`power_off`](Self::power_off) loses everything that was not synced.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    inodes: BTreeMap<Number, Inode>,
    next: Number,
    now: OffsetDateTime,
    pub(super) can_set_owner: bool,
    /// The free space that is reported.
    pub(super) room: Room,
}

/// A path that exists, with its attributes and content.
#[derive(Clone, Debug)]
pub struct Node<'m> {
    /// The path.
    pub path: RemotePath,
    /// Kind of the file.
    pub kind: NodeKind,
    /// Permission bits.
    pub mode: Mode,
    /// Content of a regular file.
    pub content: Option<&'m [u8]>,
}

#[derive(Clone, Debug)]
struct Inode {
    content: Content,
    mode: Mode,
    owner: Owner,
    changed: OffsetDateTime,
}

/// The treatment of a link in the last component of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Itself,
    Followed,
}

#[derive(Clone)]
enum Content {
    File { bytes: Zeroizing<Vec<u8>>, durable: Zeroizing<Vec<u8>> },
    Folder { entries: Entries, durable: Entries },
    Link(String),
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { bytes, .. } => write!(f, "file of {} bytes", bytes.len()),
            Self::Folder { entries, .. } => write!(f, "folder {:?}", entries.keys()),
            Self::Link(target) => write!(f, "link to {target}"),
        }
    }
}

impl Memory {
    pub(super) fn new() -> Self {
        let mut memory = Self {
            inodes: BTreeMap::new(),
            next: ROOT,
            now: OffsetDateTime::UNIX_EPOCH + Duration::days(365 * 56),
            can_set_owner: true,
            room: Room { available: 1 << 40, obstacle: None },
        };
        memory.add(Content::folder(), Mode::FOLDER);
        memory
    }

    /// Advances the clock by a second.
    pub(super) fn tick(&mut self) -> OffsetDateTime {
        self.now += Duration::seconds(1);
        self.now
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        self.now
    }

    /// Discards everything that is not durable.
    pub(super) fn power_off(&mut self) {
        for inode in self.inodes.values_mut() {
            match &mut inode.content {
                Content::File { bytes, durable } => bytes.clone_from(durable),
                Content::Folder { entries, durable } => entries.clone_from(durable),
                Content::Link(_) => {}
            }
        }
    }

    /// Makes everything durable.
    pub(super) fn sync_all(&mut self) {
        for inode in self.inodes.values_mut() {
            inode.sync();
        }
    }

    /// Returns every path that exists, in order.
    pub(super) fn nodes(&self) -> Vec<Node<'_>> {
        let mut found = Vec::new();
        if let Ok(root) = RemotePath::new("/") {
            self.walk(root, ROOT, &mut found);
        }
        found
    }

    fn walk<'m>(&'m self, path: RemotePath, number: Number, found: &mut Vec<Node<'m>>) {
        let Some(inode) = self.inodes.get(&number) else { return };
        let content = match &inode.content {
            Content::File { bytes, .. } => Some(bytes.as_slice()),
            Content::Folder { .. } | Content::Link(_) => None,
        };
        let here = path.clone();
        found.push(Node { path, kind: inode.kind(), mode: inode.mode, content });
        if let Content::Folder { entries, .. } = &inode.content {
            for (name, number) in entries {
                self.walk(here.child(name), *number, found);
            }
        }
    }

    fn add(&mut self, content: Content, mode: Mode) -> Number {
        let number = self.next;
        self.next += 1;
        let inode = Inode { content, mode, owner: Owner::ROOT, changed: self.now };
        self.inodes.insert(number, inode);
        number
    }

    /// Returns the inode of a path; links before its last component are followed.
    fn walk_to(&self, path: &RemotePath, last: Last) -> Result<Option<Number>, FileError> {
        let mut trail = vec![ROOT];
        let mut todo: Vec<&str> = path.components().collect();
        todo.reverse();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            let here = trail.last().copied().unwrap_or(ROOT);
            let Some(Content::Folder { entries, .. }) = self.inodes.get(&here).map(|i| &i.content)
            else {
                return Ok(None);
            };
            if name == ".." {
                trail.pop();
                continue;
            }
            let Some(number) = entries.get(name) else { return Ok(None) };
            match self.inodes.get(number).map(|inode| &inode.content) {
                Some(Content::Link(target)) if !todo.is_empty() || last == Last::Followed => {
                    links += 1;
                    if links > MOST_LINKS {
                        let detail = "too many levels of symbolic links";
                        return Err(FileError::new(path, FileErrorKind::BadLink, detail));
                    }
                    if target.starts_with('/') {
                        trail.truncate(1);
                    }
                    todo.extend(target.split('/').filter(|n| !matches!(*n, "" | ".")).rev());
                }
                _ => trail.push(*number),
            }
        }
        Ok(trail.last().copied())
    }

    fn existing(&mut self, path: &RemotePath) -> Result<&mut Inode, FileError> {
        self.inode(path, Last::Itself)?.ok_or_else(|| not_found(path))
    }

    fn inode(&mut self, path: &RemotePath, last: Last) -> Result<Option<&mut Inode>, FileError> {
        let number = self.walk_to(path, last)?;
        Ok(number.and_then(|number| self.inodes.get_mut(&number)))
    }

    /// Returns the entries of the folder that holds `path`.
    fn holder(&mut self, path: &RemotePath) -> Result<&mut Entries, FileError> {
        let missing =
            || FileError::new(path, FileErrorKind::NotFound, "the parent folder does not exist");
        let parent = path.parent().ok_or_else(missing)?;
        let now = self.now;
        match self.inode(&parent, Last::Followed)? {
            Some(Inode { content: Content::Folder { entries, .. }, changed, .. }) => {
                *changed = now;
                Ok(entries)
            }
            Some(_) => Err(wrong_kind(path, "not a directory")),
            None => Err(missing()),
        }
    }

    fn insert(&mut self, path: &RemotePath, content: Content, mode: Mode) -> Result<(), FileError> {
        if self.walk_to(path, Last::Itself)?.is_some() {
            return Err(exists(path));
        }
        self.holder(path)?;
        let number = self.add(content, mode);
        self.holder(path)?.insert(path.name().to_owned(), number);
        Ok(())
    }

    /// Creates a second name of the same inode, which outlives the first.
    fn link(&mut self, path: &RemotePath, original: &RemotePath) -> Result<(), FileError> {
        if self.existing(original)?.kind() != NodeKind::File {
            return Err(wrong_kind(original, "only a regular file can have a hard link"));
        }
        if self.walk_to(path, Last::Itself)?.is_some() {
            return Err(exists(path));
        }
        let number = self.walk_to(original, Last::Itself)?;
        self.enter(path, number)
    }

    /// Enters an inode under this name.
    fn enter(&mut self, path: &RemotePath, number: Option<Number>) -> Result<(), FileError> {
        let Some(number) = number else { return Ok(()) };
        self.holder(path)?.insert(path.name().to_owned(), number);
        let now = self.now;
        if let Some(inode) = self.inodes.get_mut(&number) {
            inode.changed = now;
        }
        Ok(())
    }

    fn rename(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), FileError> {
        let moved = self.existing(from)?.kind();
        let number = self.walk_to(from, Last::Itself)?;
        let replaced = self.inode(to, Last::Itself)?.map(|inode| inode.kind());
        if moved != NodeKind::Folder && replaced == Some(NodeKind::Folder) {
            return Err(wrong_kind(to, "is a directory"));
        }
        self.holder(to)?;
        self.holder(from)?.remove(from.name());
        self.enter(to, number)
    }

    fn remove(&mut self, path: &RemotePath, folder: bool) -> Result<(), FileError> {
        let wrong = |detail| wrong_kind(path, detail);
        match &self.existing(path)?.content {
            Content::Folder { .. } if !folder => return Err(wrong("is a directory")),
            Content::Folder { entries, .. } if !entries.is_empty() => {
                return Err(wrong("directory not empty"));
            }
            Content::File { .. } | Content::Link(_) if folder => {
                return Err(wrong("not a directory"));
            }
            _ => {}
        }
        self.holder(path)?.remove(path.name());
        Ok(())
    }

    fn write(&mut self, path: &RemotePath, content: &[u8]) -> Result<(), FileError> {
        match &mut self.existing(path)?.content {
            Content::File { bytes, .. } => {
                *bytes = Zeroizing::new(content.to_vec());
                Ok(())
            }
            _ => Err(wrong_kind(path, "not a regular file")),
        }
    }
}

impl FileSystem for Memory {
    fn stat(&mut self, path: &RemotePath) -> Result<Option<Stat>, FileError> {
        Ok(self.inode(path, Last::Itself)?.map(|inode| Stat {
            kind: inode.kind(),
            mode: inode.mode,
            owner: inode.owner,
            size: match &inode.content {
                Content::File { bytes, .. } => bytes.len() as u64,
                Content::Folder { .. } | Content::Link(_) => 0,
            },
            changed: inode.changed,
        }))
    }

    fn read(&mut self, path: &RemotePath) -> Result<Zeroizing<Vec<u8>>, FileError> {
        match &self.existing(path)?.content {
            Content::File { bytes, .. } => Ok(bytes.clone()),
            _ => Err(wrong_kind(path, "not a regular file")),
        }
    }

    fn list(&mut self, path: &RemotePath) -> Result<Vec<String>, FileError> {
        match self.inode(path, Last::Followed)?.map(|inode| &inode.content) {
            None => Ok(Vec::new()),
            Some(Content::Folder { entries, .. }) => Ok(entries.keys().cloned().collect()),
            Some(_) => Err(wrong_kind(path, "not a directory")),
        }
    }

    fn room(&mut self, _folder: &RemotePath) -> Result<Room, FileError> {
        Ok(self.room)
    }

    fn perform(&mut self, effect: Effect<'_>) -> Result<(), FileError> {
        let now = self.tick();
        match effect {
            Effect::MakeFolder { path, mode } => self.insert(path, Content::folder(), mode),
            Effect::Create { path } => self.insert(path, Content::file(), Mode::PRIVATE),
            Effect::Link { path, target } => {
                self.insert(path, Content::Link(target.to_owned()), Mode::from_bits(0o777))
            }
            Effect::HardLink { path, original } => self.link(path, original),
            Effect::Write { path, content } => self.write(path, content),
            Effect::SetOwner { path, owner } => {
                if !self.can_set_owner {
                    let detail = "operation not permitted";
                    return Err(FileError::new(path, FileErrorKind::PermissionDenied, detail));
                }
                let inode = self.existing(path)?;
                (inode.owner, inode.changed) = (owner, now);
                Ok(())
            }
            Effect::SetMode { path, mode } => {
                let inode = self.existing(path)?;
                (inode.mode, inode.changed) = (mode, now);
                Ok(())
            }
            Effect::Sync { path } => match self.existing(path)? {
                Inode { content: Content::Link(_), .. } => {
                    Err(wrong_kind(path, "is a symbolic link, not a file"))
                }
                inode => {
                    inode.sync();
                    Ok(())
                }
            },
            Effect::SyncFolder { path } => {
                let folder = self.inode(path, Last::Followed)?;
                folder.ok_or_else(|| not_found(path))?.sync();
                Ok(())
            }
            Effect::Rename { from, to } => self.rename(from, to),
            Effect::Remove { path } => self.remove(path, false),
            Effect::RemoveFolder { path } => self.remove(path, true),
        }
    }

    fn can_set_owner(&self) -> bool {
        self.can_set_owner
    }
}

fn exists(path: &RemotePath) -> FileError {
    FileError::new(path, FileErrorKind::Exists, "file exists")
}

fn not_found(path: &RemotePath) -> FileError {
    FileError::new(path, FileErrorKind::NotFound, "no such file or directory")
}

fn wrong_kind(path: &RemotePath, detail: &str) -> FileError {
    FileError::new(path, FileErrorKind::WrongKind, detail)
}

impl Inode {
    fn kind(&self) -> NodeKind {
        match &self.content {
            Content::File { .. } => NodeKind::File,
            Content::Folder { .. } => NodeKind::Folder,
            Content::Link(target) => NodeKind::Link(target.clone()),
        }
    }

    fn sync(&mut self) {
        match &mut self.content {
            Content::File { bytes, durable } => durable.clone_from(bytes),
            Content::Folder { entries, durable } => durable.clone_from(entries),
            Content::Link(_) => {}
        }
    }
}

impl Content {
    fn file() -> Self {
        Self::File { bytes: Zeroizing::default(), durable: Zeroizing::default() }
    }

    fn folder() -> Self {
        Self::Folder { entries: Entries::new(), durable: Entries::new() }
    }
}
