//! Atomic creation of a file on this machine.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::util::files::Mode;

/// A temporary file, deleted unless it is [persisted](Self::persist).
pub(crate) struct FreshFile {
    fresh: tempfile::NamedTempFile,
    at: PathBuf,
}

impl FreshFile {
    /// Creates a temporary file in the folder of `file`, which shows that the folder is writable.
    pub(crate) fn beside(file: &Path) -> io::Result<Self> {
        if file.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let fresh = tempfile::Builder::new()
            .permissions(Permissions::from_mode(Mode::PUBLIC.bits()))
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        Ok(Self { fresh, at: file.to_owned() })
    }

    /// Writes this text and renames the temporary file to its final path.
    pub(crate) fn persist(mut self, text: &str) -> io::Result<()> {
        self.fresh.write_all(text.as_bytes())?;
        self.fresh.as_file().sync_all()?;
        self.fresh.persist(self.at).map(drop).map_err(|error| error.error)
    }
}
