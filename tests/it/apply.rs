//! Tests of `kcm apply --root`: it writes every file of a master to the tutorial's path, once.

mod certificates;
mod init;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use kcm_tests::{Ran, Site, Tree, kcm, peers};
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
    let site = Site::new();
    site.apply();
    for master in MASTERS {
        let tree = Tree::of(&site.file("out").join(master));
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
        assert_eq!(fs::read_link(site.on_master(master, WANTED)).unwrap(), Path::new(UNIT));
    }
    let folder = "pki/kube-controller-manager/cert";
    assert_eq!(mode(&site.file(&format!("{folder}/kube-controller-manager-key.pem"))), 0o600);
    assert_eq!(mode(&site.file(&format!("{folder}/kube-controller-manager.pem"))), 0o644);
    assert_eq!(fs::read_dir(site.file(folder)).unwrap().count(), 2);
}

#[test]
fn the_umask_decides_nothing() {
    let modes = ["000", "022", "077"].map(|umask| {
        let site = Site::new();
        let script = format!("umask {umask} && exec {} apply --root out", kcm().display());
        peers::run(Command::new("sh").arg("-c").arg(script).current_dir(site.path()));
        let out = Tree::of(&site.file("out/k8s-master-01"));
        out.0.into_iter().map(|(path, entry)| (path, entry.mode)).collect::<Vec<_>>()
    });
    assert_eq!(modes[0], modes[1]);
    assert_eq!(modes[0], modes[2]);
}

#[test]
fn a_second_apply_writes_nothing_and_says_so() {
    let site = Site::new();
    site.bring_everything();
    let first = site.apply();
    assert!(first.stdout.ends_with("Done: 3 masters as specified in kcm.yaml.\n"), "{first:?}");
    let before = site.tree();
    let second = site.apply();
    let said = "Nothing to do: 3 masters as specified in kcm.yaml.\n".to_owned();
    assert_eq!(second, Ran { code: 0, stdout: said, stderr: String::new() });
    assert_eq!(site.tree(), before, "same bytes, inodes and change times");
}

#[test]
fn one_changed_flag_is_exactly_one_artifact_per_master() {
    let site = Site::new();
    site.apply();
    site.edit("masters:\n", "controllerManager: {flags: {v: 4}}\nmasters:\n");
    let plan = site.plan();
    assert_eq!(steps(&plan), vec![vec!["write unit"]; 3]);
    let diff = plan["masters"][0]["steps"][0]["diff"].as_str().unwrap();
    let changed: Vec<_> = diff.lines().filter(|line| line.starts_with(['+', '-'])).collect();
    assert_eq!(changed, ["-  --v=2", "+  --v=4"]);
    let before = site.tree();
    site.apply();
    let after = site.tree();
    let changed = before.0.iter().filter(|(path, entry)| after.0[*path].content != entry.content);
    let changed: Vec<_> = changed.map(|(path, _)| path.display().to_string()).collect();
    assert_eq!(changed, MASTERS.map(|master| format!("out/{master}{UNIT}")));
    assert_eq!(steps(&site.plan()), nothing_to_do());
}

#[test]
fn a_masters_own_flags_change_that_master_alone() {
    let site = Site::new();
    site.apply();
    site.edit(
        "192.168.1.205}",
        "192.168.1.205, bindAddress: loopback, flags: {leader-elect: null}}",
    );
    assert_eq!(steps(&site.plan()), [vec![], vec!["write unit"], vec![]]);
    site.apply();
    let unit = fs::read_to_string(site.on_master(MASTERS[1], UNIT)).unwrap();
    assert!(
        unit.contains("--bind-address=127.0.0.1 \\\n") && !unit.contains("leader-elect"),
        "{unit}"
    );
}

#[test]
fn a_plan_writes_nothing_and_tells_changes_by_its_exit_code() {
    let site = Site::new();
    site.bring_everything();
    let before = site.tree();
    for (arguments, code) in
        [(&["plan", "--root", "out"][..], 0), (&["plan", "--root", "out", "--check"], 3)]
    {
        assert_eq!(site.kcm(arguments).code, code);
        assert_eq!(site.tree(), before);
    }
    site.apply();
    let applied = site.tree();
    assert_eq!(site.kcm(&["plan", "--root", "out", "--check"]).code, 0);
    assert_eq!(site.tree(), applied);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let site = Site::new();
    site.apply();
    assert_eq!(site.kcm(&["apply", "--root", "again"]).code, 0);
    let (first, second) = (Tree::of(&site.file("out")), Tree::of(&site.file("again")));
    assert_eq!(first.content(), second.content());
}

#[test]
fn a_plan_as_json_names_every_artifact_and_holds_no_key() {
    let site = Site::new();
    site.apply();
    fs::remove_dir_all(site.file("out/k8s-master-02")).unwrap();
    let plan = site.plan();
    let expected = ["write certificate", "write key", "write kubeconfig", "write unit", "enable"];
    assert_eq!(steps(&plan), [vec![], expected.map(str::to_owned).to_vec(), vec![]]);
    assert_eq!(plan["identity"]["decision"], "keep");
    let key = site.read("pki/kube-controller-manager/cert/kube-controller-manager-key.pem");
    let text = plan.to_string();
    assert!(key.lines().filter(|line| line.len() > 40).all(|line| !text.contains(line)), "{text}");
}

#[test]
fn what_drifts_is_put_right_and_nothing_more() {
    type Spoil = fn(&Site);
    let cases: [(&str, Spoil); 5] = [
        ("setAttributes key", |site| {
            let path = site.on_master(MASTERS[0], KEY);
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        }),
        ("write unit", |site| {
            let path = site.on_master(MASTERS[0], UNIT);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, text.replace("--v=2", "--v=9")).unwrap();
        }),
        ("write kubeconfig", |site| {
            fs::remove_file(site.on_master(MASTERS[0], KUBECONFIG)).unwrap();
        }),
        ("enable", |site| fs::remove_file(site.on_master(MASTERS[0], WANTED)).unwrap()),
        ("removeLeftover", |site| {
            site.write("out/k8s-master-01/opt/kubernetes/kubeconfig/.kcm-stage/half", "ha");
        }),
    ];
    let site = Site::new();
    site.apply();
    let right = site.tree().in_place();
    for (step, spoil) in cases {
        spoil(&site);
        assert_eq!(steps(&site.plan()), [vec![step], vec![], vec![]]);
        site.apply();
        assert_eq!(site.tree().in_place(), right, "{step}");
    }
}

#[test]
fn two_kcm_never_work_on_one_master_at_once() {
    let site = Site::new();
    fs::create_dir_all(site.file("out/k8s-master-02")).unwrap();
    let other = fs::File::open(site.file("out/k8s-master-02")).unwrap();
    other.lock().unwrap();
    let before = site.tree().content();
    let ran = site.kcm(&["apply", "--root", "out"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("out/k8s-master-02: another kcm process holds the lock"),
        "{ran:?}"
    );
    assert_eq!(site.tree().content(), before);
    drop(other);
    site.apply();
}

#[test]
fn an_outcome_as_json_says_what_became_of_each_master() {
    let site = Site::new();
    let ran = site.kcm(&["apply", "--root", "out", "-o", "json"]);
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
    let site = Site::new();
    let chown = ["-R", "65534:65534", "."];
    peers::run(Command::new("chown").args(chown).current_dir(site.path()));
    let unprivileged = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        // The build folder may be inaccessible to other users; a copy beside the site is
        // accessible.
        command.arg(site.file("kcm")).args(arguments).current_dir(site.path());
        peers::output(&mut command)
    };
    fs::copy(kcm(), site.file("kcm")).unwrap();
    let output = unprivileged(&["apply", "--root", "out"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("warning: the files are owned by the current user, not by root:root"),
        "{said}"
    );
    let again = unprivileged(&["apply", "--root", "out"]);
    assert!(String::from_utf8(again.stdout).unwrap().starts_with("Nothing to do"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let site = Site::new();
    site.bring_everything();
    let script = format!("{} plan --root out | head -n 1", kcm().display());
    let output = peers::output(Command::new("sh").arg("-c").arg(script).current_dir(site.path()));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let full = format!("{} plan --root out > /dev/full", kcm().display());
    let output = peers::output(Command::new("sh").arg("-c").arg(full).current_dir(site.path()));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_looks_like_a_mistake_is_said_and_stops_nothing() {
    let site = Site::new();
    site.bring_everything();
    site.apply();
    let key = site.file("pki/ca/cert/ca-key.pem");
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    site.edit("172.20.0.0/16", "192.168.0.0/16");
    let said = site.kcm(&["plan", "--root", "out"]);
    assert_eq!(said.code, 0);
    let warnings: Vec<_> =
        said.stderr.lines().map(|line| line.split(" (sha256:").next().unwrap()).collect();
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
