//! Follows symbolic links at paths that flags name. kcm does not replace such links, and the
//! service follows them.

use super::{AskError, ObservedFile, ObservedMaster, processes};
use crate::cluster::layout::{Layout, Role};
use crate::transport::{Batch, Operation, PathState, Probe, Read, Reply, Transport, View};
use crate::util::files::RemotePath;

/// Maximum length of a chain of links. Each step takes one exchange for all chains together.
const MOST_LINKS: usize = 8;

/// Returns the targets of links among the CA's files and the other files that flags name. Without
/// links, nothing is sent.
pub(super) async fn behind(
    master: &ObservedMaster,
    transport: &dyn Transport,
    layout: &Layout,
    signing: &[(RemotePath, View)],
) -> Result<Vec<(RemotePath, ObservedFile)>, AskError> {
    let cas = [Role::CaCertificate, Role::CaKey]
        .map(|role| (layout.path(role), &master.files.of(role).state));
    let others = master.others.iter().map(|(path, state)| (path, state));
    let mut open: Vec<_> = cas
        .into_iter()
        .chain(others)
        .filter_map(|(path, state)| Some((path.clone(), target(path, state)?)))
        .collect();
    let mut found = Vec::new();
    for _ in 0..MOST_LINKS {
        if open.is_empty() {
            break;
        }
        let views: Vec<_> = open.iter().map(|(link, _)| view_of(link, layout, signing)).collect();
        let files = look(master, transport, layout, (&open, &views)).await?;
        let mut next = Vec::new();
        for ((link, at), file) in open.into_iter().zip(files) {
            match target(&at, &file.state) {
                Some(further) => next.push((link, further)),
                None => found.push((link, file)),
            }
        }
        open = next;
    }
    Ok(found)
}

async fn look(
    master: &ObservedMaster,
    transport: &dyn Transport,
    layout: &Layout,
    (open, views): (&[(RemotePath, RemotePath)], &[Option<View>]),
) -> Result<Vec<ObservedFile>, AskError> {
    let paths: Vec<_> = open.iter().map(|(_, target)| target.clone()).collect();
    let read = |((_, path), view): (&(RemotePath, RemotePath), &Option<View>)| {
        view.map(|view| Operation::Read(Read { path: path.clone(), view }))
    };
    let probe = Operation::Probe(Probe { paths, ..processes(layout) });
    let reads = open.iter().zip(views).filter_map(read);
    let batch = Batch::new([probe].into_iter().chain(reads).collect());
    let replies = transport.call(&batch).await?;
    if let Some(failure) = replies.failed {
        return Err(AskError::Failed { master: master.name.clone(), error: failure.error });
    }
    let contract = || AskError::Contract { master: master.name.clone() };
    let mut replies = replies.done.into_iter();
    let Some(Reply::Probe(probe)) = replies.next() else { return Err(contract()) };
    let mut files = Vec::new();
    for (view, state) in views.iter().zip(probe.paths) {
        let text = match view.map(|_| replies.next()) {
            Some(Some(Reply::Read(text))) => {
                text.map(|text| String::from_utf8_lossy(&text).into_owned())
            }
            Some(_) => return Err(contract()),
            None => None,
        };
        files.push(ObservedFile { state, text });
    }
    Ok(files)
}

/// Returns the view in which a link's target is read. `None` to probe its state only.
fn view_of(link: &RemotePath, layout: &Layout, signing: &[(RemotePath, View)]) -> Option<View> {
    if *link == layout.ca_certificate {
        return Some(View::Certificates);
    }
    signing.iter().find(|(path, _)| path == link).map(|(_, view)| *view)
}

/// Resolves the target of a link relative to the link's directory.
fn target(path: &RemotePath, state: &PathState) -> Option<RemotePath> {
    let PathState::Link { target } = state else { return None };
    let folder = path.parent();
    let folder = folder.as_ref().map_or("/", |folder| folder.as_str());
    let whole = if target.starts_with('/') { target.clone() } else { format!("{folder}/{target}") };
    let mut names: Vec<&str> = Vec::new();
    for name in whole.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    RemotePath::new(format!("/{}", names.join("/"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_where_the_kernel_takes_it() {
        let path = RemotePath::new("/etc/kubernetes/ssl/ca.pem").unwrap();
        for (target, expected) in [
            ("/srv/ca.pem", Some("/srv/ca.pem")),
            ("other.pem", Some("/etc/kubernetes/ssl/other.pem")),
            ("../pki/ca.crt", Some("/etc/kubernetes/pki/ca.crt")),
            ("./a/./b", Some("/etc/kubernetes/ssl/a/b")),
            ("../../../../../x", Some("/x")),
        ] {
            let state = PathState::Link { target: target.to_owned() };
            let found = super::target(&path, &state);
            assert_eq!(found.as_ref().map(RemotePath::as_str), expected, "{target}");
        }
        assert_eq!(super::target(&path, &PathState::Absent), None);
    }
}
