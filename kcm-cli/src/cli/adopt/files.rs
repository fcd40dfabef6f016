//! The files beside an adopted cluster file: CA certificates, CSR file and signing config.
//!
//! None of them is secret.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use kcm_pki::{Certificate, Fingerprint};

use crate::cli::exit::{Exit, Failure};
use crate::cluster::Cluster;
use crate::ops::adopt::Adopted;
use crate::util::explanation::Explanation;

/// A file beside the cluster file.
struct Beside<'a> {
    what: &'static str,
    path: &'a Path,
    text: &'a str,
    /// The fix if another file exists at `path`.
    elsewhere: &'static str,
    /// True if `--overwrite` may replace an existing file.
    replaces: bool,
    /// True if the file holds certificates.
    is_certificate: bool,
}

/// The files to write: missing, or different and replaceable.
pub(super) struct Missing<'a>(Vec<Beside<'a>>);

impl<'a> Missing<'a> {
    /// Returns the files that the cluster file names and that must be written.
    ///
    /// # Errors
    /// If a different file exists and must not be replaced, or a file cannot be read.
    pub(super) fn of(
        cluster: &'a Cluster,
        adopted: &'a Adopted,
        overwrite: bool,
    ) -> Result<Self, Failure> {
        let pki = &cluster.pki;
        let signing = pki.signing.as_ref().map(|(path, _)| path);
        let further = [
            ("trust bundle", pki.trust.as_ref(), adopted.trust.as_ref()),
            ("CSR file", pki.csr.as_ref(), adopted.csr.as_ref()),
            ("signing config", signing, adopted.signing_config.as_ref()),
        ];
        let mut files = vec![Beside {
            what: "CA certificate",
            path: &pki.ca_cert,
            text: &adopted.ca_certificate,
            elsewhere: "copy the CA certificate of the masters to this path, or specify another path with --ca-cert",
            replaces: false,
            is_certificate: true,
        }];
        files.extend(further.into_iter().filter_map(|(what, path, text)| {
            let elsewhere = "move the file away, or use --overwrite to replace it";
            Some(Beside {
                what,
                path: path?,
                text: text?,
                elsewhere,
                replaces: overwrite,
                is_certificate: false,
            })
        }));
        let mut missing = Vec::new();
        for file in files {
            if file.is_to_be_written()? {
                missing.push(file);
            }
        }
        Ok(Self(missing))
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &'a Path> {
        self.0.iter().map(|file| file.path)
    }

    pub(super) fn write(&self) -> Result<(), Failure> {
        self.0.iter().try_for_each(|file| file.write().map_err(|error| file.failed(&error)))
    }
}

impl Beside<'_> {
    fn is_to_be_written(&self) -> Result<bool, Failure> {
        match fs::read(self.path) {
            Ok(there) if is_equivalent(&there, self.text.as_bytes()) => Ok(false),
            Ok(_) if self.replaces => Ok(true),
            Ok(there) => {
                let (path, what) = (self.path.display(), self.what);
                let is_other_kind =
                    self.is_certificate && Certificate::all_from_pem(&there).is_err();
                let problem = if is_other_kind {
                    format!("{path}: the file exists and contains no certificate in PEM format")
                } else {
                    format!("{path}: differs from the {what} determined from the masters")
                };
                Err(Failure::new(Exit::Failed, Explanation::new(problem, self.elsewhere)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &io::Error) -> Failure {
        let (path, what) = (self.path.display(), self.what);
        Failure::new(Exit::Failed, format!("{path}: cannot read or write the {what}: {error}"))
    }

    fn write(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
        fresh.write_all(self.text.as_bytes())?;
        fs::set_permissions(fresh.path(), fs::Permissions::from_mode(0o644))?;
        let placed = if self.replaces {
            fresh.persist(self.path)
        } else {
            fresh.persist_noclobber(self.path)
        };
        placed.map(drop).map_err(|error| error.error)
    }
}

/// True if both files have the same bytes or contain the same certificates.
fn is_equivalent(there: &[u8], wanted: &[u8]) -> bool {
    let certificates = |pem: &[u8]| -> Option<BTreeSet<Fingerprint>> {
        let all = Certificate::all_from_pem(pem).ok()?;
        Some(all.iter().map(Certificate::fingerprint).collect())
    };
    let theirs = certificates(there);
    there == wanted || theirs.is_some() && theirs == certificates(wanted)
}
