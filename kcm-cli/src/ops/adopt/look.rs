//! Observation of a master that was set up by hand: two exchanges, and more only for links to the
//! program and for named certificates.

use std::collections::BTreeSet;

use kcm_kubeconfig::Access;
use kcm_pki::Certificate;
use kcm_systemd::{EffectiveService, UnitName};

use super::losses::{NOT_ADOPTED, cause, of_unit};
use super::named::read_named;
use super::{AdoptError, AdoptRequest, program};
use crate::cluster::layout::{UNIT, UNIT_FOLDER};
use crate::observed::AskError;
use crate::observed::effective::EffectiveUnit;
use crate::transport::{
    Batch, FindUnit, Inspect, Inspected, Operation, OperationError, PathState, Probe, Read, Reply,
    Transport, UnitState, View,
};
use crate::util::explanation::Explanation;
use crate::util::files::{Owner, RemotePath};
use crate::util::words::command;

/// Maximum number of symbolic links that lead to a program.
const MOST_LINKS: usize = 8;
/// Usual folders of certificates that were created by hand, besides those of the CA and the
/// kubeconfig.
const PAIR_FOLDERS: [&str; 3] = [
    "/opt/kubernetes/pki/kube-controller-manager/cert",
    "/etc/kubernetes/ssl",
    "/etc/kubernetes/pki",
];
/// Usual names of pairs that were created by hand: certificate and key.
const PAIR_NAMES: [(&str, &str); 2] = [
    ("kube-controller-manager.pem", "kube-controller-manager-key.pem"),
    ("kube-controller-manager.crt", "kube-controller-manager.key"),
];

/// Observed state of a master, without secrets.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) unit_file: RemotePath,
    pub(super) unit: UnitState,
    pub(super) can_set_owner: bool,
    pub(super) effective: EffectiveUnit,
    /// Effective command and settings of the unit.
    pub(super) meaning: EffectiveService,
    /// Arguments with which kube-controller-manager refuses to start.
    pub(super) strays: Vec<String>,
    /// Public lines of the kubeconfig.
    pub(super) kubeconfig: Option<String>,
    /// Certificate of the signing CA, as PEM.
    pub(super) ca: Option<String>,
    /// Files that flags name, and possible locations of pairs.
    pub(super) files: Vec<(RemotePath, PathState)>,
    /// Certificates at the possible locations of pairs.
    pub(super) certificates: Vec<(RemotePath, Vec<Certificate>)>,
    /// Certificates in the files that the kubeconfig and flags name.
    pub(super) named: Vec<(RemotePath, Vec<Certificate>)>,
    pub(super) inspected: Option<Inspected>,
    users: Vec<(String, u32, u32)>,
    groups: Vec<(String, u32)>,
}

impl Found {
    pub(super) fn flag(&self, name: &str) -> Option<&str> {
        self.meaning.flags.get(name)
    }

    /// Returns the state of a path that was observed.
    pub(super) fn state(&self, path: &str) -> Option<&PathState> {
        self.files.iter().find(|(at, _)| at.as_str() == path).map(|(_, state)| state)
    }

    /// Returns the settings that a client takes from the kubeconfig.
    pub(super) fn access(&self) -> Result<Access, AdoptError> {
        let error = |reason: String, help: String| AdoptError::Kubeconfig {
            master: self.name.clone(),
            reason,
            help,
        };
        let Some(path) = self.flag("kubeconfig") else {
            let cause = cause(&self.effective, "--kubeconfig");
            let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
            let help = "name the file with --kubeconfig in the unit".to_owned();
            return Err(error(format!("--kubeconfig does not reach the program{cause}"), help));
        };
        let Some(view) = &self.kubeconfig else {
            return Err(match self.state(path) {
                Some(PathState::Link { target }) => error(
                    format!("--kubeconfig names {path}, a symbolic link to {target}"),
                    format!("put a regular file at {path}, or name {target} in the unit"),
                ),
                Some(PathState::Absent) | None => error(
                    format!("--kubeconfig names {path}, which is missing"),
                    format!("write a kubeconfig to {path}, or omit this master"),
                ),
                _ => error(
                    format!("--kubeconfig names {path}, which is not a regular file"),
                    format!("write a kubeconfig to {path}, or omit this master"),
                ),
            });
        };
        Access::of_public_view(view)
            .map_err(|cause| error(format!("{path}: {cause}"), cause.help().to_owned()))
    }

    /// Returns the path of the signing CA's certificate, if a flag names it.
    pub(super) fn ca_path(&self) -> Option<&str> {
        let flag = |name| self.flag(name).filter(|path| !path.is_empty());
        flag("cluster-signing-cert-file").or_else(|| flag("root-ca-file"))
    }

    /// Returns the owner of a file by name: `USER`, or `USER:GROUP` if the group is not the user's
    /// primary group.
    pub(super) fn owner_name(&self, owner: Owner) -> Option<String> {
        let (user, _, own) = self.users.iter().find(|(_, uid, _)| *uid == owner.uid)?;
        if *own == owner.gid {
            return Some(user.clone());
        }
        let (group, _) = self.groups.iter().find(|(_, gid)| *gid == owner.gid)?;
        Some(format!("{user}:{group}"))
    }

    /// Returns the default owner of files: the account of the service.
    pub(super) fn service_owner(&self) -> Owner {
        let set = |key: &str| {
            let values = self.meaning.settings.get(&("Service".to_owned(), key.to_owned()))?;
            values.last().cloned()
        };
        let user = set("User").and_then(|user| self.users.iter().find(|it| it.0 == user));
        let group = set("Group").and_then(|group| self.groups.iter().find(|it| it.0 == group));
        match (user, group) {
            (Some((_, uid, _)), Some((_, gid))) | (Some((_, uid, gid)), None) => {
                Owner { uid: *uid, gid: *gid }
            }
            _ => Owner::ROOT,
        }
    }
}

/// Observes one master.
pub(super) async fn look_at(
    name: &str,
    address: &str,
    transport: &dyn Transport,
    request: &AdoptRequest,
) -> Result<Found, AdoptError> {
    let unit = request.unit.parse::<UnitName>().map_err(|error| {
        let help = "use the full name, for example kube-controller-manager.service";
        AdoptError::Request(Explanation::new(error.to_string(), help))
    })?;
    let mut replies = ask(name, transport, first(&unit)).await?.into_iter();
    let contract = || AskError::Contract { master: name.to_owned() };
    let Some(Reply::Probe(probe)) = replies.next() else { return Err(contract().into()) };
    let Some(Reply::FoundUnit(found)) = replies.next() else { return Err(contract().into()) };
    let mut text = || match replies.next() {
        Some(Reply::Read(text)) => Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned())),
        _ => Err(contract()),
    };
    let (users, groups) = (text()?.unwrap_or_default(), text()?.unwrap_or_default());
    let hostname = probe.hostname.as_deref();
    let effective = EffectiveUnit::new(&found, &unit, hostname);
    let file = found.file.as_ref().and_then(|file| RemotePath::new(file.path.as_str()).ok());
    let Some((effective, unit_file)) = effective.zip(file) else {
        return Err(AdoptError::NoUnit { master: name.to_owned(), unit: unit.to_string() });
    };
    let refused = |why: Explanation| AdoptError::Refused {
        findings: of_unit(name, &effective, NOT_ADOPTED),
        error: Box::new(AdoptError::Unit {
            master: name.to_owned(),
            path: unit_file.to_string(),
            why,
        }),
    };
    if found.is_masked() {
        let unmask = command(["systemctl", "unmask", unit.as_str()]);
        let help = format!("run `{unmask}` on the master");
        return Err(refused(Explanation::new("the unit is masked", help)));
    }
    if let Some(executable) = effective.executable()
        && !is_the_program(name, transport, &executable).await?
    {
        return Err(refused(program::refusal(&executable)));
    }
    let (meaning, strays) = effective
        .meaning_without_strays()
        .map_err(|error| refused(Explanation::without_help(error.to_string())))?;
    let unit = unit_file.name().parse().unwrap_or(unit);
    let mut found = Found {
        name: name.to_owned(),
        address: address.to_owned(),
        unit_file,
        unit: probe.unit,
        can_set_owner: probe.can_set_owner,
        effective,
        meaning,
        strays,
        kubeconfig: None,
        ca: None,
        files: Vec::new(),
        certificates: Vec::new(),
        named: Vec::new(),
        inspected: None,
        users: accounts(&users).filter_map(|(name, uid, gid)| Some((name, uid, gid?))).collect(),
        groups: accounts(&groups).map(|(name, gid, _)| (name, gid)).collect(),
    };
    look_further(&mut found, &unit, transport).await?;
    read_named(&mut found, transport).await?;
    Ok(found)
}

/// Reports whether a program is kube-controller-manager, by its file name or by that of a file that
/// it links to.
async fn is_the_program(
    master: &str,
    transport: &dyn Transport,
    executable: &str,
) -> Result<bool, AskError> {
    let mut at = executable.to_owned();
    for _ in 0..MOST_LINKS {
        if program::is_kube_controller_manager(&at) {
            return Ok(true);
        }
        let Ok(path) = RemotePath::new(at) else { return Ok(false) };
        let Ok(unit) = UNIT.parse() else { return Ok(false) };
        let probe = probe(&unit, path.clone(), vec![path.clone()]);
        let replies = ask(master, transport, vec![probe]).await?;
        let Some(Reply::Probe(probe)) = replies.into_iter().next() else {
            return Err(AskError::Contract { master: master.to_owned() });
        };
        let Some(PathState::Link { target }) = probe.paths.into_iter().next() else {
            return Ok(false);
        };
        at = if target.starts_with('/') { target } else { path.sibling(&target).to_string() };
    }
    Ok(false)
}

/// Returns the operations of the first exchange: the unit, users and groups.
fn first(unit: &UnitName) -> Vec<Operation> {
    let known =
        ["/etc/passwd", "/etc/group"].into_iter().filter_map(|path| RemotePath::new(path).ok());
    let reads = known.map(|path| Operation::Read(Read { path, view: View::Whole }));
    let at = RemotePath::new(format!("{UNIT_FOLDER}/{unit}")).ok();
    let probe = at.map(|at| probe(unit, at, Vec::new()));
    let find = Operation::FindUnit(FindUnit { unit: unit.clone() });
    probe.into_iter().chain([find]).chain(reads).collect()
}

fn probe(unit: &UnitName, executable: RemotePath, paths: Vec<RemotePath>) -> Operation {
    Operation::Probe(Probe {
        unread: paths.clone(),
        paths,
        ..Probe::new(unit.clone(), executable.clone(), executable)
    })
}

/// Observes the files that flags name, and the possible locations of pairs.
async fn look_further(
    found: &mut Found,
    unit: &UnitName,
    transport: &dyn Transport,
) -> Result<(), AskError> {
    let flags = found.meaning.flags.iter();
    let named = flags.filter(|(name, _)| {
        let name = name.as_str();
        name.ends_with("-file") || name.ends_with("kubeconfig")
    });
    let named: BTreeSet<_> = named.filter_map(|(_, path)| RemotePath::new(path).ok()).collect();
    let path = |flag: &str| found.flag(flag).and_then(|path| RemotePath::new(path).ok());
    let kubeconfig = path("kubeconfig");
    let ca = found.ca_path().and_then(|path| RemotePath::new(path).ok());
    let executable = RemotePath::new(found.meaning.executable.as_str()).ok();
    let pairs = pairs(found);
    let certificates: Vec<_> = pairs.iter().map(|(certificate, _)| certificate.clone()).collect();
    let of_pairs: Vec<_> = pairs.into_iter().flat_map(|(cert, key)| [cert, key]).collect();
    let mut paths: BTreeSet<_> = named.into_iter().chain(of_pairs).collect();
    paths.extend(executable.clone());
    paths.insert(found.unit_file.clone());
    let paths: Vec<_> = paths.into_iter().collect();
    let read = |path: &RemotePath, view| Operation::Read(Read { path: path.clone(), view });
    let unit_file = || found.unit_file.clone();
    let program = executable.clone().unwrap_or_else(unit_file);
    let mut operations = vec![Operation::Probe(Probe {
        paths: paths.clone(),
        unread: executable.clone().into_iter().collect(),
        ..Probe::new(unit.clone(), unit_file(), program)
    })];
    operations.extend(kubeconfig.iter().map(|path| read(path, View::KubeconfigPublic)));
    operations.extend(ca.iter().map(|path| read(path, View::Certificates)));
    operations.extend(certificates.iter().map(|path| read(path, View::Certificates)));
    operations.extend(
        executable.map(|it| Operation::Inspect(Inspect { unit: unit.clone(), program: Some(it) })),
    );
    let contract = || AskError::Contract { master: found.name.clone() };
    let mut replies = ask(&found.name, transport, operations).await?.into_iter();
    let Some(Reply::Probe(probe)) = replies.next() else { return Err(contract()) };
    let mut text = || match replies.next() {
        Some(Reply::Read(text)) => Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned())),
        _ => Err(contract()),
    };
    let public = kubeconfig.map(|_| text()).transpose()?.flatten();
    let authority = ca.map(|_| text()).transpose()?.flatten();
    let mut read = Vec::new();
    for path in certificates {
        let all = text()?.and_then(|pem| Certificate::all_from_pem(pem.as_bytes()).ok());
        read.extend(all.map(|all| (path, all)));
    }
    let inspected = match replies.next() {
        Some(Reply::Inspected(inspected)) => Some(inspected),
        _ => None,
    };
    found.unit = probe.unit;
    found.files = paths.into_iter().zip(probe.paths).collect();
    (found.kubeconfig, found.ca, found.certificates, found.inspected) =
        (public, authority, read, inspected);
    Ok(())
}

/// Returns possible paths of the identity's certificate and key.
pub(super) fn pairs(found: &Found) -> Vec<(RemotePath, RemotePath)> {
    let path = |flag: &str| found.flag(flag).and_then(|path| RemotePath::new(path).ok()?.parent());
    let root = RemotePath::new(found.meaning.executable.as_str()).ok();
    let root = root.and_then(|program| program.parent()?.parent());
    let own = root.and_then(|root| root.join("pki/kube-controller-manager/cert").ok());
    let near = [own, path("cluster-signing-cert-file"), path("kubeconfig")];
    let known = PAIR_FOLDERS.iter().filter_map(|folder| RemotePath::new(*folder).ok());
    let mut folders: Vec<RemotePath> = Vec::new();
    for folder in near.into_iter().flatten().chain(known) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    let in_folder = |folder: &RemotePath| {
        let folder = folder.clone();
        PAIR_NAMES.into_iter().filter_map(move |(certificate, key)| {
            Some((folder.join(certificate).ok()?, folder.join(key).ok()?))
        })
    };
    folders.iter().flat_map(in_folder).collect()
}

/// Runs one exchange. An `inspect` that a folder does not support is left out, which requires it to
/// be the last operation.
async fn ask(
    name: &str,
    transport: &dyn Transport,
    operations: Vec<Operation>,
) -> Result<Vec<Reply>, AskError> {
    let replies = transport.call(&Batch::new(operations)).await?;
    match replies.failed {
        Some(failure)
            if !matches!(failure.error, OperationError::Unsupported { .. })
                || failure.operation != "inspect" =>
        {
            Err(AskError::Failed { master: name.to_owned(), error: failure.error })
        }
        _ => Ok(replies.done),
    }
}

/// Parses the lines of /etc/passwd or /etc/group: a name, its number, and the next number.
fn accounts(text: &str) -> impl Iterator<Item = (String, u32, Option<u32>)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let number = fields.nth(1)?.parse().ok()?;
        Some((name, number, fields.next().and_then(|next| next.parse().ok())))
    })
}
