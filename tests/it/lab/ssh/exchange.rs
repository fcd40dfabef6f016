//! Tests of exchanges: input and output are transferred byte for byte, with any number at once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kcm::cluster::{Ssh, Sudo};
use kcm::files::{Bytes, Mode, Owner};
use kcm::transport::{
    Activity, Batch, Commit, Connections, OpenSsh, Operation, Output, Probe, ProbeReply, Progress,
    Reply, Sent, ShellTransport, Stage, StagedFile, Transport, TransportError, UnitState,
};
use kcm_tests::lab::{LabCluster, Machine, SshCounts, Variant};
use tokio::task::JoinSet;

use super::{
    assert_says, done, exec, master, master_with, never_ran, on, output, probe, remote, settings,
    stdout_of, until_async, within,
};

fn one() -> Option<LabCluster> {
    LabCluster::up(&[Variant::new()])
}

/// Runs batches concurrently; all must succeed.
async fn at_once(master: &Arc<ShellTransport<OpenSsh>>, batches: Vec<Batch>) {
    let mut calls = JoinSet::new();
    for batch in batches {
        let master = Arc::clone(master);
        calls.spawn(async move { master.call(&batch).await });
    }
    while let Some(result) = calls.join_next().await {
        let replies = result.unwrap().unwrap();
        assert!(replies.failed.is_none(), "{replies:?}");
    }
}

#[test]
fn twenty_calls_at_once_are_one_connection() {
    let Some(lab) = one() else { return };
    let machine = lab.machine(0);
    let master = master(machine);
    let before = machine.ssh_counts();
    on(&master, async {
        // The first change creates kcm's folder on the master.
        let change = || Batch::new(vec![exec(&["true"], "x")]);
        at_once(&master, (0..20).map(|_| change()).collect()).await;
        let looks = || Batch::new(vec![probe(&["/opt", "/etc/passwd"])]);
        at_once(&master, (0..20).map(|_| looks()).collect()).await;
    });
    let expected = SshCounts { connections: 1, logins: 1, commands: 40 };
    assert_eq!(machine.ssh_counts() - before, expected);
}

#[test]
fn what_goes_in_and_out_is_kept_byte_for_byte() {
    let Some(lab) = one() else { return };
    let master = master(lab.machine(0));
    let every: Vec<u8> =
        (0..1 << 20).map(|place: u32| (place * 7 + place / 256).to_le_bytes()[0]).collect();
    on(&master, async {
        for input in [&b""[..], b"\0", b"\n", b"no newline", &every] {
            let output = output(&master, &["cat"], input).await;
            assert_eq!((output.status, output.stdout == input), (Some(0), true));
        }
        // A program that does not read its input takes nothing from the input of the next one.
        let replies = done(
            &master,
            vec![
                exec(&["true"], every.clone()),
                exec(&["head", "-c", "3"], every.clone()),
                exec(&["cat"], "next"),
            ],
        )
        .await;
        let [Reply::Exec(silent), Reply::Exec(brief), Reply::Exec(next)] = &replies[..] else {
            panic!("{replies:?}")
        };
        assert_eq!((silent.status, brief.status), (Some(0), Some(0)));
        assert_eq!(brief.stdout, every[..3]);
        assert_eq!(next.stdout, b"next");

        let big = output(&master, &["head", "-c", "9000000", "/dev/zero"], "").await;
        assert!(big.stdout.len() == 9_000_000 && big.stdout.iter().all(|byte| *byte == 0));
        let shell = "printf '\\377\\376\\0\\n\\n'; head -c 1000000 /dev/zero >&2";
        let odd = output(&master, &["sh", "-c", shell], "").await;
        assert_eq!((&odd.stdout[..], odd.stderr.len()), (&b"\xff\xfe\0\n\n"[..], 1_000_000));

        let words =
            ["", "a b", "$HOME `id` $(id)", "'\"\\", "-n", "!!", "é 集 😀", "*", "~", "a\nb\n"];
        let argv = ["printf", "%s|"].iter().chain(&words).copied().collect::<Vec<_>>();
        let expected = words.iter().map(|word| format!("{word}|")).collect::<String>();
        assert_eq!(output(&master, &argv, "").await.stdout, expected.as_bytes());
    });
}

#[test]
fn however_a_program_ends_is_an_answer() {
    let Some(lab) = one() else { return };
    let master = master(lab.machine(0));
    on(&master, async {
        for status in [0, 1, 2, 124, 125, 126, 127, 255] {
            let output = output(&master, &["sh", "-c", &format!("exit {status}")], "").await;
            assert_eq!(output.status, Some(status));
        }
        for signal in ["HUP", "TERM", "KILL", "SEGV"] {
            let shell = format!("kill -{signal} $$; sleep 5");
            let output = output(&master, &["sh", "-c", &shell], "").await;
            // kcm's script ignores HUP, and so do its child processes.
            let expected = if signal == "HUP" { Some(0) } else { None };
            assert_eq!(output.status, expected, "{signal}");
        }
        let Output { status, stderr, .. } = output(&master, &["/no/such/program"], "").await;
        assert_eq!(status, Some(127));
        assert_says(&String::from_utf8(stderr).unwrap(), &["/no/such/program"]);

        let batch = Batch::new(vec![exec(&["echo", "a\0b"], "")]);
        assert_says(&never_ran(master.call(&batch).await), &["NUL"]);
    });
    let left = lab.machine(0).output(&["sh", "-c", "ls -A /run/kcm | tr '\\n' ' '"]);
    assert_eq!(left, "script ", "nothing of what a program said stays there");
}

#[test]
fn a_batch_over_its_deadline_is_ended_there_too() {
    let Some(lab) = one() else { return };
    let machine = lab.machine(0);
    let sleeper = |seconds| vec![exec(&["sleep", seconds], "")];
    let stubborn = "trap '' TERM; while :; do sleep 0.1; done";
    let over = async |operations: Vec<Operation>| {
        let master = master(machine);
        let start = Instant::now();
        let error = master.call(&within(1, operations)).await.unwrap_err();
        master.close().await;
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        error
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let error = over(sleeper("300")).await;
        assert!(matches!(error, TransportError::FateUnknown { .. }), "{error:?}");
        assert_says(
            &error.to_string(),
            &["exceeded its time limit", "1 s", "run the same command again"],
        );
        until_async("it is gone there", || machine.processes("sleep").is_empty()).await;

        let error = over(vec![exec(&["sh", "-c", stubborn], "")]).await;
        assert!(matches!(error, TransportError::FateUnknown { .. }), "{error:?}");
        assert_says(&error.to_string(), &["exceeded its time limit"]);
        until_async("it is gone there", || machine.processes("sleep").is_empty()).await;
    });
    // The next exchange works, and finds no leftovers of the ended ones.
    let master = master(machine);
    on(&master, super::reaches(&master, "root"));
    assert_eq!(machine.output(&["sh", "-c", "ls -A /run/kcm"]), "script\n");
}

#[test]
fn a_call_that_nobody_waits_for_any_more_is_in_nobodys_way() {
    let Some(lab) = one() else { return };
    let master = master(lab.machine(0));
    on(&master, async {
        for _ in 0..12 {
            let batch = Batch::new(vec![exec(&["sleep", "0.2"], vec![0; 300_000])]);
            let _ = tokio::time::timeout(Duration::from_millis(50), master.call(&batch)).await;
        }
        let start = Instant::now();
        super::reaches(&master, "root").await;
        assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
        at_once(&master, (0..12).map(|_| Batch::new(vec![probe(&[])])).collect()).await;
    });
}

#[test]
fn a_second_batch_waits_for_the_script_of_the_first() {
    let Some(lab) = one() else { return };
    let machine = lab.machine(0);
    let (first, second) = (master(machine), master(machine));
    on(&first, async {
        stdout_of(&second, &["true"]).await;
        let slow = exec(&["sh", "-c", "touch /run/begun; sleep 1; echo first >>/run/order"], "");
        let call = {
            let first = Arc::clone(&first);
            tokio::spawn(async move { done(&first, vec![slow]).await })
        };
        let begun = || machine.run(&["test", "-e", "/run/begun"]).code == 0;
        until_async("the first has begun", begun).await;
        assert_eq!(
            stdout_of(&second, &["sh", "-c", "echo second >>/run/order; cat /run/order"]).await,
            "first\nsecond"
        );
        call.await.unwrap();
        second.close().await;
    });
}

/// Returns the time since which a service runs.
async fn since(master: &Arc<ShellTransport<OpenSsh>>) -> time::OffsetDateTime {
    let unit = "ssh.service".parse().unwrap();
    let Operation::Probe(probe) = probe(&[]) else { unreachable!() };
    let replies = done(master, vec![Operation::Probe(Probe { unit, ..probe })]).await;
    match &replies[..] {
        [Reply::Probe(ProbeReply { unit: UnitState { activity, .. }, .. })] => match activity {
            Activity::Active { since, .. } => *since,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_older_systemctl_tells_since_when_a_service_runs_to_the_microsecond_too() {
    let Some(lab) = one() else { return };
    let machine = lab.machine(0);
    let master = master(machine);
    on(&master, async {
        let new = since(&master).await;
        assert_ne!(new.microsecond(), 0);
        // systemctl before systemd 247 lacks `--timestamp`.
        let older = "#!/bin/sh\nfor word; do case $word in --timestamp=*) echo \"systemctl: unrecognized option '$word'\" >&2; exit 1; esac; done\nexec systemctl.real \"$@\"\n";
        let at = machine.file("/usr/bin/systemctl");
        fs::rename(&at, machine.file("/usr/bin/systemctl.real")).unwrap();
        fs::write(&at, older).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(since(&master).await, new);
    });
}

#[test]
fn rc_files_that_say_and_set_all_kinds_of_things_are_in_nobodys_way() {
    let Some(lab) = LabCluster::up(&[Variant::new(), Variant::new().csh()]) else { return };
    let noise = "head -c 300000 /dev/zero | tr '\\0' 'x'; echo done; echo 'failed - x x' >&2; echo kcm 1 2 3 4\n";
    let bash = "export POSIXLY_CORRECT=1 TMPDIR=/none IFS=/ CDPATH=/ LC_ALL=de_DE.UTF-8 BLOCK_SIZE=7\nset -fu\numask 0\ncd /\n";
    let csh =
        "setenv POSIXLY_CORRECT 1\nsetenv TMPDIR /none\nset noclobber\nset noglob\numask 0\ncd /\n";
    let [plain, other] = lab.machines() else { panic!("two machines") };
    std::fs::write(plain.file("/home/kube/.bashrc"), noise.to_owned() + bash).unwrap();
    std::fs::write(other.file("/home/kube/.cshrc"), noise.replace(" >&2", "") + csh).unwrap();
    for (machine, sudo) in [
        (plain, Sudo::Passwordless),
        (plain, Sudo::None),
        (other, Sudo::Passwordless),
        (other, Sudo::None),
    ] {
        let master = master_with(machine, Ssh { sudo, ..settings(machine) }, &Connections::new());
        let path = "/home/kube/x/*/file";
        on(&master, async {
            let files = vec![remote(path)];
            let commit = Commit { files, ..Commit::default() };
            let commit = Operation::Commit(commit);
            let replies =
                done(&master, vec![stage(path, b"content"), commit, probe(&[path])]).await;
            let Reply::Probe(probe) = &replies[2] else { panic!("{replies:?}") };
            assert!(format!("{:?}", probe.paths[0]).contains("0640"), "{probe:?}");
            assert_eq!(probe.unit.activity, Activity::Inactive, "{probe:?}");
            if sudo == Sudo::Passwordless {
                // A stream also needs the output of a login shell: it asks for the address of sshd.
                let nobody =
                    kcm::transport::StreamAddress { host: "127.0.0.1".to_owned(), port: 1 };
                let refused = master.open_stream(&nobody).await.err().unwrap();
                assert!(
                    matches!(refused, kcm::transport::StreamError::Refused { .. }),
                    "{refused}"
                );
            }
        });
        machine.output(&["rm", "-r", "/home/kube/x"]);
    }
}

fn stage(path: &str, content: &[u8]) -> Operation {
    let owner = Owner { uid: 1000, gid: 1000 };
    let (target, content) = (remote(path), Bytes::new(content));
    let file = StagedFile { target, content, mode: Mode::from_bits(0o640), owner };
    Operation::Stage(Stage { files: vec![file], kept: vec![] })
}

#[test]
fn a_big_file_arrives_whole_and_its_progress_is_told() {
    const SIZE: u32 = 64 << 20;
    let Some(lab) = one() else { return };
    let machine: &Machine = lab.machine(0);
    let master = master(machine);
    let content: Vec<u8> =
        (0..SIZE / 4).flat_map(|place| place.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let reported = Arc::new(Mutex::new(Vec::<Sent>::new()));
    let listener = Arc::clone(&reported);
    let progress = Progress::new(move |sent| {
        listener.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
    });
    let digest = kcm_pki::Fingerprint::of(&content).to_hex();
    let operations = vec![exec(&["cat"], "first"), stage("/opt/big/file", &content)];
    let batch = Batch { progress: Some(progress), ..within(120, operations) };
    on(&master, async {
        let replies = master.call(&batch).await.unwrap();
        assert!(replies.failed.is_none(), "{replies:?}");
        let sum = stdout_of(&master, &["sha256sum", "/opt/big/.kcm-stage/file"]).await;
        assert_eq!(sum.split(' ').next(), Some(digest.as_str()));
    });
    let reported = reported.lock().unwrap();
    let of = u64::from(SIZE) + 5;
    assert!(reported.len() > 100 && reported.iter().all(|sent| sent.of == of));
    assert!(reported.is_sorted_by(|one, next| one.bytes < next.bytes));
    assert_eq!(reported.last(), Some(&Sent { bytes: of, of }));
}
