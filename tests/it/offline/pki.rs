//! Tests of certificates and keys, compared with cfssl's and verified by OpenSSL, Go and rustls.

mod alike;
mod bytes;
mod servers;
mod strict;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use kcm_pki::{
    Certificate, CertificateAuthority, CsrFile, Hosts, KeyAlgorithm, LeafRequest, OutlivesCa,
    PrivateKey, SerialNumber, SigningConfig,
};
use kcm_tests::{Workspace, csr_json, peers};
use rustls_pki_types::{CertificateDer, UnixTime};
use serde_json::{Value as Json, json};
use x509_parser::prelude::{FromDer as _, X509Certificate};

const CA: &str = "pki/ca/cert/ca.pem";
const CA_KEY: &str = "pki/ca/cert/ca-key.pem";
const CERTIFICATE: &str = "pki/kube-controller-manager/cert/kube-controller-manager.pem";
const KEY: &str = "pki/kube-controller-manager/cert/kube-controller-manager-key.pem";
const KUBECONFIG: &str = "opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";

/// CA keys that cfssl generates in reasonable time.
const CA_KEYS: [(&str, u32); 6] =
    [("rsa", 2048), ("rsa", 3072), ("rsa", 4096), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521)];

/// Runs `cfssl gencert`, and `cfssljson -bare` on its output.
fn gencert(workspace: &Workspace, arguments: &[&str], csr: &Json, bare: &str) {
    let (csr_file, made) = (format!("{bare}-csr.json"), format!("{bare}.json"));
    workspace.write(&csr_file, csr.to_string());
    let mut command = Command::new("cfssl");
    command
        .current_dir(workspace.path())
        .args(["gencert", "-loglevel=5"])
        .args(arguments)
        .arg(csr_file);
    workspace.write(&made, peers::run(&mut command));
    let mut command = Command::new("cfssljson");
    peers::run(command.current_dir(workspace.path()).args(["-f", &made, "-bare", bare]));
}

fn sign(workspace: &Workspace, profile: &str, csr: &Json, bare: &str) {
    let (ca, key) = (format!("-ca={CA}"), format!("-ca-key={CA_KEY}"));
    let profile = format!("-profile={profile}");
    gencert(workspace, &[&ca, &key, "-config=pki/ca/ca-config.json", &profile], csr, bare);
}

fn ca_csr(algorithm: &str, size: u32, expiry: &str) -> Json {
    json!({
        "CN": "kubernetes",
        "key": {"algo": algorithm, "size": size},
        "names": [{"C": "CN", "ST": "Shanghai", "L": "Shanghai", "O": "kubernetes", "OU": "System"}],
        "ca": {"expiry": expiry},
    })
}

fn tutorials_csr() -> Json {
    serde_json::from_str(csr_json()).unwrap()
}

/// Returns the tutorial's cluster and CSR, with a CA that cfssl generated.
fn site_of(algorithm: &str, bits: u32, expiry: &str) -> Workspace {
    let workspace = Workspace::new();
    let paths = "  csr: csr.json\n  signingConfig: pki/ca/ca-config.json\n";
    workspace.edit("  keyAlgorithm: ecdsa-p256\n", paths);
    workspace.write("csr.json", csr_json());
    workspace.write("pki/ca/ca-config.json", CONFIG);
    gencert(&workspace, &["-initca"], &ca_csr(algorithm, bits, expiry), "pki/ca/cert/ca");
    workspace
}

const CONFIG: &str = r#"{"signing": {
  "default": {"expiry": "8760h"},
  "profiles": {
    "kubernetes": {"usages": ["signing", "key encipherment", "server auth", "client auth"], "expiry": "87600h"},
    "odd": {"usages": ["client auth", "any", "crl sign", "timestamping", "data encipherment", "s/mime", "server auth",
      "content committment", "key agreement", "encipher only", "decipher only", "digital signature"], "expiry": "1h30m15s"},
    "extended": {"usages": ["ocsp signing", "client auth", "code signing", "email protection"], "expiry": "1.5h"},
    "basic": {"usages": ["key encipherment", "signing"], "expiry": "400000h"}
  }
}}"#;

fn verify_with_openssl(workspace: &Workspace, certificate: &str) -> Result<(), Output> {
    let strict = ["verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", CA, certificate];
    let output = peers::output(&mut peers::openssl(workspace.path(), &strict));
    if output.status.success() { Ok(()) } else { Err(output) }
}

/// Runs `cfssl bundle`, which finds a chain with Go's verifier. It always exits with 0.
fn verify_with_go(workspace: &Workspace, certificate: &str) -> Result<(), Output> {
    let mut bundle = Command::new("cfssl");
    bundle.current_dir(workspace.path());
    bundle.args(["bundle", "-ca-bundle", CA, "-int-bundle", CA, "-cert", certificate]);
    let output = peers::output(&mut bundle);
    let printed: Option<Json> = serde_json::from_slice(&output.stdout).ok();
    let found = printed.and_then(|bundle| bundle["root"].as_str().map(str::to_owned));
    let is_ours = found.is_some_and(|root| root.trim() == workspace.read(CA).trim());
    if is_ours { Ok(()) } else { Err(output) }
}

fn verify_with_rustls(leaf: &str, ca: &str) -> Result<(), webpki::Error> {
    let der = |pem: &str| Certificate::from_pem(pem.as_bytes()).unwrap().der().to_vec();
    let (leaf, ca) = (CertificateDer::from(der(leaf)), CertificateDer::from(der(ca)));
    let leaf = webpki::EndEntityCert::try_from(&leaf)?;
    let trusted = [webpki::anchor_from_trusted_cert(&ca)?];
    let usage = webpki::KeyUsage::client_auth();
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    leaf.verify_for_usage(algorithms, &trusted, &[], UnixTime::now(), usage, None, None).map(|_| ())
}

/// Returns OpenSSL's description of the certificate, without key, serial number, times and
/// signature.
fn text(workspace: &Workspace, file: &str) -> String {
    let text = peers::run(&mut peers::openssl(
        workspace.path(),
        &["x509", "-noout", "-text", "-in", file],
    ));
    let mut lines = vec![""];
    for line in text.lines() {
        let is_hex = line.trim().chars().all(|c| c.is_ascii_hexdigit() || c == ':');
        let is_authority = lines[lines.len() - 1].contains("Authority Key Identifier");
        let is_time = ["Not Before", "Not After "].iter().any(|time| line.trim().starts_with(time));
        if is_authority || !(is_hex || is_time) {
            lines.push(line);
        }
    }
    assert!(lines.len() > 20, "{text}");
    lines.join("\n")
}

/// Issues the certificate of cfssl again, with the same key, serial number and time.
fn issue(
    ca: &CertificateAuthority,
    profile: &str,
    csr: &Json,
    key: &PrivateKey,
    theirs: &Certificate,
) -> Certificate {
    let csr = CsrFile::parse(&csr.to_string()).unwrap().value;
    let config = SigningConfig::parse(CONFIG).unwrap().value;
    let profile = config.profile(profile).unwrap();
    let request = LeafRequest {
        subject: csr.subject,
        hosts: csr.hosts,
        usages: profile.usages.clone(),
        lifetime: profile.expiry.as_duration(),
        outlives_ca: OutlivesCa::Refuse,
    };
    let digits = format!("{:0>40}", theirs.serial());
    let octet = |index: usize| u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).unwrap();
    let serial = SerialNumber::from_random(std::array::from_fn(octet));
    let now = theirs.not_before() + Duration::from_secs(300);
    ca.issue(&request, key.public_key(), serial, now).unwrap().certificate
}
