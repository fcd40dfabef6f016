//! Snapshots of `kcm rollback` and `kcm remove`.

use std::fs;

use kcm_tests::Workspace;

use super::Transcript;

/// A deployed workspace with one changed flag since the first deployment.
fn changed() -> Workspace {
    let workspace = Workspace::new();
    workspace.bring_everything();
    workspace.apply();
    workspace.edit("masters:\n", "controllerManager: {flags: {v: 4}}\nmasters:\n");
    workspace.apply();
    workspace
}

#[test]
fn nothing_to_go_back_to() {
    let workspace = Workspace::new();
    let mut transcript = Transcript::new(&workspace);
    transcript.all(&["rollback --root out", "rollback --root out -o json"]);
    workspace.apply();
    transcript.note("after the first deployment").kcm("rollback --root out").list("out");
    transcript.assert_matches("rollback-first");
}

#[test]
fn back_and_forth() {
    let workspace = changed();
    Transcript::new(&workspace)
        .list("out/k8s-master-01")
        .all(&["rollback --root out", "plan --root out", "rollback --root out"])
        .all(&["plan --root out --check", "rollback --root out -o json --master k8s-master-01"])
        .all(&["rollback --root out", "status --root out"])
        .list("out/k8s-master-01")
        .assert_matches("rollback");
}

#[test]
fn removal_of_one_and_of_all() {
    let workspace = changed();
    Transcript::new(&workspace)
        .all(&["remove --yes --root out --master k8s-master-02", "status --root out"])
        .list("out/k8s-master-02")
        .all(&["plan --root out --check", "remove --yes --root out --all --skip k8s-master-01"])
        .all(&["remove --yes --root out --all -o json", "remove --yes --root out --all"])
        .list("out")
        .all(&["rollback --root out", "apply --root out", "remove --yes --root out --all -o json"])
        .assert_matches("remove");
}

#[test]
fn another_kcm_at_work() {
    let workspace = changed();
    workspace.edit("{v: 4}", "{v: 5}");
    let other = fs::File::open(workspace.file("out/k8s-master-02")).unwrap();
    other.lock().unwrap();
    Transcript::new(&workspace)
        .all(&["plan --root out --check", "apply --root out", "apply --root out -o json"])
        .all(&[
            "rollback --root out",
            "remove --yes --root out --all",
            "certs renew --root out --force",
        ])
        .all(&["apply --root out --skip k8s-master-02"])
        .assert_matches("locked");
}
