//! A control plane for tests: kube-apiserver at a given address, and kube-controller-manager to put on machines.
//!
//! With `KCM_LAB_KUBE_BIN` naming a folder with the real `kube-apiserver` and `kube-controller-manager`, and etcd there
//! or in `PATH`, they are real; otherwise they are the stand-ins of [`crate::standin`].

mod authority;
mod binaries;
mod client;
mod lease;
mod process;
mod request;

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use authority::{Authority, Identity};
pub use binaries::Binaries;
pub use client::{Client, Reply};
pub use lease::{Holding, LeaseHistory, LeaseWatcher};
pub use process::Process;
pub use request::Recorded;

/// A kube-apiserver, with all that it needs. It ends when this is dropped, and also when this process is killed.
#[derive(Debug)]
pub struct ControlPlane {
    binaries: Binaries,
    authority: Authority,
    at: SocketAddr,
    folder: tempfile::TempDir,
    admin: Identity,
    etcd_ports: (u16, u16),
    running: Mutex<Vec<Process>>,
    ended: Mutex<Option<Instant>>,
}

impl ControlPlane {
    /// Starts one at `address` and `port` (0: a free one), whose clients and serving certificate `authority` signs.
    #[must_use]
    pub fn start(binaries: &Binaries, address: IpAddr, port: u16, authority: &Authority) -> Self {
        Self::start_with_names(binaries, address, port, authority, &[])
    }

    /// As [`ControlPlane::start`], with more names or addresses in the serving certificate: those of a proxy before it.
    #[must_use]
    pub fn start_with_names(
        binaries: &Binaries,
        address: IpAddr,
        port: u16,
        authority: &Authority,
        names: &[&str],
    ) -> Self {
        let folder = tempfile::Builder::new().prefix("kcm-control-plane-").tempdir().unwrap();
        let port = if port == 0 { free_port(address) } else { port };
        let this = Self {
            binaries: binaries.clone(),
            authority: authority.clone(),
            at: SocketAddr::new(address, port),
            admin: authority.client("kubernetes-admin", &["system:masters"]),
            etcd_ports: (free_port(address), free_port(address)),
            folder,
            running: Mutex::default(),
            ended: Mutex::default(),
        };
        this.furnish(names);
        this.resume();
        this
    }

    /// Starts it again after [`ControlPlane::stop`] or [`ControlPlane::kill`], with the data that it had, and waits
    /// until it serves: longer than a leader holds out, counted from its end, as real servers take on a busy machine.
    pub fn resume(&self) {
        assert!(self.running.lock().unwrap().is_empty(), "it runs already");
        let start = |program: &Path, arguments: &[String], log: &str| {
            let process = Process::start(program, arguments, &self.file(log));
            self.running.lock().unwrap().push(process);
        };
        if let Some(etcd) = &self.binaries.etcd {
            start(etcd, &self.etcd_arguments(), "etcd.log");
            self.wait_for("etcd", || std::net::TcpStream::connect(self.etcd()).is_ok());
        }
        let arguments = match &self.binaries.etcd {
            Some(_) => self.real_arguments(),
            None => self.standin_arguments(),
        };
        start(&self.binaries.api_server, &arguments, "kube-apiserver.log");
        self.wait_for("kube-apiserver", || self.is_ready());
    }

    /// Stops it in order. Its data stays.
    pub fn stop(&self) {
        while let Some(process) = self.running.lock().unwrap().pop() {
            let _ = process.terminate();
        }
        *self.ended.lock().unwrap() = Some(Instant::now());
    }

    /// Ends it at once. Its data stays.
    pub fn kill(&self) {
        while let Some(process) = self.running.lock().unwrap().pop() {
            process.kill();
        }
        *self.ended.lock().unwrap() = Some(Instant::now());
    }

    /// Lets it answer nobody for a while: an outage whose length the test chooses.
    pub fn freeze(&self, length: Duration) {
        let running = self.running.lock().unwrap();
        running.iter().for_each(Process::freeze);
        sleep(length);
        running.iter().for_each(Process::thaw);
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.at
    }

    /// The URL for kubeconfigs.
    #[must_use]
    pub fn server(&self) -> String {
        format!("https://{}", self.at)
    }

    /// The CA of its clients and of its serving certificate.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What it was started from.
    #[must_use]
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// A file in its folder: `ca.pem`, `kube-apiserver.log`, `audit.jsonl` and others.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A client that may do everything.
    #[must_use]
    pub fn admin(&self) -> Client {
        self.client(Some(&self.admin))
    }

    /// A client with this identity, or with none.
    #[must_use]
    pub fn client(&self, identity: Option<&Identity>) -> Client {
        Client::new(self.at, &self.authority.certificate, identity)
    }

    /// A kubeconfig with this identity embedded, as the tutorial makes it.
    #[must_use]
    pub fn kubeconfig(&self, identity: &Identity) -> String {
        self.authority.kubeconfig(&self.server(), identity)
    }

    /// The requests that it has answered until now, oldest first; of a watch, its beginning.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        request::read(&self.file("audit.jsonl"))
    }

    fn furnish(&self, names: &[&str]) {
        let own = self.at.ip().to_string();
        let mut hosts = vec![own.as_str(), "localhost", "kubernetes", "kubernetes.default.svc"];
        hosts.extend(names);
        let serving = self.authority.server(&hosts);
        let tokens = self.authority.client("service-accounts", &[]);
        let files = [
            ("ca.pem", self.authority.certificate.as_str()),
            ("serving.pem", &serving.certificate),
            ("serving-key.pem", &serving.key),
            ("service-accounts-key.pem", &tokens.key),
            ("service-accounts.pem", &tokens.certificate),
            ("audit-policy.yaml", AUDIT_POLICY),
        ];
        for (name, content) in files {
            std::fs::write(self.file(name), content).unwrap();
        }
    }

    fn etcd(&self) -> SocketAddr {
        SocketAddr::new(self.at.ip(), self.etcd_ports.0)
    }

    fn etcd_arguments(&self) -> Vec<String> {
        let client = format!("http://{}", self.etcd());
        let peer = format!("http://{}", SocketAddr::new(self.at.ip(), self.etcd_ports.1));
        vec![
            format!("--data-dir={}", self.path("etcd")),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
        ]
    }

    fn common_arguments(&self) -> Vec<String> {
        vec![
            format!("--bind-address={}", self.at.ip()),
            format!("--secure-port={}", self.at.port()),
            format!("--tls-cert-file={}", self.path("serving.pem")),
            format!("--tls-private-key-file={}", self.path("serving-key.pem")),
            format!("--client-ca-file={}", self.path("ca.pem")),
            format!("--audit-log-path={}", self.path("audit.jsonl")),
        ]
    }

    fn standin_arguments(&self) -> Vec<String> {
        let mut arguments = self.common_arguments();
        arguments.push(format!("--standin-data-dir={}", self.path("data")));
        let away = self.ended.lock().unwrap().map(|ended| ended.elapsed());
        let delay = away.map_or(Duration::ZERO, |away| AWAY.saturating_sub(away));
        arguments.push(format!("--standin-startup-delay={}ms", delay.as_millis()));
        arguments
    }

    fn real_arguments(&self) -> Vec<String> {
        let mut arguments = self.common_arguments();
        arguments.extend([
            format!("--advertise-address={}", self.at.ip()),
            format!("--audit-policy-file={}", self.path("audit-policy.yaml")),
            "--authorization-mode=Node,RBAC".to_owned(),
            // It would refuse to publish a loopback address.
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--etcd-servers=http://{}", self.etcd()),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", self.path("service-accounts.pem")),
            format!("--service-account-signing-key-file={}", self.path("service-accounts-key.pem")),
            "--service-cluster-ip-range=10.68.0.0/16".to_owned(),
        ]);
        arguments
    }

    fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// Serving, with its roles, and with the `ConfigMap` that kube-controller-manager asks for first.
    fn is_ready(&self) -> bool {
        const AUTHENTICATION: &str =
            "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
        let admin = self.admin();
        let is_ok = |path: &str| admin.try_get(path).is_ok_and(|reply| reply.code == 200);
        is_ok("/readyz") && is_ok(AUTHENTICATION)
    }

    fn wait_for(&self, what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            let has_ended = self.running.lock().unwrap().iter_mut().any(|p| p.code().is_some());
            let log =
                || std::fs::read_to_string(self.file(&format!("{what}.log"))).unwrap_or_default();
            let is_late = start.elapsed() > PATIENCE;
            assert!(!has_ended && !is_late, "{what} does not start:\n{}", log());
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if let Ok(running) = self.running.get_mut() {
            running.drain(..).rev().for_each(Process::kill);
        }
    }
}

/// A port at which nobody listens just now.
#[must_use]
pub fn free_port(address: IpAddr) -> u16 {
    TcpListener::bind((address, 0)).and_then(|listener| listener.local_addr()).unwrap().port()
}

/// Whether a file is there and may be executed, so that it can be put on a machine.
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// How long a stand-in that ended is away at least: longer than the renew deadline of 10 s.
const AWAY: Duration = Duration::from_secs(11);

/// A real server with its etcd takes seconds, on a busy machine many.
const PATIENCE: Duration = Duration::from_secs(90);

/// What the stand-in writes, too.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
";
