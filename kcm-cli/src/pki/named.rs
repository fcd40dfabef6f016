//! Stores a certificate, its key and its request under one name, as `cfssljson -bare NAME` names
//! them: all files or none.
//!
//! All files are first written beside their final names. The staging file, which holds all of them,
//! makes the set durable. Then each file is renamed into place, and the staging file is removed. An
//! interrupted run is completed by the next one with the same name.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{OperatorError, absolute, exposure, in_the_way, lock_folder};
use crate::util::files::{
    self, Disk, Effect, FileError, FileErrorKind, FileSystem, Mode, NodeKind, RemotePath,
};

const FILES: &str = "the files of --out";
const KEY_FILE: &str = "the key file of --out";

/// The contents of the files, as PEM. An absent file is not written.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct NamedContent {
    pub(crate) certificate: Option<String>,
    pub(crate) key: Option<Zeroizing<String>>,
    pub(crate) request: Option<String>,
}

/// The paths of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedPaths {
    /// `NAME.pem`.
    pub(crate) certificate: PathBuf,
    /// `NAME-key.pem`.
    pub(crate) key: PathBuf,
    /// `NAME.csr`.
    pub(crate) request: PathBuf,
}

impl NamedPaths {
    /// Returns the paths for a name, which may begin with folders.
    pub(crate) fn new(name: &Path) -> Result<Self, OperatorError> {
        let ends_with_name = name.file_name().is_some_and(|last| {
            name.as_os_str().as_encoded_bytes().ends_with(last.as_encoded_bytes())
        });
        if !ends_with_name {
            let reason = "not a file name; write a name such as `ca`, without an extension";
            return Err(OperatorError::configuration("--out", name, reason));
        }
        let with = |suffix: &str| {
            let mut path = name.as_os_str().to_owned();
            path.push(suffix);
            PathBuf::from(path)
        };
        Ok(Self { certificate: with(".pem"), key: with("-key.pem"), request: with(".csr") })
    }

    /// Replaces the files. After an error, either all old files are in place, or the next call
    /// completes this one.
    pub(crate) fn store(&self, content: &NamedContent) -> Result<(), OperatorError> {
        if content.key.is_some() {
            exposure::check(KEY_FILE, &self.key)?;
        }
        self.locked(|store| store.write(content))
    }

    /// Completes the write of an interrupted run with the same name. Returns false if there is none.
    pub(crate) fn complete(&self) -> Result<bool, OperatorError> {
        let staged = absolute(FILES, &self.key)?;
        let staged = staged_beside(&staged);
        match std::fs::exists(staged.as_str()) {
            // The lock would create a missing folder.
            Ok(false) => Ok(false),
            Ok(true) => self.locked(|store| store.recover().map(|()| true)),
            Err(error) => Err(OperatorError::unreadable(FILES, &self.key, &error)),
        }
    }

    /// Runs `work` under the lock of the folder.
    fn locked<T>(
        &self,
        work: impl FnOnce(&mut Store<'_>) -> Result<T, FileError>,
    ) -> Result<T, OperatorError> {
        let resolve = |path: &Path| absolute(FILES, path);
        let key = resolve(&self.key)?;
        let _lock = lock_folder(FILES, &key)?;
        let mut store = Store {
            certificate: resolve(&self.certificate)?,
            key,
            request: resolve(&self.request)?,
            files: &mut Disk::folder("/"),
        };
        work(&mut store).map_err(|error| OperatorError::File { what: FILES, error })
    }
}

/// Path of the staging file of a key file.
fn staged_beside(key: &RemotePath) -> RemotePath {
    key.sibling(&format!(".{}.set", key.name()))
}

/// The resolved paths in a file system.
struct Store<'f> {
    files: &'f mut dyn FileSystem,
    certificate: RemotePath,
    key: RemotePath,
    request: RemotePath,
}

/// A file to write.
type Target<'c> = (RemotePath, &'c [u8], Mode);

impl Store<'_> {
    fn write(&mut self, content: &NamedContent) -> Result<(), FileError> {
        self.recover()?;
        let targets = self.targets(content);
        for (path, ..) in &targets {
            self.check(path)?;
            if let Some(folder) = path.parent() {
                files::make_folders(self.files, &folder)?;
            }
        }
        if let Err(error) = self.stage(&targets, content) {
            // The old files stay. Partial files would only take space on a full disk.
            for left in
                targets.iter().map(|(path, ..)| files::fresh(path)).chain([self.unfinished()])
            {
                let _ = files::remove_if_present(self.files, &left);
            }
            return Err(error);
        }
        let (unfinished, staged) = (self.unfinished(), self.staged());
        files::replace(self.files, &unfinished, &staged)?;
        for (path, ..) in &targets {
            files::replace(self.files, &files::fresh(path), path)?;
        }
        self.discard_staged()
    }

    /// Writes every file beside its final name, and all of them to the unfinished staging file.
    fn stage(&mut self, targets: &[Target<'_>], content: &NamedContent) -> Result<(), FileError> {
        for (path, content, mode) in targets {
            let fresh = files::fresh(path);
            files::remove_if_present(self.files, &fresh)?;
            files::write_new(self.files, &fresh, content, *mode, None)?;
        }
        let unfinished = self.unfinished();
        files::write_new(self.files, &unfinished, content.joined().as_bytes(), Mode::PRIVATE, None)
    }

    /// Completes or discards the writes of an interrupted run.
    fn recover(&mut self) -> Result<(), FileError> {
        let (unfinished, staged) = (self.unfinished(), self.staged());
        files::remove_if_present(self.files, &unfinished)?;
        if self.files.stat(&staged)?.is_none() {
            return Ok(());
        }
        let text = Zeroizing::new(String::from_utf8_lossy(&self.files.read(&staged)?).into_owned());
        let content = NamedContent::split(&text);
        for (path, content, mode) in self.targets(&content) {
            files::overwrite(self.files, &path, content, mode, None)?;
        }
        self.discard_staged()
    }

    fn discard_staged(&mut self) -> Result<(), FileError> {
        let staged = self.staged();
        self.files.perform(Effect::Remove { path: &staged })?;
        match staged.parent() {
            Some(folder) => self.files.perform(Effect::SyncFolder { path: &folder }),
            None => Ok(()),
        }
    }

    fn check(&mut self, path: &RemotePath) -> Result<(), FileError> {
        match self.files.stat(path)?.map(|found| found.kind) {
            None | Some(NodeKind::File) => Ok(()),
            Some(NodeKind::Folder) => {
                let detail = in_the_way(Path::new(path.as_str()));
                Err(FileError::new(path, FileErrorKind::WrongKind, detail))
            }
            Some(_) => {
                let detail = "not a regular file; write to a regular file";
                Err(FileError::new(path, FileErrorKind::WrongKind, detail))
            }
        }
    }

    /// Returns the files to write, the key first.
    fn targets<'c>(&self, content: &'c NamedContent) -> Vec<Target<'c>> {
        let key = content.key.as_ref().map(|text| (&self.key, text.as_bytes(), Mode::PRIVATE));
        let request = content.request.as_ref();
        let request = request.map(|text| (&self.request, text.as_bytes(), Mode::PUBLIC));
        let certificate = content.certificate.as_ref();
        let certificate =
            certificate.map(|text| (&self.certificate, text.as_bytes(), Mode::PUBLIC));
        let all = [key, request, certificate].into_iter().flatten();
        all.map(|(path, content, mode)| (path.clone(), content, mode)).collect()
    }

    fn staged(&self) -> RemotePath {
        staged_beside(&self.key)
    }

    fn unfinished(&self) -> RemotePath {
        self.key.sibling(&format!(".{}.set.new", self.key.name()))
    }
}

impl NamedContent {
    fn joined(&self) -> Zeroizing<String> {
        let certificate = self.certificate.as_deref().unwrap_or_default();
        let key = self.key.as_deref().map(String::as_str).unwrap_or_default();
        let request = self.request.as_deref().unwrap_or_default();
        Zeroizing::new(format!("{certificate}{key}{request}"))
    }

    /// Sorts the PEM blocks of a staging file by their labels.
    fn split(text: &str) -> Self {
        let mut content = Self::default();
        for block in text.split_inclusive("-----\n").collect::<Vec<_>>().chunks(2) {
            let block = Zeroizing::new(block.concat());
            let label = block.strip_prefix("-----BEGIN ").and_then(|rest| rest.split_once("-----"));
            let place = match label.map(|(label, _)| label) {
                Some("CERTIFICATE") => content.certificate.get_or_insert_default(),
                Some("CERTIFICATE REQUEST") => content.request.get_or_insert_default(),
                Some(_) => &mut **content.key.get_or_insert_default(),
                None => continue,
            };
            place.push_str(&block);
        }
        content
    }
}

#[cfg(test)]
mod tests;
