//! Tests of `kcm cert`, compared with cfssl and OpenSSL.

mod bad_input;
mod cuts;
mod read;

use std::fs;
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

#[test]
fn a_new_ca_below_another_one_is_an_intermediate() {
    if !peers::has("openssl") || !peers::has("cfssl") {
        return;
    }
    let workspace = site();
    let ca = json!({"CN": "signing", "key": {"algo": "ecdsa", "size": 256}, "names": names(),
        "ca": {"expiry": "8760h", "pathlen": 0, "pathlenzero": true}});
    workspace.write("signing-csr.json", ca.to_string());
    let below = |ca: &str, key: &str, out: &str| {
        let make = ["cert", "new-ca", "signing-csr.json", "--ca", ca, "--ca-key", key];
        workspace.kcm(&[&make[..], &["--out", out]].concat())
    };
    let made = below("ca.pem", "ca-key.pem", "signing");
    assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{made:?}");
    assert_eq!(mode(&workspace, "signing-key.pem"), 0o600);

    // cfssl makes the same certificate with a profile for CAs.
    let profile = json!({"signing": {"profiles": {"ca": {"usages": ["cert sign", "crl sign"],
        "expiry": "8760h",
        "ca_constraint": {"is_ca": true, "max_path_len": 0, "max_path_len_zero": true}}}}});
    workspace.write("ca-profile.json", profile.to_string());
    shell(
        &workspace,
        "cfssl sign -loglevel 5 -ca ca.pem -ca-key ca-key.pem -config ca-profile.json -profile ca signing.csr |
         cfssljson -bare theirs",
    );
    assert_alike(&workspace, "signing.pem", "theirs.pem");

    // A leaf of the intermediate leads to the root.
    let leaf = ["cert", "issue", "leaf-csr.json", "--ca", "signing.pem", "--out", "leaf"];
    let leaf = workspace.kcm(&[&leaf[..], &["--ca-key", "signing-key.pem"]].concat());
    assert_eq!(leaf.code, 0, "{leaf:?}");
    let chain = ["verify", "-CAfile", "ca.pem", "-untrusted", "signing.pem", "leaf.pem"];
    peers::run(&mut peers::openssl(workspace.path(), &chain));

    // The intermediate permits no CA below it.
    let refused = below("signing.pem", "signing-key.pem", "third");
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("permits no CA below it"), "{refused:?}");
    let passphrase = ["cert", "new-ca", "ca-csr.json", "--passphrase-file", "x", "--out", "y"];
    assert_eq!(workspace.kcm(&passphrase).code, 2);
}
