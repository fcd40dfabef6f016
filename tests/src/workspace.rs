//! An operator's folder with a cluster file and a CA, and the `kcm` command run in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use kcm_pki::{CaRequest, CertificateAuthority, CsrFile, KeyAlgorithm, PrivateKey, SerialNumber};
use time::{Duration, OffsetDateTime};

use crate::Tree;
use crate::peers;

/// An operator's folder, removed when this value is dropped.
#[derive(Debug)]
pub struct Workspace {
    folder: tempfile::TempDir,
}

/// The exit code and the output of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOutput {
    /// Exit code, -1 after a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Workspace {
    /// Creates a folder for the tutorial's cluster. CA and keys are P-256, which are generated
    /// quickly.
    #[must_use]
    pub fn new() -> Self {
        let workspace = Self::empty();
        let (certificate, key) = ca(KeyAlgorithm::EcdsaP256, "kubernetes");
        workspace.write("pki/ca/cert/ca.pem", &certificate);
        workspace.write("pki/ca/cert/ca-key.pem", &key);
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(workspace.file("pki/ca/cert/ca-key.pem"), private).unwrap();
        workspace.write("kcm.yaml", CLUSTER_FILE);
        workspace
    }

    /// Creates a folder like [`Workspace::new`] with the first master only.
    #[must_use]
    pub fn one_master() -> Self {
        let workspace = Self::new();
        let text = workspace.read("kcm.yaml");
        let lines = text.lines().filter(|line| !line.contains("-02") && !line.contains("-03"));
        workspace.write("kcm.yaml", lines.flat_map(|line| [line, "\n"]).collect::<String>());
        workspace
    }

    /// Creates an empty folder.
    #[must_use]
    pub fn empty() -> Self {
        Self { folder: tempfile::Builder::new().prefix("kcm-site-").tempdir().unwrap() }
    }

    /// Path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Path of a file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Path of a master's file under `out`.
    #[must_use]
    pub fn on_master(&self, master: &str, path: &str) -> PathBuf {
        self.file("out").join(master).join(path.trim_start_matches('/'))
    }

    /// Writes a file and creates its parent folders.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Reads a file as text.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Replaces text of the cluster file, which must contain it.
    pub fn edit(&self, from: &str, to: &str) {
        let text = self.read("kcm.yaml");
        assert!(text.contains(from), "the cluster file has no {from:?}");
        self.write("kcm.yaml", text.replace(from, to));
    }

    /// Configures kcm to upload everything that the service reads: the CA, and a program that never
    /// runs.
    pub fn bring_everything(&self) {
        self.write("kube-controller-manager", program(3000));
        self.edit(
            "masters:\n",
            "install: {binary: kube-controller-manager, distributeCa: true}\nmasters:\n",
        );
    }

    /// Returns the content of the folder.
    #[must_use]
    pub fn tree(&self) -> Tree {
        Tree::of(self.path())
    }

    /// Runs `kcm` with `arguments` in the folder.
    #[must_use]
    pub fn kcm(&self, arguments: &[&str]) -> CommandOutput {
        let mut command = Command::new(kcm());
        command.current_dir(self.path()).args(arguments);
        ran(&mut command)
    }

    /// Runs `kcm apply --root out`, which must succeed.
    #[expect(clippy::must_use_candidate, reason = "it is run for what it does")]
    pub fn apply(&self) -> CommandOutput {
        let ran = self.kcm(&["apply", "--root", "out"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    }

    /// Runs `kcm plan --root out -o json`, which must succeed; returns the plan.
    #[must_use]
    pub fn plan(&self) -> serde_json::Value {
        let ran = self.kcm(&["plan", "--root", "out", "-o", "json"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs a prepared command, whatever its exit status.
pub(crate) fn ran(command: &mut Command) -> CommandOutput {
    let output = peers::output(command);
    CommandOutput {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Builds the `kcm` command from this checkout and returns its path.
pub fn kcm() -> &'static Path {
    static KCM: OnceLock<PathBuf> = OnceLock::new();
    KCM.get_or_init(|| {
        // The test is in `<profile>/deps/`. Tests run the `kcm` that cargo builds into
        // `<profile>/`.
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let mut build = Command::new(env!("CARGO"));
        // With the features of the whole workspace, cargo can reuse its build.
        build.args(["build", "--quiet", "--workspace", "--bin", "kcm"]);
        build.arg("--target-dir").arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        peers::run(&mut build);
        profile.join("kcm")
    })
}

/// Returns `size` bytes (at least 20) that look like a program for Linux on amd64.
#[must_use]
pub fn program(size: usize) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    bytes.resize(16, 0);
    bytes.extend([2, 0, 62, 0]);
    bytes.extend((20..size).map(|place| (place * 31 % 251).to_le_bytes()[0]));
    bytes
}

/// A script that reports the version of kube-controller-manager and then sleeps, for tests without
/// a real service.
///
/// It does not listen, so that its flags must contain [`SERVES_NOT`].
pub const SLEEPER: &str = "#!/bin/sh\ncase $1 in --version) echo Kubernetes v1.36.0 ;; --help) ;; *) exec sleep infinity ;; esac\n";

/// Section of a cluster file for a service that does not listen.
pub const SERVES_NOT: &str = "controllerManager: {flags: {secure-port: 0}}\n";

/// Creates a root CA; returns its certificate and key as PEM.
#[must_use]
pub fn ca(algorithm: KeyAlgorithm, common_name: &str) -> (String, String) {
    let csr = CsrFile::parse(&format!(r#"{{"CN": "{common_name}"}}"#)).unwrap().value;
    let key = PrivateKey::generate(algorithm).unwrap();
    let request = CaRequest {
        subject: csr.subject,
        lifetime: Duration::days(3650).unsigned_abs(),
        path_len: None,
    };
    let now = OffsetDateTime::now_utc();
    let certificate = CertificateAuthority::create(&request, &key, serial(), now).unwrap();
    (certificate.to_pem(), key.to_pem().to_string())
}

/// Returns a random serial number.
#[must_use]
pub fn serial() -> SerialNumber {
    let mut random = [0; 20];
    aws_lc_rs::rand::fill(&mut random).unwrap();
    SerialNumber::from_random(random)
}

const CLUSTER_FILE: &str = "\
apiVersion: kcm/v1
cluster:
  server: https://192.168.1.210:6443
  clusterCidr: 172.20.0.0/16
  serviceClusterIpRange: 10.68.0.0/16
pki:
  caCert: pki/ca/cert/ca.pem
  caKey: pki/ca/cert/ca-key.pem
  keyAlgorithm: ecdsa-p256
masters:
  - {name: k8s-master-01, address: 192.168.1.204}
  - {name: k8s-master-02, address: 192.168.1.205}
  - {name: k8s-master-03, address: 192.168.1.206}
";

/// Command that runs an ignored test of the same binary in a process of its own, for tests that kill that process. `module` is the
/// caller's `module_path!()`.
#[must_use]
pub fn ignored_test(module: &str, name: &str) -> Command {
    let (_, module) = module.split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("{module}::{name}"), "--ignored", "--nocapture"]);
    command
}
