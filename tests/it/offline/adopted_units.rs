//! Tests of `kcm adopt` on units of packages and of operators, in folders. kcm finds the same files
//! as systemd, derives the same command, and plans no change.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use kcm_tests::{CommandOutput, Workspace, peers};

use layouts::layouts;

mod layouts;
mod refused;

const MASTERS: [&str; 2] = ["k8s-master-01", "k8s-master-02"];
const NAME: &str = "kube-controller-manager.service";
/// Flags of a manual installation.
const FLAGS: [&str; 15] = [
    "--bind-address=127.0.0.1",
    "--allocate-node-cidrs=true",
    "--cluster-cidr=172.20.0.0/16",
    "--cluster-name=kubernetes",
    "--cluster-signing-cert-file=/etc/kubernetes/ssl/ca.pem",
    "--cluster-signing-key-file=/etc/kubernetes/ssl/ca-key.pem",
    "--kubeconfig=/etc/kubernetes/kcm.kubeconfig",
    "--authentication-kubeconfig=/etc/kubernetes/kcm.kubeconfig",
    "--leader-elect=true",
    "--node-cidr-mask-size=24",
    "--root-ca-file=/etc/kubernetes/ssl/ca.pem",
    "--service-account-private-key-file=/etc/kubernetes/ssl/sa.key",
    "--service-cluster-ip-range=10.68.0.0/16",
    "--use-service-account-credentials=true",
    "--v=2",
];
const INSTALL: &str = "[Install]\nWantedBy=multi-user.target\n";

/// A file or a symbolic link on a master.
enum Thing {
    File(String),
    Link(&'static str),
}

fn file(text: impl Into<String>) -> Thing {
    Thing::File(text.into())
}

/// Returns a unit with a command and further lines of `[Service]`.
fn unit(command: &str, further: &str) -> String {
    format!(
        "[Unit]\nDescription=Kubernetes Controller Manager\n[Service]\nExecStart={command}\nRestart=on-failure\n{further}{INSTALL}"
    )
}

fn whole() -> String {
    unit(&format!("/opt/kube/bin/kube-controller-manager \\\n  {}", FLAGS.join(" \\\n  ")), "")
}

/// Two masters with kubeconfig and CA below /etc/kubernetes, and without a unit.
fn ground() -> Workspace {
    let workspace = Workspace::new();
    workspace.bring_everything();
    workspace.apply();
    for master in MASTERS {
        let at = |path: &str| workspace.on_master(master, path);
        fs::create_dir_all(at("/etc/kubernetes/ssl")).unwrap();
        let kept = [
            ("kubeconfig/kube-controller-manager.kubeconfig", "/etc/kubernetes/kcm.kubeconfig"),
            ("pki/ca/cert/ca.pem", "/etc/kubernetes/ssl/ca.pem"),
            ("pki/ca/cert/ca-key.pem", "/etc/kubernetes/ssl/ca-key.pem"),
            ("pki/ca/cert/ca-key.pem", "/etc/kubernetes/ssl/sa.key"),
        ];
        for (from, to) in kept {
            fs::copy(at(&format!("/opt/kubernetes/{from}")), at(to)).unwrap();
        }
        fs::remove_dir_all(at("/opt")).unwrap();
        fs::remove_dir_all(at("/etc/systemd")).unwrap();
    }
    fs::create_dir(workspace.file("new")).unwrap();
    workspace
}

fn lay_out(workspace: &Workspace, things: &[(&str, Thing)]) {
    for master in MASTERS {
        for (path, thing) in things {
            let at = workspace.on_master(master, path);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            match thing {
                Thing::File(text) => fs::write(at, text).unwrap(),
                Thing::Link(target) => symlink(target, at).unwrap(),
            }
        }
    }
}

fn adopt(workspace: &Workspace, further: &[&str]) -> CommandOutput {
    let masters = ["--master=k8s-master-01=192.168.1.204", "--master=k8s-master-02=192.168.1.205"];
    let fixed = ["adopt", "--root", "out", "-f", "new/kcm.yaml"];
    workspace.kcm(&[&fixed, &masters[..], further].concat())
}

fn plan(workspace: &Workspace) -> CommandOutput {
    workspace.kcm(&["plan", "--check", "--root", "out", "-f", "new/kcm.yaml"])
}

const ETC: &str = "/etc/systemd/system/kube-controller-manager.service";
const USR: &str = "/usr/lib/systemd/system/kube-controller-manager.service";
const WANTS: &str = "/etc/systemd/system/multi-user.target.wants/kube-controller-manager.service";

#[test]
fn what_systemd_runs_is_adopted_whole_wherever_it_stands() {
    for (kind, things, further) in layouts() {
        let workspace = ground();
        lay_out(&workspace, &things);
        let ran = adopt(&workspace, further);
        assert_eq!(ran.code, 0, "{kind}: {ran:?}");
        let text = workspace.read("new/kcm.yaml");
        // The cluster file contains each effective setting, and no path of a package's environment
        // file.
        for printed in ["NoNewPrivileges", "ReadWritePaths", "TimeoutStopSec", "GOMAXPROCS", "Nice"]
        {
            let is_there = things
                .iter()
                .any(|(_, it)| matches!(it, Thing::File(text) if text.contains(printed)));
            assert_eq!(text.contains(printed), is_there, "{kind}: {printed}: {text}");
        }
        assert!(
            !text.contains("/etc/sysconfig") && !text.contains("/etc/default"),
            "{kind}: {text}"
        );
        let ran = plan(&workspace);
        assert_eq!(ran.code, 0, "{kind}: {ran:?}");
    }
}

#[test]
fn drop_ins_are_those_that_systemd_reads_in_its_order() {
    if !peers::has("systemd-analyze") {
        return;
    }
    let layouts = layouts().into_iter().filter(|(_, things, further)| {
        further.is_empty() && things.iter().any(|(path, _)| path.contains(".d/"))
    });
    let mut drop_ins = 0;
    for (kind, mut things, _) in layouts {
        // systemd reports an unknown key with its file, in the order in which it reads the files.
        for (_, thing) in &mut things {
            if let Thing::File(text) = thing {
                *text = text.replacen("[Service]\n", "[Service]\nUnknownHere=1\n", 1);
            }
        }
        let more = |path, at: &'static str| {
            (path, file(format!("[Service]\nUnknownHere=1\nLimitCORE={at}\n")))
        };
        things.extend([
            more("/etc/systemd/system.control/kube-controller-manager.service.d/90.conf", "1"),
            more("/run/systemd/transient/kube-controller-manager.service.d/90.conf", "2"),
            more("/etc/systemd/system/kube-.service.d/95.conf", "3"),
            more("/usr/local/lib/systemd/system/kube-controller-.service.d/95.conf", "4"),
            more("/run/systemd/system.attached/service.d/05.conf", "5"),
            more("/usr/lib/systemd/system/kube-controller-manager.service.d/07.conf", "6"),
            more("/etc/systemd/system/kube-controller-manager.service.d/.hidden.conf", "7"),
            more("/etc/systemd/system/kube-controller-manager.service.d/97.conf.bak", "8"),
            more("/etc/systemd/system/kube-controller-manager.d/98.conf", "9"),
        ]);
        let workspace = ground();
        lay_out(&workspace, &things);
        let root = workspace.on_master(MASTERS[0], "/");
        for target in ["sysinit", "basic", "shutdown", "multi-user"] {
            let at = root.join(format!("usr/lib/systemd/system/{target}.target"));
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(at, "[Unit]\n").unwrap();
        }
        let theirs = read_by_systemd(&root);
        let ran = adopt(&workspace, &["-o", "json"]);
        let document: serde_json::Value =
            serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{kind}: {ran:?}"));
        let findings = document["findings"].as_array().unwrap().iter();
        let ours = findings
            .filter(|it| it["code"] == "drop-in")
            .map(|it| it["problem"].as_str().unwrap().split(' ').next().unwrap().to_owned());
        let ours: Vec<_> = ours.collect();
        assert_eq!(ours, theirs[1..], "{kind}");
        drop_ins += ours.len();
        let text = workspace.read("new/kcm.yaml");
        let unit = theirs[0].trim_start_matches(root.to_str().unwrap());
        assert!(unit == ETC || text.contains(&format!("unit: {unit}")), "{kind}: {unit}: {text}");
    }
    assert!(drop_ins > 15, "{drop_ins}");
}

/// Returns the files of the unit in the order in which systemd first reports them.
fn read_by_systemd(root: &Path) -> Vec<String> {
    let mut command = Command::new("systemd-analyze");
    command.arg(format!("--root={}", root.display())).args(["--man=no", "verify", NAME]);
    let printed = String::from_utf8_lossy(&peers::output(&mut command).stderr).into_owned();
    let mut files: Vec<String> = Vec::new();
    for line in printed.lines().filter(|line| line.contains("UnknownHere")) {
        let (path, _) = line.split_once(':').unwrap();
        let path = path.strip_prefix(root.to_str().unwrap().trim_end_matches('/')).unwrap_or(path);
        if !files.iter().any(|it| it == path) {
            files.push(path.to_owned());
        }
    }
    assert!(!files.is_empty(), "{printed}");
    files
}

#[test]
fn an_environment_file_of_flags_alone_is_not_asked_of_a_new_master() {
    let flags = FLAGS.join(" ");
    for (command, env) in [
        ("$OPTS", format!("OPTS=\"{flags}\"\n")),
        ("$A $B", format!("A=--v=2\nB='{flags}'\n")),
        ("--v=${LEVEL} $OPTS", format!("LEVEL=2\nOPTS={flags}\n")),
        ("$OPTS", format!("OPTS=\"{flags}")),
        ("$OPTS", format!("# none but this\r\nOPTS=\"{flags}\"\r\n")),
    ] {
        let workspace = ground();
        let command = format!("/opt/kube/bin/kube-controller-manager {command}");
        let unit = unit(&command, "EnvironmentFile=/etc/kcm.env\n");
        lay_out(
            &workspace,
            &[(ETC, file(unit)), ("/etc/kcm.env", file(env)), (WANTS, Thing::Link(ETC))],
        );
        let ran = adopt(&workspace, &[]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let text = workspace.read("new/kcm.yaml");
        assert!(!text.contains("EnvironmentFile"), "{text}");
        assert_eq!(plan(&workspace).code, 0);
    }
}

#[test]
fn an_environment_file_for_the_process_stays_in_the_cluster_file() {
    let flags = FLAGS.join(" ");
    for (command, env, further) in [
        ("$OPTS", "GOMAXPROCS=2\n", ""),
        ("$OPTS", "HTTPS_PROXY=http://proxy:3128\n", ""),
        ("$OPTS", "OTHER=1\n", ""),
        ("$OPTS", "", "ExecStartPre=-/usr/bin/echo ${OPTS}\n"),
        ("$OPTS --v=${GOGC}", "GOGC=2\n", ""),
    ] {
        let workspace = ground();
        let command = format!("/opt/kube/bin/kube-controller-manager {command}");
        let unit = unit(&command, &format!("EnvironmentFile=/etc/kcm.env\n{further}"));
        let env = format!("OPTS=\"{flags}\"\n{env}");
        lay_out(
            &workspace,
            &[(ETC, file(unit)), ("/etc/kcm.env", file(env)), (WANTS, Thing::Link(ETC))],
        );
        let ran = adopt(&workspace, &[]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let text = workspace.read("new/kcm.yaml");
        assert!(text.contains("EnvironmentFile: /etc/kcm.env"), "{text}");
        assert!(!text.contains("proxy:3128"), "no value is taken: {text}");
    }
}
