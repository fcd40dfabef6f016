//! Observes one master in one exchange.

use zeroize::Zeroizing;

use super::{AskError, ObservedFile, ObservedFiles, ObservedMaster, links};
use crate::artifact::DesiredService;
use crate::artifact::certificate_reload::CertificateReload;
use crate::artifact::generation::{Generation, Generations, slot_folders};
use crate::cluster::layout::{Layout, Role};
use crate::observed::accounts::Accounts;
use crate::observed::effective::EffectiveUnit;
use crate::pki::identity::NotHeld;
use crate::transport::{
    Batch, CheckFolders, FindUnit, Inspect, Inspected, Operation, OperationError, OperationFailure,
    PathState, Probe, Read, Reply, Settle, Transport, View,
};
use crate::util::files::RemotePath;

/// Returns the unmanaged files that flags name, for all masters together.
pub(crate) fn beside_managed<'a>(
    layout: &Layout,
    services: impl IntoIterator<Item = &'a DesiredService>,
) -> Vec<RemotePath> {
    let managed: Vec<_> = layout.managed().collect();
    let mut others: Vec<RemotePath> = Vec::new();
    for path in services.into_iter().flat_map(|service| &service.files) {
        if !managed.contains(&path) && !others.contains(path) {
            others.push(path.clone());
        }
    }
    others
}

/// Returns the signers' files to read, without duplicates. The CA's certificate is always read and
/// therefore excluded.
pub(crate) fn signing_files<'a>(
    layout: &Layout,
    services: impl IntoIterator<Item = &'a DesiredService>,
) -> Vec<(RemotePath, View)> {
    let mut files: Vec<(RemotePath, View)> = Vec::new();
    for signer in services.into_iter().flat_map(|service| &service.signers) {
        let pair = [(&signer.certificate, View::Certificates), (&signer.key, View::PublicPart)];
        for (path, view) in pair {
            let is_known = files.iter().any(|known| (&known.0, known.1) == (path, view));
            if *path != layout.ca_certificate && !is_known {
                files.push((path.clone(), view));
            }
        }
    }
    files
}

/// The managed files in the order of [`ObservedFiles`], each with the view in which it is read.
const FILES: [(Role, Option<View>); 12] = [
    (Role::Certificate, Some(View::Certificates)),
    (Role::Key, None),
    (Role::Combined, Some(View::Certificates)),
    (Role::Serving, Some(View::Certificates)),
    (Role::ServiceAccountKey, None),
    (Role::ServiceAccountPublicKeys, None),
    (Role::Kubeconfig, Some(View::KubeconfigPublic)),
    (Role::Unit, Some(View::Whole)),
    (Role::CaCertificate, Some(View::Certificates)),
    (Role::CaKey, None),
    (Role::Trust, Some(View::Certificates)),
    (Role::Binary, None),
];

/// Builds the batch of an observation. [`ask`] expects the replies in this order.
pub(super) fn questions(layout: &Layout, accounts: &Accounts, beside: &Beside) -> Batch {
    let read = |path: &RemotePath, view| Operation::Read(Read { path: path.clone(), view });
    let files = FILES.iter().map(|(role, _)| layout.path(*role).clone());
    let managed: Vec<_> = files.chain(own(layout)).collect();
    let mut operations = vec![
        Operation::Probe(Probe {
            paths: managed.iter().chain(&beside.others).cloned().collect(),
            unread: if beside.reads_program { vec![] } else { vec![layout.executable.clone()] },
            note: Some(layout.program.clone()),
            accounts: accounts.questions(),
            ..processes(layout)
        }),
        Operation::FindUnit(FindUnit { unit: layout.unit.clone() }),
    ];
    operations
        .extend(FILES.iter().filter_map(|(role, view)| Some(read(layout.path(*role), (*view)?))));
    let notes = [&layout.pending, &layout.previous, &layout.connections];
    operations.extend(notes.map(|path| read(path, View::Whole)));
    operations.push(Operation::CheckFolders(CheckFolders { paths: managed }));
    operations.extend(beside.signing.iter().map(|(path, view)| read(path, *view)));
    if let Some(Inspects { version }) = beside.inspects {
        let (unit, program) = (layout.unit.clone(), version.then(|| layout.executable.clone()));
        operations.push(Operation::Inspect(Inspect { unit, program }));
    }
    Batch::new(operations)
}

/// Returns the probe of the unit and of all kube-controller-manager processes on a master.
pub(crate) fn processes(layout: &Layout) -> Probe {
    Probe::new(layout.unit.clone(), layout.unit_file.clone(), layout.executable.clone())
}

/// Optional parts of an observation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// True if the digest of the binary is needed. The binary has about 100 MB.
    pub(crate) reads_program: bool,
    /// Other files to probe.
    pub(crate) others: Vec<RemotePath>,
    /// The signers' files to read, with the view of each.
    pub(crate) signing: Vec<(RemotePath, View)>,
    /// Inspection of the running service, if required.
    pub(crate) inspects: Option<Inspects>,
    /// True to skip the certificate reload, which can take another exchange.
    pub(crate) only_once: bool,
}

/// Options of the inspection of a running service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inspects {
    /// True to run the binary for its version, which takes some time.
    pub(crate) version: bool,
}

/// An observed master, with the optional parts of the observation.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) master: ObservedMaster,
    /// Inspection of the running service. `None` if it was not requested, or is not supported.
    pub(crate) inspected: Option<Inspected>,
}

/// Returns the paths of kcm's own files on a master: notes and slots.
fn own(layout: &Layout) -> Vec<RemotePath> {
    let notes = [&layout.pending, &layout.previous].map(RemotePath::clone);
    notes.into_iter().chain(slot_folders(layout)).collect()
}

/// Observes one master without optional parts.
pub(crate) async fn look_at(
    name: &str,
    transport: &dyn Transport,
    layout: &Layout,
    accounts: &Accounts,
) -> Result<ObservedMaster, AskError> {
    let seen = look_beside(name, transport, layout, accounts, &Beside::default()).await?;
    Ok(seen.master)
}

/// Observes one master with optional parts.
pub(crate) async fn look_beside(
    name: &str,
    transport: &dyn Transport,
    layout: &Layout,
    accounts: &Accounts,
    beside: &Beside,
) -> Result<Seen, AskError> {
    ask(name, transport, layout, &questions(layout, accounts, beside), beside).await
}

/// Sends a batch of [`questions`] to one master and interprets the replies.
pub(super) async fn ask(
    name: &str,
    transport: &dyn Transport,
    layout: &Layout,
    batch: &Batch,
    beside: &Beside,
) -> Result<Seen, AskError> {
    let replies = transport.call(batch).await?;
    if let Some(failure) = replies.failed.filter(|failure| !is_of_a_folder(failure)) {
        return Err(AskError::Failed { master: name.to_owned(), error: failure.error });
    }
    let mut replies = replies.done.into_iter();
    let (mut master, connections) = observed_master(name, layout, beside, &mut replies)
        .map_err(|Unexpected| AskError::Contract { master: name.to_owned() })?;
    let inspected = match replies.next() {
        Some(Reply::Inspected(inspected)) => Some(inspected),
        _ => None,
    };
    // Without links, this takes no exchange.
    master.behind = links::behind(&master, transport, layout, &beside.signing).await?;
    if !beside.only_once {
        master.certificate_reload =
            certificate_reload(&master, connections.as_deref(), transport, layout).await;
    }
    Ok(Seen { master, inspected })
}

/// Reads one file on a master, in an exchange of its own. `None` if it does not exist.
pub(crate) async fn read_on(
    transport: &dyn Transport,
    path: &RemotePath,
    view: View,
) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    let read = Operation::Read(Read { path: path.clone(), view });
    let replies = transport.call(&Batch::new(vec![read])).await;
    let replies = replies.map_err(|error| error.without_name())?;
    match (replies.failed, replies.done.into_iter().next()) {
        (Some(failed), _) => Err(failed.error.to_string()),
        (None, Some(Reply::Read(content))) => Ok(content),
        (None, _) => Err("the transport returned an unexpected reply".to_owned()),
    }
}

/// Reports whether an inspection failed because the target is a directory, in which nothing can
/// run.
fn is_of_a_folder(failure: &OperationFailure) -> bool {
    failure.operation == "inspect" && matches!(failure.error, OperationError::Unsupported { .. })
}

/// A missing reply, or one of the wrong type.
struct Unexpected;

/// Takes the replies to [`questions`] up to the inspection. Returns the master and the text of the
/// connections note.
fn observed_master(
    name: &str,
    layout: &Layout,
    beside: &Beside,
    replies: &mut impl Iterator<Item = Reply>,
) -> Result<(ObservedMaster, Option<String>), Unexpected> {
    let Some(Reply::Probe(probe)) = replies.next() else { return Err(Unexpected) };
    let Some(Reply::FoundUnit(found_unit)) = replies.next() else { return Err(Unexpected) };
    let mut states = probe.paths.iter().cloned();
    let files = observed_files(&mut states, replies)?;
    let own = own(layout).into_iter().zip(states.by_ref()).collect();
    let others = beside.others.iter().cloned().zip(states).collect();
    let (generations, notes) = generations(replies)?;
    let connections = text(replies)?;
    let Some(Reply::CheckedFolders(untrusted_folders)) = replies.next() else {
        return Err(Unexpected);
    };
    let hostname = probe.hostname.as_deref();
    let master = ObservedMaster {
        name: name.to_owned(),
        effective: EffectiveUnit::new(&found_unit, &layout.unit, hostname),
        probe,
        files,
        identity: None,
        not_held: NotHeld::Absent,
        certificate_reload: None,
        found_unit,
        generations,
        notes,
        untrusted_folders,
        own,
        others,
        signing: signing_texts(&beside.signing, replies)?,
        behind: Vec::new(),
    };
    Ok((master, connections))
}

/// Takes the states and the texts of the managed files.
fn observed_files(
    states: &mut impl Iterator<Item = PathState>,
    replies: &mut impl Iterator<Item = Reply>,
) -> Result<ObservedFiles, Unexpected> {
    let mut file = |text: Option<String>| {
        states.next().map(|state| ObservedFile { state, text }).ok_or(Unexpected)
    };
    Ok(ObservedFiles {
        certificate: file(text(replies)?)?,
        key: file(None)?,
        combined: file(text(replies)?)?,
        serving: file(text(replies)?)?,
        service_account_key: file(None)?,
        service_account_public_keys: file(None)?,
        kubeconfig: file(text(replies)?)?,
        unit: file(text(replies)?)?,
        ca_certificate: file(text(replies)?)?,
        ca_key: file(None)?,
        trust: file(text(replies)?)?,
        binary: file(None)?,
    })
}

/// Takes the notes of former generations. Also returns the problems of notes that cannot be parsed.
fn generations(
    replies: &mut impl Iterator<Item = Reply>,
) -> Result<(Generations, Vec<String>), Unexpected> {
    let mut problems = Vec::new();
    let mut note = |text: Option<String>, which: &str| {
        let read = text.as_deref().map(Generation::parse)?;
        read.map_err(|error| {
            problems.push(format!("cannot parse the note of the {which} generation: {error}"));
        })
        .ok()
    };
    let pending = note(text(replies)?, "pending");
    let previous = note(text(replies)?, "previous");
    Ok((Generations { pending, previous }, problems))
}

/// Takes the texts of the signers' files, without files that do not exist.
fn signing_texts(
    files: &[(RemotePath, View)],
    replies: &mut impl Iterator<Item = Reply>,
) -> Result<Vec<(RemotePath, View, String)>, Unexpected> {
    let mut texts = Vec::new();
    for (path, view) in files {
        texts.extend(text(replies)?.map(|text| (path.clone(), *view, text)));
    }
    Ok(texts)
}

/// Takes the text of one file. `None` if the file does not exist.
fn text(replies: &mut impl Iterator<Item = Reply>) -> Result<Option<String>, Unexpected> {
    match replies.next() {
        Some(Reply::Read(content)) => {
            Ok(content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        }
        _ => Err(Unexpected),
    }
}

/// Evaluates the certificate reload.
///
/// This takes another exchange if the credentials file is newer than the service and kcm has noted
/// its connections.
async fn certificate_reload(
    master: &ObservedMaster,
    text: Option<&str>,
    transport: &dyn Transport,
    layout: &Layout,
) -> Option<CertificateReload> {
    let by_its_start = super::certificate_reload::by_its_start(master, layout)?;
    let noted = super::certificate_reload::noted(master, text)
        .filter(|_| by_its_start != CertificateReload::Proven);
    let Some(noted) = noted else { return Some(by_its_start) };
    let look = Settle::connections(&layout.unit, Some(noted.invocation.clone()));
    let replies = transport.call(&Batch::new(vec![Operation::Settle(look)])).await;
    let first = replies.ok().and_then(|replies| replies.done.into_iter().next());
    Some(match first {
        Some(Reply::Settled(now)) => noted.evaluate(&now),
        _ => CertificateReload::Unknown {
            reason: "cannot observe the connections of the service".to_owned(),
        },
    })
}
