//! Tests of the parts of kube-apiserver and kube-controller-manager on which the tests of kcm rely.
//!
//! They run with the stand-ins, or with the real programs if `KCM_LAB_KUBE_BIN` names their folder.

mod access;
mod command_line;
mod election;
mod objects;
mod restart;
mod service_accounts;
mod serving;
mod values;
mod workloads;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kcm_tests::control_plane::{Authority, Binaries, ControlPlane, Identity, Process, free_port};
use serde_json::{Value, json};

const MANAGER: &str = "system:kube-controller-manager";
const CORE: &str = "/api/v1/namespaces";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";

/// Timeout for everything that is not slow by design, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn control_plane() -> ControlPlane {
    ControlPlane::start(&Binaries::find(), address(), 0, &Authority::new())
}

/// Returns a loopback address for this test only; no lab uses 127.64.0.0/10.
fn address() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let last = NEXT.fetch_add(1, Ordering::Relaxed);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 + high % 64, low, last).into()
}

/// Waits at least a minute, because a machine may be busy.
fn until(what: &str, patience: Duration, is_so: impl FnMut() -> bool) -> Duration {
    let (start, mut is_so) = (Instant::now(), is_so);
    let patience = patience.max(Duration::from_secs(60));
    while !is_so() {
        assert!(start.elapsed() < patience, "never: {what}");
        sleep(Duration::from_millis(20));
    }
    start.elapsed()
}

/// Files of one master, and the tutorial's flags with their paths.
pub(crate) struct Candidate<'a> {
    plane: &'a ControlPlane,
    folder: tempfile::TempDir,
    address: IpAddr,
    port: u16,
}

impl<'a> Candidate<'a> {
    pub(crate) fn new(plane: &'a ControlPlane) -> Self {
        Self::with(plane, &plane.authority().controller_manager())
    }

    fn with(plane: &'a ControlPlane, identity: &Identity) -> Self {
        let folder = tempfile::Builder::new().prefix("kcm-candidate-").tempdir().unwrap();
        let address = address();
        let this = Self { plane, folder, address, port: free_port(address) };
        let write = |name: &str, content: &str| fs::write(this.file(name), content).unwrap();
        write("ca.pem", &plane.authority().certificate);
        write("ca-key.pem", &plane.authority().key);
        write("kubeconfig", &plane.kubeconfig(identity));
        this
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the tutorial's flags.
    fn flags(&self) -> Vec<String> {
        let path = |name: &str| self.file(name).display().to_string();
        vec![
            "--allocate-node-cidrs=true".to_owned(),
            format!("--authentication-kubeconfig={}", path("kubeconfig")),
            format!("--authorization-kubeconfig={}", path("kubeconfig")),
            format!("--bind-address={}", self.address),
            "--cluster-cidr=172.20.0.0/16".to_owned(),
            "--cluster-name=kubernetes".to_owned(),
            format!("--cluster-signing-cert-file={}", path("ca.pem")),
            format!("--cluster-signing-key-file={}", path("ca-key.pem")),
            format!("--kubeconfig={}", path("kubeconfig")),
            "--leader-elect=true".to_owned(),
            "--node-cidr-mask-size=24".to_owned(),
            format!("--root-ca-file={}", path("ca.pem")),
            format!("--service-account-private-key-file={}", path("ca-key.pem")),
            "--service-cluster-ip-range=10.68.0.0/16".to_owned(),
            "--use-service-account-credentials=true".to_owned(),
            "--v=2".to_owned(),
            format!("--secure-port={}", self.port),
        ]
    }

    pub(crate) fn start(&self) -> Process {
        self.start_with(&[])
    }

    /// Starts with the tutorial's flags and more after them; an empty value after `=` removes the
    /// flag.
    fn start_with(&self, more: &[&str]) -> Process {
        let mut flags = self.flags();
        for flag in more {
            let (name, value) = flag.split_once('=').unwrap_or((flag, "true"));
            flags.retain(|own| !own.starts_with(&format!("{name}=")));
            if !value.is_empty() {
                flags.push((*flag).to_owned());
            }
        }
        Process::start(self.plane.binaries().controller_manager_binary(), &flags, &self.file("log"))
    }

    /// Starts with flags with which it must exit; returns its log.
    fn fails_with(&self, more: &[&str]) -> String {
        let mut process = self.start_with(more);
        let code = process.wait(PATIENCE);
        let log = process.log();
        assert!(code.is_some_and(|code| code != 0), "{more:?}: {code:?}: {log}");
        log
    }

    /// Returns status and text of `/healthz`, if the server answers.
    fn healthz(&self) -> Option<(u16, Value)> {
        let at = std::net::SocketAddr::new(self.address, self.port);
        let url = format!("https://{at}/healthz");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--insecure", "--max-time", "5", "--write-out", "\n%{http_code}"]);
        let output = curl.arg(url).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, code) = text.rsplit_once('\n')?;
        let code = code.parse().ok().filter(|code| *code != 0)?;
        Some((code, json!(body)))
    }

    fn is_healthy(&self) -> bool {
        self.healthz() == Some((200, json!("ok")))
    }
}

/// Waits until the Lease has a holder, and returns it.
pub(crate) fn leader(plane: &ControlPlane) -> String {
    let admin = plane.admin();
    until("somebody leads", PATIENCE, || admin.holder().is_some());
    admin.holder().unwrap()
}

fn deployment(name: &str, replicas: u32) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": "registry.invalid/main:1"}]},
            },
        },
    })
}
