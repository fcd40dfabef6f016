//! Tests of the note about a program: kcm reads the program again only if it changed, or if another
//! user could have written the note.

use std::sync::Arc;

use kcm::transport::{
    Inspect, Inspected, NoteProgram, Observation, OpenSsh, Operation, PathState, Probe, Reply,
    ShellTransport,
};
use kcm_tests::lab::{LabCluster, Machine, Variant};

use super::{done, master, on, output, remote, stdout_of};

const PROGRAM: &str = "/opt/kubernetes/bin/kube-controller-manager";
const NOTE: &str = "/opt/kubernetes/.kcm/program";
/// Command that changes the content of a note.
const MARK: &str = "sed -i -E 's/[0-9a-f]{64} [^ ]+/MARKED bWFyaw==/' NOTE";
const MARKED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Returns digest and version of the program, as one exchange reports them.
async fn program_facts(master: &ShellTransport<OpenSsh>) -> (String, String) {
    let unit = "kube-controller-manager.service";
    let probe = Operation::Probe(Probe {
        paths: vec![remote(PROGRAM)],
        note: Some(remote(NOTE)),
        ..Probe::new(
            unit.parse().unwrap(),
            remote(&format!("/etc/systemd/system/{unit}")),
            remote(PROGRAM),
        )
    });
    let (unit, program) = (unit.parse().unwrap(), Some(remote(PROGRAM)));
    let inspect = Operation::Inspect(Inspect { unit, program });
    match &done(master, vec![probe, inspect]).await[..] {
        [
            Reply::Probe(probe),
            Reply::Inspected(Inspected { version: Some(Observation::Known(version)), .. }),
        ] => match &probe.paths[0] {
            PathState::File { digest, .. } => (digest.to_hex(), version.clone()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

async fn shell(master: &ShellTransport<OpenSsh>, script: &str) {
    let script = script.replace("NOTE", NOTE).replace("PROGRAM", PROGRAM).replace("MARKED", MARKED);
    stdout_of(master, &["sh", "-ec", &script]).await;
}

async fn note(master: &ShellTransport<OpenSsh>) {
    let (program, note) = (remote(PROGRAM), remote(NOTE));
    done(master, vec![Operation::NoteProgram(NoteProgram { program, note, digest: true })]).await;
}

/// True if kcm still trusts a manipulated note after the command `then`.
async fn believes(master: &ShellTransport<OpenSsh>, then: &str) -> bool {
    shell(master, "mkdir -p /opt/kubernetes/bin /opt/kubernetes/.kcm; rm -rf PROGRAM NOTE").await;
    shell(master, "cp /bin/true PROGRAM; chmod 0755 PROGRAM").await;
    note(master).await;
    let truth = program_facts(master).await;
    assert_eq!(
        truth.0,
        stdout_of(master, &["sha256sum", "/bin/true"]).await.split(' ').next().unwrap()
    );
    assert!(truth.1.contains("coreutils"), "{truth:?}");
    shell(master, MARK).await;
    assert_eq!(program_facts(master).await, (MARKED.to_owned(), "mark".to_owned()));
    shell(master, then).await;
    let (digest, version) = program_facts(master).await;
    let found = stdout_of(master, &["sha256sum", PROGRAM]).await;
    let is_truth = found.starts_with(&digest) && version != "mark";
    let is_note = digest == MARKED && version == "mark";
    assert!(is_truth != is_note, "{then}: {digest} {version}");
    is_note
}

fn machine() -> Option<LabCluster> {
    LabCluster::up(&[Variant::new()])
}

fn with(machine: &Machine, test: impl AsyncFnOnce(&Arc<ShellTransport<OpenSsh>>)) {
    let master = master(machine);
    on(&master, test(&master));
}

#[test]
fn a_program_is_read_again_whatever_has_changed_of_it() {
    let Some(lab) = machine() else { return };
    with(lab.machine(0), async |master| {
        let unchanged =
            ["true", "cat PROGRAM >/dev/null", "PROGRAM", "touch /opt/kubernetes/bin/other"];
        for then in unchanged {
            assert!(believes(master, then).await, "{then}");
        }
        let changed = [
            // A change in place, with the same size and modification time.
            "cp -p PROGRAM /tmp/p; printf x | dd of=PROGRAM bs=1 seek=9000 conv=notrunc; touch -r /tmp/p PROGRAM",
            "cp -p PROGRAM /tmp/p; mv -f /tmp/p PROGRAM",
            "cp -p /usr/bin/env PROGRAM",
            "touch PROGRAM",
            "chmod 0700 PROGRAM",
            "chown 1 PROGRAM",
            "printf x >>PROGRAM",
            "ln PROGRAM PROGRAM.2",
        ];
        for then in changed {
            assert!(!believes(master, then).await, "{then}");
        }
    });
}

#[test]
fn a_note_that_others_could_have_written_is_not_believed() {
    let Some(lab) = machine() else { return };
    with(lab.machine(0), async |master| {
        let forged = [
            "chown 1 NOTE",
            "chmod 0620 NOTE",
            "chmod 0606 NOTE",
            "chmod 0644 NOTE",
            "mv NOTE NOTE.2; ln -s program.2 NOTE",
            "truncate -s -2 NOTE",
            "truncate -s 80 NOTE",
            "truncate -s 0 NOTE",
            "sed -i 's/0000000 bWF/x bWF/; s/bWFyaw==/%/' NOTE",
            "rm NOTE; mkdir NOTE",
            "rm NOTE",
            "cp /bin/true NOTE",
        ];
        for then in forged {
            assert!(!believes(master, then).await, "{then}");
        }
    });
}

#[test]
fn a_script_is_asked_for_its_version_each_time() {
    let Some(lab) = machine() else { return };
    with(lab.machine(0), async |master| {
        shell(master, "mkdir -p /opt/kubernetes/bin /opt/kubernetes/.kcm; echo 1 >/tmp/version")
            .await;
        shell(master, "printf '#!/bin/sh\\ncat /tmp/version\\n' >PROGRAM; chmod 0755 PROGRAM")
            .await;
        note(master).await;
        assert_eq!(program_facts(master).await.1, "1");
        shell(master, "echo 2 >/tmp/version").await;
        note(master).await;
        assert_eq!(program_facts(master).await.1, "2");
        // An invalid program does not cause a failure.
        shell(master, "printf '\\177ELF' >PROGRAM").await;
        note(master).await;
        assert_eq!(output(master, &["test", "-s", NOTE], "").await.status, Some(0));
    });
}
