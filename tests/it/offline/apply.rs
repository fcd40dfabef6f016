//! Tests of `kcm apply --root`: it writes every file of a master to the tutorial's path, once.

mod certificates;
mod init;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use kcm_tests::{CommandOutput, Tree, Workspace, kcm, peers};
use serde_json::Value;

const MASTERS: [&str; 3] = ["k8s-master-01", "k8s-master-02", "k8s-master-03"];
const CERTIFICATE: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem";
const KEY: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem";
const KUBECONFIG: &str = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
const UNIT: &str = "/etc/systemd/system/kube-controller-manager.service";
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/kube-controller-manager.service";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn steps(plan: &Value) -> Vec<Vec<String>> {
    let masters = plan["masters"].as_array().unwrap().iter();
    masters
        .map(|master| {
            let steps = master["steps"].as_array().unwrap().iter();
            steps
                .map(|step| match step["role"].as_str() {
                    Some(role) => format!("{} {role}", step["step"].as_str().unwrap()),
                    None => step["step"].as_str().unwrap().to_owned(),
                })
                .collect()
        })
        .collect()
}

fn nothing_to_do() -> Vec<Vec<String>> {
    vec![Vec::new(); MASTERS.len()]
}

#[test]
fn everything_is_where_the_tutorial_has_it_and_nothing_else_is() {
    let workspace = Workspace::new();
    workspace.apply();
    for master in MASTERS {
        let tree = Tree::of(&workspace.file("out").join(master));
        let files = tree.0.iter().filter(|(_, entry)| entry.mode & 0o170_000 != 0o040_000);
        let files: Vec<_> = files
            .map(|(path, entry)| (format!("/{}", path.display()), entry.mode & 0o7777))
            .collect();
        let expected = [
            (UNIT, 0o644),
            (WANTED, 0o777),
            (KUBECONFIG, 0o600),
            (KEY, 0o600),
            (CERTIFICATE, 0o644),
        ];
        assert_eq!(files, expected.map(|(path, mode)| (path.to_owned(), mode)));
        assert_eq!(fs::read_link(workspace.on_master(master, WANTED)).unwrap(), Path::new(UNIT));
    }
    let folder = "pki/kube-controller-manager/cert";
    assert_eq!(mode(&workspace.file(&format!("{folder}/kube-controller-manager-key.pem"))), 0o600);
    assert_eq!(mode(&workspace.file(&format!("{folder}/kube-controller-manager.pem"))), 0o644);
    assert_eq!(fs::read_dir(workspace.file(folder)).unwrap().count(), 2);
}

#[test]
fn the_umask_decides_nothing() {
    let modes = ["000", "022", "077"].map(|umask| {
        let workspace = Workspace::new();
        let script = format!("umask {umask} && exec {} apply --root out", kcm().display());
        peers::run(Command::new("sh").arg("-c").arg(script).current_dir(workspace.path()));
        let out = Tree::of(&workspace.file("out/k8s-master-01"));
        out.0.into_iter().map(|(path, entry)| (path, entry.mode)).collect::<Vec<_>>()
    });
    assert_eq!(modes[0], modes[1]);
    assert_eq!(modes[0], modes[2]);
}

#[test]
fn a_second_apply_writes_nothing_and_says_so() {
    let workspace = Workspace::new();
    workspace.bring_everything();
    let first = workspace.apply();
    assert!(first.stdout.ends_with("Done: 3 masters as specified in kcm.yaml.\n"), "{first:?}");
    let before = workspace.tree();
    let second = workspace.apply();
    let printed = "Nothing to do: 3 masters as specified in kcm.yaml.\n".to_owned();
    assert_eq!(second, CommandOutput { code: 0, stdout: printed, stderr: String::new() });
    assert_eq!(workspace.tree(), before, "same bytes, inodes and change times");
}

#[test]
fn one_changed_flag_is_exactly_one_artifact_per_master() {
    let workspace = Workspace::new();
    workspace.apply();
    workspace.edit("masters:\n", "controllerManager: {flags: {v: 4}}\nmasters:\n");
    let plan = workspace.plan();
    assert_eq!(steps(&plan), vec![vec!["write unit"]; 3]);
    let diff = plan["masters"][0]["steps"][0]["diff"].as_str().unwrap();
    let changed: Vec<_> = diff.lines().filter(|line| line.starts_with(['+', '-'])).collect();
    assert_eq!(changed, ["-  --v=2", "+  --v=4"]);
    let before = workspace.tree();
    workspace.apply();
    let after = workspace.tree();
    let changed = before.0.iter().filter(|(path, entry)| after.0[*path].content != entry.content);
    let changed: Vec<_> = changed.map(|(path, _)| path.display().to_string()).collect();
    assert_eq!(changed, MASTERS.map(|master| format!("out/{master}{UNIT}")));
    assert_eq!(steps(&workspace.plan()), nothing_to_do());
}

#[test]
fn a_masters_own_flags_change_that_master_alone() {
    let workspace = Workspace::new();
    workspace.apply();
    workspace.edit(
        "192.168.1.205}",
        "192.168.1.205, bindAddress: loopback, flags: {leader-elect: null}}",
    );
    assert_eq!(steps(&workspace.plan()), [vec![], vec!["write unit"], vec![]]);
    workspace.apply();
    let unit = fs::read_to_string(workspace.on_master(MASTERS[1], UNIT)).unwrap();
    assert!(
        unit.contains("--bind-address=127.0.0.1 \\\n") && !unit.contains("leader-elect"),
        "{unit}"
    );
}

#[test]
fn a_plan_writes_nothing_and_tells_changes_by_its_exit_code() {
    let workspace = Workspace::new();
    workspace.bring_everything();
    let before = workspace.tree();
    for (arguments, code) in
        [(&["plan", "--root", "out"][..], 0), (&["plan", "--root", "out", "--check"], 3)]
    {
        assert_eq!(workspace.kcm(arguments).code, code);
        assert_eq!(workspace.tree(), before);
    }
    workspace.apply();
    let applied = workspace.tree();
    assert_eq!(workspace.kcm(&["plan", "--root", "out", "--check"]).code, 0);
    assert_eq!(workspace.tree(), applied);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let workspace = Workspace::new();
    workspace.apply();
    assert_eq!(workspace.kcm(&["apply", "--root", "again"]).code, 0);
    let (first, second) = (Tree::of(&workspace.file("out")), Tree::of(&workspace.file("again")));
    assert_eq!(first.content(), second.content());
}

#[test]
fn a_plan_as_json_names_every_artifact_and_holds_no_key() {
    let workspace = Workspace::new();
    workspace.apply();
    fs::remove_dir_all(workspace.file("out/k8s-master-02")).unwrap();
    let plan = workspace.plan();
    let expected = ["write certificate", "write key", "write kubeconfig", "write unit", "enable"];
    assert_eq!(steps(&plan), [vec![], expected.map(str::to_owned).to_vec(), vec![]]);
    assert_eq!(plan["identity"]["decision"], "keep");
    let key = workspace.read("pki/kube-controller-manager/cert/kube-controller-manager-key.pem");
    let text = plan.to_string();
    assert!(key.lines().filter(|line| line.len() > 40).all(|line| !text.contains(line)), "{text}");
}

#[test]
fn what_drifts_is_put_right_and_nothing_more() {
    type Spoil = fn(&Workspace);
    let cases: [(&str, Spoil); 5] = [
        ("setAttributes key", |workspace| {
            let path = workspace.on_master(MASTERS[0], KEY);
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        }),
        ("write unit", |workspace| {
            let path = workspace.on_master(MASTERS[0], UNIT);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, text.replace("--v=2", "--v=9")).unwrap();
        }),
        ("write kubeconfig", |workspace| {
            fs::remove_file(workspace.on_master(MASTERS[0], KUBECONFIG)).unwrap();
        }),
        ("enable", |workspace| fs::remove_file(workspace.on_master(MASTERS[0], WANTED)).unwrap()),
        ("removeLeftover", |workspace| {
            workspace.write("out/k8s-master-01/opt/kubernetes/kubeconfig/.kcm-stage/half", "ha");
        }),
    ];
    let workspace = Workspace::new();
    workspace.apply();
    let right = workspace.tree().in_place();
    for (step, spoil) in cases {
        spoil(&workspace);
        assert_eq!(steps(&workspace.plan()), [vec![step], vec![], vec![]]);
        workspace.apply();
        assert_eq!(workspace.tree().in_place(), right, "{step}");
    }
}

#[test]
fn two_kcm_never_work_on_one_master_at_once() {
    let workspace = Workspace::new();
    fs::create_dir_all(workspace.file("out/k8s-master-02")).unwrap();
    let other = fs::File::open(workspace.file("out/k8s-master-02")).unwrap();
    other.lock().unwrap();
    let before = workspace.tree().content();
    let ran = workspace.kcm(&["apply", "--root", "out"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("out/k8s-master-02: another kcm process holds the lock"),
        "{ran:?}"
    );
    assert_eq!(workspace.tree().content(), before);
    drop(other);
    workspace.apply();
}

#[test]
fn an_outcome_as_json_says_what_became_of_each_master() {
    let workspace = Workspace::new();
    let ran = workspace.kcm(&["apply", "--root", "out", "-o", "json"]);
    let outcome: Value = serde_json::from_str(&ran.stdout).unwrap();
    let results: Vec<_> =
        outcome["masters"].as_array().unwrap().iter().map(|m| &m["result"]).collect();
    assert_eq!(results, ["done"; 3]);
    assert_eq!(outcome["identity"]["why"][0]["reason"], "missing");
}

#[test]
fn without_root_owners_are_not_set_and_that_is_said() {
    if !peers::has("setpriv") || !peers::is_root() {
        return;
    }
    let workspace = Workspace::new();
    let chown = ["-R", "65534:65534", "."];
    peers::run(Command::new("chown").args(chown).current_dir(workspace.path()));
    let unprivileged = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        // The build folder may be inaccessible to other users; a copy beside the workspace is
        // accessible.
        command.arg(workspace.file("kcm")).args(arguments).current_dir(workspace.path());
        peers::output(&mut command)
    };
    fs::copy(kcm(), workspace.file("kcm")).unwrap();
    let output = unprivileged(&["apply", "--root", "out"]);
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{printed}");
    assert!(
        printed.contains("warning: the files are owned by the current user, not by root:root"),
        "{printed}"
    );
    let again = unprivileged(&["apply", "--root", "out"]);
    assert!(String::from_utf8(again.stdout).unwrap().starts_with("Nothing to do"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let workspace = Workspace::new();
    workspace.bring_everything();
    let script = format!("{} plan --root out | head -n 1", kcm().display());
    let output =
        peers::output(Command::new("sh").arg("-c").arg(script).current_dir(workspace.path()));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let full = format!("{} plan --root out > /dev/full", kcm().display());
    let output =
        peers::output(Command::new("sh").arg("-c").arg(full).current_dir(workspace.path()));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_looks_like_a_mistake_is_said_and_stops_nothing() {
    let workspace = Workspace::new();
    workspace.bring_everything();
    workspace.apply();
    let key = workspace.file("pki/ca/cert/ca-key.pem");
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    workspace.edit("172.20.0.0/16", "192.168.0.0/16");
    let printed = workspace.kcm(&["plan", "--root", "out"]);
    assert_eq!(printed.code, 0);
    let warnings: Vec<_> =
        printed.stderr.lines().map(|line| line.split(" (sha256:").next().unwrap()).collect();
    let lies = |master: u8, ip: u8| {
        format!(
            "warning: k8s-master-0{master}: address 192.168.1.{ip} is in clusterCidr 192.168.0.0/16; change the address or the range"
        )
    };
    let expected = [
        lies(1, 204),
        lies(2, 205),
        lies(3, 206),
        "warning: the CA key (pki.caKey) pki/ca/cert/ca-key.pem has mode 0644, which gives other users access; run `chmod 600 pki/ca/cert/ca-key.pem`".to_owned(),
    ];
    assert_eq!(warnings, expected);
}
