//! Snapshots of `kcm certs check` and `kcm certs renew`.

use kcm_tests::Workspace;
use kcm_tests::control_plane::Authority;
use time::{Duration, OffsetDateTime};

use super::Transcript;

const ON_A_MASTER: &str =
    "out/k8s-master-02/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem";

/// A workspace with these lifetimes in its cluster file, applied.
fn applied(lifetimes: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.bring_everything();
    workspace.edit("ecdsa-p256\n", &format!("ecdsa-p256\n{lifetimes}"));
    workspace.apply();
    workspace
}

#[test]
fn nothing_is_due() {
    let workspace = applied("");
    Transcript::new(&workspace)
        .all(&["certs check --root out", "certs check --root out -o json --master k8s-master-01"])
        .all(&["certs check --root out --within 87600h --skip k8s-master-02"])
        .all(&["certs check --root out --textfile certs.prom"])
        .cat("certs.prom")
        .all(&["certs renew --root out", "certs renew --root out -o json"])
        .all(&["certs check --root nowhere"])
        .assert_matches("certs-not-due");
}

#[test]
fn a_certificate_is_due_and_renewed() {
    let workspace = applied("  lifetime: 2h\n  renewBefore: 1h\n");
    workspace.edit("lifetime: 2h\n  renewBefore: 1h", "lifetime: 100h\n  renewBefore: 99h");
    Transcript::new(&workspace)
        .all(&["certs check --root out", "status --root out", "plan --root out"])
        .all(&["certs renew --root out --textfile certs.prom"])
        .cat("certs.prom")
        .all(&["certs check --root out", "certs renew --root out", "plan --root out --check"])
        .all(&["certs renew --root out --within 200h"])
        .assert_matches("certs-due");
}

#[test]
fn a_certificate_is_due_and_renewed_for_programs() {
    let workspace = applied("  lifetime: 2h\n  renewBefore: 1h\n");
    workspace.edit("lifetime: 2h\n  renewBefore: 1h", "lifetime: 100h\n  renewBefore: 99h");
    Transcript::new(&workspace)
        .all(&["certs check --root out -o json", "certs renew --root out -o json"])
        .assert_matches("certs-due-json");
}

#[test]
fn a_renewal_that_is_asked_for() {
    let workspace = applied("");
    workspace.edit("masters:\n", "controllerManager: {flags: {v: 4}}\nmasters:\n");
    Transcript::new(&workspace)
        .all(&["certs renew --root out --force", "certs renew --root out --force --same-key"])
        .all(&["certs renew --root out --within 87600h", "plan --root out"])
        .assert_matches("certs-renew-force");
}

#[test]
fn a_renewal_before_the_first_deployment() {
    let workspace = Workspace::new();
    Transcript::new(&workspace)
        .all(&[
            "certs check --root out",
            "certs renew --root out",
            "certs renew --root out --force",
        ])
        .all(&["certs renew --root out -o json"])
        .assert_matches("certs-not-deployed");
}

#[test]
fn certificates_that_ended_or_have_not_begun() {
    let workspace = applied("");
    let authority = Authority::read(&workspace.file("pki/ca/cert"));
    let (now, hour) = (OffsetDateTime::now_utc(), Duration::HOUR);
    let mut transcript = Transcript::new(&workspace);
    for (what, begin, end) in [
        ("ends in a day", -24 * 365 * hour, 25 * hour),
        ("ended an hour ago", -48 * hour, -hour),
        ("begins in an hour", hour, 24 * 365 * hour),
    ] {
        let name = "system:kube-controller-manager";
        let identity = authority.valid_between(name, &[], now + begin, now + end);
        workspace.write(ON_A_MASTER, identity.certificate);
        transcript.note(what).all(&[
            "certs check --root out",
            "status --root out",
            "plan --root out --check",
        ]);
    }
    transcript.kcm("apply --root out").kcm("status --root out").assert_matches("certs-validity");
}
