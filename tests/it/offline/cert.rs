//! Tests of `kcm cert`, compared with cfssl and OpenSSL.

mod bad_input;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use kcm_pki::{Certificate, CertificateRequest, PrivateKey};
use kcm_tests::{CommandOutput, Workspace, kcm, peers};
use serde_json::{Value as Json, json};

const CONFIG: &str = r#"{"signing": {"default": {"expiry": "8760h"}, "profiles": {
  "kubernetes": {"usages": ["signing", "key encipherment", "server auth", "client auth"], "expiry": "87600h"},
  "server": {"usages": ["signing", "server auth"], "expiry": "1h"}}}}"#;

const SIGN: [&str; 8] = [
    "--ca",
    "ca.pem",
    "--ca-key",
    "ca-key.pem",
    "--config",
    "ca-config.json",
    "--profile",
    "kubernetes",
];

fn names() -> Json {
    json!([{"C": "CN", "ST": "Shanghai", "L": "Shanghai", "O": "kubernetes", "OU": "System"}])
}

/// Returns a folder with the tutorial's files, and the CA that kcm made from them.
fn site() -> Workspace {
    let workspace = Workspace::empty();
    let key = json!({"algo": "rsa", "size": 2048});
    let ca = json!({"CN": "kubernetes", "key": key, "names": names(), "ca": {"expiry": "876000h"}});
    let leaf =
        json!({"CN": "system:kube-controller-manager", "hosts": [], "key": key, "names": names()});
    let server = json!({"CN": "kube-apiserver", "hosts": ["10.0.0.1", "a.example", "10.0.0.1"]});
    workspace.write("ca-csr.json", ca.to_string());
    workspace.write("leaf-csr.json", leaf.to_string());
    workspace.write("server-csr.json", server.to_string());
    workspace.write("ca-config.json", CONFIG);
    let made = workspace.kcm(&["cert", "new-ca", "ca-csr.json", "--out", "ca"]);
    assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{made:?}");
    workspace
}

/// Runs `kcm cert` with arguments and those of the CA.
fn signing(workspace: &Workspace, arguments: &[&str]) -> CommandOutput {
    workspace.kcm(&[&["cert"], arguments, &SIGN].concat())
}

/// Runs a shell script in which `kcm` is this build.
fn shell(workspace: &Workspace, script: &str) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", kcm().parent().unwrap().display());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(workspace.path());
    peers::run(command.env("PATH", path))
}

fn certificate(workspace: &Workspace, file: &str) -> Certificate {
    Certificate::from_pem(workspace.read(file).as_bytes()).unwrap()
}

fn mode(workspace: &Workspace, file: &str) -> u32 {
    fs::metadata(workspace.file(file)).unwrap().permissions().mode() & 0o777
}

/// Asserts that two certificates are equal except for key, serial number, key identifiers and
/// signature. The times may differ by a minute.
fn assert_alike(workspace: &Workspace, ours: &str, theirs: &str) {
    let (left, right) = (certificate(workspace, ours), certificate(workspace, theirs));
    assert_eq!(left.subject_der(), right.subject_der());
    assert_eq!(left.issuer_der(), right.issuer_der());
    assert_eq!(left.usages(), right.usages());
    assert_eq!(left.sans(), right.sans());
    assert_eq!((left.is_ca(), left.path_len()), (right.is_ca(), right.path_len()));
    assert_eq!(left.signature_algorithm(), right.signature_algorithm());
    assert_eq!(left.public_key().key_type(), right.public_key().key_type());
    assert!((left.not_after() - right.not_after()).whole_minutes().abs() <= 1);
    assert!((left.not_before() - right.not_before()).whole_minutes().abs() <= 1);
    let layout = |file: &str| {
        let text = peers::run(&mut peers::openssl(workspace.path(), &["asn1parse", "-in", file]));
        let names =
            text.lines().filter(|line| line.contains(":X509v3") || line.contains("BOOLEAN"));
        names.map(|line| line.rsplit(':').next().unwrap().trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(layout(ours), layout(theirs), "the order of the extensions");
}

#[test]
fn the_steps_of_the_tutorial_give_what_cfssl_gives() {
    if !peers::has("cfssl") {
        return;
    }
    let workspace = site();
    let made = signing(&workspace, &["issue", "leaf-csr.json", "--out", "leaf"]);
    assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{made:?}");
    let made = signing(&workspace, &["issue", "server-csr.json", "--out", "server"]);
    assert_eq!(made.code, 0, "{made:?}");
    shell(
        &workspace,
        "cfssl gencert -initca -loglevel=5 ca-csr.json | cfssljson -bare their-ca
         sign='-loglevel=5 -ca=ca.pem -ca-key=ca-key.pem -config=ca-config.json -profile=kubernetes'
         cfssl gencert $sign leaf-csr.json | cfssljson -bare their-leaf
         cfssl gencert $sign server-csr.json | cfssljson -bare their-server",
    );
    for (ours, theirs) in [("leaf", "their-leaf"), ("server", "their-server")] {
        assert_alike(&workspace, &format!("{ours}.pem"), &format!("{theirs}.pem"));
    }
    let [ours, theirs] = ["ca.pem", "their-ca.pem"].map(|file| certificate(&workspace, file));
    assert_eq!(ours.subject_der(), theirs.subject_der());
    assert_eq!((ours.not_after() - theirs.not_after()).whole_minutes().abs() / 2, 0);
    for name in ["ca", "leaf", "server"] {
        let [key, certificate_mode, request] =
            ["-key.pem", ".pem", ".csr"].map(|suffix| mode(&workspace, &format!("{name}{suffix}")));
        assert_eq!((key, certificate_mode, request), (0o600, 0o644, 0o644));
        let key = PrivateKey::from_pem(workspace.read(&format!("{name}-key.pem")).as_bytes());
        assert!(key.unwrap().matches(&certificate(&workspace, &format!("{name}.pem"))));
        let csr = format!("{name}.csr");
        peers::run(&mut peers::openssl(
            workspace.path(),
            &["req", "-verify", "-noout", "-in", &csr],
        ));
    }
    let verify = ["verify", "-x509_strict", "-CAfile", "ca.pem", "leaf.pem", "server.pem"];
    peers::run(&mut peers::openssl(workspace.path(), &verify));
}

#[test]
fn pipes_with_cfssl_work_in_both_directions() {
    if !peers::has("cfssl") {
        return;
    }
    let workspace = site();
    shell(
        &workspace,
        "sign='--ca ca.pem --ca-key ca-key.pem --config ca-config.json --profile kubernetes'
         cfssl genkey -loglevel=5 leaf-csr.json | cfssljson -bare a
         kcm cert sign a.csr $sign > a.pem
         cfssl genkey -loglevel=5 leaf-csr.json | kcm cert sign - $sign -o cfssl | cfssljson -bare b
         kcm cert request leaf-csr.json --out c
         cfssl sign -loglevel=5 -ca ca.pem -ca-key ca-key.pem -config ca-config.json -profile kubernetes c.csr | cfssljson -bare c
         kcm cert request leaf-csr.json -o cfssl | cfssljson -bare d
         kcm cert sign d.csr $sign --out d
         kcm cert issue leaf-csr.json $sign -o cfssl | cfssljson -bare e
         kcm cert issue - $sign -o cfssl < leaf-csr.json | cfssljson -bare f
         kcm cert new-ca ca-csr.json -o cfssl | cfssljson -bare g
         cfssl gencert -loglevel=5 -ca g.pem -ca-key g-key.pem leaf-csr.json | cfssljson -bare h
         openssl req -new -newkey rsa:2048 -nodes -keyout i-key.pem -subj /O=o/CN=i > i.csr 2>/dev/null
         kcm cert sign i.csr $sign --hostname i.example --out i
         openssl verify -x509_strict -CAfile ca.pem a.pem b.pem c.pem d.pem e.pem f.pem i.pem
         openssl verify -CAfile g.pem h.pem",
    );
    for name in ["a", "c", "d", "e", "f", "g", "h", "i"] {
        let key = workspace.read(&format!("{name}-key.pem"));
        let certificate = certificate(&workspace, &format!("{name}.pem"));
        assert!(PrivateKey::from_pem(key.as_bytes()).unwrap().matches(&certificate), "{name}");
        let request = workspace.read(&format!("{name}.csr"));
        let request = CertificateRequest::from_pem(request.as_bytes()).unwrap();
        assert_eq!(request.public_key(), certificate.public_key(), "{name}");
        assert_eq!(request.subject_der(), certificate.subject_der(), "{name}");
    }
    assert_eq!(certificate(&workspace, "i.pem").sans().len(), 1);
}

#[test]
fn a_request_decides_neither_names_nor_rights() {
    let workspace = site();
    shell(
        &workspace,
        "openssl ecparam -name prime256v1 -genkey -noout -out k.pem
         new() { openssl req -new -key k.pem -subj /O=system:masters/CN=x \"$@\"; }
         new -addext subjectAltName=DNS:evil.example,IP:10.0.0.9 -addext keyUsage=keyCertSign > names.csr
         new -addext basicConstraints=critical,CA:TRUE > ca.csr
         new -sha1 > sha1.csr
         new | sed 's/A/B/' > bad.csr",
    );
    let signed = signing(&workspace, &["sign", "names.csr", "--hostname", "good.example"]);
    assert_eq!(signed.code, 0, "{signed:?}");
    assert_eq!(
        signed.stderr,
        "warning: the request asks for the names evil.example,10.0.0.9, which are not in the \
         certificate; if they are right, add --hostname good.example,evil.example,10.0.0.9\n"
    );
    let certificate = Certificate::from_pem(signed.stdout.as_bytes()).unwrap();
    assert_eq!(
        certificate.sans().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["good.example"]
    );
    let usages = "signing, key encipherment, server auth, client auth";
    assert_eq!((certificate.usages().to_string().as_str(), certificate.is_ca()), (usages, false));
    for (file, expected) in [
        ("ca.csr", "asks for a CA certificate (CA:TRUE)"),
        ("sha1.csr", "is signed with ecdsa-with-SHA1, which is too weak"),
        ("bad.csr", "error: "),
        ("k.pem", "no certificate request in PEM format (found: EC PRIVATE KEY)"),
    ] {
        let refused = signing(&workspace, &["sign", file, "--out", "new"]);
        let code = if file == "ca.csr" { 2 } else { 1 };
        assert_eq!((refused.code, refused.stdout.as_str()), (code, ""), "{refused:?}");
        assert!(refused.stderr.contains(expected), "{refused:?}");
        assert!(!workspace.file("new.pem").exists());
    }
    workspace.write("subject.json", r#"{"CN": "y", "names": [{"O": "o"}]}"#);
    let signed = signing(&workspace, &["sign", "names.csr", "subject.json"]);
    assert_eq!(Certificate::from_pem(signed.stdout.as_bytes()).unwrap().subject(), "O=o, CN=y");
}

#[test]
fn an_encrypted_ca_key_needs_its_passphrase() {
    let workspace = site();
    shell(
        &workspace,
        "openssl pkcs8 -topk8 -v2 aes-256-cbc -in ca-key.pem -passout pass:geheim -out enc.pem
         openssl rsa -traditional -aes256 -in ca-key.pem -passout pass:geheim -out old.pem 2>/dev/null
         printf 'geheim\\nsecond line\\n' > right; printf wrong > wrong",
    );
    let issue = |key: &str, more: &[&str]| {
        let mut command = Command::new("setsid");
        command.current_dir(workspace.path()).arg(kcm()).args(["cert", "issue", "leaf-csr.json"]);
        command.args(["--ca", "ca.pem", "--ca-key", key, "--out", "new"]).args(more);
        let output = peers::output(command.env("KCM_TEST_PASS", "geheim").stdin(Stdio::null()));
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for key in ["enc.pem", "old.pem"] {
        for right in [["--passphrase-file", "right"], ["--passphrase-env", "KCM_TEST_PASS"]] {
            assert_eq!(issue(key, &right), (0, String::new()), "{key} {right:?}");
            fs::remove_file(workspace.file("new-key.pem")).unwrap();
        }
        for (wrong, code, expected) in [
            (&["--passphrase-file", "wrong"][..], 1, "the passphrase does not decrypt"),
            (
                &["--passphrase-env", "KCM_TEST_NONE"],
                1,
                "environment variable KCM_TEST_NONE is not set",
            ),
            (&["--passphrase-file", "missing"], 1, "no such file"),
            (&[], 1, "set --passphrase-file or --passphrase-env"),
        ] {
            let (found, stderr) = issue(key, wrong);
            assert_eq!(found, code, "{stderr}");
            assert!(stderr.contains(expected) && !stderr.contains("geheim"), "{stderr}");
            assert!(!workspace.file("new-key.pem").exists());
        }
    }
}

#[test]
fn files_appear_all_or_none_and_links_stay_links() {
    let workspace = site();
    let issue = |out: &str| signing(&workspace, &["issue", "leaf-csr.json", "--out", out]);
    workspace.write("a-key.pem", "old");
    fs::set_permissions(workspace.file("a-key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::create_dir(workspace.file("there")).unwrap();
    workspace.write("there/real.pem", "old");
    std::os::unix::fs::symlink("there/real.pem", workspace.file("a.pem")).unwrap();
    assert_eq!(issue("a").code, 0);
    assert_eq!(mode(&workspace, "a-key.pem"), 0o600);
    assert!(workspace.file("a.pem").is_symlink());
    assert!(workspace.read("there/real.pem").starts_with("-----BEGIN CERTIFICATE-----"));

    for blocked in ["b.pem", "b-key.pem", "b.csr"] {
        let before = workspace.tree().content();
        fs::create_dir(workspace.file(blocked)).unwrap();
        let refused = issue("b");
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
        assert_eq!(refused.stderr.matches("error: ").count(), 1, "{refused:?}");
        fs::remove_dir(workspace.file(blocked)).unwrap();
        assert!(workspace.tree().content() == before, "{blocked}");
    }
    fs::write(workspace.file("file"), "").unwrap();
    assert_eq!(issue("file/b").code, 1);
    assert_eq!(issue("new/folder/b").code, 0);
    assert!(workspace.file("new/folder/b-key.pem").is_file());
    let hidden = fs::read_dir(workspace.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!hidden.into_iter().any(|name| name.to_string_lossy().starts_with('.')));
}

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

#[test]
fn machine_readable_results_are_valid() {
    let workspace = site();
    for (arguments, fields) in [
        (&["request", "leaf-csr.json", "--out", "a", "-o", "json"][..], 0),
        (&["new-ca", "ca-csr.json", "--out", "b", "-o", "yaml"], 1),
    ] {
        let made = workspace.kcm(&[&["cert"], arguments].concat());
        assert_eq!(made.code, 0, "{made:?}");
        let document: Json = serde_yaml::from_str(&made.stdout).unwrap();
        assert_eq!(document["kind"], "CertificateFiles");
        assert_eq!(document.get("certificate").iter().count(), fields);
        assert!(!made.stdout.contains("PRIVATE"), "{made:?}");
    }
    let made = signing(&workspace, &["issue", "leaf-csr.json", "--out", "c", "-o", "json"]);
    assert_eq!(crate::offline::schemas::assert_output_is_valid(&made.stdout), ["CertificateFiles"]);
}
