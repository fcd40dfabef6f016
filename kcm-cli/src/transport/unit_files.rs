//! The files that systemd loads a unit from: their paths and contents.

use std::collections::BTreeMap;
use std::fmt;

use kcm_systemd::{
    Surroundings, UNIT_FOLDERS, UnitFile, UnitName, drop_in_folders, drop_ins_in_order,
};
use zeroize::Zeroizing;

use super::glob;
use super::interpret::check_length;
use crate::util::files::{self, FileError, FileErrorKind, FileSystem, NodeKind, RemotePath};

/// Maximum number of aliases that systemd follows (`FOLLOW_MAX` in `src/shared/unit-file.c`).
const MOST_ALIASES: usize = 8;
/// Target of the link that masks a unit or a drop-in.
const NULL: &str = "/dev/null";

/// A search for the files that systemd loads a unit from. Reads them; changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindUnit {
    /// The unit, or an alias of it.
    pub unit: UnitName,
}

/// The files that systemd loads a unit from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundUnit {
    /// The unit's own file; `None` if the unit does not exist.
    pub file: Option<UnitSource>,
    /// The effective drop-ins, in systemd's order; a masked one is empty.
    pub drop_ins: Vec<UnitSource>,
    /// The files of `EnvironmentFile=`, in systemd's order.
    pub environment: Vec<EnvironmentSource>,
}

/// A file that is part of a unit.
#[derive(Clone, PartialEq, Eq)]
pub struct UnitSource {
    /// Path at which systemd finds the file.
    pub path: String,
    /// Resolved path, if it is a symbolic link.
    pub target: Option<String>,
    /// Content; `None` if it cannot be read.
    pub content: Option<Zeroizing<Vec<u8>>>,
}

/// A file that `EnvironmentFile=` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentSource {
    /// Path of the file.
    pub path: String,
    /// True if the unit starts without it.
    pub is_optional: bool,
    /// Observed state of the file.
    pub state: EnvironmentState,
}

/// The state of an environment file.
#[derive(Clone, PartialEq, Eq)]
pub enum EnvironmentState {
    /// No file exists at the path.
    Absent,
    /// The content is not needed: no command refers to a variable.
    Unread,
    /// The file exists but cannot be read.
    Unreadable,
    /// The content of the file.
    Read(Zeroizing<Vec<u8>>),
}

impl FoundUnit {
    /// Reports whether systemd refuses to start the unit because its file is empty or leads to
    /// `/dev/null`.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        self.file.as_ref().is_some_and(|file| {
            file.target.as_deref() == Some(NULL)
                || file.content.as_ref().is_some_and(|content| content.is_empty())
        })
    }
}

/// Shows no content: a unit or an environment file may hold a password.
impl fmt::Debug for UnitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.content.as_ref().map(|content| content.len());
        let Self { path, target, .. } = self;
        write!(f, "{path} -> {target:?} ({size:?} bytes)")
    }
}

impl fmt::Debug for EnvironmentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Unread => f.write_str("Unread"),
            Self::Unreadable => f.write_str("Unreadable"),
            Self::Read(content) => write!(f, "Read({} bytes)", content.len()),
        }
    }
}

/// Paths of a unit's files.
pub(super) struct Located {
    pub(super) file: Option<RemotePath>,
    pub(super) drop_ins: Vec<RemotePath>,
}

/// Finds a unit's files as systemd 252 does.
///
/// See `unit_file_build_name_map()` and `unit_file_find_fragment()` in `src/shared/unit-file.c`,
/// and `unit_file_find_dropin_paths()` in `src/shared/dropin.c`.
pub(super) fn locate(files: &mut dyn FileSystem, unit: &UnitName) -> Result<Located, FileError> {
    let names = names(files)?;
    let file = follow(&names, unit.as_str()).cloned();
    let primary = file.as_ref().and_then(|file| file.name().parse::<UnitName>().ok());
    let mut all = vec![primary.unwrap_or_else(|| unit.clone())];
    let aliases =
        names.keys().filter(|name| file.is_some() && follow(&names, name) == file.as_ref());
    let aliases = aliases.filter_map(|name| name.parse::<UnitName>().ok());
    for alias in aliases {
        if !all.contains(&alias) {
            all.push(alias);
        }
    }
    let mut found = Vec::new();
    for folder in drop_in_folders(&all) {
        let Ok(folder) = RemotePath::new(folder) else { continue };
        if is_folder(files, &folder)? {
            let names = files.list(&folder)?;
            found.extend(names.iter().map(|name| (folder.child(name).to_string(), ())));
        }
    }
    let drop_ins = drop_ins_in_order(found).into_iter();
    let drop_ins = drop_ins.filter_map(|(path, ())| RemotePath::new(path).ok()).collect();
    Ok(Located { file, drop_ins })
}

/// The target of a unit name.
enum Target {
    File(RemotePath),
    Alias(String),
}

fn follow<'n>(names: &'n BTreeMap<String, Target>, name: &str) -> Option<&'n RemotePath> {
    let mut target = names.get(name)?;
    for _ in 0..MOST_ALIASES {
        match target {
            Target::File(path) => return Some(path),
            Target::Alias(name) => target = names.get(name)?,
        }
    }
    None
}

/// Returns all services by name, each from the folder with the highest precedence.
fn names(files: &mut dyn FileSystem) -> Result<BTreeMap<String, Target>, FileError> {
    let mut found = BTreeMap::new();
    for folder in UNIT_FOLDERS {
        let Ok(folder) = RemotePath::new(folder) else { continue };
        if !is_folder(files, &folder)? {
            continue;
        }
        for name in files.list(&folder)? {
            let is_service = name.ends_with(".service") && UnitName::parse(&name).is_ok();
            if !is_service || found.contains_key(&name) {
                continue;
            }
            let at = folder.child(&name);
            let target = match files.stat(&at)?.map(|stat| stat.kind) {
                Some(NodeKind::File) => Target::File(at),
                Some(NodeKind::Link(target)) => match linked(files, &at, &target)? {
                    Some(target) => target,
                    None => continue,
                },
                _ => continue,
            };
            found.insert(name, target);
        }
    }
    Ok(found)
}

/// Resolves a link among the units. It is an alias if it leads into a unit folder, and a unit file
/// anywhere else. It is `None` if it is an alias of itself or not of a service.
fn linked(
    files: &mut dyn FileSystem,
    at: &RemotePath,
    target: &str,
) -> Result<Option<Target>, FileError> {
    let Some(folder) = at.parent() else { return Ok(None) };
    let Some(folder) = files::real(files, &folder)? else { return Ok(None) };
    let Some(target) = files::next_target(files, &folder, target)? else { return Ok(None) };
    let is_unit = UNIT_FOLDERS.iter().any(|folder| {
        let below = target.as_str().strip_prefix(folder);
        below.is_some_and(|below| below.starts_with('/'))
    });
    if !is_unit {
        return Ok(Some(Target::File(at.clone())));
    }
    let (name, is_same_kind) =
        (target.name(), target.name().contains('@') == at.name().contains('@'));
    let is_alias = name != at.name() && name.ends_with(".service") && is_same_kind;
    Ok(is_alias.then(|| Target::Alias(name.to_owned())))
}

/// Finds a unit's files and reads them.
pub(super) fn find(
    files: &mut dyn FileSystem,
    unit: &UnitName,
    hostname: Option<&str>,
) -> Result<FoundUnit, FileError> {
    let located = locate(files, unit)?;
    let Some(path) = located.file else {
        let drop_ins = located.drop_ins.iter().map(|path| drop_in(files, path));
        return Ok(FoundUnit {
            drop_ins: drop_ins.collect::<Result<_, _>>()?,
            ..FoundUnit::default()
        });
    };
    let file = source(files, &path)?;
    let mut drop_ins = Vec::new();
    for path in &located.drop_ins {
        drop_ins.push(drop_in(files, path)?);
    }
    let primary = path.name().parse().unwrap_or_else(|_| unit.clone());
    let mut around = Surroundings::of(primary);
    around.hostname = hostname.map(str::to_owned);
    let environment = environment(files, std::iter::once(&file).chain(&drop_ins), &around)?;
    Ok(FoundUnit { file: Some(file), drop_ins, environment })
}

/// Reads the environment files of a unit with its drop-ins, given in systemd's order.
pub(crate) fn environment<'s>(
    files: &mut dyn FileSystem,
    sources: impl IntoIterator<Item = &'s UnitSource>,
    around: &Surroundings,
) -> Result<Vec<EnvironmentSource>, FileError> {
    let texts = sources.into_iter().filter_map(|source| source.content.as_deref());
    let merged = UnitFile::merged(texts.map(UnitFile::parse));
    let refers = merged.values("Service", "ExecStart").any(|entry| entry.value.contains('$'));
    let mut environment = Vec::new();
    for named in merged.environment_files(around) {
        let mut paths = glob::paths(files, &named.path)?;
        if paths.is_empty() {
            paths.push(named.path.clone());
        }
        for path in paths {
            let state = environment_state(files, &path, refers)?;
            environment.push(EnvironmentSource { path, is_optional: named.is_optional, state });
        }
    }
    Ok(environment)
}

/// Reads a drop-in. One that is not a regular file counts as empty.
fn drop_in(files: &mut dyn FileSystem, path: &RemotePath) -> Result<UnitSource, FileError> {
    let found = source(files, path)?;
    if found.content.is_some() {
        return Ok(found);
    }
    let real = files::real(files, path)?;
    let is_file = match real {
        Some(real) => content(files, &real)?.is_none(),
        None => false,
    };
    Ok(if is_file { found } else { UnitSource { content: Some(Zeroizing::default()), ..found } })
}

/// Reads one file of a unit.
fn source(files: &mut dyn FileSystem, path: &RemotePath) -> Result<UnitSource, FileError> {
    let real = files::real(files, path)?;
    let target = real.as_ref().filter(|real| *real != path).map(ToString::to_string);
    let is_null = target.as_deref() == Some(NULL);
    let content = match real {
        _ if is_null => Some(Zeroizing::default()),
        Some(real) => content(files, &real)?.flatten(),
        None => None,
    };
    Ok(UnitSource { path: path.to_string(), target, content })
}

/// Returns the content of a file, `Some(None)` if it is not a regular file, and `None` if
/// permission is denied.
#[expect(clippy::option_option, reason = "no file and no permission are two answers")]
fn content(
    files: &mut dyn FileSystem,
    real: &RemotePath,
) -> Result<Option<Option<Zeroizing<Vec<u8>>>>, FileError> {
    match files.stat(real) {
        Ok(Some(stat)) if stat.kind == NodeKind::File => check_length(real, &stat)?,
        Ok(_) => return Ok(Some(None)),
        Err(error) => return refused(error).map(|()| None),
    }
    match files.read(real) {
        Ok(content) => Ok(Some(Some(content))),
        Err(error) => refused(error).map(|()| None),
    }
}

fn refused(error: FileError) -> Result<(), FileError> {
    if error.kind == FileErrorKind::PermissionDenied { Ok(()) } else { Err(error) }
}

fn environment_state(
    files: &mut dyn FileSystem,
    path: &str,
    refers: bool,
) -> Result<EnvironmentState, FileError> {
    let Ok(path) = RemotePath::new(path) else { return Ok(EnvironmentState::Absent) };
    let Some(real) = files::real(files, &path)? else { return Ok(EnvironmentState::Absent) };
    if !refers {
        let is_there = files.stat(&real)?.is_some();
        return Ok(if is_there { EnvironmentState::Unread } else { EnvironmentState::Absent });
    }
    // systemd reads whatever it can open, including an empty device.
    if real.as_str() == NULL {
        return Ok(EnvironmentState::Read(Zeroizing::default()));
    }
    if matches!(files.stat(&real), Ok(None)) {
        return Ok(EnvironmentState::Absent);
    }
    Ok(match content(files, &real)? {
        None | Some(None) => EnvironmentState::Unreadable,
        Some(Some(content)) => EnvironmentState::Read(content),
    })
}

fn is_folder(files: &mut dyn FileSystem, path: &RemotePath) -> Result<bool, FileError> {
    let Some(mut stat) = files.stat(path)? else { return Ok(false) };
    if matches!(stat.kind, NodeKind::Link(_)) {
        let Some(real) = files::real(files, path)? else { return Ok(false) };
        let Some(real) = files.stat(&real)? else { return Ok(false) };
        stat = real;
    }
    Ok(stat.kind == NodeKind::Folder)
}
