//! Conformance suites for implementors of [`Transport`] and [`Shell`](super::Shell): the contracts
//! of both, clause by clause.
//!
//! Available with the feature `testing`. A violated clause is reported by a panic.
//!
//! ```no_run
//! # async fn example(folder: std::path::PathBuf) {
//! use kcm::transport::{Local, conformance};
//!
//! conformance::transport(|| conformance::Subject {
//!     transport: std::sync::Arc::new(Local::new(&folder)),
//!     back_door: Box::new(conformance::Folder(folder.clone())),
//! })
//! .await;
//! # }
//! ```

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a suite reports a broken rule with a panic"
)]

mod folders;
mod program;
mod shell;
mod unit;

use std::fs;
use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::transport::{
    Activity, Attributes, Batch, Commit, Enablement, LockClaim, LockError, Operation,
    OperationError, PathState, Probe, ProbeReply, Read, Replies, Reply, STAGE_FOLDER, Stage,
    StagedFile, Transport, UnitAction, Unstage, View,
};
use crate::util::files::{Bytes, FileErrorKind, Mode, Owner, RemotePath};
use kcm_pki::Fingerprint;
use kcm_systemd::UnitName;

pub use shell::shell;

/// A transport under test, with direct access to its master.
pub struct Subject {
    /// The transport.
    pub transport: Arc<dyn Transport>,
    /// Direct access to the master, not through the transport.
    pub back_door: Box<dyn BackDoor>,
}

/// Inspects and prepares a master without its transport.
pub trait BackDoor {
    /// Writes a file and creates its parent folders.
    fn put(&self, path: &str, content: &[u8], mode: u32);
    /// Permission bits and bytes of a file; `None` if it does not exist.
    fn file(&self, path: &str) -> Option<(u32, Vec<u8>)>;
    /// Permission bits of a folder; `None` if it does not exist.
    fn folder(&self, path: &str) -> Option<u32>;
    /// Target of a symbolic link; `None` if it does not exist.
    fn link(&self, path: &str) -> Option<String>;
    /// Creates a symbolic link and its parent folders.
    fn put_link(&self, path: &str, target: &str);
    /// Sets the owner and the permission bits of a folder. Needs root.
    fn give(&self, path: &str, owner: Owner, mode: u32);
}

/// A master whose `/` is a folder of this machine.
pub struct Folder(pub PathBuf);

impl Folder {
    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

impl BackDoor for Folder {
    fn put(&self, path: &str, content: &[u8], mode: u32) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, content).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn file(&self, path: &str) -> Option<(u32, Vec<u8>)> {
        let at = self.at(path);
        at.is_file().then(|| (mode(&at), fs::read(&at).unwrap()))
    }

    fn folder(&self, path: &str) -> Option<u32> {
        let at = self.at(path);
        at.is_dir().then(|| mode(&at))
    }

    fn link(&self, path: &str) -> Option<String> {
        fs::read_link(self.at(path)).ok().map(|target| target.to_str().unwrap().to_owned())
    }

    fn put_link(&self, path: &str, target: &str) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, at).unwrap();
    }

    fn give(&self, path: &str, owner: Owner, mode: u32) {
        let at = self.at(path);
        std::os::unix::fs::chown(&at, Some(owner.uid), Some(owner.gid)).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
    }
}

const UNIT: &str = "kube-controller-manager.service";
const UNIT_FILE: &str = "/etc/systemd/system/kube-controller-manager.service";
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/kube-controller-manager.service";

/// Runs the whole suite, each test on a fresh subject.
pub async fn transport(fresh: impl Fn() -> Subject) {
    each(&fresh, a_probe_answers_in_the_order_it_was_asked).await;
    program::run(&fresh).await;
    folders::run(&fresh).await;
    self::unit::run(&fresh).await;
    each(&fresh, a_read_tells_absent_from_empty_and_shows_no_secret_of_a_kubeconfig).await;
    each(&fresh, a_stage_changes_no_target_and_keeps_what_it_wrote_private).await;
    each(&fresh, a_stage_that_fails_leaves_nothing_behind).await;
    each(&fresh, an_unstage_takes_back_everything).await;
    each(&fresh, a_stage_replaces_what_an_interrupted_one_left).await;
    each(&fresh, a_commit_puts_files_in_place_whole_with_their_modes).await;
    each(&fresh, a_commit_that_finds_something_else_changes_nothing).await;
    each(&fresh, a_commit_sets_attributes_and_removes_leftovers).await;
    each(&fresh, a_folder_on_the_way_may_be_a_link_inside_the_machine).await;
    each(&fresh, a_batch_stops_at_the_first_failure_and_says_which).await;
    each(&fresh, enabling_makes_the_link_and_only_once).await;
    each(&fresh, a_lock_keeps_others_out_until_it_is_dropped).await;
    each(&fresh, what_cannot_be_done_is_an_error_and_never_silence).await;
}

async fn each<F: Future<Output = ()>>(fresh: impl Fn() -> Subject, test: impl Fn(Subject) -> F) {
    test(fresh()).await;
}

async fn a_probe_answers_in_the_order_it_was_asked(subject: Subject) {
    subject.back_door.put("/opt/a", b"a", 0o640);
    let reply = subject.probe(&["/opt/none", "/opt", "/opt/a"]).await;
    assert_eq!(reply.paths[0], PathState::Absent);
    assert!(matches!(reply.paths[1], PathState::Folder { .. }));
    let PathState::File { digest, size, mode, .. } = reply.paths[2] else { panic!("{reply:?}") };
    assert_eq!((digest, size, mode.bits()), (Fingerprint::of(b"a"), 1, 0o640));
    assert_eq!(reply.unit.enablement, Enablement::Absent);
    assert!(reply.rooms.iter().any(|(folder, _)| folder.as_str() == "/opt"));
    assert!(reply.leftovers.is_empty());
}

async fn a_read_tells_absent_from_empty_and_shows_no_secret_of_a_kubeconfig(subject: Subject) {
    subject.back_door.put("/opt/empty", b"", 0o644);
    let secret = "users:\n- name: a\n  user:\n    client-key-data: c2VjcmV0\n    token: hunter2\n";
    subject.back_door.put("/opt/kubeconfig", secret.as_bytes(), 0o600);
    let read = |path: &str, view| Operation::Read(Read { path: remote(path), view });
    let replies = subject
        .done(vec![
            read("/opt/none", View::Whole),
            read("/opt/empty", View::Whole),
            read("/opt/kubeconfig", View::KubeconfigPublic),
        ])
        .await;
    let texts: Vec<_> = replies
        .into_iter()
        .map(|reply| match reply {
            Reply::Read(bytes) => bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(texts[..2], [None, Some(String::new())]);
    let view = texts[2].as_deref().unwrap();
    assert!(view.contains("- name: a") && view.contains("client-key-data: sha256:"), "{view}");
    assert!(!view.contains("c2VjcmV0") && !view.contains("hunter2"), "{view}");
}

async fn a_stage_changes_no_target_and_keeps_what_it_wrote_private(subject: Subject) {
    subject.back_door.put("/opt/x/key", b"old", 0o600);
    let replies = subject.done(vec![stage(&[("/opt/x/key", b"new", 0o600)])]).await;
    assert!(matches!(&replies[..], [Reply::Staged { made }] if made.is_empty()), "{replies:?}");
    assert_eq!(subject.back_door.file("/opt/x/key"), Some((0o600, b"old".to_vec())));
    assert_eq!(subject.back_door.folder(&format!("/opt/x/{STAGE_FOLDER}")), Some(0o700));
    let staged = subject.back_door.file(&format!("/opt/x/{STAGE_FOLDER}/key"));
    assert_eq!(staged, Some((0o600, b"new".to_vec())));
    let leftovers = subject.probe(&["/opt/x/key"]).await.leftovers;
    assert_eq!(leftovers, [remote(&format!("/opt/x/{STAGE_FOLDER}"))]);
}

async fn a_stage_that_fails_leaves_nothing_behind(subject: Subject) {
    subject.back_door.put("/opt/file", b"in the way", 0o644);
    let files: &[Planned<'_>] = &[("/opt/a/b/one", b"1", 0o644), ("/opt/file/two", b"2", 0o644)];
    let replies = subject.call(vec![stage(files)]).await;
    let failed = replies.failed.expect("a file cannot hold a file");
    assert_eq!(failed.error.file_kind(), Some(FileErrorKind::WrongKind), "{failed}");
    assert_eq!(subject.back_door.folder("/opt/a"), None);
    assert_eq!(subject.back_door.folder(&format!("/opt/{STAGE_FOLDER}")), None);
}

async fn an_unstage_takes_back_everything(subject: Subject) {
    subject.back_door.put("/opt/x/old", b"old", 0o644);
    let files: &[Planned<'_>] = &[("/opt/x/old", b"1", 0o644), ("/opt/a/b/one", b"1", 0o644)];
    let replies = subject.done(vec![stage(files)]).await;
    let [Reply::Staged { made }] = &replies[..] else { panic!("{replies:?}") };
    assert_eq!(made, &[remote("/opt/a"), remote("/opt/a/b")]);
    let targets = files.iter().map(|(path, ..)| remote(path)).collect();
    let unstage = Unstage { targets, folders: made.clone() };
    subject.done(vec![Operation::Unstage(unstage)]).await;
    assert_eq!(subject.back_door.folder("/opt/a"), None);
    assert_eq!(subject.back_door.folder(&format!("/opt/x/{STAGE_FOLDER}")), None);
    assert_eq!(subject.back_door.file("/opt/x/old"), Some((0o644, b"old".to_vec())));
}

async fn a_stage_replaces_what_an_interrupted_one_left(subject: Subject) {
    subject.back_door.put(&format!("/opt/{STAGE_FOLDER}/half"), b"ha", 0o644);
    subject.back_door.put(&format!("/opt/{STAGE_FOLDER}/x"), b"old", 0o644);
    subject.done(vec![stage(&[("/opt/x", b"new", 0o600)]), commit(&["/opt/x"], vec![])]).await;
    assert_eq!(subject.back_door.file("/opt/x"), Some((0o600, b"new".to_vec())));
    assert_eq!(subject.back_door.folder(&format!("/opt/{STAGE_FOLDER}")), None);
}

async fn a_commit_puts_files_in_place_whole_with_their_modes(subject: Subject) {
    subject.back_door.put("/opt/x/cert", b"an old and longer one", 0o600);
    let files: &[Planned<'_>] = &[("/opt/x/cert", b"new", 0o644), ("/opt/y/key", b"key", 0o600)];
    let expected = subject.expect(&["/opt/x/cert", "/opt/y/key"]).await;
    subject.done(vec![stage(files), commit(&["/opt/x/cert", "/opt/y/key"], expected)]).await;
    assert_eq!(subject.back_door.file("/opt/x/cert"), Some((0o644, b"new".to_vec())));
    assert_eq!(subject.back_door.file("/opt/y/key"), Some((0o600, b"key".to_vec())));
    assert_eq!(subject.back_door.folder("/opt/y"), Some(0o755));
    for folder in ["/opt/x", "/opt/y"] {
        assert_eq!(subject.back_door.folder(&format!("{folder}/{STAGE_FOLDER}")), None);
    }
}

async fn a_commit_that_finds_something_else_changes_nothing(subject: Subject) {
    for (mode, content) in [(0o644, "changed"), (0o600, "as observed")] {
        subject.back_door.put("/opt/a", b"as observed", 0o644);
        subject.back_door.put("/opt/b", b"as observed", 0o644);
        let expected = subject.expect(&["/opt/a", "/opt/b"]).await;
        subject.back_door.put("/opt/b", content.as_bytes(), mode);
        let files: &[Planned<'_>] = &[("/opt/a", b"new", 0o644), ("/opt/b", b"new", 0o644)];
        let operations = vec![stage(files), commit(&["/opt/a", "/opt/b"], expected)];
        let failed = subject.call(operations).await.failed.expect("it must refuse");
        assert!(
            matches!(&failed.error, OperationError::Changed { path, .. } if path.as_str() == "/opt/b"),
            "{failed}"
        );
        assert_eq!((failed.index, failed.operation), (1, "commit"));
        assert_eq!(subject.back_door.file("/opt/a"), Some((0o644, b"as observed".to_vec())));
    }
}

async fn a_commit_sets_attributes_and_removes_leftovers(subject: Subject) {
    subject.back_door.put("/opt/key", b"key", 0o644);
    subject.back_door.put(&format!("/opt/{STAGE_FOLDER}/key"), b"half", 0o600);
    let expected = subject.expect(&["/opt/key"]).await;
    let attributes =
        vec![Attributes { path: remote("/opt/key"), mode: Mode::PRIVATE, owner: None }];
    let leftovers = vec![remote(&format!("/opt/{STAGE_FOLDER}"))];
    let commit = Commit { expected, attributes, leftovers, ..Commit::default() };
    subject.done(vec![Operation::Commit(commit)]).await;
    assert_eq!(subject.back_door.file("/opt/key"), Some((0o600, b"key".to_vec())));
    assert_eq!(subject.back_door.folder(&format!("/opt/{STAGE_FOLDER}")), None);
}

async fn a_folder_on_the_way_may_be_a_link_inside_the_machine(subject: Subject) {
    for (link, target, real) in
        [("/srv/absolute", "/data/one", "/data/one"), ("/srv/relative", "../data/two", "/data/two")]
    {
        subject.back_door.put(&format!("{real}/old"), b"old", 0o644);
        subject.back_door.put_link(link, target);
        let (direct, below) = (format!("{link}/file"), format!("{link}/a/b/file"));
        let files: &[Planned<'_>] = &[(&direct, b"1", 0o600), (&below, b"2", 0o644)];
        let expected = subject.expect(&[&direct, &below]).await;
        subject.done(vec![stage(files), commit(&[&direct, &below], expected)]).await;
        let found = subject.back_door.file(&format!("{real}/file"));
        assert_eq!(found, Some((0o600, b"1".to_vec())), "{link}");
        let found = subject.back_door.file(&format!("{real}/a/b/file"));
        assert_eq!(found, Some((0o644, b"2".to_vec())), "{link}");
        assert_eq!(subject.back_door.link(link).as_deref(), Some(target), "a link stays one");
        assert!(subject.probe(&[&direct]).await.leftovers.is_empty(), "{link}");
    }
}

async fn a_batch_stops_at_the_first_failure_and_says_which(subject: Subject) {
    let read = |path: &str| Operation::Read(Read { path: remote(path), view: View::Whole });
    let replies = subject
        .call(vec![
            read("/opt/none"),
            commit(&["/opt/never-staged"], vec![]),
            stage(&[("/opt/x", b"x", 0o644)]),
        ])
        .await;
    assert_eq!(replies.done.len(), 1);
    let failed = replies.failed.unwrap();
    assert_eq!((failed.index, failed.operation), (1, "commit"));
    assert_eq!(failed.error.file_kind(), Some(FileErrorKind::NotFound), "{failed}");
    assert_eq!(subject.back_door.folder(&format!("/opt/{STAGE_FOLDER}")), None);
}

async fn enabling_makes_the_link_and_only_once(subject: Subject) {
    subject.back_door.put(UNIT_FILE, UNIT_TEXT, 0o644);
    assert_eq!(subject.probe(&[]).await.unit.enablement, Enablement::Disabled);
    let enable = || Operation::Unit(UnitAction::Enable { unit: unit(), path: remote(UNIT_FILE) });
    subject.done(vec![enable()]).await;
    assert_eq!(subject.probe(&[]).await.unit.enablement, Enablement::Enabled);
    assert_eq!(subject.back_door.link(WANTED).as_deref(), Some(UNIT_FILE));
    subject.done(vec![enable()]).await;
    assert_eq!(subject.back_door.link(WANTED).as_deref(), Some(UNIT_FILE));
}

async fn a_lock_keeps_others_out_until_it_is_dropped(subject: Subject) {
    let claim = LockClaim { owner: "a test".to_owned() };
    let lock = subject.transport.lock(&claim).await.unwrap();
    let second = subject.transport.lock(&claim).await;
    assert!(matches!(second, Err(LockError::Held { .. })), "{second:?}");
    drop(lock);
    assert!(subject.transport.lock(&claim).await.is_ok());
}

async fn what_cannot_be_done_is_an_error_and_never_silence(subject: Subject) {
    let restart = Operation::Unit(UnitAction::Restart { unit: unit() });
    let offline = subject.probe(&[]).await.unit.activity == Activity::Offline;
    let failed = subject.call(vec![restart]).await.failed.expect("there is no such unit");
    let unsupported = matches!(failed.error, OperationError::Unsupported { .. });
    assert_eq!(unsupported, offline, "{failed}");
}

/// A file to stage: target, content, permission bits.
type Planned<'a> = (&'a str, &'a [u8], u32);

impl Subject {
    async fn call(&self, operations: Vec<Operation>) -> Replies {
        self.transport.call(&Batch::new(operations)).await.unwrap()
    }

    async fn done(&self, operations: Vec<Operation>) -> Vec<Reply> {
        let replies = self.call(operations).await;
        assert!(replies.failed.is_none(), "{replies:?}");
        replies.done
    }

    async fn probe(&self, paths: &[&str]) -> ProbeReply {
        let paths = paths.iter().map(|path| remote(path)).collect();
        let program = remote("/opt/kubernetes/bin/kube-controller-manager");
        let probe = Probe { paths, ..Probe::new(unit(), remote(UNIT_FILE), program) };
        match self.done(vec![Operation::Probe(probe)]).await.remove(0) {
            Reply::Probe(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    async fn expect(&self, paths: &[&str]) -> Vec<(RemotePath, PathState)> {
        let states = self.probe(paths).await.paths;
        paths.iter().map(|path| remote(path)).zip(states).collect()
    }
}

fn stage(files: &[Planned<'_>]) -> Operation {
    let files = files.iter().map(|(target, content, mode)| StagedFile {
        target: remote(target),
        content: Bytes::new(*content),
        mode: Mode::from_bits(*mode),
        owner: Owner::ROOT,
    });
    Operation::Stage(Stage { files: files.collect(), kept: vec![] })
}

fn commit(files: &[&str], expected: Vec<(RemotePath, PathState)>) -> Operation {
    let files = files.iter().map(|path| remote(path)).collect();
    Operation::Commit(Commit { expected, files, ..Commit::default() })
}

fn remote(path: &str) -> RemotePath {
    RemotePath::new(path).unwrap()
}

fn unit() -> UnitName {
    UNIT.parse().unwrap()
}

const UNIT_TEXT: &[u8] =
    b"[Service]\nExecStart=/bin/true\n\n[Install]\nWantedBy=multi-user.target\n";
