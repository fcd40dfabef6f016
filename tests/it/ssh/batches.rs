//! What is in a batch arrives as it is: names, bytes and errors of a real file system, and no secret anywhere else.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kcm::files::{Bytes, FileErrorKind, Mode, Owner, RemotePath};
use kcm::transport::{
    Batch, Commit, Local, Operation, OperationError, PathState, Read, Reply, SshMaster, Stage,
    StagedFile, Transport, Unstage, View,
};
use kcm_pki::{Fingerprint, KeyAlgorithm};
use kcm_tests::lab::{Lab, Machine, Opt, Variant};
use kcm_tests::{ca, peers};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::{assert_says, done, exec, master, on, probe, remote};

/// Every test has folders of its own there.
static LAB: LazyLock<Option<Lab>> = LazyLock::new(|| Lab::up(&[Variant::new()]));

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

/// What a batch of reads brings.
async fn texts(master: &dyn Transport, operations: Vec<Operation>) -> Vec<Vec<u8>> {
    let replies = master.call(&Batch::new(operations)).await.unwrap();
    assert!(replies.failed.is_none(), "{replies:?}");
    let text = |reply| match reply {
        Reply::Read(Some(text)) => text.to_vec(),
        other => panic!("{other:?}"),
    };
    replies.done.into_iter().map(text).collect()
}

#[test]
fn a_name_is_a_name_whatever_is_in_it() {
    let Some(lab) = &*LAB else { return };
    let master = master(lab.machine(0));
    let long = format!("{}/{}", "l".repeat(255), "m".repeat(255));
    let names = [
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
        long.as_str(),
    ];
    let paths: Vec<_> = names
        .iter()
        .map(|name| format!("/srv/names/{name}/{name}"))
        .map(|path| {
            // Where the name is a path already, the file is in it.
            if path.contains("lll") { format!("/srv/names/{long}/file") } else { path }
        })
        .collect();
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
    let Some(lab) = Lab::up(&variants) else { return };
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
                // What is there cannot be replaced or changed either.
                let replies =
                    master.call(&Batch::new(vec![commit(&["/opt/x"], vec![])])).await.unwrap();
                assert!(replies.failed.unwrap().error.file_kind().is_some());
            });
        }
    }
}

/// Texts of kubeconfigs and of what is none, always the same.
fn hostile() -> Vec<String> {
    let keys = [
        "client-key-data",
        "token",
        "server",
        "name",
        "user",
        "users",
        "exec",
        "unknown",
        "proxy-url",
        "certificate-authority-data",
        "password",
        "- name",
        "x y",
        "",
    ];
    let value = prop_oneof![
        4 => "[ -~\\t]{0,30}",
        2 => prop::sample::select(vec!["{}", "[]", "\"\"", "|", ">-", "'a'", "\"b\"", "{a: b", "https://u:p@h", "# c"])
            .prop_map(str::to_owned),
        1 => "[\r\u{85}\u{2028}\u{2029}\u{feff}é集😀\\\\%$`'\"]{0,9}",
    ];
    let line = (
        0_usize..7,
        prop::sample::select(keys.to_vec()),
        prop::sample::select(vec![": ", ":", " ", ""]),
        value,
    )
        .prop_map(|(indent, key, colon, value)| {
            format!("{}{key}{colon}{value}", " ".repeat(indent))
        });
    let text = (prop::collection::vec(line, 0..12), prop::sample::select(vec!["", "\n", "\n\n"]))
        .prop_map(|(lines, end)| lines.join("\n") + end);
    let mut runner = TestRunner::deterministic();
    (0..250).map(|_| text.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn a_masters_shell_shows_of_a_kubeconfig_what_kcm_shows() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    let folder = machine.file("/home/views");
    fs::create_dir(&folder).unwrap();
    let texts_here = hostile();
    for (index, text) in texts_here.iter().enumerate() {
        fs::write(folder.join(index.to_string()), text).unwrap();
    }
    let master = master(machine);
    let reads = (0..texts_here.len())
        .map(|index| read(&format!("/home/views/{index}"), View::KubeconfigPublic));
    let views = on(&master, texts(&*master, reads.collect()));
    for (text, view) in texts_here.iter().zip(views) {
        let expected = kcm_kubeconfig::public_view(text, |value| Fingerprint::of(value).to_hex());
        assert_eq!(String::from_utf8(view).unwrap(), expected, "{text:?}");
    }
}

#[test]
fn a_masters_shell_shows_certificates_and_no_key() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    let (certificate, key) = ca(KeyAlgorithm::EcdsaP256, "a");
    let (head, _) = certificate.split_at(certificate.len() / 2);
    let crlf = |text: &str| text.replace('\n', "\r\n");
    let files = [
        format!("{certificate}{key}"),
        format!("{key}{certificate}{key}"),
        format!("{}{}", crlf(&key), crlf(&certificate)),
        format!("{key}{}", certificate.trim_end()),
        format!("text\n{certificate}\ntext\n{certificate}"),
        // Cut off: what follows is no part of it.
        format!("{head}\n{key}{certificate}"),
        format!("-----BEGIN CERTIFICATE-----\n{key}"),
        key.clone(),
        String::new(),
        format!(" {certificate}"),
    ];
    let scratch = tempfile::tempdir().unwrap();
    let reads = || {
        (0..files.len())
            .map(|index| read(&format!("/srv-pem/{index}"), View::Certificates))
            .collect()
    };
    for folder in [machine.root(), scratch.path().to_owned()] {
        fs::create_dir(folder.join("srv-pem")).unwrap();
        for (index, text) in files.iter().enumerate() {
            fs::write(folder.join(format!("srv-pem/{index}")), text).unwrap();
        }
    }
    let master = master(machine);
    let there = on(&master, texts(&*master, reads()));
    let local = Arc::new(Local::new(scratch.path()));
    let here = on(&master, texts(&*local, reads()));
    let secret = key.lines().nth(1).unwrap();
    for ((there, here), text) in there.iter().zip(&here).zip(&files) {
        let (there, here) = (String::from_utf8_lossy(there), String::from_utf8_lossy(here));
        assert_eq!(there, here, "{text}");
        assert!(!there.contains(secret), "{there}");
        assert_eq!(there.is_empty(), !text.starts_with(['-', 't']) || text == &key, "{text}");
    }
}

#[test]
fn a_masters_shell_finds_the_public_part_of_every_key_as_this_machine_does() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    let scratch = tempfile::tempdir().unwrap();
    let openssl = |arguments: &[&str]| peers::run(&mut peers::openssl(scratch.path(), arguments));
    let mut files = vec!["garbage\n".to_owned(), String::new()];
    for algorithm in [
        KeyAlgorithm::Rsa2048,
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::EcdsaP521,
    ] {
        let (certificate, key) = ca(algorithm, "a");
        fs::write(scratch.path().join("key"), &key).unwrap();
        openssl(&["pkey", "-in", "key", "-traditional", "-out", "traditional"]);
        let traditional = fs::read_to_string(scratch.path().join("traditional")).unwrap();
        let crlf = key.replace('\n', "\r\n");
        files.extend([key.clone(), traditional, crlf, format!("{certificate}{key}{certificate}")]);
    }
    openssl(&["pkey", "-aes256", "-passout", "pass:x", "-in", "key", "-out", "encrypted"]);
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", "ed25519"]);
    for name in ["encrypted", "ed25519"] {
        files.push(fs::read_to_string(scratch.path().join(name)).unwrap());
    }
    let reads =
        || (0..files.len()).map(|at| read(&format!("/srv-keys/{at}"), View::PublicPart)).collect();
    for folder in [machine.root(), scratch.path().to_owned()] {
        fs::create_dir(folder.join("srv-keys")).unwrap();
        for (at, text) in files.iter().enumerate() {
            fs::write(folder.join(format!("srv-keys/{at}")), text).unwrap();
        }
    }
    let master = master(machine);
    let there = on(&master, texts(&*master, reads()));
    let local = Arc::new(Local::new(scratch.path()));
    let here = on(&master, texts(&*local, reads()));
    for ((there, here), text) in there.iter().zip(&here).zip(&files) {
        assert_eq!(String::from_utf8_lossy(there), String::from_utf8_lossy(here), "{text}");
    }
    let found: Vec<_> = there.iter().map(Vec::len).collect();
    assert_eq!(found, [&[0, 0][..], &[64; 16], &[0, 0]].concat());
    for forms in there[2..18].chunks(4) {
        assert!(forms.iter().all(|form| *form == forms[0]), "{forms:?}");
    }
}

/// Every program that starts on a machine, with its arguments and environment, while something is done.
fn traced(
    machine: &Machine,
    master: &Arc<SshMaster>,
    operations: Vec<Operation>,
) -> Option<String> {
    if !peers::has("strace") {
        return None;
    }
    let trace = tempfile::NamedTempFile::new().unwrap();
    // The one that listens: the others are of connections, and numbers wrap.
    let listens = |process: &u32| {
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("[listener]")
    };
    let server = machine.processes("sshd").into_iter().find(listens).unwrap();
    let mut strace = Command::new("strace");
    strace.args([
        "-f",
        "-v",
        "-s",
        "10000000",
        "-e",
        "trace=execve",
        "-p",
        &server.to_string(),
        "-o",
    ]);
    strace.arg(trace.path()).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut strace = strace.spawn().unwrap();
    let status = format!("/proc/{server}/status");
    super::until("it is traced", || {
        !fs::read_to_string(&status).unwrap().contains("TracerPid:\t0\n")
    });
    on(master, done(master, operations));
    let pid = rustix::process::Pid::from_child(&strace);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    strace.wait().unwrap();
    Some(fs::read_to_string(trace.path()).unwrap())
}

#[test]
fn no_program_there_is_given_a_secret_in_its_arguments_or_environment() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    let (_, key) = ca(KeyAlgorithm::EcdsaP256, "a");
    let master = master(machine);
    let kubeconfig = format!(
        "users:\n- name: a\n  user:\n    token: hunter2\n    client-key-data: |\n      {}\n",
        key.replace('\n', "\n      ")
    );
    let operations = vec![
        stage(&[
            ("/srv-secret/key", key.as_bytes()),
            ("/srv-secret/kubeconfig", kubeconfig.as_bytes()),
        ]),
        commit(&["/srv-secret/key", "/srv-secret/kubeconfig"], vec![]),
        exec(&["cat"], key.as_bytes()),
        read("/srv-secret/kubeconfig", View::KubeconfigPublic),
        read("/srv-secret/key", View::Certificates),
        read("/srv-secret/key", View::Whole),
        probe(&["/srv-secret/key"]),
    ];
    let Some(trace) = traced(machine, &master, operations) else { return };
    assert_says(&trace, &["execve(", "sha256sum", "sudo", ".kcm-stage"]);
    for secret in key.lines().filter(|line| !line.starts_with('-')).chain(["hunter2"]) {
        let found = trace.lines().find(|line| line.contains(secret));
        assert!(found.is_none(), "{found:?}");
        let coded = STANDARD.encode(secret);
        assert!(!trace.contains(coded.trim_end_matches('=')), "in base64");
    }
}
