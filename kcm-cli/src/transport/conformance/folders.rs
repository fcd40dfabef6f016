//! Conformance tests for folders that users other than root can change.

use crate::transport::{
    CheckFolders, Commit, NoteProgram, Operation, Reply, Unstage, UntrustedFolder,
};
use crate::util::files::{FileErrorKind, Owner};

use super::{Subject, commit, each, remote, stage};

/// An unprivileged account.
const NEIGHBOUR: Owner = Owner { uid: 1999, gid: 1999 };
const FILE: &str = "/srv/site/deep/file";

pub(super) async fn run(fresh: &impl Fn() -> Subject) {
    each(fresh, a_folder_that_others_can_change_is_reported_and_never_written_below).await;
    each(fresh, a_link_that_others_can_exchange_is_not_followed).await;
    each(fresh, a_stage_folder_of_somebody_else_is_not_used).await;
    each(fresh, a_sticky_folder_on_the_way_is_trusted_and_one_around_the_file_is_not).await;
}

async fn a_folder_that_others_can_change_is_reported_and_never_written_below(subject: Subject) {
    let group = Owner { uid: 0, gid: 1999 };
    let cases = [
        ("/srv", NEIGHBOUR, 0o755),
        ("/srv/site", NEIGHBOUR, 0o700),
        ("/srv/site/deep", Owner::ROOT, 0o777),
        ("/srv/site", group, 0o775),
    ];
    for (path, owner, mode) in cases {
        subject.back_door.put(FILE, b"old", 0o644);
        subject.back_door.give(path, owner, mode);
        let found = subject.untrusted(FILE).await;
        let [folder] = &found[..] else { panic!("{path}: {found:?}") };
        assert_eq!((folder.path.as_str(), folder.owner), (path, owner));
        assert_eq!((folder.mode.bits(), folder.is_foreign), (mode, owner.uid != 0));
        let helps = |asked: &str| folder.help([&remote(asked)].into_iter());
        let command = if folder.is_foreign { "chown -h root:root" } else { "chmod go-w" };
        assert!(helps(FILE).contains(&format!("`{command} {path}`")), "{}", helps(FILE));
        assert!(!helps("/elsewhere/file").contains('`'), "{}", helps("/elsewhere/file"));
        subject.is_refused(path).await;
        assert_eq!(subject.back_door.file(FILE), Some((0o644, b"old".to_vec())));
        assert_eq!(subject.back_door.folder("/srv/site/deep/.kcm-stage"), None);
        subject.back_door.give(path, Owner::ROOT, 0o755);
        assert_eq!(subject.untrusted(FILE).await, []);
    }
    // Members of group root are trusted like root.
    subject.back_door.give("/srv/site", Owner::ROOT, 0o775);
    assert_eq!(subject.untrusted(FILE).await, []);
    subject.done(vec![stage(&[(FILE, b"new", 0o600)]), commit(&[FILE], vec![])]).await;
    assert_eq!(subject.back_door.file(FILE), Some((0o600, b"new".to_vec())));
}

async fn a_link_that_others_can_exchange_is_not_followed(subject: Subject) {
    // The first link belongs to root. It leads through a link in the neighbour's folder to a folder
    // of root.
    subject.back_door.put("/data/safe/deep/file", b"old", 0o644);
    subject.back_door.put_link("/data/neighbour/link", "/data/safe");
    subject.back_door.put_link("/srv/site", "../data/neighbour/link");
    assert_eq!(subject.untrusted(FILE).await, []);
    subject.back_door.give("/data/neighbour", NEIGHBOUR, 0o755);
    let found = subject.untrusted(FILE).await;
    let paths: Vec<_> = found.iter().map(|folder| folder.path.as_str()).collect();
    assert_eq!(paths, ["/data/neighbour"]);
    subject.is_refused("/data/neighbour").await;
    assert_eq!(subject.back_door.file("/data/safe/deep/file"), Some((0o644, b"old".to_vec())));
    assert_eq!(subject.back_door.folder("/data/safe/deep/.kcm-stage"), None);
}

async fn a_stage_folder_of_somebody_else_is_not_used(subject: Subject) {
    subject.back_door.put(FILE, b"old", 0o644);
    subject.back_door.put("/srv/site/deep/.kcm-stage/file", b"planted", 0o644);
    subject.back_door.give("/srv/site/deep/.kcm-stage", NEIGHBOUR, 0o700);
    let failed = subject.call(vec![stage(&[(FILE, b"new", 0o600)])]).await.failed.unwrap();
    assert_eq!(failed.error.file_kind(), Some(FileErrorKind::Untrusted), "{failed}");
    let planted = subject.back_door.file("/srv/site/deep/.kcm-stage/file");
    assert_eq!(planted, Some((0o644, b"planted".to_vec())));
}

async fn a_sticky_folder_on_the_way_is_trusted_and_one_around_the_file_is_not(subject: Subject) {
    subject.back_door.put(FILE, b"old", 0o644);
    subject.back_door.give("/srv/site", Owner::ROOT, 0o1777);
    assert_eq!(subject.untrusted(FILE).await, []);
    // Another user could create the folder first.
    for file in ["/srv/site/file", "/srv/site/new/file", "/srv/site/new/deep/file"] {
        assert_eq!(subject.untrusted(file).await.len(), 1, "{file}");
    }
}

impl Subject {
    async fn untrusted(&self, file: &str) -> Vec<UntrustedFolder> {
        let check = Operation::CheckFolders(CheckFolders { paths: vec![remote(file)] });
        match self.done(vec![check]).await.remove(0) {
            Reply::CheckedFolders(found) => found,
            other => panic!("{other:?}"),
        }
    }

    /// Asserts that every operation that writes near [`FILE`] is refused because of `folder`. The
    /// error must name the folder and root.
    async fn is_refused(&self, folder: &str) {
        let file = remote(FILE);
        let targets = vec![file.clone()];
        let commits = Commit { remove: targets.clone(), ..Commit::default() };
        let note = remote("/srv/site/deep/note");
        let operations = [
            stage(&[(FILE, b"new", 0o600)]),
            Operation::Unstage(Unstage { targets, folders: vec![] }),
            Operation::Commit(commits),
            Operation::NoteProgram(NoteProgram { program: file, note, digest: true }),
        ];
        for operation in operations {
            let name = operation.name();
            let failed = self.call(vec![operation]).await.failed.expect(name);
            assert_eq!(failed.error.file_kind(), Some(FileErrorKind::Untrusted), "{failed}");
            let said = failed.error.to_string();
            assert!(said.contains(folder) && said.contains("root"), "{name}: {said}");
        }
    }
}
