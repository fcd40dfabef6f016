//! Tests of changed files on a master, with `status`, `plan --check`, `certs check` and `apply`.

mod attributes;
mod helps;
mod keys;
mod links;
mod reasons;
mod signers;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use kcm_pki::KeyAlgorithm;
use kcm_tests::{CommandOutput, Workspace, ca, peers};
use serde_json::Value;

const FIRST: &str = "k8s-master-01";
const TAMPERED: &str = "k8s-master-02";
const CERTIFICATE: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem";
const KEY: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem";
const BOTH: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-current.pem";
const KUBECONFIG: &str = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
const PROGRAM: &str = "/opt/kubernetes/bin/kube-controller-manager";
const UNIT: &str = "/etc/systemd/system/kube-controller-manager.service";
const CA: &str = "/opt/kubernetes/pki/ca/cert/ca.pem";
const CA_KEY: &str = "/opt/kubernetes/pki/ca/cert/ca-key.pem";

/// A change of a file.
#[derive(Clone, Copy, Debug)]
enum Tampering {
    Removed,
    Emptied,
    Garbage,
    Folder,
    DanglingLink,
    /// A certificate, a key, or both, of another CA.
    Another,
    /// An additional certificate of another CA.
    WithAnother,
    /// Another last byte, with the same size.
    Flipped,
    /// Another part of a text.
    Edited(&'static str, &'static str),
}

use Tampering::{
    Another, DanglingLink, Edited, Emptied, Flipped, Folder, Garbage, Removed, WithAnother,
};

impl Tampering {
    fn on(self, workspace: &Workspace, path: &str) {
        let at = workspace.on_master(TAMPERED, path);
        let remove = || fs::remove_file(&at).unwrap();
        match self {
            Removed => remove(),
            Emptied => fs::write(&at, "").unwrap(),
            Garbage => fs::write(&at, "garbage\n").unwrap(),
            Folder => {
                remove();
                fs::create_dir(&at).unwrap();
            }
            DanglingLink => {
                remove();
                symlink("/nowhere", &at).unwrap();
            }
            Another => {
                let (certificate, key) = ca(KeyAlgorithm::EcdsaP256, "kubernetes");
                let content = match path {
                    CERTIFICATE | CA => certificate,
                    KEY | CA_KEY => key,
                    _ => certificate + &key,
                };
                fs::write(&at, content).unwrap();
            }
            WithAnother => {
                let (certificate, _) = ca(KeyAlgorithm::EcdsaP256, "kubernetes");
                fs::write(&at, fs::read_to_string(&at).unwrap() + &certificate).unwrap();
            }
            Flipped => {
                let mut bytes = fs::read(&at).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                fs::write(&at, bytes).unwrap();
            }
            Edited(from, to) => {
                let text = fs::read_to_string(&at).unwrap();
                assert!(text.contains(from), "{path}: no {from:?} in {text}");
                fs::write(&at, text.replace(from, to)).unwrap();
            }
        }
    }
}

/// Holder of the pair besides the masters, and origin of the CA files on the masters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Operator,
    /// Only the masters have the pair, and kcm distributes the CA.
    Masters,
    /// Only the masters have the pair, and an operator installed the CA files.
    MastersWithTheirCa,
}

const HOLDERS: [Holder; 3] = [Holder::Operator, Holder::Masters, Holder::MastersWithTheirCa];

/// Two fully deployed masters, as folders.
fn workspace(form: &str, holder: Holder) -> Workspace {
    let workspace = Workspace::new();
    let text = workspace.read("kcm.yaml");
    let lines = text.lines().filter(|line| !line.contains("-03"));
    workspace.write("kcm.yaml", lines.flat_map(|line| [line, "\n"]).collect::<String>());
    workspace.edit("masters:\n", &format!("kubeconfig: {{credentials: {form}}}\nmasters:\n"));
    if holder == Holder::MastersWithTheirCa {
        for master in [FIRST, TAMPERED] {
            put(&workspace, master, CA, &workspace.read("pki/ca/cert/ca.pem"), 0o644);
            put(&workspace, master, CA_KEY, &workspace.read("pki/ca/cert/ca-key.pem"), 0o600);
        }
    } else {
        workspace.bring_everything();
    }
    workspace.apply();
    if holder != Holder::Operator {
        fs::remove_dir_all(workspace.file("pki/kube-controller-manager")).unwrap();
    }
    workspace
}

fn put(workspace: &Workspace, master: &str, path: &str, content: &str, mode: u32) {
    let at = workspace.on_master(master, path);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::write(&at, content).unwrap();
    chmod(&at, mode);
}

fn chmod(at: &Path, mode: u32) {
    fs::set_permissions(at, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(at: &Path) -> u32 {
    fs::metadata(at).unwrap().permissions().mode() & 0o7777
}

fn run(workspace: &Workspace, arguments: &[&str]) -> CommandOutput {
    workspace.kcm(&[arguments, &["--root", "out"]].concat())
}

/// Returns the codes of the findings of `status`, and its exit code.
fn found(workspace: &Workspace) -> (BTreeSet<String>, i32) {
    let ran = run(workspace, &["status", "-o", "json"]);
    let status: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let findings = status["findings"].as_array().unwrap().iter();
    let codes = findings.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect();
    (codes, ran.code)
}

/// Exit codes of `status`, `plan --check`, `certs check` and `apply`.
type Exits = [i32; 4];

struct Case {
    path: &'static str,
    tampering: Tampering,
    /// Code that `status` must report.
    code: &'static str,
    exits: Exits,
}

const fn case(path: &'static str, tampering: Tampering, code: &'static str, exits: Exits) -> Case {
    Case { path, tampering, code, exits }
}

/// Runs each case on a separate copy.
fn hold(form: &str, holder: Holder, cases: &[Case]) {
    let clean = workspace(form, holder);
    assert_eq!(found(&clean), (BTreeSet::new(), 0), "{form} {holder:?}");
    assert_eq!(run(&clean, &["plan", "--check"]).code, 0, "{form} {holder:?}");
    for Case { path, tampering, code, exits } in cases {
        let workspace = Workspace::empty();
        let from = clean.path().join(".");
        peers::run(std::process::Command::new("cp").arg("-a").arg(from).arg(workspace.path()));
        tampering.on(&workspace, path);
        let what = format!("{form} {holder:?}: {path} {tampering:?}");
        let (codes, status) = found(&workspace);
        assert!(codes.contains(*code), "{what}: {codes:?}");
        let plan = run(&workspace, &["plan", "--check"]);
        let certs = run(&workspace, &["certs", "check"]);
        let apply = run(&workspace, &["apply"]);
        let ended = [status, plan.code, certs.code, apply.code];
        assert_eq!(ended, *exits, "{what}: {plan:?} {certs:?} {apply:?}");
        let (codes, status) = found(&workspace);
        let is_clear = status == 0 && codes.is_empty();
        let is_put_right = apply.code == 0 && plan.code == 3 && *code != "file-missing";
        assert_eq!(is_clear, is_put_right, "{what}, after apply: {codes:?}");
    }
}

/// Returns the cases of the files that are equal in all forms.
fn common() -> Vec<Case> {
    let server = Edited("https://192.168.1.210:6443", "https://192.168.1.211:6443");
    vec![
        case(KUBECONFIG, Removed, "drift", [3, 3, 1, 0]),
        case(KUBECONFIG, Emptied, "drift", [3, 3, 1, 0]),
        case(KUBECONFIG, Garbage, "drift", [3, 3, 1, 0]),
        case(KUBECONFIG, Folder, "drift", [3, 1, 1, 1]),
        case(KUBECONFIG, DanglingLink, "drift", [3, 1, 1, 1]),
        case(KUBECONFIG, server, "drift", [3, 3, 0, 0]),
        case(KUBECONFIG, Edited("user: kube-controller", "user: c"), "drift", [3, 3, 1, 0]),
        case(KUBECONFIG, Edited("current-context: d", "current-context: x"), "drift", [3, 3, 1, 0]),
        case(
            KUBECONFIG,
            Edited("authority-data: LS0", "authority-data: TFM"),
            "drift",
            [3, 3, 0, 0],
        ),
        case(UNIT, Removed, "not-deployed", [1, 3, 0, 0]),
        case(UNIT, Emptied, "drift", [1, 3, 0, 0]),
        case(UNIT, Garbage, "drift", [3, 3, 0, 0]),
        case(UNIT, Folder, "not-compared", [3, 1, 0, 1]),
        case(UNIT, DanglingLink, "not-compared", [3, 1, 0, 1]),
        case(UNIT, Edited("--v=2", "--v=4"), "drift", [3, 3, 0, 0]),
    ]
}

fn of_pair() -> Vec<Case> {
    vec![
        case(CERTIFICATE, Removed, "drift", [3, 3, 1, 0]),
        case(CERTIFICATE, Emptied, "drift", [3, 3, 1, 0]),
        case(CERTIFICATE, Garbage, "drift", [3, 3, 1, 0]),
        case(CERTIFICATE, Folder, "drift", [3, 1, 1, 1]),
        case(CERTIFICATE, DanglingLink, "drift", [3, 1, 1, 1]),
        case(CERTIFICATE, Another, "drift", [3, 3, 0, 0]),
        case(KEY, Removed, "drift", [3, 3, 0, 0]),
        case(KEY, Emptied, "drift", [3, 3, 0, 0]),
        case(KEY, Garbage, "drift", [3, 3, 0, 0]),
        case(KEY, Folder, "drift", [3, 1, 0, 1]),
        case(KEY, DanglingLink, "drift", [3, 1, 0, 1]),
        case(KEY, Another, "drift", [3, 3, 0, 0]),
    ]
}

fn of_both() -> Vec<Case> {
    vec![
        case(BOTH, Removed, "drift", [3, 3, 1, 0]),
        case(BOTH, Emptied, "drift", [3, 3, 1, 0]),
        case(BOTH, Garbage, "drift", [3, 3, 1, 0]),
        case(BOTH, Folder, "drift", [3, 1, 1, 1]),
        case(BOTH, DanglingLink, "drift", [3, 1, 1, 1]),
        case(BOTH, Another, "drift", [3, 3, 0, 0]),
    ]
}

fn of_brought_files() -> Vec<Case> {
    vec![
        case(PROGRAM, Garbage, "drift", [3, 3, 0, 0]),
        case(PROGRAM, Flipped, "drift", [3, 3, 0, 0]),
        case(PROGRAM, Removed, "drift", [3, 3, 0, 0]),
        case(CA, Removed, "drift", [3, 3, 1, 0]),
        case(CA, Emptied, "ca-differs", [1, 1, 1, 1]),
        case(CA, Garbage, "ca-differs", [1, 1, 1, 1]),
        case(CA, Folder, "drift", [3, 1, 1, 1]),
        case(CA, DanglingLink, "drift", [3, 1, 1, 1]),
        case(CA, Another, "ca-differs", [1, 1, 0, 1]),
        case(CA_KEY, Removed, "drift", [3, 3, 0, 0]),
        case(CA_KEY, Emptied, "ca-differs", [1, 1, 0, 1]),
        case(CA_KEY, Garbage, "ca-differs", [1, 1, 0, 1]),
        case(CA_KEY, Folder, "drift", [3, 1, 0, 1]),
        case(CA_KEY, DanglingLink, "drift", [3, 1, 0, 1]),
        case(CA_KEY, Another, "ca-differs", [1, 1, 0, 1]),
    ]
}

fn of_their_ca() -> Vec<Case> {
    vec![
        case(CA, Removed, "file-missing", [3, 3, 1, 0]),
        case(CA, Emptied, "file-unusable", [1, 1, 1, 1]),
        case(CA, Garbage, "file-unusable", [1, 1, 1, 1]),
        case(CA, Folder, "file-missing", [3, 3, 1, 0]),
        case(CA, DanglingLink, "file-missing", [3, 3, 1, 0]),
        case(CA, Another, "ca-mismatch", [1, 1, 0, 1]),
        case(CA, WithAnother, "file-unusable", [1, 1, 1, 1]),
        case(CA_KEY, Removed, "file-missing", [3, 3, 0, 0]),
        case(CA_KEY, Emptied, "file-unusable", [1, 1, 0, 1]),
        case(CA_KEY, Garbage, "ca-differs", [1, 1, 0, 1]),
        case(CA_KEY, Folder, "file-missing", [3, 3, 0, 0]),
        case(CA_KEY, DanglingLink, "file-missing", [3, 3, 0, 0]),
        case(CA_KEY, Another, "ca-differs", [1, 1, 0, 1]),
    ]
}

fn hold_in_each(form: &str, cases: impl Fn() -> Vec<Case>) {
    for holder in HOLDERS {
        let mut all = cases();
        all.extend(match holder {
            Holder::Operator | Holder::Masters => of_brought_files(),
            Holder::MastersWithTheirCa => of_their_ca(),
        });
        hold(form, holder, &all);
    }
}

#[test]
fn no_tampered_file_is_called_in_sync_with_credentials_embedded_and_in_files() {
    hold_in_each("embedded", || {
        let key = Edited("client-key-data: LS0", "client-key-data: TFM");
        let mut cases = common();
        cases.extend(of_pair());
        cases.push(case(KUBECONFIG, key, "drift", [3, 3, 0, 0]));
        cases
    });
}

#[test]
fn no_tampered_file_is_called_in_sync_with_credentials_embedded_only() {
    hold_in_each("embedded-only", || {
        let key = Edited("client-key-data: LS0", "client-key-data: TFM");
        let mut cases = common();
        cases.push(case(KUBECONFIG, key, "drift", [3, 3, 0, 0]));
        cases
    });
}

#[test]
fn no_tampered_file_is_called_in_sync_with_credentials_named() {
    hold_in_each("files", || {
        let mut cases = common();
        cases.extend(of_pair());
        cases.extend(of_both());
        cases
    });
}
