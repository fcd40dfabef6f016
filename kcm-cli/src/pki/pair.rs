//! Stores a certificate and its key on the operator's machine, atomically as a pair.
//!
//! A new pair is first written to one private staging file. Once that file has its name and is
//! durable, it is the pair. Then key and certificate are renamed into place, and the staging file
//! is removed.
//! Readers check the staging file first. [`PairStore::recover`] completes an interrupted run. So
//! after an interruption at any point, the next reader sees a matching pair. Before the staging
//! file has its name this is the old pair, afterwards the new one.

use std::fmt;
use std::path::Path;

use kcm_pki::{Certificate, CertificateRequest, PrivateKey};
use zeroize::Zeroizing;

use super::in_the_way;
use crate::util::files::{self, Effect, FileError, FileErrorKind, FileSystem, Mode, RemotePath};

/// A certificate and its key, as PEM. `Debug` shows neither, and the key is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: Zeroizing<String>,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").finish_non_exhaustive()
    }
}

/// The stored files of a pair.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Neither file exists.
    Nothing,
    /// The certificate exists without its key.
    CertificateAlone,
    /// The key exists without its certificate.
    KeyAlone,
    /// Both files exist. They may not match.
    Pair(Pair),
}

/// A store of one pair.
pub(crate) struct PairStore<'f> {
    files: &'f mut dyn FileSystem,
    certificate: RemotePath,
    key: RemotePath,
}

impl<'f> PairStore<'f> {
    pub(crate) fn new(
        files: &'f mut dyn FileSystem,
        certificate: RemotePath,
        key: RemotePath,
    ) -> Self {
        Self { files, certificate, key }
    }

    /// Reads the pair as it would be after a recovery. Changes nothing.
    pub(crate) fn read(&mut self) -> Result<Found, FileError> {
        if let Some(pair) = self.staged()? {
            return Ok(Found::Pair(pair));
        }
        let certificate = self.text(&self.certificate.clone())?;
        let key = self.text(&self.key.clone())?;
        Ok(match (certificate, key) {
            (None, None) => Found::Nothing,
            (Some(_), None) => Found::CertificateAlone,
            (None, Some(_)) => Found::KeyAlone,
            (Some(certificate), Some(key)) => {
                Found::Pair(Pair { certificate: certificate.to_string(), key })
            }
        })
    }

    /// Reads the certificate as it would be after a recovery, and whether the key exists. Changes
    /// nothing, and does not open the key file.
    pub(crate) fn read_certificate(&mut self) -> Result<(Option<String>, bool), FileError> {
        if let Some(pair) = self.staged()? {
            return Ok((Some(pair.certificate), true));
        }
        let certificate = self.text(&self.certificate.clone())?;
        let key = self.files.stat(&self.key)?.is_some();
        Ok((certificate.map(|text| text.to_string()), key))
    }

    /// Reports whether an interrupted run left files.
    pub(crate) fn has_leftovers(&mut self) -> Result<bool, FileError> {
        for left in [
            self.staged_path(),
            self.unfinished(),
            files::fresh(&self.key),
            files::fresh(&self.certificate),
        ] {
            if self.files.stat(&left)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Completes or discards the writes of an interrupted run.
    pub(crate) fn recover(&mut self) -> Result<(), FileError> {
        if let Some(pair) = self.staged()? {
            self.put_in_place(&pair)?;
        }
        for left in [files::fresh(&self.key), files::fresh(&self.certificate), self.unfinished()] {
            files::remove_if_present(self.files, &left)?;
        }
        Ok(())
    }

    /// Replaces the pair. After an error the old pair or the new one is stored, and matches.
    pub(crate) fn write(&mut self, pair: &Pair) -> Result<(), FileError> {
        self.recover()?;
        for path in [&self.key, &self.certificate] {
            if let Some(folder) = path.parent() {
                files::make_folders(self.files, &folder)?;
            }
        }
        let unfinished = self.unfinished();
        let both = Zeroizing::new(format!("{}{}", pair.certificate, *pair.key));
        let written =
            files::write_new(self.files, &unfinished, both.as_bytes(), Mode::PRIVATE, None);
        if let Err(error) = written {
            // The old pair stays. The partial file would only take space on a full disk.
            let _ = files::remove_if_present(self.files, &unfinished);
            return Err(error);
        }
        let staged = self.staged_path();
        files::replace(self.files, &unfinished, &staged)?;
        self.put_in_place(pair)
    }

    /// Puts both files in place from the durable staging file. Can be repeated.
    fn put_in_place(&mut self, pair: &Pair) -> Result<(), FileError> {
        let key = self.key.clone();
        self.put(&key, pair.key.as_bytes(), Mode::PRIVATE)?;
        let certificate = self.certificate.clone();
        self.put(&certificate, pair.certificate.as_bytes(), Mode::PUBLIC)?;
        let path = self.staged_path();
        self.files.perform(Effect::Remove { path: &path })?;
        match path.parent() {
            Some(folder) => self.files.perform(Effect::SyncFolder { path: &folder }),
            None => Ok(()),
        }
    }

    fn put(&mut self, path: &RemotePath, content: &[u8], mode: Mode) -> Result<(), FileError> {
        files::overwrite(self.files, path, content, mode, None)
    }

    /// Reads the staged pair of an interrupted run, if any.
    fn staged(&mut self) -> Result<Option<Pair>, FileError> {
        let path = self.staged_path();
        let Some(both) = self.text(&path)? else { return Ok(None) };
        // The last certificate of a chain, or the request in its place.
        let split = both.rfind("-----END CERTIFICATE").and_then(|end| {
            let end = both.get(end..)?.find('\n')? + end + 1;
            both.split_at_checked(end)
        });
        let pair = split.map(|(certificate, key)| Pair {
            certificate: certificate.to_owned(),
            key: Zeroizing::new(key.to_owned()),
        });
        match pair.filter(is_matching) {
            Some(pair) => Ok(Some(pair)),
            None => Err(FileError {
                path: path.to_string(),
                kind: FileErrorKind::Other,
                detail: "does not contain a certificate with its key, although kcm wrote both; move the file away to continue with the old key pair".to_owned(),
            }),
        }
    }

    fn text(&mut self, path: &RemotePath) -> Result<Option<Zeroizing<String>>, FileError> {
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind == FileErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind == FileErrorKind::WrongKind => {
                let detail = in_the_way(Path::new(path.as_str()));
                return Err(FileError::new(path, error.kind, detail));
            }
            Err(error) => return Err(error),
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            FileError::new(
                path,
                FileErrorKind::Other,
                "not PEM text; replace the file or move the file away",
            )
        })?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    }

    fn staged_path(&self) -> RemotePath {
        self.key.sibling(&format!(".{}.pair", self.key.name()))
    }

    fn unfinished(&self) -> RemotePath {
        self.key.sibling(&format!(".{}.pair.new", self.key.name()))
    }
}

/// Reports whether the key belongs to the certificate, or to the request in its place. An encrypted
/// key is not compared.
fn is_matching(pair: &Pair) -> bool {
    if PrivateKey::is_encrypted(pair.key.as_bytes()) {
        return true;
    }
    let pem = pair.certificate.as_bytes();
    let certified = Certificate::first_from_pem(pem).map(|it| it.public_key().clone());
    let public = certified
        .ok()
        .or_else(|| Some(CertificateRequest::from_pem(pem).ok()?.public_key().clone()));
    let key = PrivateKey::from_pem(pair.key.as_bytes());
    key.ok().zip(public).is_some_and(|(key, public)| *key.public_key() == public)
}

#[cfg(test)]
mod tests {
    use kcm_pki::{CaRequest, CertificateAuthority, CsrFile, KeyAlgorithm, SerialNumber};
    use time::macros::datetime;

    use super::*;
    use crate::transport::fake::{Fake, FakeState, Fault, FaultKind, FaultPoint, When};

    const CERTIFICATE: &str = "/pki/cert/x.pem";
    const KEY: &str = "/pki/private/x-key.pem";

    /// Creates a matching, self-signed pair.
    fn pair(serial: u8) -> Pair {
        let subject = CsrFile::parse(r#"{"CN": "x"}"#).unwrap().value.subject;
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let lifetime = CaRequest::DEFAULT_LIFETIME;
        let request = CaRequest { subject, lifetime, path_len: None };
        let serial = SerialNumber::from_random([serial; 20]);
        let now = datetime!(2026-11-23 06:00 UTC);
        let certificate = CertificateAuthority::create(&request, &key, serial, now).unwrap();
        Pair { certificate: certificate.to_pem(), key: key.to_pem() }
    }

    /// Creates a pair whose certificate is followed by another one.
    fn chain(serial: u8) -> Pair {
        let (leaf, issuer) = (pair(serial), pair(9));
        Pair { certificate: leaf.certificate + &issuer.certificate, key: leaf.key }
    }

    /// Creates a request and its key.
    fn request(_: u8) -> Pair {
        let csr = CsrFile::parse(r#"{"CN": "x"}"#).unwrap().value;
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let request = CertificateRequest::create(&csr, &key).unwrap();
        Pair { certificate: request.to_pem(), key: key.to_pem() }
    }

    fn store(state: &mut FakeState) -> PairStore<'_> {
        PairStore::new(state, RemotePath::new(CERTIFICATE).unwrap(), RemotePath::new(KEY).unwrap())
    }

    fn modes(state: &mut FakeState) -> [u32; 2] {
        [CERTIFICATE, KEY].map(|path| {
            let path = RemotePath::new(path).unwrap();
            state.files().stat(&path).unwrap().unwrap().mode.bits()
        })
    }

    #[test]
    fn an_interrupted_write_leaves_the_old_pair_or_the_new_one() {
        for create in [pair, chain, request] {
            interrupt_every_effect(&create(1), &create(2));
        }
    }

    fn interrupt_every_effect(old: &Pair, new: &Pair) {
        let before = |with_old: bool| {
            let fake = Fake::new("operator");
            if with_old {
                fake.inspect(|state| {
                    state.put_file(CERTIFICATE, old.certificate.as_bytes(), 0o644);
                    state.put_file(KEY, old.key.as_bytes(), 0o600);
                    state.effects = 0;
                });
            }
            fake
        };
        let whole = before(true).inspect(|state| {
            store(state).write(new).unwrap();
            assert_eq!(modes(state), [0o644, 0o600]);
            state.effects
        });
        assert!(whole > 15, "{whole}");
        let kinds =
            [FaultKind::PowersOff, FaultKind::Stops, FaultKind::Fails(FileErrorKind::NoSpace)];
        for index in 0..whole {
            for when in [When::Before, When::Inside, When::After] {
                for (kind, with_old) in
                    kinds.into_iter().flat_map(|kind| [(kind, true), (kind, false)])
                {
                    let cut =
                        format!("{when:?} effect {index}: {kind:?}, with an old pair: {with_old}");
                    before(with_old).inspect(|state| {
                        state.faults.push(Fault { at: FaultPoint::Effect { index, when }, kind });
                        let written = store(state).write(new);
                        assert!(written.is_err(), "{cut}");
                        state.power_on(&[]).unwrap();

                        let seen = store(state).read().unwrap();
                        let old = if with_old { Found::Pair(old.clone()) } else { Found::Nothing };
                        assert!(seen == old || seen == Found::Pair(new.clone()), "{cut}");
                        store(state).recover().unwrap();
                        assert!(!store(state).has_leftovers().unwrap(), "{cut}");
                        assert_eq!(store(state).read().unwrap(), seen, "{cut}");
                        store(state).write(new).unwrap();
                        assert_eq!(store(state).read().unwrap(), Found::Pair(new.clone()), "{cut}");
                    });
                }
            }
        }
    }

    #[test]
    fn half_a_pair_is_told_apart_and_debug_shows_no_key() {
        let pair = pair(1);
        Fake::new("operator").inspect(|state| {
            assert_eq!(store(state).read().unwrap(), Found::Nothing);
            state.put_file(CERTIFICATE, pair.certificate.as_bytes(), 0o644);
            assert_eq!(store(state).read().unwrap(), Found::CertificateAlone);
        });
        Fake::new("operator").inspect(|state| {
            state.put_file(KEY, pair.key.as_bytes(), 0o600);
            assert_eq!(store(state).read().unwrap(), Found::KeyAlone);
            assert_eq!(store(state).read_certificate().unwrap(), (None, true));
        });
        assert_eq!(format!("{pair:?}"), "Pair { .. }");
    }
}
