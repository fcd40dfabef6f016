//! The separate key that signs service account tokens, on the operator's machine: the key itself,
//! the key that a rotation introduces next, and the public keys with which API servers verify.
//!
//! The stage of a rotation follows from these files alone. [`TokenKeys::announce`] creates the next
//! key and publishes its public part. [`TokenKeys::promote`] makes it the signing key.
//! [`TokenKeys::retire`] withdraws the public keys that no longer sign. Each is repeatable: after an
//! interruption, the same call completes the work.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kcm_pki::{PrivateKey, PublicKey};

use super::inputs::read_if_present;
use super::store::write;
use super::{OperatorError, absolute, exposure, lock_folder};
use crate::cluster::ServiceAccountKey;
use crate::util::distinct;
use crate::util::files::{self, Disk, FileSystem as _, Mode};
use crate::util::words::in_full;

const KEY: &str = "the service account key (pki.serviceAccountKey)";
const PUBLIC: &str = "the public keys of service account tokens (pki.serviceAccountKey)";

/// The key with which kube-controller-manager is to sign service account tokens.
#[derive(Debug)]
pub struct TokenKey {
    /// The private key.
    pub(crate) private: PrivateKey,
    /// Where the key is stored.
    pub(crate) origin: TokenKeyOrigin,
    /// The public keys with which API servers are to verify tokens, that of `private` first.
    pub(crate) public_keys: Vec<PublicKey>,
}

/// The place of a [`TokenKey`] on the operator's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKeyOrigin {
    /// In the file of the cluster file.
    Stored,
    /// In the file of the next key; it becomes the signing key before a master receives it.
    Next,
    /// In memory; it is stored before a master receives it.
    New,
}

impl TokenKey {
    /// Returns the public keys as one PEM file.
    pub(crate) fn bundle(&self) -> String {
        bundle(&self.public_keys)
    }
}

/// The keys on the operator's machine.
#[derive(Debug, Default)]
pub(crate) struct TokenKeys {
    /// The key that signs.
    pub(crate) current: Option<PrivateKey>,
    /// The key that a rotation introduces.
    pub(crate) next: Option<PrivateKey>,
    /// The public keys in the file for API servers.
    pub(crate) published: Vec<PublicKey>,
}

impl TokenKeys {
    /// Reads the files. Changes nothing.
    ///
    /// # Errors
    /// A file that exists and is unreadable or holds no key.
    pub(crate) fn read(key: &ServiceAccountKey) -> Result<Self, OperatorError> {
        let public = key.public_file();
        let published = match read_if_present(PUBLIC, &public)? {
            None => Vec::new(),
            Some(pem) => PublicKey::all_from_pem(&pem).map_err(|error| {
                let reason = format!("{error}; remove the file, and kcm writes it again");
                OperatorError::content(PUBLIC, &public, reason)
            })?,
        };
        let (current, next) = (private(&key.file)?, private(&key.next_file())?);
        Ok(Self { current, next, published })
    }

    /// Returns the key that signs, or a new one in memory if none is stored.
    ///
    /// # Errors
    /// A key cannot be generated.
    pub(crate) fn signing(self, key: &ServiceAccountKey) -> Result<TokenKey, OperatorError> {
        let public_keys = self.to_publish();
        let (private, origin) = match self.current {
            Some(private) => (private, TokenKeyOrigin::Stored),
            None => (generate(key)?, TokenKeyOrigin::New),
        };
        let public_keys = first(private.public_key(), public_keys);
        Ok(TokenKey { private, origin, public_keys })
    }

    /// Returns the key that a rotation introduces as the signing key, else the key that signs.
    ///
    /// # Errors
    /// A key cannot be generated.
    pub(crate) fn switched(mut self, key: &ServiceAccountKey) -> Result<TokenKey, OperatorError> {
        let public_keys = self.to_publish();
        let Some(private) = self.next.take() else { return self.signing(key) };
        let public_keys = first(private.public_key(), public_keys);
        Ok(TokenKey { private, origin: TokenKeyOrigin::Next, public_keys })
    }

    /// Returns the file of public keys for API servers, as masters receive it.
    pub(crate) fn bundle(&self) -> String {
        let keys = self.to_publish();
        bundle(&match &self.current {
            Some(current) => first(current.public_key(), keys),
            None => keys,
        })
    }

    /// Returns every public key that API servers must verify with, without duplicates: that of the
    /// signing key first.
    pub(crate) fn to_publish(&self) -> Vec<PublicKey> {
        let own = self.current.iter().chain(&self.next).map(PrivateKey::public_key);
        distinct(own.chain(&self.published).cloned())
    }

    /// Returns the key that masters are to sign with: the next one during a rotation.
    pub(crate) fn target(&self) -> Option<&PrivateKey> {
        self.next.as_ref().or(self.current.as_ref())
    }

    /// Publishes the public parts of the keys, and of the key `former` that masters sign with. If
    /// `generates` is true, creates the key that a rotation introduces first, unless it exists: the
    /// signing key itself if none is stored yet, else the next one.
    ///
    /// # Errors
    /// A key cannot be generated, or a file cannot be written.
    pub(crate) fn announce(
        &mut self,
        key: &ServiceAccountKey,
        former: Option<&PublicKey>,
        generates: bool,
    ) -> Result<(), OperatorError> {
        let place = match (&self.current, &self.next) {
            (_, Some(_)) => None,
            (None, None) => Some((&mut self.current, key.file.clone())),
            (Some(_), None) => Some((&mut self.next, key.next_file())),
        };
        if let Some((place, file)) = place.filter(|_| generates) {
            let private = generate(key)?;
            store(&file, &private)?;
            *place = Some(private);
        }
        let mut keys = self.to_publish();
        keys.extend(former.filter(|former| !keys.contains(former)).cloned());
        if keys != self.published {
            publish(key, &keys)?;
            self.published = keys;
        }
        Ok(())
    }

    /// Removes the public keys of all but the signing key from the file for API servers.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn retire(&self, key: &ServiceAccountKey) -> Result<(), OperatorError> {
        let current = self.current.iter().map(|key| key.public_key().clone());
        publish(key, &current.collect::<Vec<_>>())
    }
}

/// Stores the key of a plan before a master receives it. Writes nothing if it is stored already.
///
/// # Errors
/// A file cannot be written, or another run has stored another key.
pub(crate) fn store_token_key(
    place: Option<&ServiceAccountKey>,
    key: Option<&TokenKey>,
) -> Result<(), OperatorError> {
    let (Some(place), Some(key)) = (place, key) else { return Ok(()) };
    let stored = TokenKeys::read(place)?;
    match key.origin {
        TokenKeyOrigin::Stored => {}
        TokenKeyOrigin::New => {
            if stored.current.is_some() {
                let reason = "was created during the run of kcm; run the same command again";
                return Err(OperatorError::content(KEY, &place.file, reason));
            }
            store(&place.file, &key.private)?;
        }
        TokenKeyOrigin::Next => promote(place)?,
    }
    if stored.published != key.public_keys {
        publish(place, &key.public_keys)?;
    }
    Ok(())
}

/// Returns the id that Kubernetes gives a key in the header of a token: the SHA-256 digest of its
/// `SubjectPublicKeyInfo` in unpadded base64url
/// (`keyIDFromPublicKey` in `pkg/serviceaccount/jwt.go`).
pub(crate) fn key_id(key: &PublicKey) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, key.der()))
}

fn bundle(keys: &[PublicKey]) -> String {
    keys.iter().map(PublicKey::to_pem).collect()
}

fn first(key: &PublicKey, mut keys: Vec<PublicKey>) -> Vec<PublicKey> {
    keys.retain(|other| other != key);
    keys.insert(0, key.clone());
    keys
}

fn generate(key: &ServiceAccountKey) -> Result<PrivateKey, OperatorError> {
    PrivateKey::generate(key.algorithm)
        .map_err(|error| OperatorError::content(KEY, &key.file, in_full(&error)))
}

fn private(path: &Path) -> Result<Option<PrivateKey>, OperatorError> {
    let Some(pem) = read_if_present(KEY, path)? else { return Ok(None) };
    let key = PrivateKey::from_pem(&pem).map_err(|error| {
        let reason = format!("{}; restore the key from a copy", in_full(&error));
        OperatorError::content(KEY, path, reason)
    })?;
    Ok(Some(key))
}

fn store(path: &Path, key: &PrivateKey) -> Result<(), OperatorError> {
    exposure::check(KEY, path)?;
    write(KEY, path, key.to_pem().as_bytes(), Mode::PRIVATE)
}

fn publish(key: &ServiceAccountKey, keys: &[PublicKey]) -> Result<(), OperatorError> {
    write(PUBLIC, &key.public_file(), bundle(keys).as_bytes(), Mode::PUBLIC)
}

/// Makes the next key the signing key, in one atomic step.
fn promote(key: &ServiceAccountKey) -> Result<(), OperatorError> {
    let (from, to) = (absolute(KEY, &key.next_file())?, absolute(KEY, &key.file)?);
    let _lock = lock_folder(KEY, &to)?;
    let failed = |error| OperatorError::File { what: KEY, error };
    let mut disk = Disk::folder("/");
    if disk.stat(&from).map_err(failed)?.is_none() {
        return Ok(());
    }
    files::replace(&mut disk, &from, &to).map_err(failed)
}
