//! Tests of signers other than a plain CA key: a command, certificates signed by hand, an encrypted
//! key, and an intermediate CA. The CA key is outside the operator's folder, and openssl and cfssl
//! sign.

pub(crate) mod chains;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kcm::Cluster;
use kcm::pki::signer::{configured_signer, conformance};
use kcm_pki::CaCertificate;
use kcm_tests::{CommandOutput, Workspace, peers};
use time::OffsetDateTime;

const CERTIFICATE: &str = "pki/kube-controller-manager/cert/kube-controller-manager.pem";
const KEY: &str = "pki/kube-controller-manager/cert/kube-controller-manager-key.pem";
const SERVING: &str = "pki/kube-controller-manager/cert/kube-controller-manager-serving.pem";
const REQUESTS: &str = "pki/kube-controller-manager/cert/requests";

/// A workspace without a CA key, and the folder of the CA.
struct Offline {
    workspace: Workspace,
    ca: tempfile::TempDir,
}

impl Offline {
    /// Moves the CA key out of the workspace. `pki` replaces the key `caKey` in the cluster file.
    fn new(pki: &str) -> Self {
        let workspace = Workspace::new();
        let ca = tempfile::tempdir().unwrap();
        for name in ["ca.pem", "ca-key.pem"] {
            let file = workspace.file("pki/ca/cert").join(name);
            fs::copy(&file, ca.path().join(name)).unwrap();
        }
        fs::remove_file(workspace.file("pki/ca/cert/ca-key.pem")).unwrap();
        workspace.edit("  caKey: pki/ca/cert/ca-key.pem\n", pki);
        Self { workspace, ca }
    }

    /// Creates a workspace whose signer is the script `sign`, with `sh`.
    fn with_script(script: &str) -> Self {
        let this = Self::new("  signer: {command: [sh, sign.sh], timeout: 20s}\n");
        this.script(script);
        this
    }

    fn script(&self, script: &str) {
        let ca = self.ca.path().display();
        self.workspace.write("sign.sh", format!("set -eu\nca={ca}\n{script}"));
    }

    fn kcm(&self, arguments: &[&str]) -> CommandOutput {
        self.workspace.kcm(&[arguments, &["--root", "out"]].concat())
    }

    /// Runs a command that must exit with 0.
    fn done(&self, arguments: &[&str]) -> CommandOutput {
        let ran = self.kcm(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran
    }

    /// Requires that a command fails with one error that contains `expected`, and changes nothing.
    fn refuses(&self, arguments: &[&str], expected: &str) {
        let before = self.workspace.tree().content();
        let ran = self.kcm(arguments);
        assert_eq!(ran.code, 1, "{arguments:?}: {ran:?}");
        assert_eq!(ran.stderr.matches("error: ").count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(expected), "expected {expected}: {}", ran.stderr);
        let after = self.workspace.tree().content();
        let differs = |path: &&PathBuf| before.get(*path) != after.get(*path);
        let changed: Vec<_> = before.keys().chain(after.keys()).filter(differs).collect();
        assert!(changed.is_empty(), "{arguments:?}: {changed:?}");
    }

    /// Verifies a certificate file, with its intermediates, against a root.
    fn verify(&self, file: &str, root: &Path, purpose: &str) {
        let (file, root) = (self.workspace.file(file), root.display().to_string());
        let file = file.display().to_string();
        let arguments =
            ["verify", "-purpose", purpose, "-CAfile", &root, "-untrusted", &file, &file];
        peers::run(&mut peers::openssl(self.ca.path(), &arguments));
    }

    fn sign(&self, request: &Path, days: &str, eku: &str) -> PathBuf {
        let signed = self.ca.path().join("signed.pem");
        self.workspace.write("extensions", extensions(eku));
        let extensions = self.workspace.file("extensions").display().to_string();
        let (request, out) = (request.display().to_string(), signed.display().to_string());
        let arguments = [
            "x509",
            "-req",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca-key.pem",
            "-CAcreateserial",
            "-days",
            days,
            "-copy_extensions",
            "copy",
            "-extfile",
            &extensions,
            "-in",
            &request,
            "-out",
            &out,
        ];
        peers::run(&mut peers::openssl(self.ca.path(), &arguments));
        fs::remove_file(extensions).unwrap();
        signed
    }
}

fn extensions(eku: &str) -> String {
    format!("keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage={eku}\n")
}

/// A script that signs what it is asked for.
pub(crate) const SIGN: &str = r#"
case $KCM_USAGES in
  *client*server* | *server*client*) eku=clientAuth,serverAuth ;;
  *client*) eku=clientAuth ;;
  *) eku=serverAuth ;;
esac
printf 'keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=%s\n' $eku >"$ca/ext"
openssl x509 -req -CA "$ca/ca.pem" -CAkey "$ca/ca-key.pem" -CAcreateserial \
  -days $((KCM_LIFETIME_HOURS / 24)) -copy_extensions copy -extfile "$ca/ext" "$@" 2>"$ca/log"
"#;

#[test]
fn a_command_signs_for_the_whole_life_without_a_ca_key_on_this_machine() {
    let offline = Offline::with_script(SIGN);
    offline.done(&["apply"]);
    let root = offline.ca.path().join("ca.pem");
    offline.verify(CERTIFICATE, &root, "sslclient");
    assert_eq!(offline.workspace.plan()["masters"][0]["steps"], serde_json::json!([]));

    let first = offline.workspace.read(CERTIFICATE);
    offline.done(&["certs", "renew", "--force", "--yes"]);
    assert_ne!(offline.workspace.read(CERTIFICATE), first);

    offline.workspace.edit("pki:\n", "pki:\n  servingCertificate: true\n");
    offline.done(&["apply", "--yes"]);
    offline.verify(SERVING, &root, "sslserver");

    offline.workspace.edit(
        "  - {name: k8s-master-03",
        "  - {name: k8s-master-04, address: 192.168.1.207}\n  - {name: k8s-master-03",
    );
    offline.done(&["apply", "--yes"]);
    offline.verify(SERVING, &root, "sslserver");
    let plan = offline.workspace.plan();
    assert!(
        plan["masters"].as_array().unwrap().iter().all(|it| it["steps"] == serde_json::json!([]))
    );
    let keys = offline.workspace.tree();
    assert!(keys.0.keys().all(|path| !path.ends_with("ca-key.pem")), "{:?}", keys.0.keys());
}

#[test]
fn a_command_does_not_receive_the_secrets_of_kcm() {
    let offline = Offline::new(
        "  caKey: absent.pem\n  caKeyPassphrase: {env: KCM_TEST_CA}\n  signer: {command: [sh, sign.sh]}\n",
    );
    offline.script(&format!("env >\"$ca/env\"\n{SIGN}"));
    offline.workspace.edit(
        "masters:\n",
        "ssh: {sudo: password, sudoPassword: {env: KCM_TEST_SUDO}}\nmasters:\n",
    );
    let mut kcm = std::process::Command::new(kcm_tests::kcm());
    kcm.current_dir(offline.workspace.path()).args(["apply", "--root", "out"]);
    kcm.env("KCM_TEST_CA", "secret").env("KCM_TEST_SUDO", "secret").env("KCM_TEST_OTHER", "seen");
    peers::run(&mut kcm);
    let environment = fs::read_to_string(offline.ca.path().join("env")).unwrap();
    assert!(environment.contains("KCM_TEST_OTHER=seen") && !environment.contains("secret"));
}

#[test]
fn cfssl_signs_as_a_command() {
    if !peers::has("cfssl") || !peers::has("cfssljson") {
        return;
    }
    let offline = Offline::with_script(
        r#"cd "$ca"
cfssl sign -loglevel 5 -ca ca.pem -ca-key ca-key.pem -config config.json -profile kubernetes - |
  cfssljson -bare signed
cat signed.pem
"#,
    );
    let config = r#"{"signing": {"profiles": {"kubernetes": {"expiry": "8760h", "usages": ["signing", "key encipherment", "client auth", "server auth"]}}}}"#;
    fs::write(offline.ca.path().join("config.json"), config).unwrap();
    let ran = offline.done(&["apply"]);
    assert!(ran.stderr.contains("expires on"), "a shorter lifetime is reported: {}", ran.stderr);
    offline.verify(CERTIFICATE, &offline.ca.path().join("ca.pem"), "sslclient");
}

#[test]
fn a_signer_that_fails_or_lies_changes_nothing() {
    let other_root = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=other -days 9 -keyout \"$ca/ca-key.pem\" -out \"$ca/ca.pem\" 2>/dev/null\n";
    let other_key = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=system:kube-controller-manager -out \"$ca/other.csr\" 2>/dev/null\nset -- -in \"$ca/other.csr\"\n";
    let ca_true =
        SIGN.replace("keyUsage=critical", "basicConstraints=critical,CA:TRUE\\nkeyUsage=critical");
    let hour = SIGN.replace("$((KCM_LIFETIME_HOURS / 24))", "1");
    let expired = SIGN.replace("$((KCM_LIFETIME_HOURS / 24))", "-1");
    let no_usage = SIGN.replace("eku=clientAuth,serverAuth", "eku=serverAuth");
    let wrong_name = format!("set -- -subj /CN=admin\n{SIGN}");
    let cases: Vec<(String, &str)> = vec![
        ("sleep 60".to_owned(), "did not end within 2 s"),
        ("sleep 60 & exit 0".to_owned(), "did not end within 2 s"),
        (
            "echo the token expired >&2; exit 1".to_owned(),
            "failed (exit status: 1): the token expired",
        ),
        ("kill -9 $$".to_owned(), "failed (signal: 9 (SIGKILL))"),
        ("echo garbage".to_owned(), "no certificate in PEM format"),
        ("true".to_owned(), "no certificate in PEM format"),
        ("cat".to_owned(), "no certificate in PEM format (found: CERTIFICATE REQUEST)"),
        ("exec yes".to_owned(), "wrote more than 1048576 bytes"),
        (format!("{other_key}{SIGN}"), "belongs to another key"),
        (ca_true, "it is a CA certificate"),
        (wrong_name, "its subject is `CN=admin`, not `C=CN"),
        (no_usage, "lacks the usages client auth"),
        (hour, "within pki.renewBefore"),
        (expired, "it is expired at"),
        (format!("{other_root}{SIGN}"), "issued by CN=other"),
    ];
    let offline = Offline::with_script(SIGN);
    offline.workspace.edit("timeout: 20s", "timeout: 2s");
    let saved = ["ca.pem", "ca-key.pem"]
        .map(|name| (name, fs::read(offline.ca.path().join(name)).unwrap()));
    for (script, expected) in cases {
        offline.script(&script);
        offline.refuses(&["apply"], expected);
        for (name, content) in &saved {
            fs::write(offline.ca.path().join(name), content).unwrap();
        }
    }
    offline.workspace.edit("[sh, sign.sh]", "[sign-with-nothing]");
    offline.refuses(&["plan"], "cannot run sign-with-nothing");
    offline.workspace.edit("[sign-with-nothing]", "[./absent]");
    offline.refuses(&["apply"], "cannot run ./absent");
}

#[test]
fn certificates_are_signed_by_hand() {
    let offline = Offline::new("");
    offline.refuses(&["plan"], "kcm certs request");

    let ran = offline.done(&["certs", "request"]);
    assert!(ran.stdout.contains("client auth"), "{}", ran.stdout);
    let request = offline.workspace.file(REQUESTS).join("kube-controller-manager.csr");
    let key = offline.workspace.file(REQUESTS).join("kube-controller-manager-key.pem");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let path = request.display().to_string();
    let verified = ["req", "-in", &path, "-noout", "-verify", "-subject"];
    let subject = peers::run(&mut peers::openssl(offline.ca.path(), &verified));
    assert!(subject.contains("CN = system:kube-controller-manager"), "{subject}");

    // The same request again keeps key and request.
    let before = (fs::read(&key).unwrap(), fs::read(&request).unwrap());
    offline.done(&["certs", "request"]);
    assert_eq!((fs::read(&key).unwrap(), fs::read(&request).unwrap()), before);

    let lie = offline.sign(&request, "400", "serverAuth").display().to_string();
    offline.refuses(&["certs", "import", &lie], "lacks the usages client auth");
    let foreign = offline.ca.path().join("ca.pem").display().to_string();
    offline.refuses(&["certs", "import", &foreign], "no pending request has the key");

    let signed = offline.sign(&request, "400", "clientAuth,serverAuth").display().to_string();
    offline.done(&["certs", "import", &signed]);
    assert_eq!(offline.workspace.read(KEY).as_bytes(), before.0);
    assert!(!key.exists() && !request.exists());
    offline.verify(CERTIFICATE, &offline.ca.path().join("ca.pem"), "sslclient");
    assert_eq!(offline.workspace.plan()["masters"][0]["steps"], serde_json::json!([]));
    assert!(offline.done(&["certs", "request"]).stdout.contains("No certificate is due"));

    // A renewal by hand, with the old certificate in use until the new one arrives.
    let old = offline.workspace.read(CERTIFICATE);
    offline.done(&["certs", "request", "--force"]);
    assert_eq!(offline.workspace.read(CERTIFICATE), old);
    let signed = offline.sign(&request, "500", "clientAuth,serverAuth").display().to_string();
    offline.done(&["certs", "import", &signed, "--yes"]);
    assert_ne!(offline.workspace.read(CERTIFICATE), old);
}

#[test]
fn an_encrypted_ca_key_signs_with_its_passphrase_only() {
    let workspace = Workspace::new();
    let folder = workspace.file("pki/ca/cert");
    for (name, arguments) in [
        ("pbes2.pem", &["pkcs8", "-topk8", "-v2", "aes-256-cbc"][..]),
        ("scrypt.pem", &["pkcs8", "-topk8", "-scrypt"]),
        ("traditional.pem", &["ec", "-aes128"]),
    ] {
        let files = ["-in", "ca-key.pem", "-out", name, "-passout", "pass:correct horse"];
        peers::run(&mut peers::openssl(&folder, &[arguments, &files].concat()));
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let file = workspace.read("kcm.yaml");
    workspace.write("passphrase", "correct horse\n");
    workspace.write("wrong", "battery staple\n");
    let use_key = |name: &str, source: &str| {
        let key = format!("  caKey: pki/ca/cert/{name}\n{source}");
        let changed = file.replace("  caKey: pki/ca/cert/ca-key.pem\n", &key);
        assert_ne!(changed, file);
        workspace.write("kcm.yaml", changed);
    };
    for name in ["pbes2.pem", "scrypt.pem", "traditional.pem"] {
        use_key(name, "  caKeyPassphrase: {file: wrong}\n");
        let ran = workspace.kcm(&["apply", "--root", "out"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("passphrase"), "{}", ran.stderr);
        assert!(!workspace.file("out").exists() && !workspace.file(CERTIFICATE).exists());

        use_key(name, "  caKeyPassphrase: {file: passphrase}\n");
        workspace.apply();
        for path in ["out", "pki/kube-controller-manager"] {
            fs::remove_dir_all(workspace.file(path)).unwrap();
        }
    }
    use_key("pbes2.pem", "  caKeyPassphrase: {env: KCM_TEST_PASSPHRASE}\n");
    let ran = workspace.kcm(&["apply", "--root", "out"]);
    assert!(ran.code == 1 && ran.stderr.contains("KCM_TEST_PASSPHRASE"), "{ran:?}");
    assert!(!ran.stderr.contains("correct horse"));
}

#[test]
fn the_signers_of_a_cluster_file_keep_the_contract() {
    let offline = Offline::with_script(SIGN);
    let with_key = Workspace::new();
    for workspace in [&offline.workspace, &with_key] {
        let cluster = workspace.file("kcm.yaml");
        let cluster = Cluster::parse(&fs::read_to_string(&cluster).unwrap(), &cluster).unwrap();
        let signer = configured_signer(&cluster, None);
        let ca = CaCertificate::load(workspace.read("pki/ca/cert/ca.pem").as_bytes()).unwrap();
        let (year, now) = (Duration::from_secs(8760 * 3600), OffsetDateTime::now_utc());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(conformance::signer(&*signer, &ca, year, now)).unwrap();
    }
}
