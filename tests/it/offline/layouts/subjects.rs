//! Tests of the subject and the usages of the identity.

use super::hand::{Hand, USAGES, USER, leaf};

fn hand(common_name: &str, names: &str, usages: &[&str], has_flag: bool) -> Hand {
    let made = Hand::new();
    let identity = leaf(&made.ca, common_name, names, usages);
    made.each(|master| {
        master.identity = identity.clone();
        if !has_flag {
            master.unset("use-service-account-credentials");
        }
    })
}

#[test]
fn a_renewal_keeps_the_subject_as_found() {
    for (common_name, names, usages, subject) in [
        (USER, r#"[{"O": "system:masters"}]"#, &USAGES[..], "O=system:masters"),
        (
            USER,
            r#"[{"C": "DE", "ST": "Bayern", "L": "Coburg", "O": "system:masters", "OU": "Ops"}]"#,
            &USAGES,
            "L=Coburg",
        ),
        (USER, r#"[{"O": "system:masters"}, {"O": "k8s"}]"#, &USAGES, "O=k8s"),
        (USER, "[]", &["signing", "client auth"], "CN=system:kube-controller-manager"),
        (
            "kube-controller-manager",
            r#"[{"O": "system:masters"}]"#,
            &["digital signature", "client auth"],
            "CN=kube-controller-manager",
        ),
    ] {
        let made = hand(common_name, names, usages, false);
        let text = made.adopted_wholly(names);
        assert!(
            text.contains("csr: pki/kube-controller-manager/kube-controller-manager-csr.json"),
            "{text}"
        );
        made.workspace.edit("keyAlgorithm: ecdsa-p256", "keyAlgorithm: ecdsa-p384");
        let ran = made.workspace.kcm(&["apply", "--root", "out"]);
        assert_eq!(ran.code, 0, "{names}: {ran:?}");
        {
            let what = "client-certificate-data";
            made.workspace.write("x.pem", made.in_kubeconfig("m1", what));
            let printed = made.openssl(&[
                "x509",
                "-in",
                "x.pem",
                "-noout",
                "-subject",
                "-nameopt",
                "sep_multiline,use_quote,sname",
            ]);
            assert!(printed.replace(" + ", "\n").contains(subject), "{names}: {printed}");
            let printed = made.openssl(&["x509", "-in", "x.pem", "-noout", "-text"]);
            assert_eq!(
                printed.contains("TLS Web Server"),
                usages.contains(&"server auth"),
                "{printed}"
            );
        }
    }
}

#[test]
fn a_subject_that_loses_its_group_is_refused_while_controllers_need_it() {
    for (has_flag, code) in [(false, 1), (true, 0)] {
        let made = hand(USER, r#"[{"O": "system:masters"}]"#, &USAGES, has_flag);
        made.adopted_wholly("masters");
        let line = "  csr: pki/kube-controller-manager/kube-controller-manager-csr.json\n";
        made.workspace.edit(line, "");
        made.workspace.edit("keyAlgorithm: ecdsa-p256", "keyAlgorithm: ecdsa-p384");
        let ran = made.workspace.kcm(&["apply", "--root", "out"]);
        assert_eq!(ran.code, code, "{ran:?}");
        let printed =
            ran.stderr.contains("[subject-mismatch]") && ran.stderr.contains("system:masters");
        assert_eq!(printed, !has_flag, "{ran:?}");
    }
}

#[test]
fn another_user_is_named_and_nothing_is_said_to_be_in_order() {
    let made = hand("kcm", r#"[{"O": "ops"}]"#, &USAGES, true);
    made.lay_out();
    let ran = made.adopt(&[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    for part in ["[not-reproduced]", "user `kcm`"] {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
}
