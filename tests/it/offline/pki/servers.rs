//! Tests of handshakes in which servers of Go and of OpenSSL verify the client certificate.

use super::*;

#[test]
fn a_server_in_go_admits_kubectl_with_our_kubeconfig_and_no_other_ca() {
    if !peers::has("cfssl") || !peers::has("kubectl") {
        return;
    }
    let (workspace, other) = (site_of("rsa", 2048, "876000h"), site_of("rsa", 2048, "876000h"));
    workspace.apply();
    other.apply();
    sign(&workspace, "kubernetes", &json!({"CN": "server", "hosts": ["127.0.0.1"]}), "server");
    let server = Server::start(&workspace, |port| {
        let mut command = Command::new("cfssl");
        command.current_dir(workspace.path()).args([
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
    workspace.write("body.json", r#"{"label": ""}"#);
    let info = ["create", "--raw", "/api/v1/cfssl/info", "-f", "body.json"];
    let kubeconfig = workspace.on_master("k8s-master-01", KUBECONFIG);
    let printed = server.kubectl(&workspace, &kubeconfig, &info);
    assert!(
        printed.status.success() && printed.stdout.starts_with(br#"{"success":true"#),
        "{printed:?}"
    );

    // The client trusts the server, so the server must be the one that refuses.
    let ours = fs::read_to_string(&kubeconfig).unwrap();
    let theirs = fs::read_to_string(other.on_master("k8s-master-01", KUBECONFIG)).unwrap();
    let users = |text: &str| text.find("users:").unwrap();
    workspace.write("other", [&ours[..users(&ours)], &theirs[users(&theirs)..]].concat());
    assert!(!server.kubectl(&workspace, &workspace.file("other"), &info).status.success());
    // The client's message depends on how fast it writes.
    let log = || workspace.read("server.log");
    assert!(in_time(|| log().contains("certificate signed by unknown authority")), "{}", log());
}

#[test]
fn openssls_server_sees_the_certificate_that_kubectl_presents_from_our_kubeconfig() {
    if !peers::has("cfssl") || !peers::has("openssl") || !peers::has("kubectl") {
        return;
    }
    let workspace = site_of("ecdsa", 256, "876000h");
    workspace.apply();
    sign(&workspace, "kubernetes", &json!({"CN": "server", "hosts": ["127.0.0.1"]}), "server");
    let server = Server::start(&workspace, |port| {
        let accept = format!("127.0.0.1:{port}");
        let mut command = peers::openssl(
            workspace.path(),
            &["s_server", "-www", "-accept", &accept, "-CAfile", CA],
        );
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
    let kubeconfig = workspace.on_master("k8s-master-02", KUBECONFIG);
    let printed = server.kubectl(&workspace, &kubeconfig, &["get", "--raw", "/healthz"]);
    let page = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.status.success(), "{page}");
    assert!(page.contains("Verify return code: 0 (ok)"), "{page}");
    let serial = Certificate::from_pem(workspace.read(CERTIFICATE).as_bytes()).unwrap().serial();
    let shown: String = page.chars().filter(char::is_ascii_hexdigit).collect();
    assert!(shown.contains(&serial), "{serial} {page}");
}

/// A server on a free port of loopback; it ends with the test.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(workspace: &Workspace, command: impl FnOnce(u16) -> Command) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut command = command(port);
        let log = fs::File::create(workspace.file("server.log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let server = Self { process: command.spawn().unwrap(), port };
        let listens = in_time(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(listens, "{command:?} does not listen: {}", workspace.read("server.log"));
        server
    }

    fn kubectl(&self, workspace: &Workspace, kubeconfig: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new("kubectl");
        command
            .current_dir(workspace.path())
            .env("HOME", workspace.path())
            .env_remove("KUBECONFIG");
        command.arg("--kubeconfig").arg(kubeconfig).arg("--request-timeout=20s");
        command.arg(format!("--server=https://127.0.0.1:{}", self.port)).args(arguments);
        peers::output(&mut command)
    }
}

/// True if a condition becomes true within 20 s.
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
