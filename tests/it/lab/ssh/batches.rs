//! Tests that batches preserve names, bytes and the errors of a real file system, and leak no
//! secret.

mod secrets;
mod views;

use std::fs;
use std::sync::LazyLock;

use kcm::files::{Bytes, FileErrorKind, Mode, Owner, RemotePath};
use kcm::transport::{
    Batch, Commit, Operation, OperationError, PathState, Read, Reply, Stage, StagedFile, Transport,
    Unstage, View,
};
use kcm_pki::Fingerprint;
use kcm_tests::lab::{LabCluster, Opt, Variant};

use super::{done, master, on, probe, remote};

/// The lab that these tests share; each uses its own folders.
static LAB: LazyLock<Option<LabCluster>> = LazyLock::new(|| LabCluster::up(&[Variant::new()]));

fn staged(path: &str, content: &[u8], mode: u32) -> StagedFile {
    let (content, mode) = (Bytes::new(content), Mode::from_bits(mode));
    StagedFile { target: remote(path), content, mode, owner: Owner { uid: 1000, gid: 0 } }
}

fn stage(files: &[(&str, &[u8])]) -> Operation {
    let files = files.iter().map(|(path, content)| staged(path, content, 0o640));
    Operation::Stage(Stage { files: files.collect(), kept: vec![] })
}

fn commit(paths: &[&str], expected: Vec<(RemotePath, PathState)>) -> Operation {
    let files = paths.iter().map(|path| remote(path)).collect();
    Operation::Commit(Commit { expected, files, ..Commit::default() })
}

fn read(path: &str, view: View) -> Operation {
    Operation::Read(Read { path: remote(path), view })
}

/// Returns the contents that a batch of reads returns.
async fn texts(master: &dyn Transport, operations: Vec<Operation>) -> Vec<Vec<u8>> {
    let replies = master.call(&Batch::new(operations)).await.unwrap();
    assert!(replies.failed.is_none(), "{replies:?}");
    let text = |reply| match reply {
        Reply::Read(Some(text)) => text.to_vec(),
        other => panic!("{other:?}"),
    };
    replies.done.into_iter().map(text).collect()
}

/// Names that a shell, a terminal or a message could misinterpret.
const NAMES: [&str; 41] = [
    "a b",
    " lead",
    "trail ",
    "'",
    "\"",
    "\\",
    "\\n",
    "$HOME",
    "$(id)",
    "`id`",
    "-n",
    "--",
    "-rf",
    "*",
    "?",
    "[a]",
    "~",
    "#x",
    "!",
    ";",
    "&",
    "|",
    "<",
    ">",
    "(",
    ")",
    "{a,b}",
    "%s%n",
    "=",
    "é",
    "e\u{301}",
    "集",
    "😀",
    "\u{202e}x",
    "\u{a0}",
    "\u{2028}",
    "a -> b",
    " (deleted)",
    "x: No such file or directory",
    ".hidden",
    "...",
];

/// Returns paths with such names, and one with the longest possible names.
fn paths_with_odd_names() -> Vec<String> {
    let long = format!("/srv/names/{}/{}/file", "l".repeat(255), "m".repeat(255));
    let paths = NAMES.iter().map(|name| format!("/srv/names/{name}/{name}"));
    paths.chain([long]).collect()
}

#[test]
fn a_name_is_a_name_whatever_is_in_it() {
    let Some(lab) = &*LAB else { return };
    let master = master(lab.machine(0));
    let paths = paths_with_odd_names();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let files: Vec<_> = paths.iter().map(|path| (*path, path.as_bytes())).collect();
    on(&master, async {
        let replies = done(&master, vec![stage(&files), probe(&paths)]).await;
        let [Reply::Staged { made }, Reply::Probe(before)] = &replies[..] else {
            panic!("{replies:?}")
        };
        assert!(before.paths.iter().all(|state| *state == PathState::Absent));
        assert_eq!(before.leftovers.len(), paths.len());
        let expected: Vec<_> =
            paths.iter().map(|path| remote(path)).zip(before.paths.clone()).collect();
        let targets = paths.iter().map(|path| remote(path)).collect();
        let unstage = Operation::Unstage(Unstage { targets, folders: made.clone() });
        done(&master, vec![unstage]).await;
        assert!(!lab.machine(0).file("/srv/names").exists());

        let last = vec![stage(&files), commit(&paths, expected), probe(&paths)];
        let replies = done(&master, last).await;
        let Reply::Probe(after) = &replies[2] else { panic!("{replies:?}") };
        for (path, state) in paths.iter().zip(&after.paths) {
            let PathState::File { digest, mode, owner, .. } = state else {
                panic!("{path}: {state:?}")
            };
            assert_eq!(
                (*digest, mode.bits(), owner.uid),
                (Fingerprint::of(path.as_bytes()), 0o640, 1000)
            );
            assert_eq!(fs::read(lab.machine(0).file(path)).unwrap(), path.as_bytes());
        }
        assert!(after.leftovers.is_empty());
        let reads = paths.iter().map(|path| read(path, View::Whole)).collect();
        assert!(texts(&*master, reads).await.iter().eq(paths.iter().map(|path| path.as_bytes())));
    });
}

#[test]
fn bytes_are_bytes() {
    let Some(lab) = &*LAB else { return };
    let master = master(lab.machine(0));
    let every: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let files: [(&str, &[u8]); 5] = [
        ("/srv/bytes/every", &every),
        ("/srv/bytes/empty", b""),
        ("/srv/bytes/newlines", b"\n\n\n"),
        ("/srv/bytes/after", b"\0"),
        ("/srv/bytes/script", b"done\nkcm-x\n}\n$(id)"),
    ];
    on(&master, async {
        let paths = files.map(|(path, _)| path);
        done(&master, vec![stage(&files), commit(&paths, vec![])]).await;
        let reads = paths.iter().map(|path| read(path, View::Whole)).collect();
        assert!(texts(&*master, reads).await.iter().eq(files.iter().map(|(_, content)| *content)));
    });
}

#[test]
fn a_file_system_that_takes_nothing_is_named_and_nothing_is_left() {
    let variants =
        [Opt::Full, Opt::ReadOnly, Opt::Sized(1 << 20)].map(|opt| Variant::new().opt(opt));
    let Some(lab) = LabCluster::up(&variants) else { return };
    let big = vec![b'x'; 2 << 20];
    let cases: [(FileErrorKind, &[u8], &str); 3] = [
        (FileErrorKind::NoSpace, b"key", "/opt/kcm/.kcm-stage/key"),
        (FileErrorKind::ReadOnly, b"key", "/opt/kcm"),
        (FileErrorKind::NoSpace, &big, "/opt/kcm/.kcm-stage/key"),
    ];
    for (machine, (kind, content, place)) in lab.machines().iter().zip(cases) {
        let master = master(machine);
        let tree = || machine.output(&["find", "/opt", "/etc/kcm-before"]);
        machine.output(&["mkdir", "/etc/kcm-before"]);
        let before = tree();
        on(&master, async {
            let files = [("/etc/kcm-before/cert", &b"cert"[..]), ("/opt/kcm/key", content)];
            let replies = master.call(&Batch::new(vec![stage(&files)])).await.unwrap();
            let failed = replies.failed.unwrap();
            println!("{failed}");
            assert_eq!(failed.error.file_kind(), Some(kind), "{failed}");
            let OperationError::File(error) = &failed.error else { panic!("{failed}") };
            assert_eq!(error.path, place, "{failed}");
            assert!(!failed.to_string().contains("head:"), "{failed}");

            let probe = done(&master, vec![probe(&["/opt/kcm/key"])]).await.remove(0);
            let Reply::Probe(probe) = probe else { panic!("{probe:?}") };
            let (_, room) = probe.rooms.iter().find(|(at, _)| at.as_str() == "/opt/kcm").unwrap();
            match kind {
                FileErrorKind::ReadOnly => assert_eq!(room.obstacle, Some(FileErrorKind::ReadOnly)),
                _ => assert!(room.obstacle.is_none() && room.available < 2 << 20, "{room:?}"),
            }
        });
        assert_eq!(tree(), before);
        if kind == FileErrorKind::ReadOnly {
            on(&master, async {
                // Existing files cannot be replaced or changed either.
                let replies =
                    master.call(&Batch::new(vec![commit(&["/opt/x"], vec![])])).await.unwrap();
                assert!(replies.failed.unwrap().error.file_kind().is_some());
            });
        }
    }
}
