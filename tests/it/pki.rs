//! Certificates and keys, compared with what cfssl makes of the same CA and judged by OpenSSL, Go and rustls.

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
use kcm_tests::{Site, csr_json, peers};
use rustls_pki_types::{CertificateDer, UnixTime};
use serde_json::{Value as Json, json};
use x509_parser::prelude::{FromDer as _, X509Certificate};

const CA: &str = "pki/ca/cert/ca.pem";
const CA_KEY: &str = "pki/ca/cert/ca-key.pem";
const CERTIFICATE: &str = "pki/kube-controller-manager/cert/kube-controller-manager.pem";
const KEY: &str = "pki/kube-controller-manager/cert/kube-controller-manager-key.pem";
const KUBECONFIG: &str = "opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";

/// Every kind of CA key that cfssl makes in reasonable time.
const CA_KEYS: [(&str, u32); 6] =
    [("rsa", 2048), ("rsa", 3072), ("rsa", 4096), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521)];

/// Runs `cfssl gencert`, and `cfssljson -bare` on what it prints.
fn gencert(site: &Site, arguments: &[&str], csr: &Json, bare: &str) {
    let (csr_file, made) = (format!("{bare}-csr.json"), format!("{bare}.json"));
    site.write(&csr_file, csr.to_string());
    let mut command = Command::new("cfssl");
    command.current_dir(site.path()).args(["gencert", "-loglevel=5"]).args(arguments).arg(csr_file);
    site.write(&made, peers::run(&mut command));
    let mut command = Command::new("cfssljson");
    peers::run(command.current_dir(site.path()).args(["-f", &made, "-bare", bare]));
}

fn sign(site: &Site, profile: &str, csr: &Json, bare: &str) {
    let (ca, key) = (format!("-ca={CA}"), format!("-ca-key={CA_KEY}"));
    let profile = format!("-profile={profile}");
    gencert(site, &[&ca, &key, "-config=pki/ca/ca-config.json", &profile], csr, bare);
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

/// The tutorial's cluster and CSR with a CA that cfssl has made.
fn site_of(algorithm: &str, bits: u32, expiry: &str) -> Site {
    let site = Site::new();
    let paths = "  csr: csr.json\n  signingConfig: pki/ca/ca-config.json\n";
    site.edit("  keyAlgorithm: ecdsa-p256\n", paths);
    site.write("csr.json", csr_json());
    site.write("pki/ca/ca-config.json", CONFIG);
    gencert(&site, &["-initca"], &ca_csr(algorithm, bits, expiry), "pki/ca/cert/ca");
    site
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

#[test]
fn under_every_kind_of_ca_the_tutorials_leaf_is_cfssls_field_by_field_and_accepted() {
    if !peers::has("cfssl") || !peers::has("openssl") {
        return;
    }
    for (algorithm, size) in CA_KEYS {
        let site = site_of(algorithm, size, "876000h");
        site.apply();
        sign(&site, "kubernetes", &tutorials_csr(), "theirs");
        assert_alike(&site, CERTIFICATE, "theirs.pem");
        for (ours, theirs, mode) in
            [(CERTIFICATE, "theirs.pem", 0o644), (KEY, "theirs-key.pem", 0o600)]
        {
            for file in [ours, theirs] {
                let found = fs::metadata(site.file(file)).unwrap().permissions().mode() & 0o7777;
                assert_eq!(found, mode, "{file}");
            }
        }
        let label = |file: &str| site.read(file).lines().next().unwrap().to_owned();
        assert_eq!(label(KEY), label("theirs-key.pem"));

        verify_with_openssl(&site, CERTIFICATE).unwrap();
        verify_with_rustls(&site.read(CERTIFICATE), &site.read(CA)).unwrap();
        verify_with_go(&site, CERTIFICATE).unwrap();
    }
}

#[test]
fn the_root_that_kcm_makes_is_cfssls_field_by_field() {
    if !peers::has("cfssl") || !peers::has("openssl") {
        return;
    }
    let site = Site::new();
    fs::remove_dir_all(site.file("pki")).unwrap();
    site.edit("  keyAlgorithm: ecdsa-p256\n", "  createCa: true\n");
    site.apply();
    gencert(&site, &["-initca"], &ca_csr("rsa", 2048, "876000h"), "theirs");
    assert_alike(&site, CA, "theirs.pem");
    let times = shape(&site.read(CA)).times;
    assert_eq!(times, ["UTCTime", "GeneralizedTime"], "it reaches beyond 2050");
}

/// Two certificates that differ in key, serial number, moment of issue and signature alone.
fn assert_alike(site: &Site, ours: &str, theirs: &str) {
    let (our_shape, their_shape) = (shape(&site.read(ours)), shape(&site.read(theirs)));
    let apart = (our_shape.not_before - their_shape.not_before).abs();
    assert!(apart <= 120, "{apart} s");
    assert_eq!(Shape { not_before: 0, ..our_shape }, Shape { not_before: 0, ..their_shape });
    assert_eq!(text(site, ours), text(site, theirs));
    assert_eq!(structure(site, ours), structure(site, theirs));
}

/// All that is in a certificate but key, serial number, and signature.
#[derive(Debug, PartialEq)]
struct Shape {
    version: u32,
    signature_algorithms: [String; 2],
    issuer: Vec<u8>,
    subject: Vec<u8>,
    not_before: i64,
    lifetime: i64,
    times: [&'static str; 2],
    key_algorithm: String,
    key_bits: usize,
    /// Identifier, criticality, value.
    extensions: Vec<(String, bool, Vec<u8>)>,
}

fn shape(pem: &str) -> Shape {
    let certificate = Certificate::from_pem(pem.as_bytes()).unwrap();
    let (rest, x509) = X509Certificate::from_der(certificate.der()).unwrap();
    assert!(rest.is_empty());
    let serial = x509.raw_serial();
    assert!(serial.len() <= 20 && serial[0] < 0x80, "{serial:?}");
    let key = x509.public_key();
    let extension = |extension: &x509_parser::extensions::X509Extension<'_>| {
        let oid = extension.oid.to_id_string();
        let value = if oid == "2.5.29.14" {
            let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, &key.subject_public_key.data);
            assert_eq!(
                extension.value[2..],
                *sha1.as_ref(),
                "the key identifier is the key's SHA-1"
            );
            Vec::new()
        } else {
            extension.value.to_vec()
        };
        (oid, extension.critical, value)
    };
    let validity = x509.validity();
    let kind = |time: x509_parser::time::ASN1Time| {
        if time.is_utctime() { "UTCTime" } else { "GeneralizedTime" }
    };
    Shape {
        version: x509.version().0,
        signature_algorithms: [&x509.signature_algorithm, &x509.tbs_certificate.signature]
            .map(|algorithm| format!("{algorithm:?}")),
        issuer: x509.issuer().as_raw().to_vec(),
        subject: x509.subject().as_raw().to_vec(),
        not_before: validity.not_before.timestamp(),
        lifetime: validity.not_after.timestamp() - validity.not_before.timestamp(),
        times: [kind(validity.not_before), kind(validity.not_after)],
        key_algorithm: format!("{:?}", key.algorithm),
        key_bits: key.parsed().unwrap().key_size(),
        extensions: x509.extensions().iter().map(extension).collect(),
    }
}

/// The certificate as OpenSSL describes it, without key, serial number, times and signature.
fn text(site: &Site, file: &str) -> String {
    let text =
        peers::run(&mut peers::openssl(site.path(), &["x509", "-noout", "-text", "-in", file]));
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

/// The certificate's ASN.1 as OpenSSL takes it apart: nesting, types, and values but those that must differ.
fn structure(site: &Site, file: &str) -> String {
    let parsed = peers::run(&mut peers::openssl(site.path(), &["asn1parse", "-in", file]));
    let (mut lines, mut is_key_id) = (Vec::new(), false);
    for line in parsed.lines() {
        // "  13:d=2  hl=2 l=  20 prim: INTEGER           :739B…": lengths of numbers and signatures vary.
        let (depth, rest) = line.split_once("d=").unwrap().1.split_once(' ').unwrap();
        let kind = rest.find("prim:").or_else(|| rest.find("cons:")).unwrap();
        let (kind, value) = rest[kind..].split_at((rest.len() - kind).min(24));
        let differs = matches!((depth, kind.trim()), ("2", "prim: INTEGER"))
            || kind.contains("TIME")
            || is_key_id;
        lines.push(format!("{depth} {} {}", kind.trim(), if differs { "" } else { value }));
        is_key_id = value.contains("Subject Key Identifier");
    }
    assert!(lines.len() > 40, "{parsed}");
    lines.join("\n")
}

#[test]
fn any_leaf_is_cfssls_to_the_byte_given_its_key_serial_and_time() {
    if !peers::has("cfssl") {
        return;
    }
    for (algorithm, size) in [("rsa", 2048), ("ecdsa", 521)] {
        let site = site_of(algorithm, size, "876000h");
        let ca = CertificateAuthority::load(site.read(CA).as_bytes(), site.read(CA_KEY).as_bytes());
        let ca = ca.unwrap();
        for (index, (profile, csr)) in csrs().into_iter().enumerate() {
            let bare = format!("theirs-{index}");
            sign(&site, profile, &csr, &bare);
            let theirs =
                Certificate::from_pem(site.read(&format!("{bare}.pem")).as_bytes()).unwrap();
            let key =
                PrivateKey::from_pem(site.read(&format!("{bare}-key.pem")).as_bytes()).unwrap();
            let ours = issue(&ca, profile, &csr, &key, &theirs);
            assert_eq!(
                tbs(&ours),
                tbs(&theirs),
                "{csr} {profile}\n{}{}",
                ours.to_pem(),
                theirs.to_pem()
            );
            // ECDSA signatures are random.
            assert!(algorithm == "ecdsa" || ours.der() == theirs.der(), "{csr}");
        }
    }
}

fn csrs() -> Vec<(&'static str, Json)> {
    let csr = |algorithm: &str, size: u32, names: Json, hosts: Json| {
        let key = json!({"algo": algorithm, "size": size});
        json!({"CN": "system:kube-controller-manager", "key": key, "names": names, "hosts": hosts})
    };
    let hosts = json!([
        "kubernetes",
        "10.68.0.1",
        "a.b.c.d.example.com",
        "::1",
        "fd00:0:0::1",
        "::ffff:10.0.0.9",
        "*.example.com",
        "someone@example.com",
        "255.255.255.255",
        "xn--bcher-kva.example",
        "localhost",
        "a_b.example"
    ]);
    let names = json!([
        {"C": "CN", "ST": "Shanghai", "L": "Shanghai", "O": "system:kube-controller-manager", "OU": "System"},
        {"C": "DE", "O": "b", "OU": "zz"},
        {"O": "aa", "OU": "上海"},
        {},
        {"L": "a@b", "O": "system:masters"},
    ]);
    let hostile = "()+,-./:=?' 09AZaz";
    let not_printable = [
        "*",
        "&",
        "@",
        "_",
        "\"",
        "<x>",
        "a;b",
        "#a",
        "\\,",
        "é",
        "上海 浦东",
        "😀",
        "%",
        "!",
        "~",
    ];
    let mut csrs = vec![
        ("kubernetes", tutorials_csr()),
        ("kubernetes", json!({"CN": "x"})),
        (
            "kubernetes",
            json!({"cn": "x", "CN": "y", "serialnumber": "12-3", "names": null, "hosts": null}),
        ),
        (
            "kubernetes",
            csr("rsa", 3072, json!([{"O": hostile, "OU": format!(" {hostile} ")}]), json!([])),
        ),
        ("odd", csr("ecdsa", 384, names, hosts)),
        (
            "extended",
            csr("ecdsa", 521, json!([{"ST": "a".repeat(128)}]), json!(["b.example", "a.example"])),
        ),
        ("basic", csr("ecdsa", 256, json!([{"O": "x".repeat(300)}]), json!(["10.0.0.1"]))),
    ];
    csrs.extend(not_printable.map(|value| {
        (
            "kubernetes",
            csr("ecdsa", 256, json!([{"C": value, "O": value}, {"O": "plain"}]), json!([])),
        )
    }));
    csrs
}

/// Issues what cfssl has issued, for the same key, with the same serial number, at the same time.
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

fn tbs(certificate: &Certificate) -> Vec<u8> {
    let (_, x509) = X509Certificate::from_der(certificate.der()).unwrap();
    x509.tbs_certificate.as_ref().to_vec()
}

#[test]
fn hosts_of_every_type_are_what_openssl_reads() {
    if !peers::has("cfssl") || !peers::has("openssl") {
        return;
    }
    let site = site_of("ecdsa", 256, "876000h");
    let ca =
        CertificateAuthority::load(site.read(CA).as_bytes(), site.read(CA_KEY).as_bytes()).unwrap();
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let hosts = [
        "10.0.0.1",
        "spiffe://cluster.local/ns/kube-system",
        "a@b.example",
        "b.example",
        "fd00::1",
        "*.a.example",
    ];
    assert_eq!(Hosts::parse(hosts).unwrap().len(), hosts.len());
    let issued = issue(
        &ca,
        "kubernetes",
        &json!({"CN": "x", "hosts": hosts}),
        &key,
        ca.certificate().certificate(),
    );
    site.write("ours.pem", issued.to_pem());
    let names = ["x509", "-noout", "-ext", "subjectAltName", "-in", "ours.pem"];
    let names = peers::run(&mut peers::openssl(site.path(), &names));
    let expected = "DNS:b.example, DNS:*.a.example, email:a@b.example, IP Address:10.0.0.1, \
        IP Address:FD00:0:0:0:0:0:0:1, URI:spiffe://cluster.local/ns/kube-system";
    assert_eq!(names.lines().nth(1).unwrap().trim(), expected);
}

#[test]
fn key_files_are_openssls_to_the_byte() {
    if !peers::has("openssl") {
        return;
    }
    let site = Site::empty();
    for algorithm in [
        KeyAlgorithm::Rsa2048,
        KeyAlgorithm::Rsa3072,
        KeyAlgorithm::Rsa4096,
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::EcdsaP521,
    ] {
        let ours = PrivateKey::generate(algorithm).unwrap().to_pem();
        site.write("ours.pem", ours.as_bytes());
        let rewrite: &[&str] = if algorithm.as_str().starts_with("rsa") {
            &["rsa", "-traditional", "-in", "ours.pem"]
        } else {
            &["ec", "-in", "ours.pem"]
        };
        assert_eq!(peers::run(&mut peers::openssl(site.path(), rewrite)), *ours, "{algorithm}");
        peers::run(&mut peers::openssl(
            site.path(),
            &["pkey", "-in", "ours.pem", "-check", "-noout"],
        ));

        // And whatever form OpenSSL gives it, it is read and written back as it was.
        let pkcs8 = peers::run(&mut peers::openssl(
            site.path(),
            &["pkcs8", "-topk8", "-nocrypt", "-in", "ours.pem"],
        ));
        assert_eq!(*PrivateKey::from_pem(pkcs8.as_bytes()).unwrap().to_pem(), *ours, "{algorithm}");
    }
}

#[test]
fn openssl_and_rustls_and_go_refuse_the_certificate_of_another_ca_of_the_same_name() {
    if !peers::has("cfssl") || !peers::has("openssl") {
        return;
    }
    let (site, other) = (site_of("ecdsa", 256, "876000h"), site_of("ecdsa", 256, "876000h"));
    other.apply();
    site.write("other.pem", other.read(CERTIFICATE));
    assert!(verify_with_openssl(&site, "other.pem").is_err());
    assert!(verify_with_rustls(&site.read("other.pem"), &site.read(CA)).is_err());
    assert!(verify_with_go(&site, "other.pem").is_err());
}

fn verify_with_openssl(site: &Site, certificate: &str) -> Result<(), Output> {
    let strict = ["verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", CA, certificate];
    let output = peers::output(&mut peers::openssl(site.path(), &strict));
    if output.status.success() { Ok(()) } else { Err(output) }
}

/// `cfssl bundle`, which looks for a chain with Go's own verifier; it exits 0 whatever it finds.
fn verify_with_go(site: &Site, certificate: &str) -> Result<(), Output> {
    let mut bundle = Command::new("cfssl");
    bundle.current_dir(site.path());
    bundle.args(["bundle", "-ca-bundle", CA, "-int-bundle", CA, "-cert", certificate]);
    let output = peers::output(&mut bundle);
    let printed: Option<Json> = serde_json::from_slice(&output.stdout).ok();
    let found = printed.and_then(|bundle| bundle["root"].as_str().map(str::to_owned));
    let is_ours = found.is_some_and(|root| root.trim() == site.read(CA).trim());
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

#[test]
fn a_server_in_go_admits_kubectl_with_our_kubeconfig_and_no_other_ca() {
    if !peers::has("cfssl") || !peers::has("kubectl") {
        return;
    }
    let (site, other) = (site_of("rsa", 2048, "876000h"), site_of("rsa", 2048, "876000h"));
    site.apply();
    other.apply();
    sign(&site, "kubernetes", &json!({"CN": "server", "hosts": ["127.0.0.1"]}), "server");
    let server = Server::start(&site, |port| {
        let mut command = Command::new("cfssl");
        command.current_dir(site.path()).args([
            "serve",
            "-address=127.0.0.1",
            "-ca",
            CA,
            "-ca-key",
            CA_KEY,
        ]);
        command.args(["-tls-cert=server.pem", "-tls-key=server-key.pem", "-mutual-tls-ca", CA]);
        command.args(["-mutual-tls-cn=^system:kube-controller-manager$", &format!("-port={port}")]);
        command
    });
    site.write("body.json", r#"{"label": ""}"#);
    let info = ["create", "--raw", "/api/v1/cfssl/info", "-f", "body.json"];
    let kubeconfig = site.on_master("k8s-master-01", KUBECONFIG);
    let said = server.kubectl(&site, &kubeconfig, &info);
    assert!(said.status.success() && said.stdout.starts_with(br#"{"success":true"#), "{said:?}");

    // The server is trusted, so that it is the server that refuses.
    let ours = fs::read_to_string(&kubeconfig).unwrap();
    let theirs = fs::read_to_string(other.on_master("k8s-master-01", KUBECONFIG)).unwrap();
    let users = |text: &str| text.find("users:").unwrap();
    site.write("other", [&ours[..users(&ours)], &theirs[users(&theirs)..]].concat());
    assert!(!server.kubectl(&site, &site.file("other"), &info).status.success());
    // What the client is told depends on how fast it writes.
    let log = || site.read("server.log");
    assert!(in_time(|| log().contains("certificate signed by unknown authority")), "{}", log());
}

#[test]
fn openssls_server_sees_the_certificate_that_kubectl_presents_from_our_kubeconfig() {
    if !peers::has("cfssl") || !peers::has("openssl") || !peers::has("kubectl") {
        return;
    }
    let site = site_of("ecdsa", 256, "876000h");
    site.apply();
    sign(&site, "kubernetes", &json!({"CN": "server", "hosts": ["127.0.0.1"]}), "server");
    let server = Server::start(&site, |port| {
        let accept = format!("127.0.0.1:{port}");
        let mut command =
            peers::openssl(site.path(), &["s_server", "-www", "-accept", &accept, "-CAfile", CA]);
        command.args([
            "-cert",
            "server.pem",
            "-key",
            "server-key.pem",
            "-Verify",
            "1",
            "-verify_return_error",
        ]);
        command
    });
    let kubeconfig = site.on_master("k8s-master-02", KUBECONFIG);
    let said = server.kubectl(&site, &kubeconfig, &["get", "--raw", "/healthz"]);
    let page = String::from_utf8(said.stdout).unwrap();
    assert!(said.status.success(), "{page}");
    assert!(page.contains("Verify return code: 0 (ok)"), "{page}");
    let serial = Certificate::from_pem(site.read(CERTIFICATE).as_bytes()).unwrap().serial();
    let shown: String = page.chars().filter(char::is_ascii_hexdigit).collect();
    assert!(shown.contains(&serial), "{serial} {page}");
}

/// A server on a free port of the loopback; it ends with the test.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(site: &Site, command: impl FnOnce(u16) -> Command) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut command = command(port);
        let log = fs::File::create(site.file("server.log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let server = Self { process: command.spawn().unwrap(), port };
        let listens = in_time(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(listens, "{command:?} does not listen: {}", site.read("server.log"));
        server
    }

    fn kubectl(&self, site: &Site, kubeconfig: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new("kubectl");
        command.current_dir(site.path()).env("HOME", site.path()).env_remove("KUBECONFIG");
        command.arg("--kubeconfig").arg(kubeconfig).arg("--request-timeout=20s");
        command.arg(format!("--server=https://127.0.0.1:{}", self.port)).args(arguments);
        peers::output(&mut command)
    }
}

/// Whether something becomes true before long.
fn in_time(is_true: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !is_true() {
        if start.elapsed() > Duration::from_secs(20) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn a_ca_that_must_not_sign_is_refused_though_cfssl_signs_with_it() {
    if !peers::has("cfssl") || !peers::has("openssl") {
        return;
    }
    let expired = site_of("ecdsa", 256, "1m");
    let made = |extensions: &[&str]| {
        let site = site_of("ecdsa", 256, "876000h");
        let mut request =
            peers::openssl(site.path(), &["req", "-x509", "-new", "-key", CA_KEY, "-days", "3650"]);
        request.args(["-subj", "/CN=kubernetes", "-config", "/dev/null", "-out", CA]);
        for extension in extensions {
            request.args(["-addext", extension]);
        }
        peers::run(&mut request);
        site
    };
    let no_ca = made(&["basicConstraints=critical,CA:FALSE", "keyUsage=critical,keyCertSign"]);
    let no_sign =
        made(&["basicConstraints=critical,CA:TRUE", "keyUsage=critical,digitalSignature,cRLSign"]);
    for (site, reason) in [
        (expired, "expired"),
        (no_ca, "basic constraints do not say CA:TRUE"),
        (no_sign, r#"its key usage lacks "cert sign""#),
    ] {
        sign(&site, "kubernetes", &tutorials_csr(), "theirs");
        assert!(verify_with_openssl(&site, "theirs.pem").is_err(), "{reason}");

        let before = site.tree().content();
        let ran = site.kcm(&["apply", "--root", "out"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains(reason), "{ran:?}");
        assert_eq!(site.tree().content(), before, "{reason}");
    }
    // What says nothing about key usage may sign.
    let silent = made(&["basicConstraints=critical,CA:TRUE"]);
    silent.apply();
}

#[test]
fn a_leaf_that_would_outlive_its_ca_ends_with_it_though_cfssls_does_not() {
    if !peers::has("cfssl") {
        return;
    }
    let site = site_of("ecdsa", 256, "8760h");
    let ran = site.apply();
    sign(&site, "kubernetes", &tutorials_csr(), "theirs");
    let ends = |file: &str| Certificate::from_pem(site.read(file).as_bytes()).unwrap().not_after();
    assert!(ends("theirs.pem") > ends(CA));
    assert_eq!(ends(CERTIFICATE), ends(CA));
    assert!(ran.stderr.contains("ends with its CA"), "{ran:?}");
}

#[test]
fn a_leaf_named_like_its_ca_has_an_authority_key_id_though_cfssls_has_none() {
    if !peers::has("cfssl") || !peers::has("openssl") {
        return;
    }
    let site = site_of("ecdsa", 256, "876000h");
    let ca =
        CertificateAuthority::load(site.read(CA).as_bytes(), site.read(CA_KEY).as_bytes()).unwrap();
    let mut csr = ca_csr("ecdsa", 256, "876000h");
    // cfssl refuses the section where it makes a leaf.
    csr.as_object_mut().unwrap().remove("ca");
    sign(&site, "kubernetes", &csr, "theirs");
    let theirs = Certificate::from_pem(site.read("theirs.pem").as_bytes()).unwrap();
    let key = PrivateKey::from_pem(site.read("theirs-key.pem").as_bytes()).unwrap();
    site.write("ours.pem", issue(&ca, "kubernetes", &csr, &key, &theirs).to_pem());
    let has_key_id = |file| text(&site, file).contains("Authority Key Identifier");
    assert_eq!((has_key_id("ours.pem"), has_key_id("theirs.pem")), (true, false));
    let verify =
        |file| peers::output(&mut peers::openssl(site.path(), &["verify", "-CAfile", CA, file]));
    assert!(verify("ours.pem").status.success(), "{:?}", verify("ours.pem"));
    assert!(!verify("theirs.pem").status.success());
}
