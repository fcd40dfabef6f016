//! Stores the CA, the client pair and the serving pair on the operator's machine.

use std::path::{Path, PathBuf};

use super::exposure;
use super::inputs::read_if_present;
use super::{
    CA_CERT, CA_KEY, Found, IDENTITY, OperatorError, Pair, PairStore, SERVING_PAIR, absolute,
    lock_folder,
};
use crate::cluster::{Pki, layout};
use crate::util::files::{
    self, Disk, FileError, FileErrorKind, FileSystem as _, FolderLock, Mode, RemotePath,
};

const REQUEST: &str = "the certificate request (pki.directory)";
/// Folder of requests below `pki.directory`.
const REQUESTS: &str = "requests";

/// Purpose of a certificate for kube-controller-manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Client certificate for the API server.
    Client,
    /// Serving certificate for clients of the health and metrics endpoints.
    Serving,
}

/// Completes or discards the writes of an interrupted run. Writes nothing if there are none.
pub(crate) fn recover(pki: &Pki) -> Result<(), OperatorError> {
    let mut places = vec![Place::identity(pki)?, Place::serving(pki)?];
    places.extend(Place::ca(pki)?);
    for purpose in [Purpose::Client, Purpose::Serving] {
        places.push(Place::request(pki, purpose)?);
    }
    for place in places {
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
    // The cluster file creates a CA only with a path for its key.
    Place::ca(pki)?.map_or(Ok(()), |place| place.write(pair, |found| *found == Found::Nothing))
}

/// Writes a file atomically under the lock of its folder, and creates the folder if necessary.
pub(super) fn write(
    what: &'static str,
    path: &Path,
    content: &[u8],
    mode: Mode,
) -> Result<(), OperatorError> {
    let path = absolute(what, path)?;
    let _lock = lock_folder(what, &path)?;
    let failed = |error| OperatorError::File { what, error };
    let mut disk = Disk::folder("/");
    if let Some(folder) = path.parent() {
        files::make_folders(&mut disk, &folder).map_err(failed)?;
    }
    files::overwrite(&mut disk, &path, content, mode, None).map_err(failed)
}

/// Copies the CA to the files that `to` names, atomically as a pair if the key is on this machine.
pub(super) fn copy_ca(from: &Pki, to: &Pki) -> Result<(), OperatorError> {
    match (read_ca_pair(from)?, Place::ca(to)?) {
        (Found::Pair(pair), Some(place)) => place.write(&pair, |_| true),
        (Found::Nothing, _) => Ok(()),
        (Found::KeyAlone, _) => {
            let reason = "no such file or directory, but the key beside it exists";
            Err(OperatorError::content(CA_CERT, &from.ca_cert, reason))
        }
        (Found::CertificateAlone | Found::Pair(_), place) => {
            // The key of one CA must not be left beside the certificate of another.
            if let (Some(key), Some(place)) = (&from.ca_key, place)
                && !matches!(place.read()?, Found::Nothing | Found::CertificateAlone)
            {
                let reason = "no such file or directory; store the key of this CA there";
                return Err(OperatorError::content(CA_KEY, key, reason));
            }
            let (certificate, _) = read_ca_certificate(from)?;
            let content = certificate.unwrap_or_default();
            write(CA_CERT, &to.ca_cert, content.as_bytes(), Mode::PUBLIC)
        }
    }
}

/// Removes the files of a CA after their content was copied. The certificate goes last, because it
/// alone decides whether the CA exists.
pub(super) fn remove_ca(pki: &Pki) -> Result<(), OperatorError> {
    for (what, path) in pki.ca_key.iter().map(|key| (CA_KEY, key)).chain([(CA_CERT, &pki.ca_cert)])
    {
        let path = absolute(what, path)?;
        let failed = |error| OperatorError::File { what, error };
        let mut disk = Disk::folder("/");
        if disk.stat(&path).map_err(failed)?.is_some() {
            let _lock = lock_folder(what, &path)?;
            files::remove_if_present(&mut disk, &path).map_err(failed)?;
        }
    }
    Ok(())
}

/// Reads the client pair as it would be after a recovery.
pub(super) fn read_identity(pki: &Pki) -> Result<Found, OperatorError> {
    Place::identity(pki)?.read()
}

/// Reads the serving pair as it would be after a recovery.
pub(super) fn read_serving_pair(pki: &Pki) -> Result<Found, OperatorError> {
    Place::serving(pki)?.read()
}

/// Reads the CA certificate as it would be after a recovery, and whether the CA key exists.
pub(super) fn read_ca_certificate(pki: &Pki) -> Result<(Option<String>, bool), OperatorError> {
    let Some(place) = Place::ca(pki)? else {
        let found = read_if_present(CA_CERT, &pki.ca_cert)?;
        return Ok((found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()), false));
    };
    let found = place.store(&mut Disk::folder("/")).read_certificate();
    found.map_err(|error| OperatorError::File { what: place.what, error })
}

/// Reads the CA's pair as it would be after a recovery.
pub(super) fn read_ca_pair(pki: &Pki) -> Result<Found, OperatorError> {
    Place::ca(pki)?.map_or(Ok(Found::CertificateAlone), |place| place.read())
}

/// Reads the request of a certificate that is signed by hand: the request in the place of the
/// certificate, and its key.
pub(crate) fn read_request(pki: &Pki, purpose: Purpose) -> Result<Found, OperatorError> {
    Place::request(pki, purpose)?.read()
}

/// Returns the path of a request.
pub(crate) fn request_path(pki: &Pki, purpose: Purpose) -> Result<PathBuf, OperatorError> {
    Ok(PathBuf::from(Place::request(pki, purpose)?.certificate.as_str()))
}

/// Stores a request and its key.
pub(crate) fn store_request(pki: &Pki, purpose: Purpose, pair: &Pair) -> Result<(), OperatorError> {
    Place::request(pki, purpose)?.write(pair, |_| true)
}

/// Removes a request and its key, after the certificate was stored.
pub(crate) fn remove_request(pki: &Pki, purpose: Purpose) -> Result<(), OperatorError> {
    let place = Place::request(pki, purpose)?;
    let _lock = place.lock()?;
    let mut disk = Disk::folder("/");
    let failed = |error| OperatorError::File { what: place.what, error };
    // The request goes first: a key alone is found again, a request alone is useless.
    for path in [&place.certificate, &place.key] {
        files::remove_if_present(&mut disk, path).map_err(failed)?;
    }
    Ok(())
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

    fn request(pki: &Pki, purpose: Purpose) -> Result<Self, OperatorError> {
        let (request, key) = match purpose {
            Purpose::Client => (layout::REQUEST, layout::KEY),
            Purpose::Serving => (layout::SERVING_REQUEST, layout::SERVING_KEY),
        };
        let in_folder = |name| format!("{REQUESTS}/{name}");
        Self::in_directory(REQUEST, pki, &in_folder(request), &in_folder(key))
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

    /// Returns the place of the CA, if this machine has its key.
    fn ca(pki: &Pki) -> Result<Option<Self>, OperatorError> {
        let Some(named) = pki.ca_key.clone() else { return Ok(None) };
        let certificate = absolute(CA_CERT, &pki.ca_cert)?;
        let key = absolute(CA_KEY, &named)?;
        Ok(Some(Self { what: CA_CERT, certificate, key, named }))
    }

    /// Reads the pair as it would be after a recovery.
    fn read(&self) -> Result<Found, OperatorError> {
        let found = self.store(&mut Disk::folder("/")).read();
        found.map_err(|error| OperatorError::File { what: self.what, error })
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
        lock_folder(self.what, &self.key)
    }
}
