//! Snapshots of `kcm init`, and of a first deployment with its file.

use kcm_tests::Workspace;

use super::Transcript;

#[test]
fn the_cluster_file_for_the_tutorial() {
    let workspace = Workspace::empty();
    Transcript::new(&workspace)
        .kcm("init")
        .cat("kcm.yaml")
        .kcm("init")
        .kcm("init -f no/such/folder/kcm.yaml")
        .assert_matches("init");
}

#[test]
fn a_first_try_from_answers() {
    let workspace = Workspace::empty();
    Transcript::new(&workspace)
        .kcm("init -f kcm.yaml --create-ca --user kube --server https://10.0.0.9:6443 --cluster-cidr 10.1.0.0/16 --service-cidr 10.2.0.0/16 --master k8s-master-01=10.0.0.1")
        .cat("kcm.yaml")
        .kcm("lint")
        .kcm("plan --root out")
        .kcm("apply --root out")
        .list("pki")
        .kcm("apply --root out")
        .assert_matches("init-first-try");
}

#[test]
fn answers_that_cannot_be() {
    let workspace = Workspace::empty();
    Transcript::new(&workspace)
        .kcm("init --server 192.168.1.210")
        .kcm("init --cluster-cidr 10.0.0.0")
        .kcm("init --master a=b=c")
        .kcm("init --master one=10.0.0.1 --master one=10.0.0.2")
        .list(".")
        .assert_matches("init-refused");
}
