//! Snapshots of help texts, the version, the schema, and usage errors.

use kcm_tests::Workspace;

use super::Transcript;

fn assert_help(name: &str, verbs: &[&str]) {
    let workspace = Workspace::empty();
    let mut transcript = Transcript::new(&workspace);
    for verb in verbs {
        transcript.kcm(format!("{verb} --help").trim_start());
    }
    transcript.assert_matches(name);
}

#[test]
fn help_of_verbs_about_the_cluster_file() {
    assert_help("help-cluster-file", &["", "init", "adopt", "lint", "schema"]);
}

#[test]
fn help_of_verbs_that_change_masters() {
    assert_help("help-rollout", &["plan", "apply", "rollback", "remove"]);
}

#[test]
fn help_of_verbs_for_every_day() {
    assert_help("help-every-day", &["status", "logs", "smoke", "drill"]);
}

#[test]
fn help_of_verbs_about_certificates() {
    assert_help("help-certs", &["certs", "certs check", "certs renew", "certs timer"]);
}

#[test]
fn help_of_verbs_about_files_on_this_machine() {
    assert_help(
        "help-kubeconfig",
        &["kubeconfig", "kubeconfig build", "kubeconfig show", "kubeconfig check"],
    );
    assert_help("help-unit", &["unit", "unit render", "unit check", "unit diff"]);
}

#[test]
fn the_schema_of_the_cluster_file() {
    let workspace = Workspace::empty();
    Transcript::new(&workspace).kcm("schema").assert_matches("schema");
}

#[test]
fn wrong_usage() {
    let workspace = Workspace::new();
    Transcript::new(&workspace)
        .all(&["", "--version", "-h", "aply", "apply --rot out", "apply extra", "apply -o yaml"])
        .all(&["certs", "certs chek", "certs check --within 10y --root out"])
        .all(&["plan --root out --master k8s-master-04", "status --root out --skip nobody"])
        .all(&["plan --root out --master k8s-master-01 --skip k8s-master-01"])
        .all(&["remove --yes --root out", "remove --yes --root out --all --master k8s-master-01"])
        .all(&[
            "remove --yes --root out --master nobody",
            "remove --yes --root out --master nobody -o json",
        ])
        .all(&["init --master k8s-master-01", "adopt --root out", "lint --kubernetes latest"])
        .all(&[
            "logs --root out --since soon",
            "logs --root out --grep a(",
            "smoke",
            "smoke --kubeconfig x --etcd y",
        ])
        .all(&["drill --kill --handover", "drill --root out --timeout 1", "status --watch 2s"])
        .all(&["certs timer --due-succeeds", "certs timer --name a/b --directory units"])
        .assert_matches("wrong-usage");
}
