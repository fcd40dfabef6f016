//! Conformance tests for a program that is too long to be read each time, and for its service.

use crate::transport::{
    Activity, Commit, Inspect, NoteProgram, Observation, Operation, OperationError, PathState,
    Probe, Reply,
};

use super::{Subject, UNIT_FILE, commit, each, remote, stage, unit};

const PROGRAM: &str = "/opt/kubernetes/bin/kube-controller-manager";
const NOTE: &str = "/opt/kubernetes/.kcm/program";

pub(super) async fn run(fresh: &impl Fn() -> Subject) {
    each(fresh, what_is_unread_is_told_without_a_digest).await;
    each(fresh, a_program_that_is_expected_unread_may_not_have_changed).await;
    each(fresh, a_program_that_changed_is_not_what_was_noted).await;
    each(fresh, a_service_that_is_not_there_is_inspected_or_refused).await;
}

/// A probe of a file without its content reports everything but the digest.
async fn what_is_unread_is_told_without_a_digest(subject: Subject) {
    let path = "/opt/kubernetes/program";
    subject.done(vec![stage(&[(path, b"big", 0o750)]), commit(&[path], vec![])]).await;
    let whole = subject.probe(&[path, "/opt/kubernetes/nothing"]).await.paths;
    let probe = Probe {
        unread: vec![remote(path), remote("/opt/kubernetes/nothing")],
        paths: vec![remote(path), remote("/opt/kubernetes/nothing")],
        ..Probe::new(unit(), remote(UNIT_FILE), remote(PROGRAM))
    };
    let Reply::Probe(reply) = subject.done(vec![Operation::Probe(probe)]).await.remove(0) else {
        panic!()
    };
    assert!(matches!(reply.paths[0], PathState::Unread { size: 3, .. }), "{reply:?}");
    assert_eq!(reply.paths[0].changed(), whole[0].changed());
    assert_eq!(reply.paths[0].attributes(), whole[0].attributes());
    assert_eq!(reply.paths[1], PathState::Absent);
}

/// For a missing unit, a machine reports no process and an unknown version. A folder refuses the
/// operation.
async fn a_service_that_is_not_there_is_inspected_or_refused(subject: Subject) {
    let program = remote("/opt/kubernetes/bin/kube-controller-manager");
    let inspect = Operation::Inspect(Inspect { unit: unit(), program: Some(program) });
    let offline = subject.probe(&[]).await.unit.activity == Activity::Offline;
    let replies = subject.call(vec![inspect]).await;
    match (offline, replies.failed, replies.done.first()) {
        (true, Some(failed), None) => {
            assert!(matches!(failed.error, OperationError::Unsupported { .. }), "{failed}");
        }
        (false, None, Some(Reply::Inspected(inspected))) => {
            assert_eq!(inspected.process, None);
            let Some(Observation::Unknown(why)) = &inspected.version else {
                panic!("{inspected:?}")
            };
            assert!(!why.is_empty());
            let off = inspected.clock - time::OffsetDateTime::now_utc();
            assert!(off.abs() < time::Duration::minutes(1), "{off}");
        }
        other => panic!("{other:?}"),
    }
}

async fn a_program_that_is_expected_unread_may_not_have_changed(subject: Subject) {
    let other = "/opt/kubernetes/other";
    subject.done(vec![stage(&[(PROGRAM, b"one", 0o755)]), commit(&[PROGRAM], vec![])]).await;
    let seen = subject.probe(&[PROGRAM]).await.paths.remove(0).unread();
    let expected = vec![(remote(PROGRAM), seen)];
    let again = commit(&[other], expected.clone());
    subject.done(vec![stage(&[(other, b"x", 0o644)]), again]).await;

    subject.back_door.put(PROGRAM, b"two", 0o755);
    let remove = Commit { expected, remove: vec![remote(other)], ..Commit::default() };
    let failed = subject.call(vec![Operation::Commit(remove)]).await.failed.unwrap();
    assert!(matches!(failed.error, OperationError::Changed { .. }), "{failed}");
    assert!(subject.back_door.file(other).is_some());
}

async fn a_program_that_changed_is_not_what_was_noted(subject: Subject) {
    let noted = Operation::NoteProgram(NoteProgram {
        program: remote(PROGRAM),
        note: remote(NOTE),
        digest: true,
    });
    let probe = || async {
        let probe = Probe {
            paths: vec![remote(PROGRAM)],
            note: Some(remote(NOTE)),
            ..Probe::new(unit(), remote(UNIT_FILE), remote(PROGRAM))
        };
        match subject.done(vec![Operation::Probe(probe)]).await.remove(0) {
            Reply::Probe(mut reply) => reply.paths.remove(0),
            other => panic!("{other:?}"),
        }
    };
    // Neither the program nor the folder of the note has to exist.
    subject.done(vec![noted.clone()]).await;
    assert_eq!(probe().await, PathState::Absent);
    subject.back_door.put("/opt/kubernetes/.kcm/pending.json", b"", 0o600);
    for content in [b"one", b"two", b"two"] {
        subject.back_door.put(PROGRAM, content, 0o755);
        let before = probe().await;
        assert!(matches!(before, PathState::File { .. }), "{before:?}");
        assert_eq!(before, subject.probe(&[PROGRAM]).await.paths[0]);
        subject.done(vec![noted.clone(), noted.clone()]).await;
        assert_eq!(probe().await, before);
    }
}
