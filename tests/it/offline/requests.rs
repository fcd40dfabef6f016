//! Tests of certificate requests and encrypted keys, compared with cfssl and OpenSSL.

use std::process::Command;

use kcm_pki::{CertificateRequest, CsrFile, KeyError, KeyType, PrivateKey, RequestError, Subject};
use kcm_tests::{Workspace, peers};
use serde_json::{Value as Json, json};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

/// Returns CSR files: every key type, string types, several names, every kind of alternative name,
/// and CA sections. URIs are absent, because cfssl 1.2 takes them for DNS names.
fn csr_files() -> Vec<Json> {
    let rsa = |size: u32| json!({"algo": "rsa", "size": size});
    let ecdsa = |size: u32| json!({"algo": "ecdsa", "size": size});
    let tutorial = json!({"C": "CN", "ST": "Shanghai", "L": "Shanghai", "O": "system:masters", "OU": "System"});
    let many = json!([
        {"C": "CN", "O": "two longer", "OU": "x"}, {"O": "one", "ST": "a&b"}, {"O": "one"}, {"L": "é", "O": ""}, null
    ]);
    let hosts =
        json!(["b.example", "10.0.0.2", "me@x.example", "fd00::1", "a.example", "10.0.0.1"]);
    let long = "n".repeat(300);
    vec![
        json!({"CN": "system:kube-controller-manager", "hosts": [], "key": rsa(2048), "names": [tutorial]}),
        json!({"CN": "system:kube-controller-manager", "key": rsa(3072), "names": [tutorial]}),
        json!({"CN": "admin", "key": rsa(4096), "hosts": hosts}),
        json!({"CN": "admin"}),
        json!({"CN": "admin", "key": ecdsa(256), "names": many}),
        json!({"CN": "admin", "key": ecdsa(384), "names": many, "hosts": hosts}),
        json!({"CN": "admin", "key": ecdsa(521), "hosts": hosts, "serialnumber": "77"}),
        json!({"CN": "many", "key": rsa(2048), "names": many, "hosts": hosts, "serialnumber": "a_b"}),
        json!({"CN": "用户 ünï \u{1f600}", "key": rsa(2048), "names": [{"O": "组织", "C": "中国"}]}),
        json!({"CN": "a*b&c@d_e", "key": rsa(2048), "names": [{"O": "*", "OU": "&", "L": "@", "ST": "_"}]}),
        json!({"CN": "Az09 '()+,-./:=?", "key": rsa(2048)}),
        json!({"CN": " blanks ", "key": rsa(2048), "names": [{"O": " "}]}),
        json!({"CN": long, "key": rsa(2048), "names": [{"O": long}]}),
        json!({"cn": "case", "HOSTS": ["x.example"], "Key": rsa(2048), "NAMES": [{"o": "lower"}]}),
        json!({"CN": "dns", "key": rsa(2048), "hosts": ["*.example.com", "a_b", "Upper.Case", "x", "x"]}),
        json!({"CN": "ip", "key": rsa(2048), "hosts": ["::ffff:10.0.0.3", "255.255.255.255", "::", "fe80::1"]}),
        json!({"CN": "mail", "key": rsa(2048), "hosts": ["a.b@c.example", "x+y@z.example"]}),
        json!({"CN": "node", "key": rsa(2048), "hosts": (1..=100).map(|i| format!("10.0.1.{i}")).collect::<Vec<_>>()}),
        json!({"CN": "kubernetes", "key": rsa(2048), "ca": {"expiry": "876000h"}, "names": [tutorial]}),
        json!({"CN": "ca", "key": ecdsa(384), "ca": {}}),
        json!({"CN": "ca", "key": rsa(2048), "ca": {"pathlen": 0}}),
        json!({"CN": "ca", "key": rsa(2048), "ca": {"pathlen": 0, "pathlenzero": true}}),
        json!({"CN": "ca", "key": rsa(2048), "ca": {"pathlen": 3}, "hosts": ["ca.example", "10.0.0.1"]}),
        json!({"CN": "ca", "key": ecdsa(521), "ca": {"pathlen": 127, "expiry": "1h"}, "hosts": hosts}),
    ]
}

/// Runs `cfssl genkey`; returns the certificate request and the key.
fn genkey(workspace: &Workspace, csr: &Json) -> (String, String) {
    workspace.write("csr.json", csr.to_string());
    let mut command = Command::new("cfssl");
    command.current_dir(workspace.path()).args(["genkey", "-loglevel=5"]);
    if csr.get("ca").is_some() {
        command.arg("-initca");
    }
    let made: Json = serde_json::from_str(&peers::run(command.arg("csr.json"))).unwrap();
    (made["csr"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

fn openssl(workspace: &Workspace, arguments: &[&str]) -> String {
    peers::run(&mut peers::openssl(workspace.path(), arguments))
}

fn read(workspace: &Workspace, file: &str) -> CertificateRequest {
    CertificateRequest::from_pem(workspace.read(file).as_bytes()).unwrap()
}

#[test]
fn requests_equal_those_of_cfssl_for_the_same_key() {
    if !peers::has("cfssl") {
        return;
    }
    let workspace = Workspace::empty();
    let files = csr_files();
    assert!(files.len() >= 20);
    for csr in files {
        let (theirs, key) = genkey(&workspace, &csr);
        let key = PrivateKey::from_pem(key.as_bytes()).unwrap();
        let parsed = CsrFile::parse(&csr.to_string()).unwrap().value;
        let ours = CertificateRequest::create(&parsed, &key).unwrap();
        let theirs_read = CertificateRequest::from_pem(theirs.as_bytes()).unwrap();
        if matches!(key.key_type(), KeyType::Rsa { .. }) {
            assert_eq!(ours.to_pem(), theirs, "{csr}");
        } else {
            let split = |request: &CertificateRequest| {
                let (_, read) = X509CertificationRequest::from_der(request.der()).unwrap();
                let algorithm = read.signature_algorithm.algorithm.to_id_string();
                (read.certification_request_info.raw.to_vec(), algorithm)
            };
            assert_eq!(split(&ours), split(&theirs_read), "{csr}");
        }
        assert_eq!(theirs_read.hosts(), &parsed.hosts, "{csr}");
        assert_eq!(theirs_read.asks_to_be_ca(), parsed.ca.is_some(), "{csr}");
        let subject = Subject::from_der(theirs_read.subject_der()).unwrap();
        assert_eq!(subject.der(), parsed.subject.der(), "{csr}");
        workspace.write("ours.csr", ours.to_pem());
        openssl(&workspace, &["req", "-verify", "-noout", "-in", "ours.csr"]);
    }
}

#[test]
fn requests_of_openssl_are_read_and_lies_are_refused() {
    let workspace = Workspace::empty();
    let keys = [
        ("rsa", "genrsa -out rsa.pem 2048"),
        ("p256", "ecparam -name prime256v1 -genkey -noout -out p256.pem"),
        ("p384", "ecparam -name secp384r1 -genkey -noout -out p384.pem"),
        ("p521", "ecparam -name secp521r1 -genkey -noout -out p521.pem"),
    ];
    for (key, generate) in keys {
        openssl(&workspace, &generate.split(' ').collect::<Vec<_>>());
        let pem = format!("{key}.pem");
        for digest in ["-sha256", "-sha384", "-sha512"] {
            let new = ["req", "-new", "-key", &pem, digest, "-out", "x.csr", "-subj", "/O=o/CN=x"];
            let hosts = ["-addext", "subjectAltName=DNS:a.example,IP:10.0.0.1,URI:spiffe://td/x"];
            openssl(&workspace, &[&new[..], &hosts].concat());
            let request = read(&workspace, "x.csr");
            assert_eq!((request.subject().as_str(), request.hosts().len()), ("O=o, CN=x", 3));
        }
        let lie = ["req", "-new", "-key", &pem, "-sha1", "-out", "sha1.csr", "-subj", "/CN=x"];
        openssl(&workspace, &lie);
        let refused = CertificateRequest::from_pem(workspace.read("sha1.csr").as_bytes());
        assert!(matches!(refused, Err(RequestError::WeakSignature { .. })), "{refused:?}");
    }
    let der = read(&workspace, "x.csr").der().to_vec();
    for at in 0..der.len() {
        let mut changed = der.clone();
        changed[at] ^= 1;
        assert!(CertificateRequest::from_der(&changed).is_err(), "octet {at}");
    }
}

#[test]
fn keys_that_openssl_encrypts_are_read() {
    let workspace = Workspace::empty();
    openssl(&workspace, &["genrsa", "-traditional", "-out", "rsa.pem", "2048"]);
    let new = ["ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", "ec.pem"];
    openssl(&workspace, &new);
    let mut encryptions: Vec<String> = Vec::new();
    for prf in ["hmacWithSHA1", "hmacWithSHA256", "hmacWithSHA384", "hmacWithSHA512"] {
        for cipher in ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des3"] {
            encryptions.push(format!("pkcs8 -topk8 -v2 {cipher} -v2prf {prf}"));
        }
    }
    for costs in
        ["-scrypt_N 16384 -scrypt_r 8 -scrypt_p 1", "-scrypt_N 1024 -scrypt_r 4 -scrypt_p 3"]
    {
        encryptions.push(format!("pkcs8 -topk8 -scrypt {costs}"));
        encryptions.push(format!("pkcs8 -topk8 -scrypt {costs} -v2 aes-128-cbc"));
    }
    encryptions.push("pkcs8 -topk8 -v2 aes-256-cbc -iter 100000".to_owned());
    for cipher in ["-aes128", "-aes192", "-aes256", "-des3"] {
        encryptions.push(format!("KIND -traditional {cipher}"));
    }
    for (kind, file) in [("rsa", "rsa.pem"), ("ec", "ec.pem")] {
        for encryption in &encryptions {
            let arguments = encryption.replace(
                "KIND -traditional",
                if kind == "rsa" { "rsa -traditional" } else { "ec" },
            );
            let mut arguments: Vec<_> = arguments.split(' ').collect();
            arguments.extend(["-in", file, "-out", "encrypted.pem", "-passout", "pass:geheim ü"]);
            openssl(&workspace, &arguments);
            let encrypted = workspace.read("encrypted.pem");
            let open = |passphrase: &str| {
                PrivateKey::from_encrypted_pem(encrypted.as_bytes(), passphrase.as_bytes())
            };
            assert!(PrivateKey::is_encrypted(encrypted.as_bytes()), "{encryption}");
            assert_eq!(*open("geheim ü").unwrap().to_pem(), workspace.read(file), "{encryption}");
            assert_eq!(open("geheim").unwrap_err(), KeyError::WrongPassphrase, "{encryption}");
        }
    }
}
