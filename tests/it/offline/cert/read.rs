//! Tests of `kcm cert show` and `kcm cert verify`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use kcm_tests::{Workspace, kcm, peers};
use serde_json::{Value as Json, json};

use super::{shell, signing, site};

#[test]
fn certificates_are_shown_with_what_openssl_reads() {
    let workspace = site();
    assert_eq!(signing(&workspace, &["issue", "server-csr.json", "--out", "server"]).code, 0);
    shell(&workspace, "cat server.pem ca.pem > both.pem");
    let shown = workspace.kcm(&["cert", "show", "both.pem", "-o", "json"]);
    crate::offline::schemas::assert_output_is_valid(&shown.stdout);
    let shown: Json = serde_json::from_str(&shown.stdout).unwrap();
    let [server, ca] = &shown["certificates"].as_array().unwrap()[..] else { panic!("{shown}") };
    assert_eq!(server["names"], json!(["a.example", "10.0.0.1", "10.0.0.1"]));
    assert_eq!((&server["isCa"], &ca["isCa"]), (&json!(false), &json!(true)));
    assert_eq!(server["authorityKeyId"], ca["subjectKeyId"]);
    let openssl = ["x509", "-noout", "-serial", "-fingerprint", "-sha256", "-in", "server.pem"];
    let text = peers::run(&mut peers::openssl(workspace.path(), &openssl)).to_lowercase();
    let text = text.replace(':', "");
    let values: Vec<_> = text.lines().map(|line| line.split('=').nth(1).unwrap()).collect();
    let serial = server["serial"].as_str().unwrap();
    assert_eq!(serial.trim_start_matches('0'), values[0].trim_start_matches('0'));
    assert_eq!(server["fingerprint"], format!("sha256:{}", values[1]));
    let human = workspace.kcm(&["cert", "show", "both.pem"]).stdout;
    for expected in ["CN=kube-apiserver\n", "a.example, 10.0.0.1", "ecdsa-p256", "days left)"] {
        assert!(human.contains(expected), "{human}");
    }
    let key = workspace.kcm(&["cert", "show", "ca-key.pem"]);
    assert_eq!(key.code, 1);
    assert!(key.stderr.contains("(found: RSA PRIVATE KEY)"), "{key:?}");
}

#[test]
fn the_certificates_of_a_server_are_shown() {
    let workspace = site();
    assert_eq!(signing(&workspace, &["issue", "server-csr.json", "--out", "server"]).code, 0);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = free.to_string();
    let mut server = Command::new("openssl");
    server.current_dir(workspace.path()).args(["s_server", "-quiet", "-accept", &address]);
    server.args(["-cert", "server.pem", "-key", "server-key.pem", "-cert_chain", "ca.pem"]);
    let mut server = server.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut shown = workspace.kcm(&["cert", "show", &address, "-o", "json"]);
    for _ in 0..100 {
        if shown.code == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        shown = workspace.kcm(&["cert", "show", &address, "-o", "json"]);
    }
    server.kill().unwrap();
    server.wait().unwrap();
    let shown: Json = serde_json::from_str(&shown.stdout).unwrap();
    let subjects: Vec<_> =
        shown["certificates"].as_array().unwrap().iter().map(|it| &it["subject"]).collect();
    assert_eq!(subjects[0], "CN=kube-apiserver");
    assert_eq!(subjects.len(), 2);
    let gone = workspace.kcm(&["cert", "show", &address]);
    assert_eq!(gone.code, 1, "{gone:?}");
    assert!(gone.stderr.contains("cannot read the certificates"), "{gone:?}");
}

#[test]
fn verification_answers_by_exit_code() {
    let workspace = site();
    assert_eq!(signing(&workspace, &["issue", "server-csr.json", "--out", "server"]).code, 0);
    let only = ["--ca", "ca.pem", "--ca-key", "ca-key.pem", "--config", "ca-config.json"];
    let issue = ["cert", "issue", "server-csr.json", "--profile", "server", "--out", "only"];
    assert_eq!(workspace.kcm(&[&issue[..], &only].concat()).code, 0);
    let made = workspace.kcm(&["cert", "new-ca", "ca-csr.json", "--out", "other"]);
    assert_eq!(made.code, 0);
    shell(&workspace, "cat other.pem ca.pem > bundle.pem");
    let verify = |arguments: &[&str]| workspace.kcm(&[&["cert", "verify"], arguments].concat());
    for (arguments, code, expected) in [
        (&["server.pem", "--ca", "ca.pem"][..], 0, "valid client certificate"),
        (&["only.pem", "--ca", "bundle.pem"], 0, "valid server certificate"),
        (&["only.pem", "--ca", "ca.pem", "--usage", "client"], 1, "lacks \"client auth\""),
        (&["server.pem", "--ca", "ca.pem", "--hostname", "a.example,10.0.0.1"], 0, "valid"),
        (
            &["server.pem", "--ca", "ca.pem", "--hostname", "b.example"],
            1,
            "not valid for b.example",
        ),
        (&["server.pem", "--ca", "ca.pem", "--within", "87000h"], 0, "valid"),
        (&["server.pem", "--ca", "ca.pem", "--within", "87601h"], 3, "valid"),
        (&["server.pem", "--ca", "other.pem"], 1, "was not signed by the key of this CA"),
        (&["server.pem", "--ca", "server.pem"], 1, "not a CA certificate"),
        (&["ca.pem", "--ca", "ca.pem"], 1, "is a CA certificate, not a leaf"),
        (&["missing.pem", "--ca", "ca.pem"], 1, "no such file"),
    ] {
        let ran = verify(arguments);
        assert_eq!(ran.code, code, "{arguments:?} {ran:?}");
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains(expected), "{ran:?}");
    }
    let ran = verify(&["server.pem", "--ca", "ca.pem", "-o", "json"]);
    let kinds = crate::offline::schemas::assert_output_is_valid(&ran.stdout);
    assert_eq!(kinds, ["CertificateVerification"]);
    let piped = piped(&workspace, &["cert", "verify", "-", "--ca", "ca.pem"], "server.pem");
    assert_eq!(piped, 0);
}

/// Runs `kcm` with a file on standard input; returns the exit code.
fn piped(workspace: &Workspace, arguments: &[&str], file: &str) -> i32 {
    let mut command = Command::new(kcm());
    command.current_dir(workspace.path()).args(arguments).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(workspace.read(file).as_bytes()).unwrap();
    child.wait().unwrap().code().unwrap()
}
