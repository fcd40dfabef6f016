//! The reasons a master reports for a failed operation.

use super::{Stop, decode, garbled, path_state};
use crate::transport::reply::describe_unit;
use crate::transport::{Enablement, Operation, OperationError};
use crate::util::files::{FileError, FileErrorKind, RemotePath};

pub(super) fn failure(said: &str) -> Stop {
    let mut words = said.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (kind, path, detail) = (word(), word(), word());
    let text = |coded: &str| {
        decode(coded).map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned())
    };
    let (path, detail) = match (text(path), text(detail)) {
        (Ok(path), Ok(detail)) => (path, detail),
        (Err(stop), _) | (_, Err(stop)) => return stop,
    };
    Stop::Failed(match kind {
        "corrupt" => match RemotePath::new(path) {
            Ok(path) => OperationError::Corrupt { path },
            Err(error) => return garbled("a path", &error.path),
        },
        "unit" => OperationError::Unit { unit: path, reason: detail },
        "noSystemd" => OperationError::NoSystemd,
        "busy" => OperationError::Busy,
        "wrongKind" => FileError { path, kind: FileErrorKind::WrongKind, detail }.into(),
        _ => file_error(path, &detail).into(),
    })
}

/// Adds the expected state, which is in the operation, to the state that the master found.
pub(super) fn naming_what_was_expected(
    error: OperationError,
    operation: &Operation,
) -> OperationError {
    match (error, operation) {
        (OperationError::Changed { path, found, .. }, Operation::Commit(commit)) => {
            let expected = commit.expected.iter().find(|(expected, _)| *expected == path);
            let expected = expected.map(|(_, state)| state.describe()).unwrap_or_default();
            OperationError::Changed { path, expected, found }
        }
        (OperationError::UnitChanged { unit, found, .. }, Operation::Commit(commit)) => {
            let expected = commit.unit.as_ref();
            let expected = expected.map(|it| describe_unit(&it.drop_ins, it.enablement));
            OperationError::UnitChanged { unit, expected: expected.unwrap_or_default(), found }
        }
        (error, _) => error,
    }
}

pub(super) fn changed(said: &str) -> Stop {
    let (path, found) = said.split_once(' ').unwrap_or((said, ""));
    let path = decode(path).map(|path| String::from_utf8_lossy(&path).into_owned());
    // Size and time are not compared; zeros complete the form of a whole path.
    let found = if found.starts_with("file ") {
        path_state(&format!("{found} 0 0.000000000"))
    } else {
        path_state(found)
    };
    let path = path
        .and_then(|path| RemotePath::new(path).map_err(|invalid| garbled("a path", &invalid.path)));
    match (path, found) {
        (Ok(path), Ok(found)) => {
            let (expected, found) = (String::new(), found.describe());
            Stop::Failed(OperationError::Changed { path, expected, found })
        }
        (Err(stop), _) | (_, Err(stop)) => stop,
    }
}

pub(super) fn unit_changed(said: &str) -> Stop {
    let words: Vec<_> = said.split(' ').collect();
    let [unit, drop_ins, enablement] = words[..] else { return garbled("a unit", said) };
    let text =
        |coded: &str| decode(coded).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (unit, drop_ins) = match (text(unit), text(drop_ins)) {
        (Ok(unit), Ok(drop_ins)) => (unit, drop_ins),
        (Err(stop), _) | (_, Err(stop)) => return stop,
    };
    let enablement = match enablement {
        "enabled" => Enablement::Enabled,
        "disabled" => Enablement::Disabled,
        "masked" => Enablement::Masked,
        _ => Enablement::Absent,
    };
    let drop_ins: Vec<_> = drop_ins.split_whitespace().map(str::to_owned).collect();
    let found = describe_unit(&drop_ins, enablement);
    Stop::Failed(OperationError::UnitChanged { unit, expected: String::new(), found })
}

/// Finds the cause in the error text of a tool: `mkdir: cannot create directory '/opt/x': No space
/// left on device`.
fn file_error(path: String, words: &str) -> FileError {
    const CAUSES: &[(&str, FileErrorKind)] = &[
        ("No such file or directory", FileErrorKind::NotFound),
        ("File exists", FileErrorKind::Exists),
        ("cannot overwrite existing file", FileErrorKind::Exists),
        ("Permission denied", FileErrorKind::PermissionDenied),
        ("Operation not permitted", FileErrorKind::PermissionDenied),
        ("Not a directory", FileErrorKind::WrongKind),
        ("Is a directory", FileErrorKind::WrongKind),
        ("Directory not empty", FileErrorKind::WrongKind),
        ("No space left on device", FileErrorKind::NoSpace),
        ("Disk quota exceeded", FileErrorKind::NoSpace),
        ("Read-only file system", FileErrorKind::ReadOnly),
        ("Too many levels of symbolic links", FileErrorKind::BadLink),
    ];
    let cause = CAUSES.iter().find(|(cause, _)| words.contains(cause));
    let (detail, kind) = cause.copied().unwrap_or((words, FileErrorKind::Other));
    let mut letters = detail.chars();
    let detail = letters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect());
    FileError { path, kind, detail }
}
