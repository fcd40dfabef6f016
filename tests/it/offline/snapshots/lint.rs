//! Snapshots of `kcm lint`, and of errors in the cluster file for every verb.

use kcm_tests::Workspace;

use super::Transcript;

/// Returns the tutorial's workspace with flags for all masters, one a line.
fn workspace(flags: &[&str]) -> Workspace {
    let workspace = Workspace::new();
    let lines: String = flags.iter().map(|flag| format!("    {flag}\n")).collect();
    workspace.edit("masters:\n", &format!("controllerManager:\n  flags:\n{lines}masters:\n"));
    workspace
}

/// Verbs that read the cluster file.
const VERBS: [&str; 14] = [
    "lint",
    "plan --root out",
    "apply --root out",
    "rollback --root out",
    "remove --yes --root out --all",
    "status --root out",
    "certs check --root out",
    "certs renew --root out",
    "certs timer --directory units",
    "logs",
    "smoke --kubeconfig admin.kubeconfig",
    "drill",
    "lint -o json",
    "plan --root out -o json",
];

#[test]
fn no_finding() {
    let workspace = Workspace::new();
    Transcript::new(&workspace)
        .all(&["lint", "lint -o json", "lint -o sarif", "lint --kubernetes 1.30"])
        .all(&["lint --cis", "lint --kubernetes 1.38"])
        .assert_matches("lint-clean");
}

#[test]
fn errors_and_warnings_in_every_form() {
    let workspace = workspace(&[
        "profiling: \"flase\"",
        "port: 0",
        "concurrent-deployment-syncs: 0",
        "profilling: true",
        "controllers: \"*,-deploymnt\"",
        "feature-gates: NoSuchGate=true",
        "leader-elect: \"false\"",
        "leader-elect-lease-duration: 5s",
    ]);
    workspace.edit(
        "masters:\n",
        "lint: {allow: [{code: no-leader-election, reason: a test}, {code: cis-1.3.1, reason: none}]}\nmasters:\n",
    );
    Transcript::new(&workspace)
        .all(&["lint", "lint --kubernetes 1.36 --kubernetes 1.37", "lint --cis"])
        .assert_matches("lint-findings");
    Transcript::new(&workspace)
        .all(&["lint -o json", "lint -o sarif --kubernetes 1.36"])
        .assert_matches("lint-findings-json");
}

#[test]
fn a_warning_alone() {
    let workspace = workspace(&["port: 0"]);
    Transcript::new(&workspace)
        .all(&["lint", "plan --root out --check", "apply --root out", "status --root out"])
        .assert_matches("lint-warning");
}

#[test]
fn a_lint_error_ends_plan_and_apply() {
    let workspace = workspace(&["profiling: \"flase\""]);
    Transcript::new(&workspace)
        .all(&["plan --root out", "plan --root out -o json"])
        .all(&["apply --root out", "apply --root out -o json", "status --root out"])
        .list("out")
        .assert_matches("lint-error");
}

#[test]
fn a_cluster_file_that_is_not_there() {
    let workspace = Workspace::empty();
    Transcript::new(&workspace).all(&VERBS).assert_matches("cluster-file-missing");
}

#[test]
fn an_unknown_key_in_the_cluster_file() {
    let workspace = Workspace::new();
    workspace.edit("clusterCidr:", "clusterCIDR:");
    Transcript::new(&workspace)
        .all(&VERBS)
        .kcm("lint -o sarif")
        .assert_matches("cluster-file-unknown-key");
}

#[test]
fn other_mistakes_in_the_cluster_file() {
    let workspace = Workspace::new();
    let right = workspace.read("kcm.yaml");
    let mut transcript = Transcript::new(&workspace);
    for (from, to) in [
        ("apiVersion: kcm/v1\n", ""),
        ("kcm/v1", "kcm/v2"),
        ("cluster:\n", "cluster: [\n"),
        ("172.20.0.0/16", "172.20.0.0"),
        ("https://192.168.1.210:6443", "192.168.1.210"),
        ("name: k8s-master-02", "name: k8s-master-01"),
        ("address: 192.168.1.205", "adress: 192.168.1.205"),
        ("ecdsa-p256", "dsa"),
        ("masters:\n", "systemd: {hardening: some}\nmasters:\n"),
        ("masters:\n", "pki: {}\nmasters:\n"),
    ] {
        assert!(right.contains(from), "{from}");
        workspace.write("kcm.yaml", right.replace(from, to));
        transcript.note(&format!("{from:?} is {to:?}")).kcm("plan --root out");
    }
    workspace.write("kcm.yaml", [0xff, 0xfe]);
    transcript.note("not UTF-8").kcm("plan --root out");
    workspace.write("kcm.yaml", "");
    transcript.note("empty").kcm("plan --root out").kcm("plan --root out -o json");
    transcript.assert_matches("cluster-file-mistakes");
}
