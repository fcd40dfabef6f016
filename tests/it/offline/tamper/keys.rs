//! Tests of the CA key on the operator's machine: `plan` and `apply` report the same.

use std::fs;

use kcm_pki::KeyAlgorithm;
use kcm_tests::{Workspace, ca, peers};

use super::chmod;

const KEY: &str = "pki/ca/cert/ca-key.pem";

#[test]
fn plan_refuses_the_ca_key_that_apply_would_refuse() {
    type Tamper<'a> = &'a dyn Fn(&Workspace);
    let encrypt: Tamper<'_> = &|workspace| {
        let arguments = ["pkey", "-aes256", "-passout", "pass:x", "-in", KEY, "-out", "encrypted"];
        peers::run(&mut peers::openssl(workspace.path(), &arguments));
        fs::rename(workspace.file("encrypted"), workspace.file(KEY)).unwrap();
    };
    let cases: [(&str, Tamper<'_>); 8] = [
        ("does not match the CA certificate", &|workspace| {
            workspace.write(KEY, ca(KeyAlgorithm::EcdsaP256, "kubernetes").1);
        }),
        ("does not match the CA certificate", &|workspace| {
            workspace.write(KEY, ca(KeyAlgorithm::EcdsaP384, "other").1);
        }),
        ("is encrypted", encrypt),
        ("no such file or directory", &|workspace| fs::remove_file(workspace.file(KEY)).unwrap()),
        (KEY, &|workspace| workspace.write(KEY, "")),
        (KEY, &|workspace| workspace.write(KEY, "garbage\n")),
        (KEY, &|workspace| workspace.write(KEY, workspace.read("pki/ca/cert/ca.pem"))),
        ("is a directory", &|workspace| {
            fs::remove_file(workspace.file(KEY)).unwrap();
            fs::create_dir(workspace.file(KEY)).unwrap();
        }),
    ];
    for (expected, tamper) in cases {
        let workspace = Workspace::new();
        tamper(&workspace);
        let before = workspace.tree().content();
        let plan = workspace.kcm(&["plan", "--root", "out"]);
        let apply = workspace.kcm(&["apply", "--root", "out"]);
        assert_eq!((plan.code, apply.code), (1, 1), "{expected}: {plan:?} {apply:?}");
        assert_eq!(plan.stderr, apply.stderr);
        assert!(plan.stderr.contains(expected) && plan.stdout.is_empty(), "{plan:?}");
        assert_eq!(workspace.tree().content(), before, "nothing is written");
    }
}

#[test]
fn a_plan_that_issues_nothing_leaves_the_ca_key_closed() {
    let workspace = Workspace::new();
    workspace.apply();
    workspace.write(KEY, "garbage\n");
    chmod(&workspace.file(KEY), 0o600);
    let plan = workspace.kcm(&["plan", "--root", "out"]);
    assert_eq!(plan.code, 0, "{plan:?}");
    let renew = workspace.kcm(&["certs", "renew", "--force", "--root", "out"]);
    assert_eq!(renew.code, 1, "{renew:?}");
    assert!(renew.stderr.contains(KEY), "{renew:?}");
}
