//! Asking one master, in one exchange.

use super::{AskError, ObservedFile, ObservedFiles, ObservedMaster, links};
use crate::artifact::DesiredService;
use crate::artifact::generation::{Generation, Generations, slot_folders};
use crate::artifact::uptake::Uptake;
use crate::cluster::layout::Layout;
use crate::observed::accounts::Accounts;
use crate::observed::effective::EffectiveUnit;
use crate::pki::identity::NotHeld;
use crate::transport::{
    Batch, CheckFolders, FindUnit, Inspect, Inspected, Operation, OperationError, OperationFailure,
    PathState, Probe, Read, Reply, Settle, Transport, View,
};
use crate::util::files::RemotePath;

/// The files that flags name and that kcm does not manage, those of all masters.
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

/// The files of signers that have to be read, each once. The CA's certificate is read anyway.
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

/// The probe's paths and the reads, in the order in which [`ask`] takes the answers.
pub(super) fn questions(layout: &Layout, accounts: &Accounts, beside: &Beside) -> Batch {
    let read = |path: &RemotePath, view| Operation::Read(Read { path: path.clone(), view });
    let files = [
        &layout.certificate,
        &layout.key,
        &layout.combined,
        &layout.serving,
        &layout.kubeconfig,
        &layout.unit_file,
        &layout.ca_certificate,
        &layout.ca_key,
        &layout.trust,
        &layout.executable,
    ];
    let managed: Vec<_> = files.into_iter().cloned().chain(own(layout)).collect();
    let mut operations = vec![
        Operation::Probe(Probe {
            paths: managed.iter().chain(&beside.others).cloned().collect(),
            unread: if beside.reads_program { vec![] } else { vec![layout.executable.clone()] },
            unit: layout.unit.clone(),
            unit_path: layout.unit_file.clone(),
            executable: layout.executable.clone(),
            note: Some(layout.program.clone()),
            accounts: accounts.questions(),
        }),
        Operation::FindUnit(FindUnit { unit: layout.unit.clone() }),
        read(&layout.certificate, View::Certificates),
        read(&layout.combined, View::Certificates),
        read(&layout.serving, View::Certificates),
        read(&layout.kubeconfig, View::KubeconfigPublic),
        read(&layout.unit_file, View::Whole),
        read(&layout.ca_certificate, View::Certificates),
        read(&layout.trust, View::Certificates),
        read(&layout.pending, View::Whole),
        read(&layout.previous, View::Whole),
        read(&layout.connections, View::Whole),
        Operation::CheckFolders(CheckFolders { paths: managed }),
    ];
    operations.extend(beside.signing.iter().map(|(path, view)| read(path, *view)));
    if let Some(Inspects { version }) = beside.inspects {
        let (unit, program) = (layout.unit.clone(), version.then(|| layout.executable.clone()));
        operations.push(Operation::Inspect(Inspect { unit, program }));
    }
    Batch::new(operations)
}

/// What to ask a master beside the usual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// Whether the program's digest is of interest. It is 100 MB long.
    pub(crate) reads_program: bool,
    /// Other files.
    pub(crate) others: Vec<RemotePath>,
    /// The files that signers use, with what is seen of them.
    pub(crate) signing: Vec<(RemotePath, View)>,
    /// The look at the service as it runs, if there is to be one.
    pub(crate) inspects: Option<Inspects>,
    /// Whether one exchange is to do: units are not completed, and nothing is compared with former connections.
    pub(crate) only_once: bool,
}

/// The look at a service as it runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inspects {
    /// Whether the program is asked for its version, which takes it a while.
    pub(crate) version: bool,
}

/// A master, and what was asked beside the usual.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) master: ObservedMaster,
    /// The service as it runs, where anything can.
    pub(crate) inspected: Option<Inspected>,
}

/// What kcm keeps on a master for itself.
fn own(layout: &Layout) -> Vec<RemotePath> {
    let notes = [&layout.pending, &layout.previous].map(RemotePath::clone);
    notes.into_iter().chain(slot_folders(layout)).collect()
}

/// Asks one master.
pub(crate) async fn look_at(
    name: &str,
    transport: &dyn Transport,
    layout: &Layout,
    accounts: &Accounts,
) -> Result<ObservedMaster, AskError> {
    let seen = look_beside(name, transport, layout, accounts, &Beside::default()).await?;
    Ok(seen.master)
}

/// Asks one master, and more than the usual.
pub(crate) async fn look_beside(
    name: &str,
    transport: &dyn Transport,
    layout: &Layout,
    accounts: &Accounts,
    beside: &Beside,
) -> Result<Seen, AskError> {
    ask(name, transport, layout, &questions(layout, accounts, beside), beside).await
}

/// Asks one master what a batch of [`questions`] holds.
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
    // Where there is no link, this is no exchange.
    master.behind = links::behind(&master, transport, layout, &beside.signing).await?;
    if !beside.only_once {
        master.uptake = uptake(&master, connections.as_deref(), transport, layout).await;
    }
    Ok(Seen { master, inspected })
}

/// Tells whether an inspection failed because nothing runs in a folder.
fn is_of_a_folder(failure: &OperationFailure) -> bool {
    failure.operation == "inspect" && matches!(failure.error, OperationError::Unsupported { .. })
}

/// A reply that does not belong to the question, or none.
struct Unexpected;

/// Takes the replies to [`questions`] up to the inspection. Returns the master with all that one exchange shows, and the
/// text of the noted connections.
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
        uptake: None,
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
        kubeconfig: file(text(replies)?)?,
        unit: file(text(replies)?)?,
        ca_certificate: file(text(replies)?)?,
        ca_key: file(None)?,
        trust: file(text(replies)?)?,
        binary: file(None)?,
    })
}

/// Takes the notes of earlier generations. Returns what is wrong with those that cannot be read, too.
fn generations(
    replies: &mut impl Iterator<Item = Reply>,
) -> Result<(Generations, Vec<String>), Unexpected> {
    let mut problems = Vec::new();
    let mut note = |text: Option<String>, which: &str| {
        let read = text.as_deref().map(Generation::parse)?;
        read.map_err(|error| problems.push(format!("the note of its {which} generation: {error}")))
            .ok()
    };
    let pending = note(text(replies)?, "pending");
    let previous = note(text(replies)?, "previous");
    Ok((Generations { pending, previous }, problems))
}

/// Takes the texts of the files of signers; those that are not there are left out.
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

/// Takes the text of one file; none where there is no file.
fn text(replies: &mut impl Iterator<Item = Reply>) -> Result<Option<String>, Unexpected> {
    match replies.next() {
        Some(Reply::Read(content)) => {
            Ok(content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        }
        _ => Err(Unexpected),
    }
}

/// One more exchange, where the credentials file is newer than the service and kcm has noted what that was connected to.
async fn uptake(
    master: &ObservedMaster,
    text: Option<&str>,
    transport: &dyn Transport,
    layout: &Layout,
) -> Option<Uptake> {
    let by_its_start = super::uptake::by_its_start(master, layout)?;
    let noted = super::uptake::noted(master, text).filter(|_| by_its_start != Uptake::Proven);
    let Some(noted) = noted else { return Some(by_its_start) };
    let look = Settle::connections(&layout.unit, Some(noted.invocation.clone()));
    let replies = transport.call(&Batch::new(vec![Operation::Settle(look)])).await;
    let first = replies.ok().and_then(|replies| replies.done.into_iter().next());
    Some(match first {
        Some(Reply::Settled(now)) => noted.judge(&now),
        _ => Uptake::Unknown { reason: "its connections cannot be seen".to_owned() },
    })
}
