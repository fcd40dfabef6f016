//! Snapshots of `kcm adopt`.

use std::fs;

use kcm_tests::{Workspace, unit_of};

use super::Transcript;
use crate::offline::adopt::masters;

const UNIT: &str = "/etc/systemd/system/kube-controller-manager.service";
const ADOPT: &str = "adopt --root out -f new/kcm.yaml --master k8s-master-01=192.168.1.204 --master k8s-master-02=192.168.1.205 --master k8s-master-03=192.168.1.206";

fn replace(workspace: &Workspace, master: &str, from: &str, to: &str) {
    let at = workspace.on_master(master, UNIT);
    let text = fs::read_to_string(&at).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(at, text.replace(from, to)).unwrap();
}

#[test]
fn what_the_tutorial_set_up() {
    let workspace = masters();
    for number in 1..=3 {
        let path = workspace.on_master(&format!("k8s-master-0{number}"), UNIT);
        fs::write(path, unit_of(number)).unwrap();
    }
    Transcript::new(&workspace)
        .kcm(&ADOPT.replace("new/kcm.yaml", "-"))
        .kcm(ADOPT)
        .cat("new/kcm.yaml")
        .list("new")
        .kcm("plan --root out -f new/kcm.yaml --check")
        .kcm("status --root out -f new/kcm.yaml")
        .kcm("certs check --root out -f new/kcm.yaml")
        .kcm(ADOPT)
        .kcm(&format!("{ADOPT} --overwrite -o json"))
        .assert_matches("adopt-tutorial");
}

#[test]
fn a_layout_made_by_hand() {
    let workspace = masters();
    for number in 1..=3 {
        let master = format!("k8s-master-0{number}");
        replace(&workspace, &master, "Restart=always\n", "Restart=on-failure\nUser=root\n");
        replace(
            &workspace,
            &master,
            "  --leader-elect=true \\\n",
            "  --leader_elect \\\n  --profiling=false \\\n",
        );
        replace(
            &workspace,
            &master,
            "Description=Kubernetes Controller Manager",
            "Description=ours",
        );
        workspace.write(
            &format!("out/{master}{UNIT}.d/10-limits.conf"),
            "[Service]\nLimitNOFILE=65536\nNoSuchKey=1\n",
        );
    }
    Transcript::new(&workspace)
        .kcm(&format!("{ADOPT} --user kube --port 2222 --sudo password --host-keys accept-new"))
        .cat("new/kcm.yaml")
        .kcm("plan --root out -f new/kcm.yaml")
        .assert_matches("adopt-by-hand");
}

/// A unit with other paths of program, kubeconfig and CA than the tutorial's.
const ELSEWHERE: &str = "\
[Unit]
Description=Kubernetes Controller Manager
After=network.target

[Service]
ExecStart=/usr/local/bin/kube-controller-manager --bind-address=0.0.0.0 --cluster-cidr=172.20.0.0/16 \\
  --cluster-signing-cert-file=/etc/kubernetes/ssl/ca.pem --cluster-signing-key-file=/etc/kubernetes/ssl/ca-key.pem \\
  --kubeconfig=/etc/kubernetes/kcm.kubeconfig --leader-elect=true --root-ca-file=/etc/kubernetes/ssl/ca.pem \\
  --service-account-private-key-file=/etc/kubernetes/ssl/ca-key.pem --service-cluster-ip-range=10.68.0.0/16 \\
  --use-service-account-credentials=true --v=2
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
";

#[test]
fn files_that_are_elsewhere() {
    let workspace = masters();
    for number in 1..=3 {
        let master = format!("k8s-master-0{number}");
        for (from, to) in [
            ("bin/kube-controller-manager", "/usr/local/bin/kube-controller-manager"),
            ("kubeconfig/kube-controller-manager.kubeconfig", "/etc/kubernetes/kcm.kubeconfig"),
            ("pki/ca/cert/ca.pem", "/etc/kubernetes/ssl/ca.pem"),
            ("pki/ca/cert/ca-key.pem", "/etc/kubernetes/ssl/ca-key.pem"),
        ] {
            let to = workspace.on_master(&master, to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::rename(workspace.on_master(&master, &format!("/opt/kubernetes/{from}")), to)
                .unwrap();
        }
        fs::remove_dir_all(workspace.on_master(&master, "/opt")).unwrap();
        fs::write(workspace.on_master(&master, UNIT), ELSEWHERE).unwrap();
    }
    Transcript::new(&workspace)
        .kcm(ADOPT)
        .cat("new/kcm.yaml")
        .kcm("plan --root out -f new/kcm.yaml --check")
        .kcm("status --root out -f new/kcm.yaml")
        .assert_matches("adopt-elsewhere");
}

#[test]
fn masters_that_differ() {
    let workspace = masters();
    replace(&workspace, "k8s-master-02", "--cluster-name=kubernetes", "--cluster-name=other");
    replace(&workspace, "k8s-master-03", "--v=2", "--profiling=false");
    replace(&workspace, "k8s-master-03", "RestartSec=5", "RestartSec=9");
    Transcript::new(&workspace)
        .kcm(ADOPT)
        .cat("new/kcm.yaml")
        .kcm(&format!("{ADOPT} --overwrite -o json"))
        .assert_matches("adopt-differences");
}

#[test]
fn masters_that_cannot_be_adopted() {
    let workspace = masters();
    let mut transcript = Transcript::new(&workspace);
    transcript
        .kcm(&format!("{ADOPT} --unit kcm.service"))
        .kcm(&format!("{ADOPT} --unit kcm.service -o json"))
        .kcm("adopt --root nowhere -f - --master one=10.0.0.1")
        .kcm("adopt --root out --master one")
        .kcm(&format!("{ADOPT} --sudo maybe"))
        .kcm(&format!("{ADOPT} --ca-cert kcm.yaml"));
    replace(&workspace, "k8s-master-01", "ExecStart=/opt", "ExecStart=opt");
    transcript.note("a unit that systemd does not load").kcm(ADOPT);
    let shell = "[Service]\nExecStart=/bin/sh -c 'exec kube-controller-manager'\n";
    fs::write(workspace.on_master("k8s-master-01", UNIT), shell).unwrap();
    transcript.note("a unit that runs a shell").kcm(ADOPT).list("new");
    transcript.assert_matches("adopt-refused");
}
