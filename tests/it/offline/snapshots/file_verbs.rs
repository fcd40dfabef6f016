//! Snapshots of `kcm kubeconfig` and `kcm unit`.

use kcm_tests::Workspace;

use super::Transcript;

const BUILD: &str = "kubeconfig build --server https://192.168.1.210:6443 --certificate-authority pki/ca/cert/ca.pem --client-certificate pki/kube-controller-manager/cert/kube-controller-manager.pem --client-key";
const KEY: &str = "pki/kube-controller-manager/cert/kube-controller-manager-key.pem";

#[test]
fn kubeconfigs() {
    let workspace = Workspace::one_master();
    workspace.apply();
    let embedded = format!("{BUILD} {KEY} --embed-certs --out x.kubeconfig");
    Transcript::new(&workspace)
        .all(&[
            &embedded,
            &embedded,
            "kubeconfig show x.kubeconfig",
            "kubeconfig show x.kubeconfig -o json",
        ])
        .all(&["kubeconfig check x.kubeconfig", "kubeconfig check x.kubeconfig -o json"])
        .all(&["kubeconfig check x.kubeconfig --server https://10.0.0.1:6443 --within 200000h"])
        .note("paths instead of content")
        .all(&[&format!("{BUILD} {KEY}")])
        .all(&[&format!("{BUILD} no-key.pem --out y.kubeconfig"), "kubeconfig check y.kubeconfig"])
        .note("refused")
        .all(&[&format!("{BUILD} pki/ca/cert/ca-key.pem --embed-certs --out z.kubeconfig")])
        .all(&[&format!("{BUILD} {KEY} --embed-certs --user other --out x.kubeconfig")])
        .all(&["kubeconfig show kcm.yaml", "kubeconfig check kcm.yaml", "kubeconfig show none"])
        .assert_matches("kubeconfig");
}

#[test]
fn units() {
    let workspace = Workspace::one_master();
    let unit = workspace.kcm(&["unit", "render", "--master", "k8s-master-01"]).stdout;
    let broken = unit
        .replace("--v=2", "--v=2 # verbose")
        .replace("RestartSec=5", "RestartSecs=5\nRestart=allways")
        .replace("--leader-elect=true", "--leader-elect=false");
    workspace.write("good.service", &unit);
    workspace.write("bad.service", broken);
    workspace.write("bad.service.d/10.conf", "[Servce]\nEnvironmentFile=/etc/none\n");
    Transcript::new(&workspace)
        .all(&["unit render --master k8s-master-01"])
        .all(&["unit render --program /opt/kcm --user kube --hardening strict -- --v=2"])
        .all(&[
            "unit check good.service --kubernetes 1.36",
            "unit check bad.service --kubernetes 1.36",
        ])
        .all(&["unit check bad.service good.service --kubernetes 1.36 -o json"])
        .all(&["unit diff good.service good.service"])
        .assert_matches("unit");
    workspace.write("bad.service", workspace.read("bad.service").replace(" # verbose", ""));
    Transcript::new(&workspace)
        .all(&["unit diff good.service bad.service", "unit diff good.service bad.service -o json"])
        .all(&["unit render --master nobody", "unit diff good.service none.service"])
        .assert_matches("unit-diff");
}
