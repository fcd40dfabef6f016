//! Tests of the CA key on the operator's machine: `plan` and `apply` report the same.

use std::fs;

use kcm_pki::KeyAlgorithm;
use kcm_tests::{Site, ca, peers};

use super::chmod;

const KEY: &str = "pki/ca/cert/ca-key.pem";

#[test]
fn plan_refuses_the_ca_key_that_apply_would_refuse() {
    type Tamper<'a> = &'a dyn Fn(&Site);
    let encrypt: Tamper<'_> = &|site| {
        let arguments = ["pkey", "-aes256", "-passout", "pass:x", "-in", KEY, "-out", "encrypted"];
        peers::run(&mut peers::openssl(site.path(), &arguments));
        fs::rename(site.file("encrypted"), site.file(KEY)).unwrap();
    };
    let cases: [(&str, Tamper<'_>); 8] = [
        ("does not match the CA certificate", &|site| {
            site.write(KEY, ca(KeyAlgorithm::EcdsaP256, "kubernetes").1);
        }),
        ("does not match the CA certificate", &|site| {
            site.write(KEY, ca(KeyAlgorithm::EcdsaP384, "other").1);
        }),
        ("is encrypted", encrypt),
        ("no such file or directory", &|site| fs::remove_file(site.file(KEY)).unwrap()),
        (KEY, &|site| site.write(KEY, "")),
        (KEY, &|site| site.write(KEY, "garbage\n")),
        (KEY, &|site| site.write(KEY, site.read("pki/ca/cert/ca.pem"))),
        ("is a directory", &|site| {
            fs::remove_file(site.file(KEY)).unwrap();
            fs::create_dir(site.file(KEY)).unwrap();
        }),
    ];
    for (expected, tamper) in cases {
        let site = Site::new();
        tamper(&site);
        let before = site.tree().content();
        let plan = site.kcm(&["plan", "--root", "out"]);
        let apply = site.kcm(&["apply", "--root", "out"]);
        assert_eq!((plan.code, apply.code), (1, 1), "{expected}: {plan:?} {apply:?}");
        assert_eq!(plan.stderr, apply.stderr);
        assert!(plan.stderr.contains(expected) && plan.stdout.is_empty(), "{plan:?}");
        assert_eq!(site.tree().content(), before, "nothing is written");
    }
}

#[test]
fn a_plan_that_issues_nothing_leaves_the_ca_key_closed() {
    let site = Site::new();
    site.apply();
    site.write(KEY, "garbage\n");
    chmod(&site.file(KEY), 0o600);
    let plan = site.kcm(&["plan", "--root", "out"]);
    assert_eq!(plan.code, 0, "{plan:?}");
    let renew = site.kcm(&["certs", "renew", "--force", "--root", "out"]);
    assert_eq!(renew.code, 1, "{renew:?}");
    assert!(renew.stderr.contains(KEY), "{renew:?}");
}
