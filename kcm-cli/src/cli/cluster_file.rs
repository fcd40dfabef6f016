//! Reads the cluster file on this machine, and writes the first one.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::exit::{Exit, Failure};
use crate::cli::args::{CommonArguments, InitArguments};
use crate::cli::report;
use crate::cluster::init::init;
use crate::cluster::{self, Cluster};
use crate::error::Error;
use crate::util::explanation::Explanation;
use crate::util::files::{FileError, FileErrorKind, Mode};

/// Reads and checks a cluster file.
pub(super) fn read(file: &Path) -> Result<Cluster, Failure> {
    Ok(Cluster::parse(&text(file)?, file).map_err(Error::from)?)
}

/// Reads the text of a cluster file.
pub(super) fn text(file: &Path) -> Result<String, Failure> {
    let mut text = Vec::new();
    // One byte more than the limit, because a device without an end must not fill the memory.
    let limit = cluster::LONGEST_FILE + 1;
    let read = |from: &mut dyn Read, text| from.take(limit).read_to_end(text);
    let done = if file.as_os_str() == "-" {
        read(&mut io::stdin(), &mut text)
    } else {
        fs::File::open(file).and_then(|mut open| read(&mut open, &mut text))
    };
    done.map_err(|error| Failure::new(Exit::Usage, unreadable(file, &error)))?;
    String::from_utf8(text).map_err(|error| {
        let byte = error.utf8_error().valid_up_to() + 1;
        let message =
            format!("{}: invalid UTF-8 at byte {byte}; save the file as UTF-8", file.display());
        Failure::new(Exit::Usage, message)
    })
}

/// Writes a new cluster file atomically.
///
/// The file `-` is standard output.
pub(super) fn write(arguments: &InitArguments, common: &CommonArguments) -> Result<Exit, Failure> {
    let file = &common.file;
    let text = init(&arguments.answers(), file)
        .map_err(|error| Failure::new(Exit::Usage, error.explanation().at("invalid argument")))?;
    if common.is_standard_stream() {
        report::text(&text)?;
        return Ok(Exit::Done);
    }
    place(file, &text, false)?;
    report::initialised(file, arguments.answers().create_ca);
    Ok(Exit::Done)
}

/// Writes a cluster file atomically; replaces an existing file only if `overwrites` is true.
pub(super) fn place(file: &Path, text: &str, overwrites: bool) -> Result<(), Failure> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let written = tempfile::Builder::new()
        .permissions(Permissions::from_mode(Mode::PUBLIC.bits()))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .and_then(|mut fresh| fresh.write_all(text.as_bytes()).map(|()| fresh))
        .and_then(|fresh| {
            let placed =
                if overwrites { fresh.persist(file) } else { fresh.persist_noclobber(file) };
            placed.map_err(|error| error.error)
        });
    match written {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(exists(file, "specify another file with -f"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message =
                format!("{}: the parent folder does not exist; create the folder", file.display());
            Err(Failure::new(Exit::Failed, message))
        }
        Err(error) => Err(Failure::new(Exit::Failed, unreadable(file, &error))),
    }
}

/// Returns the failure for a cluster file that already exists.
pub(super) fn exists(file: &Path, help: &str) -> Failure {
    Failure::new(Exit::Failed, format!("{} already exists; {help}", file.display()))
}

/// Returns the message for a cluster file that cannot be read or written, with its fix.
fn unreadable(file: &Path, error: &io::Error) -> Explanation {
    let error = FileError::from_io(file.display(), error);
    let why = error.explanation();
    match error.kind {
        FileErrorKind::NotFound => {
            why.or_help("specify another file with -f, or create a cluster file with `kcm init`")
        }
        FileErrorKind::WrongKind => why.or_help("specify the path of the cluster file with -f"),
        _ => why,
    }
}
