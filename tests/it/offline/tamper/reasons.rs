//! Tests of the reasons for a new identity, as `plan` reports them.

use std::fs;

use kcm_tests::Workspace;
use kcm_tests::control_plane::Authority;
use time::{Duration, OffsetDateTime};

use super::{CERTIFICATE, FIRST, Holder, KEY, KUBECONFIG, TAMPERED, run, workspace};

const USER: &str = "system:kube-controller-manager";

type Tamper<'a> = &'a dyn Fn(&Workspace);

/// Returns the line of `plan` about the identity.
fn reason(workspace: &Workspace) -> String {
    let ran = run(workspace, &["plan"]);
    let line = ran.stdout.lines().find(|line| line.starts_with("identity: "));
    line.unwrap_or_else(|| panic!("{ran:?}")).to_owned()
}

fn plant(workspace: &Workspace, masters: &[&str], user: &str, begins: Duration, ends: Duration) {
    let now = OffsetDateTime::now_utc();
    let authority = Authority::read(&workspace.file("pki/ca/cert"));
    let identity = authority.valid_between(user, &[], now + begins, now + ends);
    for master in masters {
        fs::write(workspace.on_master(master, CERTIFICATE), &identity.certificate).unwrap();
        fs::write(workspace.on_master(master, KEY), &*identity.key).unwrap();
    }
}

#[test]
fn the_plan_names_the_reason_seen_on_the_masters() {
    let (day, year) = (Duration::DAY, Duration::days(365));
    let all = [FIRST, TAMPERED];
    let cases: [(&str, Tamper<'_>); 10] = [
        ("the common name is admin, not system:kube", &|workspace| {
            plant(workspace, &all, "admin", -day, year);
        }),
        ("the certificate expired on ", &|workspace| plant(workspace, &all, USER, -year, -day)),
        ("the certificate expires on ", &|workspace| plant(workspace, &all, USER, -day, day)),
        ("different certificates: sha256:", &|workspace| {
            plant(workspace, &all[1..], USER, -day, year);
        }),
        ("the certificate is missing on k8s-master-02", &|workspace| {
            for path in [CERTIFICATE, KEY] {
                fs::remove_file(workspace.on_master(TAMPERED, path)).unwrap();
            }
        }),
        (
            "the certificate on k8s-master-02 cannot be used: the certificate has no key",
            &|workspace| {
                fs::remove_file(workspace.on_master(TAMPERED, KEY)).unwrap();
            },
        ),
        ("the certificate on k8s-master-01 cannot be used: ", &|workspace| {
            fs::write(workspace.on_master(FIRST, CERTIFICATE), "garbage\n").unwrap();
        }),
        ("the key on k8s-master-02 differs from the key on the first master", &|workspace| {
            fs::write(workspace.on_master(TAMPERED, KEY), "another\n").unwrap();
        }),
        ("need the key: /opt/kubernetes/kubeconfig", &|workspace| {
            fs::write(workspace.on_master(TAMPERED, KUBECONFIG), "{}\n").unwrap();
        }),
        ("no certificate exists yet", &|workspace| {
            for master in all {
                for path in [CERTIFICATE, KEY] {
                    fs::remove_file(workspace.on_master(master, path)).unwrap();
                }
            }
        }),
    ];
    for (expected, tamper) in cases {
        let workspace = workspace("embedded", Holder::Masters);
        tamper(&workspace);
        let printed = reason(&workspace);
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
}

#[test]
fn another_algorithm_or_ca_is_the_reason() {
    let workspace = workspace("embedded", Holder::Masters);
    workspace.edit("keyAlgorithm: ecdsa-p256", "keyAlgorithm: rsa-2048");
    assert!(
        reason(&workspace).contains("the key algorithm is ecdsa-p256, not rsa-2048"),
        "{}",
        reason(&workspace)
    );
}
