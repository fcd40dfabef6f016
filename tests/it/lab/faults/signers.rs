//! Tests of the whole life on real masters while the operator's machine has no usable CA key: apply,
//! renewal, serving certificate, new master. openssl signs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kcm_tests::lab::Machine;
use kcm_tests::peers;

use super::{CA, CA_KEY, Ground, plain};
use crate::offline::signers::SIGN;
use crate::offline::signers::chains::create_intermediate;

const CERTIFICATE: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem";
const SERVING: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-serving.pem";

/// Masters whose CA is in a folder that only the signer uses.
struct Site {
    ground: Ground,
    ca: tempfile::TempDir,
    /// The CA that verifiers trust.
    root: PathBuf,
}

impl Site {
    fn new() -> Option<Self> {
        let ground = Ground::new(&plain(3))?;
        let ca = tempfile::tempdir().unwrap();
        for name in ["ca.pem", "ca-key.pem"] {
            let file = ground.workspace.file("pki/ca/cert").join(name);
            fs::copy(&file, ca.path().join(name)).unwrap();
        }
        fs::remove_file(ground.workspace.file("pki/ca/cert/ca-key.pem")).unwrap();
        let root = ca.path().join("ca.pem");
        Some(Self { ground, ca, root })
    }

    /// Writes the cluster file without the last master. `pki` replaces the key `caKey`.
    fn configure(&self, pki: &str) {
        let Self { ground, .. } = self;
        ground.write_bare(&format!("install: {{binary: {}}}\n", ground.program().display()));
        ground.workspace.edit("  caKey: pki/ca/cert/ca-key.pem\n", pki);
        ground.workspace.edit(&self.last_master(), "");
        for machine in ground.lab.machines() {
            for (path, name) in [(CA, "ca.pem"), (CA_KEY, "ca-key.pem")] {
                let path = machine.file(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::copy(self.ca.path().join(name), &path).unwrap();
                let mode = if name == "ca.pem" { 0o644 } else { 0o600 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
    }

    fn last_master(&self) -> String {
        let last = self.ground.lab.machines().last().unwrap();
        format!("  - {{name: {}, address: {}}}\n", last.name(), last.address())
    }

    /// Writes the script of `pki.signer`, which finds the CA in `$ca`.
    fn write_script(&self, script: &str) {
        let ca = self.ca.path().display();
        self.ground.workspace.write("sign.sh", format!("set -eu\nca={ca}\n{script}"));
    }

    /// Returns the certificate file of a master. openssl verifies its first certificate, with the
    /// others as intermediates.
    fn verified(&self, machine: &Machine, path: &str, purpose: &str) -> String {
        let file = machine.file(path).display().to_string();
        let root = self.root.display().to_string();
        let verify = ["verify", "-purpose", purpose, "-CAfile", &root, "-untrusted", &file, &file];
        peers::run(&mut peers::openssl(self.ca.path(), &verify));
        fs::read_to_string(file).unwrap()
    }

    /// Asserts that the masters in the cluster file work and that nothing is left to do.
    fn is_well(&self, masters: usize) {
        let status = self.ground.kcm(&["status"]);
        assert_eq!(status.code, 0, "{status:?}");
        assert!(status.stdout.contains(&format!("No findings: {masters} masters.")), "{status:?}");
        let again = self.ground.apply(&[]);
        assert!(again.stdout.starts_with("Nothing to do"), "{again:?}");
    }

    /// Runs the life of a deployment. `issue` applies the cluster file, and renews the certificates
    /// if its argument is true.
    fn lives(&self, issue: &dyn Fn(&Ground, bool)) {
        let Self { ground, .. } = self;
        let [first, second, third] = ground.lab.machines() else { panic!("three machines") };
        issue(ground, false);
        let old = self.verified(first, CERTIFICATE, "sslclient");
        self.is_well(2);

        issue(ground, true);
        assert_ne!(self.verified(first, CERTIFICATE, "sslclient"), old);
        self.is_well(2);

        ground.workspace.edit("pki:\n", "pki:\n  servingCertificate: true\n");
        issue(ground, false);
        let old = self.verified(second, SERVING, "sslserver");
        self.is_well(2);

        ground.workspace.edit("masters:\n", &format!("masters:\n{}", self.last_master()));
        issue(ground, false);
        self.is_well(3);
        for machine in [first, second, third] {
            assert_ne!(self.verified(machine, SERVING, "sslserver"), old);
            self.verified(machine, CERTIFICATE, "sslclient");
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--show-error", "--cacert"]).arg(&self.root);
            let url = format!("https://{}:10257/healthz", machine.address());
            assert_eq!(peers::run(curl.arg(url)), "ok", "{}", machine.name());
        }
        let files = ground.workspace.tree();
        let is_ca_key = |path: &Path| path.ends_with("ca-key.pem");
        assert!(!files.0.keys().any(|path| is_ca_key(path)), "the CA key is not here");
    }
}

/// Issues with whatever signer the cluster file names.
fn applies(ground: &Ground, renews: bool) {
    if renews {
        let ran = ground.kcm(&["certs", "renew", "--force"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    } else {
        ground.apply(&[]);
    }
}

#[test]
fn a_command_signs_for_real_masters() {
    let Some(site) = Site::new() else { return };
    site.configure("  signer: {command: [sh, sign.sh], timeout: 20s}\n");
    site.write_script(SIGN);
    site.lives(&applies);
}

#[test]
fn a_command_signs_for_real_masters_with_an_intermediate() {
    let Some(site) = Site::new() else { return };
    create_intermediate(site.ca.path());
    site.configure("  signer: {command: [sh, sign.sh], timeout: 20s}\n");
    let sign = SIGN.replace(
        "-CA \"$ca/ca.pem\" -CAkey \"$ca/ca-key.pem\"",
        "-CA \"$ca/issuing.pem\" -CAkey \"$ca/issuing-key.pem\"",
    );
    site.write_script(&format!("{sign}cat \"$ca/issuing.pem\"\n"));
    site.lives(&applies);
}

#[test]
fn an_encrypted_key_of_an_intermediate_signs_for_real_masters() {
    let Some(mut site) = Site::new() else { return };
    let folder = site.ca.path().to_owned();
    create_intermediate(&folder);
    // The masters and the operator have the intermediate as CA; verifiers have its root only.
    site.root = folder.join("root.pem");
    for (from, to) in
        [("ca.pem", "root.pem"), ("issuing.pem", "ca.pem"), ("issuing-key.pem", "ca-key.pem")]
    {
        fs::rename(folder.join(from), folder.join(to)).unwrap();
    }
    let encrypt = ["pkcs8", "-topk8", "-scrypt", "-in", "ca-key.pem", "-out", "encrypted.pem"];
    let passphrase = ["-passout", "pass:correct horse"];
    peers::run(&mut peers::openssl(&folder, &[&encrypt[..], &passphrase].concat()));
    let workspace = &site.ground.workspace;
    for (from, to) in
        [("root.pem", "root.pem"), ("ca.pem", "pki/ca/cert/ca.pem"), ("encrypted.pem", "key.pem")]
    {
        workspace.write(to, fs::read(folder.join(from)).unwrap());
    }
    workspace.write("passphrase", "correct horse\n");
    for name in ["key.pem", "passphrase"] {
        fs::set_permissions(workspace.file(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    site.configure("  caKey: key.pem\n  caKeyPassphrase: {file: passphrase}\n  trust: root.pem\n");
    site.lives(&applies);
}

#[test]
fn certificates_signed_by_hand_serve_real_masters() {
    let Some(site) = Site::new() else { return };
    site.configure("");
    let requests = "pki/kube-controller-manager/cert/requests";
    site.write_script(&format!("{SIGN}\n"));
    site.lives(&|ground, renews| {
        let force: &[&str] = if renews { &["--force"] } else { &[] };
        let asked = ground.kcm(&[&["certs", "request"], force].concat());
        assert_eq!(asked.code, 0, "{asked:?}");
        let mut signed = Vec::new();
        for request in fs::read_dir(ground.workspace.file(requests)).unwrap() {
            let request = request.unwrap().path();
            if request.extension().is_none_or(|extension| extension != "csr") {
                continue;
            }
            let is_serving = request.display().to_string().contains("serving");
            let usages = if is_serving { "server auth" } else { "client auth,server auth" };
            let mut sign = Command::new("sh");
            sign.arg("sign.sh").current_dir(ground.workspace.path());
            sign.env("KCM_USAGES", usages).env("KCM_LIFETIME_HOURS", "8760");
            let certificate = peers::run(sign.stdin(fs::File::open(&request).unwrap()));
            let name = format!("signed-{}.pem", signed.len());
            ground.workspace.write(&name, certificate);
            signed.push(name);
        }
        assert!(!signed.is_empty(), "{asked:?}");
        let signed: Vec<_> = signed.iter().map(String::as_str).collect();
        let ran = ground.kcm(&[&["certs", "import", "--yes"], &signed[..]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ground.apply(&[]);
    });
}
