//! Reading of files of bounded length.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

/// Maximum length of a file with certificates, keys or settings, in bytes: several times the
/// longest in use.
pub(crate) const LONGEST_FILE: u64 = 1 << 20;

/// Reads a regular file of at most [`LONGEST_FILE`] bytes. The buffer is wiped when dropped.
///
/// A device without an end must not fill the memory, and a pipe must not block.
///
/// # Errors
/// If the file cannot be read, is not a regular file, or is longer.
pub(crate) fn read_small(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    check(&fs::metadata(path)?)?;
    read(File::open(path)?)
}

/// Reads a file as [`read_small`] does; `-` is standard input, with the same bound.
pub(crate) fn read_small_or_stdin(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    if path.as_os_str() != "-" {
        return read_small(path);
    }
    let mut content = Zeroizing::new(Vec::new());
    io::stdin().take(LONGEST_FILE + 1).read_to_end(&mut content)?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= LONGEST_FILE) {
        return Ok(content);
    }
    Err(io::Error::other("larger than 1 MiB; check the input"))
}

/// Reads an open file as [`read_small`] does.
pub(super) fn read(file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let found = file.metadata()?;
    check(&found)?;
    // A growing buffer would leave copies in memory. One extra byte lets the read see the end
    // without growing.
    let length = usize::try_from(found.len()).unwrap_or_default();
    let mut content = Zeroizing::new(Vec::with_capacity(length + 1));
    // The file may grow during the read.
    file.take(LONGEST_FILE + 1).read_to_end(&mut content)?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= LONGEST_FILE) {
        return Ok(content);
    }
    Err(too_long())
}

fn check(found: &fs::Metadata) -> io::Result<()> {
    match found {
        found if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        found if !found.is_file() => {
            Err(io::Error::other("not a regular file; write the path of a regular file"))
        }
        found if found.len() > LONGEST_FILE => Err(too_long()),
        _ => Ok(()),
    }
}

fn too_long() -> io::Error {
    io::Error::other("larger than 1 MiB; check the path")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_of_bounded_length_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("good"), "text").unwrap();
        std::os::unix::fs::symlink("good", at("link")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("endless")).unwrap();
        File::create(at("long")).unwrap().set_len(LONGEST_FILE + 1).unwrap();
        File::create(at("longest")).unwrap().set_len(LONGEST_FILE).unwrap();
        assert_eq!(read_small(&at("link")).unwrap()[..], *b"text");
        assert_eq!(read_small(&at("longest")).unwrap().len(), 1 << 20);
        for (path, expected) in [
            (at("endless"), "not a regular file"),
            ("/dev/zero".into(), "not a regular file"),
            (at("long"), "larger than 1 MiB"),
            (at("."), "is a directory"),
        ] {
            let error = read_small(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{}: {error}", path.display());
        }
    }
}
