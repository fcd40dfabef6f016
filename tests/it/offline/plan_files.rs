//! Tests of plan files: what was approved is executed, and anything else is refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use kcm_tests::{CommandOutput, Workspace};
use serde_json::Value;

const FIRST: &str = "k8s-master-01";
const UNIT: &str = "/etc/systemd/system/kube-controller-manager.service";
const KUBECONFIG: &str = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
const CA: &str = "/opt/kubernetes/pki/ca/cert/ca.pem";

/// A deployment in folders, with a change that is planned and approved.
struct Approved {
    workspace: Workspace,
    /// The plan as it was printed.
    printed: String,
}

impl Approved {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(more: &[&str]) -> Self {
        let workspace = Workspace::new();
        workspace.bring_everything();
        workspace.apply();
        workspace.edit("masters:\n", "controllerManager: {flags: {v: 3}}\nmasters:\n");
        let planned =
            workspace.kcm(&[&["plan", "--root", "out", "--out", "plan.json"], more].concat());
        assert_eq!(planned.code, 0, "{planned:?}");
        Self { workspace, printed: planned.stdout }
    }

    fn apply(&self) -> CommandOutput {
        self.workspace.kcm(&["apply", "plan.json"])
    }

    fn file(&self) -> Value {
        serde_json::from_str(&self.workspace.read("plan.json")).unwrap()
    }
}

#[test]
fn what_was_approved_is_executed() {
    let approved = Approved::new();
    let shown = approved.workspace.kcm(&["show", "plan.json"]);
    assert_eq!((shown.code, &shown.stdout), (0, &approved.printed));
    assert!(approved.printed.contains("--v=3") && approved.printed.contains("kcm apply FILE"));
    let file = approved.file();
    assert_eq!((&file["kind"], &file["apiVersion"]), (&"PlanFile".into(), &"kcm/v1".into()));
    let document = approved.workspace.kcm(&["show", "plan.json", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&document.stdout).unwrap(), file);
    let text = approved.workspace.read("plan.json");
    assert!(!text.contains("PRIVATE KEY") && !text.contains("CERTIFICATE-----"), "{text}");

    let done = approved.apply();
    assert_eq!(done.code, 0, "{done:?}");
    let unit = approved.workspace.on_master(FIRST, UNIT);
    assert!(fs::read_to_string(unit).unwrap().contains("--v=3"));
    let again = approved.apply();
    assert_eq!(again.code, 3, "a plan is executed once: {again:?}");
    assert!(again.stderr.contains("k8s-master-01: "), "{again:?}");
}

#[test]
fn a_first_deployment_can_be_approved() {
    let workspace = Workspace::new();
    workspace.bring_everything();
    let planned = workspace.kcm(&["plan", "--root", "out", "--out", "plan.json", "--check"]);
    assert_eq!(planned.code, 3, "{planned:?}");
    let done = workspace.kcm(&["apply", "plan.json"]);
    assert_eq!(done.code, 0, "{done:?}");
    let plan = workspace.kcm(&["plan", "--root", "out", "--check"]);
    assert_eq!(plan.code, 0, "{plan:?}");
}

type Change = fn(&Workspace);

/// Each way in which the world can differ, the exit status, and a part of the refusal. Status 1 is that
/// of a preflight check, which refuses the state whatever was approved.
const WORLDS: [(&str, Change, i32, &str); 19] = [
    (
        "comment in the cluster file",
        |it| it.edit("masters:\n", "# x\nmasters:\n"),
        3,
        "cluster file",
    ),
    ("other flag", |it| it.edit("v: 3", "v: 4"), 3, "the cluster file was changed"),
    (
        "fewer masters",
        |it| it.edit("  - {name: k8s-master-03, address: 192.168.1.206}\n", ""),
        3,
        "the masters were",
    ),
    (
        "other program",
        |it| it.write("kube-controller-manager", kcm_tests::program(3001)),
        3,
        "a file of this machine",
    ),
    ("unit edited", |it| write(it, UNIT, "[Service]\n"), 3, "k8s-master-01: "),
    ("unit gone", |it| fs::remove_file(it.on_master(FIRST, UNIT)).unwrap(), 3, "k8s-master-01: "),
    ("kubeconfig edited", |it| write(it, KUBECONFIG, "a: b\n"), 3, "k8s-master-01: "),
    (
        "kubeconfig gone",
        |it| fs::remove_file(it.on_master(FIRST, KUBECONFIG)).unwrap(),
        3,
        "k8s-master-01: ",
    ),
    (
        "kubeconfig open",
        |it| {
            let open = fs::Permissions::from_mode(0o644);
            fs::set_permissions(it.on_master(FIRST, KUBECONFIG), open).unwrap();
        },
        3,
        "k8s-master-01: ",
    ),
    (
        "kubeconfig written again",
        |it| {
            let path = it.on_master(FIRST, UNIT);
            let text = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            fs::write(path, text).unwrap();
        },
        3,
        "k8s-master-01: ",
    ),
    (
        "link in place of a file",
        |it| {
            let path = it.on_master(FIRST, KUBECONFIG);
            fs::rename(&path, path.with_extension("old")).unwrap();
            symlink(path.with_extension("old"), path).unwrap();
        },
        1,
        "[not-a-file]",
    ),
    (
        "other CA on a master",
        |it| {
            write(it, CA, &kcm_tests::ca(kcm_pki::KeyAlgorithm::EcdsaP256, "kubernetes").0);
        },
        1,
        "[ca-mismatch]",
    ),
    (
        "master gone",
        |it| fs::remove_dir_all(it.file("out/k8s-master-02")).unwrap(),
        3,
        "k8s-master-02: ",
    ),
    (
        "disabled",
        |it| {
            let wants =
                "/etc/systemd/system/multi-user.target.wants/kube-controller-manager.service";
            fs::remove_file(it.on_master(FIRST, wants)).unwrap();
        },
        3,
        "k8s-master-01: ",
    ),
    (
        "another run in between",
        |it| {
            let ran = it.kcm(&["apply", "--root", "out"]);
            assert_eq!(ran.code, 0, "{ran:?}");
        },
        3,
        "k8s-master-01: ",
    ),
    (
        "renewal in between",
        |it| {
            let ran = it.kcm(&["certs", "renew", "--root", "out", "--force"]);
            assert_eq!(ran.code, 0, "{ran:?}");
        },
        3,
        "identity: ",
    ),
    (
        "key gone",
        |it| {
            fs::remove_file(
                it.file("pki/kube-controller-manager/cert/kube-controller-manager-key.pem"),
            )
            .unwrap();
        },
        3,
        "identity: ",
    ),
    (
        "other CSR",
        |it| {
            it.write("csr.json", r#"{"CN": "system:kube-controller-manager", "key": {"algo": "ecdsa", "size": 256}, "names": [{"O": "x"}]}"#);
            it.edit("pki:\n", "pki:\n  csr: csr.json\n");
        },
        3,
        "a file of this machine",
    ),
    (
        "leftover of another run",
        |it| {
            let left = it.on_master(FIRST, "/opt/kubernetes/kubeconfig/.kcm-stage");
            fs::create_dir(left).unwrap();
        },
        3,
        "k8s-master-01: ",
    ),
];

fn write(workspace: &Workspace, path: &str, text: &str) {
    fs::write(workspace.on_master(FIRST, path), text).unwrap();
}

#[test]
fn a_world_that_differs_is_refused_by_name() {
    for (name, change, code, expected) in WORLDS {
        let approved = Approved::new();
        change(&approved.workspace);
        let before = approved.workspace.tree();
        let refused = approved.apply();
        assert_eq!(refused.code, code, "{name}: {refused:?}");
        assert!(refused.stderr.contains(expected), "{name}: {refused:?}");
        assert_eq!(approved.workspace.tree(), before, "{name}");
    }
}

#[test]
fn a_file_that_was_changed_is_refused() {
    let approved = Approved::new();
    let before = approved.workspace.tree().content();
    let whole = approved.workspace.read("plan.json");
    let file = approved.file();
    let mut changed: Vec<(String, String)> = Vec::new();
    for key in file.as_object().unwrap().keys() {
        let mut other = file.clone();
        other[key] = format!("{} ", other[key].as_str().unwrap_or_default()).into();
        changed.push((key.clone(), other.to_string()));
    }
    changed.push(("truncated".to_owned(), whole[..whole.len() / 2].to_owned()));
    changed.push(("empty".to_owned(), String::new()));
    changed.push(("flag".to_owned(), whole.replace("--v=3", "--v=9")));
    for (name, text) in changed {
        approved.workspace.write("plan.json", &text);
        for arguments in [["apply", "plan.json"], ["show", "plan.json"]] {
            let refused = approved.workspace.kcm(&arguments);
            assert!([2, 3].contains(&refused.code), "{name}: {refused:?}");
            assert!(refused.stderr.contains("plan.json: "), "{name}: {refused:?}");
            assert_eq!(refused.stdout, "", "{name}");
        }
    }
    approved.workspace.write("plan.json", &whole);
    assert_eq!(approved.workspace.tree().content(), before);
}

#[test]
fn a_plan_expires_and_options_come_from_the_file() {
    let approved = Approved::with(&["--valid-for", "1s", "--master", FIRST]);
    assert_eq!(approved.file()["options"]["masters"], serde_json::json!([FIRST]));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let refused = approved.apply();
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.stderr.contains("the plan was valid until"), "{refused:?}");

    let approved = Approved::with(&["--master", FIRST]);
    for more in [["--master", "k8s-master-02"], ["--root", "out"]] {
        let refused = approved.workspace.kcm(&[&["apply", "plan.json"], &more[..]].concat());
        assert_eq!(refused.code, 2, "{refused:?}");
    }
    let done = approved.apply();
    assert_eq!(done.code, 0, "{done:?}");
    let unit = |master| fs::read_to_string(approved.workspace.on_master(master, UNIT)).unwrap();
    assert!(unit(FIRST).contains("--v=3") && !unit("k8s-master-02").contains("--v=3"));
    let missing = approved.workspace.kcm(&["apply", "nothing.json"]);
    assert_eq!(missing.code, 2, "{missing:?}");
    let piped = approved.workspace.kcm(&["plan", "--out", "plan.json", "-f", "-"]);
    assert_eq!(piped.code, 2, "{piped:?}");
}
