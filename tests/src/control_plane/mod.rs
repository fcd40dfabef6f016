//! A control plane for tests: kube-apiserver at a given address, and kube-controller-manager to
//! install on machines.
//!
//! If `KCM_LAB_KUBE_BIN` names a folder with the real `kube-apiserver` and
//! `kube-controller-manager`, the control plane runs them. It then needs etcd in that folder or in
//! `PATH`. If the variable is unset, it runs the stand-ins of [`crate::standin`].

mod authority;
mod binaries;
mod client;
mod lease;
mod process;
mod published;
mod request;
mod settings;
mod tokens;

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
pub use settings::Settings;

/// A running kube-apiserver with everything that it needs. It ends when this value is dropped or
/// when this process is killed.
#[derive(Debug)]
pub struct ControlPlane {
    binaries: Binaries,
    authority: Authority,
    at: SocketAddr,
    folder: tempfile::TempDir,
    hosts: Vec<String>,
    settings: Mutex<Settings>,
    etcd_ports: (u16, u16),
    running: Mutex<Vec<Process>>,
    ended: Mutex<Option<Instant>>,
}

impl ControlPlane {
    /// Starts a control plane at `address` and `port` (0 for a free one). `authority` signs the
    /// certificates of clients and server.
    #[must_use]
    pub fn start(binaries: &Binaries, address: IpAddr, port: u16, authority: &Authority) -> Self {
        Self::start_with_names(binaries, address, port, authority, &[])
    }

    /// Starts a control plane like [`ControlPlane::start`], with more names or addresses in the
    /// serving certificate.
    ///
    /// A proxy in front of the server needs its names there.
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
        let hosts = settings::hosts(address, names);
        let this = Self {
            binaries: binaries.clone(),
            authority: authority.clone(),
            at: SocketAddr::new(address, port),
            settings: Mutex::new(Settings::new(authority, &hosts)),
            hosts,
            etcd_ports: (free_port(address), free_port(address)),
            folder,
            running: Mutex::default(),
            ended: Mutex::default(),
        };
        std::fs::write(this.file("audit-policy.yaml"), AUDIT_POLICY).unwrap();
        this.resume();
        this
    }

    /// Stops the server if it runs, changes its settings, and starts it again with its data.
    ///
    /// kube-apiserver reads the keys of service accounts only at start.
    pub fn restart_with(&self, change: impl FnOnce(&mut Settings)) {
        if !self.running.lock().unwrap().is_empty() {
            self.stop();
        }
        change(&mut self.settings.lock().unwrap());
        self.resume();
    }

    /// Returns the current settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings.lock().unwrap().clone()
    }

    /// Issues a serving certificate of another CA for the hosts of the server.
    #[must_use]
    pub fn serving_identity(&self, authority: &Authority) -> Identity {
        settings::serving(authority, &self.hosts)
    }

    /// Restarts the server with its data after [`ControlPlane::stop`] or [`ControlPlane::kill`],
    /// and waits until it serves.
    ///
    /// A stand-in serves no earlier than [`Settings::downtime`] after its end, by default 11 s. That
    /// is longer than the renew deadline of a leader. Real servers on a busy machine take that
    /// long, too.
    pub fn resume(&self) {
        assert!(self.running.lock().unwrap().is_empty(), "it runs already");
        let start = |program: &Path, arguments: &[String], log: &str| {
            let process = Process::start(program, arguments, &self.file(log));
            self.running.lock().unwrap().push(process);
        };
        self.settings().write(self.folder.path());
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
        if self.binaries.are_real() {
            self.publish();
        }
    }

    /// Stops the server with SIGTERM. Its data stays.
    pub fn stop(&self) {
        while let Some(process) = self.running.lock().unwrap().pop() {
            let _ = process.terminate();
        }
        *self.ended.lock().unwrap() = Some(Instant::now());
    }

    /// Kills the server. Its data stays.
    pub fn kill(&self) {
        while let Some(process) = self.running.lock().unwrap().pop() {
            process.kill();
        }
        *self.ended.lock().unwrap() = Some(Instant::now());
    }

    /// Suspends the server for `length`: an outage whose duration the test chooses.
    pub fn freeze(&self, length: Duration) {
        let running = self.running.lock().unwrap();
        running.iter().for_each(Process::freeze);
        sleep(length);
        running.iter().for_each(Process::thaw);
    }

    /// Address on which the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.at
    }

    /// URL of the server for kubeconfigs.
    #[must_use]
    pub fn server(&self) -> String {
        format!("https://{}", self.at)
    }

    /// CA of the clients and of the first serving certificate.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Programs of the control plane.
    #[must_use]
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Path of a file in the server's folder: `ca.pem`, `kube-apiserver.log`, `audit.jsonl` and
    /// others.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a client with all permissions.
    #[must_use]
    pub fn admin(&self) -> Client {
        self.client(Some(&self.settings().admin))
    }

    /// Returns a client with this identity, or an anonymous one.
    #[must_use]
    pub fn client(&self, identity: Option<&Identity>) -> Client {
        Client::new(self.at, &self.settings().server_ca, identity)
    }

    /// Returns a client with this identity that verifies the server with these CA certificates in PEM.
    #[must_use]
    pub fn client_trusting(&self, ca: &str, identity: &Identity) -> Client {
        Client::new(self.at, ca, Some(identity))
    }

    /// Builds a kubeconfig with this identity embedded, like the tutorial's.
    #[must_use]
    pub fn kubeconfig(&self, identity: &Identity) -> String {
        self.authority.kubeconfig(&self.server(), identity)
    }

    /// Returns the requests answered so far, oldest first. A watch counts when it begins.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        request::read(&self.file("audit.jsonl"))
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
        let mut arguments = self.settings().service_account_arguments(self.folder.path());
        arguments.extend([
            format!("--advertise-address={}", self.at.ip()),
            format!("--bind-address={}", self.at.ip()),
            format!("--secure-port={}", self.at.port()),
            format!("--tls-cert-file={}", self.path("serving.pem")),
            format!("--tls-private-key-file={}", self.path("serving-key.pem")),
            format!("--client-ca-file={}", self.path("ca.pem")),
            format!("--audit-log-path={}", self.path("audit.jsonl")),
        ]);
        arguments
    }

    fn standin_arguments(&self) -> Vec<String> {
        let mut arguments = self.common_arguments();
        arguments.push(format!("--standin-data-dir={}", self.path("data")));
        let away = self.ended.lock().unwrap().map(|ended| ended.elapsed());
        let settings = self.settings();
        let delay = away.map_or(Duration::ZERO, |away| settings.downtime.saturating_sub(away));
        arguments.push(format!("--standin-startup-delay={}ms", delay.as_millis()));
        let peers: Vec<_> = settings.peers.iter().map(SocketAddr::to_string).collect();
        arguments.push(format!("--standin-peers={}", peers.join(",")));
        arguments
    }

    fn real_arguments(&self) -> Vec<String> {
        let mut arguments = self.common_arguments();
        arguments.extend([
            format!("--audit-policy-file={}", self.path("audit-policy.yaml")),
            "--authorization-mode=Node,RBAC".to_owned(),
            // The default reconciler refuses a loopback address, and would remove the peers.
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--etcd-servers=http://{}", self.etcd()),
            "--service-cluster-ip-range=10.68.0.0/16".to_owned(),
        ]);
        arguments
    }

    fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// Reports whether the server is ready and has the `ConfigMap` that kube-controller-manager
    /// reads first.
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

/// Returns a port that is free at present.
#[must_use]
pub fn free_port(address: IpAddr) -> u16 {
    TcpListener::bind((address, 0)).and_then(|listener| listener.local_addr()).unwrap().port()
}

/// Reports whether `path` is an executable file.
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Minimum downtime of a stand-in: longer than the renew deadline of 10 s.
const AWAY: Duration = Duration::from_secs(11);

/// Limit for a start. A real server with etcd takes seconds, and many more on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Audit policy of a real server. The stand-in writes the same events.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
";
