//! Stores the CA, the client pair and the serving pair on the operator's machine.

use std::path::{Path, PathBuf};

use super::exposure;
use super::{
    CA_CERT, CA_KEY, Found, IDENTITY, OperatorError, Pair, PairStore, SERVING_PAIR, absolute,
};
use crate::cluster::{Pki, layout};
use crate::util::files::{
    Disk, FileError, FileErrorKind, FolderLock, FolderLockError, RemotePath, words,
};

/// Completes or discards the writes of an interrupted run. Writes nothing if there are none.
pub(crate) fn recover(pki: &Pki) -> Result<(), OperatorError> {
    for place in [Place::ca(pki)?, Place::identity(pki)?, Place::serving(pki)?] {
        let mut disk = Disk::folder("/");
        let failed = |error| OperatorError::File { what: place.what, error };
        if place.store(&mut disk).has_leftovers().map_err(failed)? {
            exposure::check(place.what, &place.named)?;
            let _lock = place.lock()?;
            place.store(&mut disk).recover().map_err(failed)?;
        }
    }
    Ok(())
}

/// Stores a new client pair, if the stored pair is still the one in `replaces`.
pub(crate) fn store_identity(
    pki: &Pki,
    replaces: Option<&Pair>,
    pair: &Pair,
) -> Result<(), OperatorError> {
    Place::identity(pki)?.write(pair, |found| match found {
        Found::Pair(found) => Some(found) == replaces,
        Found::CertificateAlone | Found::Nothing => replaces.is_none(),
        Found::KeyAlone => false,
    })
}

/// Stores a new serving pair, if the stored pair is still the one in `replaces`.
pub(crate) fn store_serving(
    pki: &Pki,
    replaces: Option<&Pair>,
    pair: &Pair,
) -> Result<(), OperatorError> {
    Place::serving(pki)?.write(pair, |found| match found {
        Found::Pair(found) => Some(found) == replaces,
        // An incomplete pair is useless and can be overwritten.
        Found::CertificateAlone | Found::KeyAlone | Found::Nothing => replaces.is_none(),
    })
}

/// Stores a new CA, if none exists yet.
pub(crate) fn store_ca(pki: &Pki, pair: &Pair) -> Result<(), OperatorError> {
    Place::ca(pki)?.write(pair, |found| *found == Found::Nothing)
}

/// Reads the client pair as it would be after a recovery.
pub(super) fn read_identity(pki: &Pki) -> Result<Found, OperatorError> {
    let place = Place::identity(pki)?;
    let found = place.store(&mut Disk::folder("/")).read();
    found.map_err(|error| OperatorError::File { what: place.what, error })
}

/// Reads the serving pair as it would be after a recovery.
pub(super) fn read_serving_pair(pki: &Pki) -> Result<Found, OperatorError> {
    let place = Place::serving(pki)?;
    let found = place.store(&mut Disk::folder("/")).read();
    found.map_err(|error| OperatorError::File { what: place.what, error })
}

/// Reads the CA certificate as it would be after a recovery, and whether the CA key exists.
pub(super) fn read_ca_certificate(pki: &Pki) -> Result<(Option<String>, bool), OperatorError> {
    let place = Place::ca(pki)?;
    let found = place.store(&mut Disk::folder("/")).read_certificate();
    found.map_err(|error| OperatorError::File { what: place.what, error })
}

/// Reads the CA's pair as it would be after a recovery.
pub(super) fn read_ca_pair(pki: &Pki) -> Result<Found, OperatorError> {
    let place = Place::ca(pki)?;
    let found = place.store(&mut Disk::folder("/")).read();
    found.map_err(|error| OperatorError::File { what: place.what, error })
}

/// Paths of a pair.
struct Place {
    what: &'static str,
    certificate: RemotePath,
    key: RemotePath,
    /// Path of the key before symbolic links are resolved.
    named: PathBuf,
}

impl Place {
    fn identity(pki: &Pki) -> Result<Self, OperatorError> {
        Self::in_directory(IDENTITY, pki, layout::CERTIFICATE, layout::KEY)
    }

    fn serving(pki: &Pki) -> Result<Self, OperatorError> {
        Self::in_directory(SERVING_PAIR, pki, layout::SERVING, layout::SERVING_KEY)
    }

    fn in_directory(
        what: &'static str,
        pki: &Pki,
        certificate: &str,
        key: &str,
    ) -> Result<Self, OperatorError> {
        let named = pki.directory.join(key);
        let certificate = absolute(what, &pki.directory.join(certificate))?;
        Ok(Self { what, certificate, key: absolute(what, &named)?, named })
    }

    fn ca(pki: &Pki) -> Result<Self, OperatorError> {
        let certificate = absolute(CA_CERT, &pki.ca_cert)?;
        let (key, named) = (absolute(CA_KEY, &pki.ca_key)?, pki.ca_key.clone());
        Ok(Self { what: CA_CERT, certificate, key, named })
    }

    fn store<'f>(&self, disk: &'f mut Disk) -> PairStore<'f> {
        PairStore::new(disk, self.certificate.clone(), self.key.clone())
    }

    fn write(
        &self,
        pair: &Pair,
        is_expected: impl Fn(&Found) -> bool,
    ) -> Result<(), OperatorError> {
        exposure::check(self.what, &self.named)?;
        let _lock = self.lock()?;
        let failed = |error| OperatorError::File { what: self.what, error };
        let mut disk = Disk::folder("/");
        let mut store = self.store(&mut disk);
        if !is_expected(&store.read().map_err(failed)?) {
            let detail = "changed during the run of kcm; run the same command again";
            return Err(failed(FileError::new(&self.certificate, FileErrorKind::Other, detail)));
        }
        store.write(pair).map_err(failed)
    }

    fn lock(&self) -> Result<FolderLock, OperatorError> {
        let folder = self.key.parent().unwrap_or_else(|| self.key.clone());
        FolderLock::take(Path::new(folder.as_str())).map_err(|error| {
            let (kind, detail) = match error {
                FolderLockError::Held => (
                    FileErrorKind::Other,
                    "another kcm process holds the lock on this folder; wait until that process exits".to_owned(),
                ),
                FolderLockError::Io(error) => (FileErrorKind::Other, words(&error)),
            };
            OperatorError::File { what: self.what, error: FileError::new(&folder, kind, detail) }
        })
    }
}
