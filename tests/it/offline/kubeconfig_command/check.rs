//! `kcm kubeconfig check`: each problem is a finding, and a good kubeconfig has none.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use kcm_pki::KeyAlgorithm;
use kcm_tests::{CommandOutput, Workspace, ca, peers};
use serde_json::Value;

use super::{CA, CERTIFICATE, KEY, SERVER, build, built, kubectl, workspace};
use crate::offline::schemas::assert_output_is_valid;

fn check(workspace: &Workspace, further: &[&str]) -> CommandOutput {
    workspace.kcm(&[&["kubeconfig", "check", "x"], further].concat())
}

/// Returns the exit code and the codes of the findings, which text and JSON share.
fn codes(workspace: &Workspace, further: &[&str]) -> (i32, Vec<String>) {
    let text = check(workspace, further);
    let json = check(workspace, &[further, &["-o", "json"]].concat());
    assert_eq!(assert_output_is_valid(&json.stdout), ["KubeconfigCheck"]);
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    let findings = document["findings"].as_array().unwrap();
    let codes = findings.iter().map(|it| it["code"].as_str().unwrap().to_owned());
    let codes: Vec<_> = codes.collect();
    assert_eq!(text.code, json.code, "{text:?}");
    for code in &codes {
        assert!(text.stdout.contains(&format!("[{code}]: ")), "{text:?}");
    }
    assert_eq!(text.stdout.matches("\n  help: ").count(), codes.len(), "{text:?}");
    (text.code, codes)
}

#[test]
fn a_kubeconfig_of_kcm_and_one_of_kubectl_have_no_findings() {
    let workspace = workspace();
    for embed in ["--embed-certs=true", "--embed-certs=false"] {
        assert_eq!(build(&workspace, &[embed, "--out", "x"]).code, 0);
        assert_eq!(codes(&workspace, &[]), (0, vec![]), "{embed}");
        let expected = ["--server", SERVER, "--ca", CA, "--within", "720h"];
        assert_eq!(codes(&workspace, &expected), (0, vec![]), "{embed}");
        fs::remove_file(workspace.file("x")).unwrap();
    }
    if peers::has("kubectl") {
        let run = |arguments: &[&str]| drop(kubectl(workspace.path(), "x", arguments));
        let (server, ca) = (format!("--server={SERVER}"), format!("--certificate-authority={CA}"));
        run(&["set-cluster", "c", &server, &ca, "--embed-certs"]);
        let certificate = format!("--client-certificate={CERTIFICATE}");
        run(&["set-credentials", "u", &certificate, &format!("--client-key={KEY}")]);
        run(&["set-context", "x", "--cluster=c", "--user=u"]);
        run(&["use-context", "x"]);
        assert_eq!(codes(&workspace, &[]), (0, vec![]));
    }
}

#[test]
fn each_problem_of_the_text_is_one_finding() {
    let workspace = workspace();
    let text = built(&workspace, "x");
    let key = text.lines().find(|it| it.contains("client-key-data")).unwrap().to_owned() + "\n";
    let certificate = text.lines().find(|it| it.contains("client-certificate-data")).unwrap();
    let certificate = certificate.to_owned() + "\n";
    let authority = text.lines().find(|it| it.contains("certificate-authority-data")).unwrap();
    let (_, authority) = authority.split_once(": ").unwrap();
    let token = format!("{key}    token: hunter2\n");
    for (from, to, code, expected) in [
        (&*text, "not: [a", 1, "file-unusable"),
        (&*text, "", 1, "context-invalid"),
        ("current-context: default", "current-context: \"\"", 1, "context-invalid"),
        ("current-context: default", "current-context: other", 1, "context-invalid"),
        ("    cluster: kubernetes", "    cluster: other", 1, "context-invalid"),
        ("    user: kube", "    user: other-kube", 1, "context-invalid"),
        (SERVER, "http://192.168.1.210:8080", 1, "server-invalid"),
        (SERVER, "https://192.168.1.210:99999", 1, "server-invalid"),
        (SERVER, "\"\"", 1, "context-invalid"),
        (authority, "bm8gUEVN", 1, "file-unusable"),
        (&*key, "", 1, "credential-missing"),
        (&*certificate, "", 1, "credential-missing"),
        (&*key, &*token, 3, "credential-stale"),
        ("kind: Config", "kind: Config\nUsers: []", 3, "kubeconfig-ignored"),
        ("kind: Config", "kind: Config\nkind: Config", 3, "kubeconfig-ignored"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        workspace.write("x", changed);
        assert_eq!(codes(&workspace, &[]), (code, vec![expected.to_owned()]), "{from} -> {to}");
        let shown = check(&workspace, &["-o", "json"]).stdout + &check(&workspace, &[]).stdout;
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    workspace.write("x", text.replace(&key, "").replace(&certificate, ""));
    assert_eq!(codes(&workspace, &[]), (1, vec!["credential-missing".to_owned()]));
}

#[test]
fn keys_cas_dates_and_modes_are_compared() {
    let workspace = workspace();
    let is = |further: &[&str], code: i32, expected: &[&str]| {
        let expected = expected.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(codes(&workspace, further), (code, expected), "{further:?}");
    };
    let (other_ca, other_key) = ca(KeyAlgorithm::EcdsaP256, "other");
    let (same_name, _) = ca(KeyAlgorithm::EcdsaP256, "kubernetes");
    workspace.write("other.pem", &other_ca);
    workspace.write("same.pem", &same_name);
    workspace.write("both.pem", format!("{other_ca}{}", workspace.read(CA)));
    workspace.write("key.pem", workspace.read(KEY));
    fs::set_permissions(workspace.file("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    built(&workspace, "x");
    is(&["--ca", "other.pem"], 1, &["certificate-untrusted"]);
    is(&["--ca", "same.pem"], 1, &["certificate-untrusted"]);
    is(&["--ca", "both.pem"], 0, &[]);
    is(&["--server", "https://192.168.1.211:6443"], 1, &["server-differs"]);
    // The client certificate is valid for 10 years, and so is the CA.
    is(&["--within", "200000h"], 3, &["certificate-due", "certificate-due"]);
    fs::set_permissions(workspace.file("x"), fs::Permissions::from_mode(0o640)).unwrap();
    is(&[], 3, &["secret-readable"]);

    let text = workspace.read("x");
    let named = text.lines().map(|line| {
        let Some((key, _)) = line.split_once("client-key-data:") else { return line.to_owned() };
        format!("{key}client-key: key.pem")
    });
    let named: String = named.map(|line| line + "\n").collect();
    workspace.write("x", named);
    is(&[], 0, &[]);
    fs::set_permissions(workspace.file("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    is(&[], 3, &["secret-readable"]);
    workspace.write("key.pem", &other_key);
    is(&[], 1, &["key-mismatch", "secret-readable"]);
    fs::set_permissions(workspace.file("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    workspace.write("key.pem", "");
    is(&[], 1, &["file-unusable"]);
    fs::remove_file(workspace.file("key.pem")).unwrap();
    is(&[], 1, &["file-missing"]);
}

#[test]
fn named_files_start_at_the_folder_of_the_kubeconfig() {
    let workspace = workspace();
    assert_eq!(build(&workspace, &["--out", "pki/x"]).code, 0);
    let text = workspace.read("pki/x");
    assert!(text.contains("certificate-authority: ca/cert/ca.pem\n"), "{text}");
    let ran = workspace.kcm(&["kubeconfig", "check", "pki/x"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    workspace.write("elsewhere/x", text);
    let ran = workspace.kcm(&["kubeconfig", "check", "elsewhere/x"]);
    assert_eq!((ran.code, ran.stdout.matches("[file-missing]").count()), (1, 3), "{ran:?}");
}

#[test]
fn an_expired_certificate_and_one_of_an_intermediate_are_judged_as_openssl_does() {
    if !peers::has("openssl") {
        return;
    }
    let workspace = workspace();
    let openssl = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        drop(peers::run(&mut peers::openssl(workspace.path(), &words)));
    };
    let ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let ca = "-CA pki/ca/cert/ca.pem -CAkey pki/ca/cert/ca-key.pem";
    workspace.write("ca.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n");
    workspace.write("leaf.ext", "extendedKeyUsage=clientAuth\nkeyUsage=digitalSignature\n");
    openssl(&format!("req {ec} -keyout i.key -subj /CN=intermediate -out i.csr"));
    openssl(&format!("x509 -req -in i.csr {ca} -days 30 -extfile ca.ext -out i.pem"));
    openssl(&format!("req {ec} -keyout l.key -subj /CN=leaf -out l.csr"));
    openssl("x509 -req -in l.csr -CA i.pem -CAkey i.key -days 30 -extfile leaf.ext -out l.pem");
    workspace.write("chain.pem", workspace.read("l.pem") + &workspace.read("i.pem"));
    for (certificate, code, expected) in
        [("chain.pem", 0, vec![]), ("l.pem", 1, vec!["certificate-untrusted"])]
    {
        let verify = ["verify", "-CAfile", CA, "-untrusted", certificate, certificate];
        let verified = peers::output(&mut peers::openssl(workspace.path(), &verify));
        assert_eq!(verified.status.success(), code == 0, "{verified:?}");
        let mut line = super::arguments(&["--embed-certs", "--out", "x"]);
        (line[7], line[9]) = (certificate, "l.key");
        assert_eq!(workspace.kcm(&line).code, 0);
        let expected: Vec<_> = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(codes(&workspace, &["--within", "1h"]), (code, expected), "{certificate}");
    }
    openssl(&format!("x509 -req -in l.csr {ca} -days -1 -extfile leaf.ext -out old.pem"));
    let mut line = super::arguments(&["--embed-certs", "--out", "x"]);
    (line[7], line[9]) = ("old.pem", "l.key");
    assert_eq!(workspace.kcm(&line).code, 0);
    assert_eq!(codes(&workspace, &[]), (1, vec!["certificate-expired".to_owned()]));
}
