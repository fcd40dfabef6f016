//! Certificates in files that a kubeconfig and flags name, read in one more exchange if there are
//! any.

use kcm_pki::Certificate;

use super::look::Found;
use crate::observed::AskError;
use crate::transport::{Batch, Operation, Read, Reply, Transport, View};
use crate::util::files::RemotePath;

impl Found {
    /// Returns the absolute paths of the CA and certificate files that the kubeconfig names.
    fn named_by_kubeconfig(&self) -> Vec<RemotePath> {
        let Ok(access) = self.access() else { return Vec::new() };
        let named = [access.authority_file(), access.certificate_file()];
        named.into_iter().flatten().filter_map(|path| self.beside_kubeconfig(path)).collect()
    }

    /// Resolves a path in a kubeconfig, where relative paths start at the kubeconfig's folder.
    pub(super) fn beside_kubeconfig(&self, path: &str) -> Option<RemotePath> {
        if path.starts_with('/') {
            return RemotePath::new(path).ok();
        }
        RemotePath::new(self.flag("kubeconfig")?).ok()?.parent()?.join(path).ok()
    }

    /// Returns the certificates of a file that was read.
    pub(super) fn certificates_at(&self, path: &str) -> Option<&[Certificate]> {
        let all = self.named.iter().chain(&self.certificates);
        all.into_iter().find(|(at, _)| at.as_str() == path).map(|(_, all)| &all[..])
    }

    /// Returns the CA certificates that the kubeconfig trusts. Empty if it names a file without
    /// certificates.
    pub(super) fn trusted(&self) -> Vec<Certificate> {
        let Ok(access) = self.access() else { return Vec::new() };
        if let Some(pem) = access.authority() {
            return Certificate::all_from_pem(pem).unwrap_or_default();
        }
        let file = access.authority_file().and_then(|file| self.beside_kubeconfig(file));
        let named = file.and_then(|file| self.certificates_at(file.as_str()));
        named.map(<[_]>::to_vec).unwrap_or_default()
    }

    /// Returns the identity's certificate and those that follow it.
    pub(super) fn identity(&self) -> Option<Vec<Certificate>> {
        let access = self.access().ok()?;
        if let Some(pem) = access.certificate() {
            return Certificate::all_from_pem(pem).ok();
        }
        let file = self.beside_kubeconfig(access.certificate_file()?)?;
        self.certificates_at(file.as_str()).map(<[_]>::to_vec)
    }
}

/// Reads the named files that were not read yet.
pub(super) async fn read_named(
    found: &mut Found,
    transport: &dyn Transport,
) -> Result<(), AskError> {
    let mut paths = found.named_by_kubeconfig();
    let flags = ["cluster-signing-cert-file", "root-ca-file"];
    paths.extend(flags.iter().filter_map(|flag| RemotePath::new(found.flag(flag)?).ok()));
    paths.sort();
    paths.dedup();
    // The file of the signing CA was read already.
    let is_read = |path: &RemotePath| Some(path.as_str()) == found.ca_path();
    let (read, unread): (Vec<_>, Vec<_>) = paths.into_iter().partition(is_read);
    let known = found.ca.as_deref().and_then(|pem| Certificate::all_from_pem(pem.as_bytes()).ok());
    found.named.extend(read.into_iter().zip(known));
    if unread.is_empty() {
        return Ok(());
    }
    let read =
        |path: &RemotePath| Operation::Read(Read { path: path.clone(), view: View::Certificates });
    let replies = transport.call(&Batch::new(unread.iter().map(read).collect())).await?;
    if let Some(failure) = replies.failed {
        return Err(AskError::Failed { master: found.name.clone(), error: failure.error });
    }
    for (path, reply) in unread.into_iter().zip(replies.done) {
        let Reply::Read(text) = reply else {
            return Err(AskError::Contract { master: found.name.clone() });
        };
        let all = text.and_then(|text| Certificate::all_from_pem(&text).ok());
        found.named.extend(all.map(|all| (path, all)));
    }
    Ok(())
}
