//! Tests of `kcm certs check` on folders, compared with openssl.

use std::fs;

use kcm_tests::control_plane::Authority;
use kcm_tests::{CommandOutput, Workspace, peers};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

const ON_A_MASTER: &str =
    "out/k8s-master-02/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem";

fn check(workspace: &Workspace, arguments: &[&str]) -> CommandOutput {
    workspace.kcm(&[&["certs", "check", "--root", "out"], arguments].concat())
}

fn applied() -> Workspace {
    let workspace = Workspace::new();
    workspace.bring_everything();
    assert_eq!(workspace.kcm(&["apply", "--root", "out"]).code, 0);
    workspace
}

fn document(ran: &CommandOutput) -> Value {
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Returns the fingerprint and the end of validity of a certificate file, as openssl reports them.
fn by_openssl(workspace: &Workspace, file: &str) -> (String, String) {
    let arguments = [
        "x509",
        "-noout",
        "-fingerprint",
        "-sha256",
        "-enddate",
        "-dateopt",
        "iso_8601",
        "-in",
        file,
    ];
    let printed = peers::run(&mut peers::openssl(workspace.path(), &arguments));
    let (fingerprint, end) = printed.trim().split_once('\n').unwrap();
    let fingerprint = fingerprint.rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    let end = end.strip_prefix("notAfter=").unwrap().replace(' ', "T");
    (format!("sha256:{fingerprint}"), end)
}

#[test]
fn every_certificate_is_listed_with_the_end_that_openssl_reads() {
    let workspace = applied();
    let ran = check(&workspace, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 140), "{}", ran.stdout);
    assert!(ran.stdout.contains("No certificate is due: 11 certificates"), "{}", ran.stdout);

    let found = document(&check(&workspace, &["-o", "json"]));
    let certificates = found["certificates"].as_array().unwrap();
    let of = |master: Option<&str>, of: &str| {
        let is_it = |it: &&Value| it["master"].as_str() == master && it["use"] == of;
        certificates.iter().find(is_it).unwrap_or_else(|| panic!("{master:?} {of}: {found}"))
    };
    assert_eq!((certificates.len(), found["unseen"].as_array().unwrap().len()), (11, 0));
    let ca = by_openssl(&workspace, "pki/ca/cert/ca.pem");
    let client =
        by_openssl(&workspace, "pki/kube-controller-manager/cert/kube-controller-manager.pem");
    for master in [None, Some("k8s-master-01"), Some("k8s-master-02"), Some("k8s-master-03")] {
        let mut expected = vec![("ca", &ca), ("client", &client)];
        // The kubeconfig contains the same client certificate.
        expected.extend(master.map(|_| ("kubeconfig", &client)));
        for (role, (fingerprint, end)) in expected {
            let found = of(master, role);
            assert_eq!(
                (found["fingerprint"].as_str(), found["notAfter"].as_str()),
                (Some(fingerprint.as_str()), Some(end.as_str()))
            );
            assert_eq!(found["validity"], "good");
        }
    }
}

#[test]
fn what_ends_soon_has_ended_or_has_not_begun_is_told_with_what_to_do() {
    let workspace = applied();
    let authority = Authority::read(&workspace.file("pki/ca/cert"));
    let (now, hour) = (OffsetDateTime::now_utc(), Duration::HOUR);
    let plant = |begin: Duration, end: Duration| {
        let name = "system:kube-controller-manager";
        let identity = authority.valid_between(name, &[], now + begin, now + end);
        fs::write(workspace.file(ON_A_MASTER), identity.certificate).unwrap();
        let ran = check(&workspace, &[]);
        let line = ran.stdout.lines().find(|line| line.contains("k8s-master-02  client"));
        (ran.code, line.unwrap().to_owned(), ran.stdout.clone())
    };
    let (code, line, all) = plant(-hour, 24 * 365 * hour);
    assert!(code == 0 && line.contains(" 364  /opt"), "{all}");
    let (code, line, all) = plant(-24 * 365 * hour, 25 * hour);
    assert!(code == 3 && line.contains("   1  due: /opt"), "{all}");
    assert!(all.contains("1 of 11 certificates due.\nRun `kcm certs renew` to renew"), "{all}");
    let (code, line, all) = plant(-48 * hour, -hour);
    assert!(code == 3 && line.contains("  0  expired: /opt"), "{all}");
    let (code, line, all) = plant(hour, 24 * 365 * hour);
    assert!(code == 3 && line.contains("not yet valid: ") && all.contains("clock"), "{all}");
}

#[test]
fn who_asks_for_a_longer_time_is_told_of_more() {
    let workspace = applied();
    let ran = check(&workspace, &["--within", "87600h"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("11 of 11 certificates due."), "{}", ran.stdout);
    let ran = check(&workspace, &["--within", "10y"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("10y") && ran.stderr.contains("87600h"), "{ran:?}");
}

#[test]
fn what_is_missing_or_no_certificate_is_told_and_not_taken_for_good() {
    let workspace = applied();
    fs::remove_file(workspace.file(ON_A_MASTER)).unwrap();
    let ca = "out/k8s-master-03/opt/kubernetes/pki/ca/cert/ca.pem";
    fs::create_dir_all(workspace.file(ca).parent().unwrap()).unwrap();
    fs::write(workspace.file(ca), "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
        .unwrap();
    let ran = check(&workspace, &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let line = |of: &str| ran.stdout.lines().find(|line| line.contains(of)).unwrap();
    assert!(line("k8s-master-02  client not observed").contains("is missing"), "{}", ran.stdout);
    assert!(
        line("k8s-master-03  CA not observed")
            .contains(ca.strip_prefix("out/k8s-master-03").unwrap())
    );
    assert!(ran.stdout.contains("2 not observed."), "{}", ran.stdout);

    let ran = workspace.kcm(&["certs", "check", "--root", "nowhere"]);
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
fn metrics_are_written_whole_and_say_the_same() {
    let workspace = applied();
    fs::remove_file(workspace.file(ON_A_MASTER)).unwrap();
    for _ in 0..2 {
        assert_eq!(check(&workspace, &["--textfile", "kcm.prom"]).code, 1);
    }
    let text = workspace.read("kcm.prom");
    let (comments, samples): (Vec<_>, Vec<_>) =
        text.lines().partition(|line| line.starts_with('#'));
    assert_eq!(comments.len(), 8);
    for sample in &samples {
        let (name, value) = sample.rsplit_once(' ').unwrap();
        value.parse::<i64>().unwrap();
        let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
        assert!(comments.contains(&format!("# TYPE {name} gauge").as_str()), "{sample}");
        assert!(labels.ends_with('}'), "{sample}");
    }
    let (_, end) = by_openssl(&workspace, "pki/ca/cert/ca.pem");
    let format = &time::format_description::well_known::Rfc3339;
    let end = OffsetDateTime::parse(&end, format).unwrap().unix_timestamp();
    let here = format!(
        "kcm_certificate_not_after_timestamp_seconds{{master=\"\",use=\"ca\",place=\"{}\"}} {end}",
        "pki/ca/cert/ca.pem"
    );
    assert!(samples.contains(&here.as_str()), "{here}\n{text}");
    assert!(samples.contains(&"kcm_certificates_unseen{master=\"k8s-master-02\"} 1"), "{text}");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(workspace.file("kcm.prom")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o644);
    let ran = check(&workspace, &["--textfile", "no/such/folder/kcm.prom"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("no/such/folder"), "{ran:?}");
}
