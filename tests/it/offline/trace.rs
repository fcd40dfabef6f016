//! Tests of the system calls of an apply: no key in a wrong file, and no network access.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kcm_tests::{Tree, Workspace, kcm, peers};

/// Checks a kcm that waits for a silent server. It writes no core dump. Another process of the same
/// user cannot read its memory, because its files in `/proc` belong to root.
#[test]
fn the_memory_of_a_running_kcm_is_not_to_be_had() {
    // ssh needs a user with a name.
    const USER: &str = "65534";
    if !peers::is_root() || !peers::has("setpriv") {
        return;
    }
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let workspace = Workspace::one_master();
    let port = server.local_addr().unwrap().port();
    workspace.edit("address: 192.168.1.204", "address: 127.0.0.1");
    workspace.edit("masters:\n", &format!("ssh: {{port: {port}, user: kube}}\nmasters:\n"));
    let program = workspace.file("kcm");
    fs::copy(kcm(), &program).unwrap();
    peers::run(Command::new("chown").args(["-R", USER]).arg(workspace.path()));
    let ids = ["--reuid", USER, "--regid", USER, "--clear-groups"];
    let mut command = Command::new("setpriv");
    command
        .args(ids)
        .args([&program.display().to_string(), "status"])
        .current_dir(workspace.path());
    command.env_remove("XDG_RUNTIME_DIR").env("HOME", workspace.path());
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // At this point kcm has read its files and waits for the server's banner.
    server.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let connection = loop {
        match server.accept() {
            Ok(connection) => break connection,
            Err(error) => assert!(Instant::now() < deadline, "nobody connects: {error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let of_process = |name: &str| format!("/proc/{}/{name}", running.id());
    let limits = fs::read_to_string(of_process("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let owner = fs::metadata(of_process("mem")).unwrap().uid();
    let other = Command::new("setpriv").args(ids).args(["cat", &of_process("environ")]).output();
    running.kill().unwrap();
    running.wait().unwrap();
    drop(connection);
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
    assert_eq!(owner, 0);
    assert!(!other.unwrap().status.success(), "its environment can be read");
}

/// Returns every system call of a first apply that also creates a CA, with full strings in hex and
/// the paths of descriptors. `None` without strace.
fn trace(workspace: &Workspace) -> Option<String> {
    if !peers::has("strace") {
        return None;
    }
    let trace = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("strace");
    command.args(["-f", "-v", "-y", "-xx", "-s", "10000000", "-o"]).arg(trace.path()).arg(kcm());
    command.args(["apply", "--root", "out"]).current_dir(workspace.path());
    peers::run(&mut command);
    Some(fs::read_to_string(trace.path()).unwrap())
}

fn first_try() -> Workspace {
    let workspace = Workspace::new();
    fs::remove_dir_all(workspace.file("pki")).unwrap();
    workspace.edit("  keyAlgorithm: ecdsa-p256", "  createCa: true");
    workspace
}

/// Returns the texts from which bytes of a key could be recognised: parts of its PEM, its DER, its
/// base64 in a kubeconfig, and its hex, as strace prints them.
pub(crate) fn recognisable(pem: &str) -> Vec<String> {
    let lines: Vec<_> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(lines.concat()).unwrap();
    // In PKCS#1 of 2048 bits, the public modulus ends before octet 275. Everything after it is
    // secret, except the exponent 65537.
    let secret = &der[300..];
    let mut parts: Vec<Vec<u8>> = secret.chunks_exact(24).map(<[u8]>::to_vec).collect();
    parts.extend(lines[7..lines.len() - 1].iter().map(|line| line.as_bytes().to_vec()));
    let embedded = STANDARD.encode(pem);
    parts.extend(embedded.as_bytes()[700..].chunks_exact(48).map(<[u8]>::to_vec));
    let hex: String = secret.iter().map(|octet| format!("{octet:02x}")).collect();
    parts.extend(hex.as_bytes().chunks_exact(48).map(<[u8]>::to_vec));
    parts.extend(hex.to_uppercase().as_bytes().chunks_exact(48).map(<[u8]>::to_vec));
    parts.iter().map(|part| as_strace_prints(part)).collect()
}

fn as_strace_prints(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// True if key material may be read from and written to this path.
pub(crate) fn may_hold_a_key(path: &str) -> bool {
    let name = Path::new(path).file_name().unwrap().to_str().unwrap();
    let name = name.trim_start_matches('.').trim_end_matches(".new").trim_end_matches(".pair");
    matches!(
        name,
        "ca-key.pem" | "kube-controller-manager-key.pem" | "kube-controller-manager.kubeconfig"
    )
}

#[test]
fn no_byte_of_a_key_is_in_argv_the_environment_a_message_or_a_wrong_file() {
    let workspace = first_try();
    let Some(trace) = trace(&workspace) else { return };
    let keys = [
        "pki/ca/cert/ca-key.pem",
        "pki/kube-controller-manager/cert/kube-controller-manager-key.pem",
    ];
    let parts: Vec<_> = keys.iter().flat_map(|key| recognisable(&workspace.read(key))).collect();
    let mut seen = 0;
    for line in trace.lines().filter(|line| parts.iter().any(|part| line.contains(part))) {
        let call = line.split_once(' ').unwrap().1.trim_start();
        let transfer = ["read(", "write("].iter().any(|name| call.starts_with(name));
        let path =
            call.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(path, _)| path);
        let shown: String = call.chars().take(120).collect();
        assert!(transfer && path.is_some_and(|path| may_hold_a_key(&unescaped(path))), "{shown}");
        seen += 1;
    }
    // At least two keys, a pair and a pair file each, and three masters with two files are
    // expected.
    assert!(seen >= 10, "the keys were seen {seen} times only");
}

#[test]
fn no_file_with_a_key_is_ever_wider_than_0600() {
    let workspace = first_try();
    let Some(trace) = trace(&workspace) else { return };
    let (mut created, mut narrowed) = (0, 0);
    for line in trace
        .lines()
        .map(unescaped)
        .filter(|line| line.contains("key.pem") || line.contains(".kubeconfig"))
    {
        if line.contains("O_CREAT") {
            assert!(line.contains(", 0600)") && line.contains("O_EXCL"), "{line}");
            created += 1;
        }
        if line.contains("chmod") {
            assert!(line.contains(", 0600)"), "{line}");
            narrowed += 1;
        }
    }
    assert!(created >= 10 && narrowed >= 10, "{created} {narrowed}");
    for (path, entry) in Tree::of(workspace.path()).0 {
        let text = String::from_utf8_lossy(&entry.content);
        if text.contains("PRIVATE KEY") || text.contains("client-key-data") {
            assert_eq!(entry.mode & 0o7777, 0o600, "{}", path.display());
        }
    }
}

#[test]
fn with_root_the_network_is_never_touched() {
    let workspace = first_try();
    // A lookup would be needed for these names of the server and of a master.
    workspace.edit("https://192.168.1.210:6443", "https://k8s.invalid:6443");
    workspace.edit("192.168.1.206}", "master-3.invalid, bindAddress: any}");
    let Some(trace) = trace(&workspace) else { return };
    let touches = |line: &&str| {
        ["socket(", "connect(", "sendto(", "sendmsg(", "bind("]
            .iter()
            .any(|call| line.contains(call))
    };
    let touched: Vec<_> =
        trace.lines().filter(touches).filter(|line| !is_signal_pipe(line)).collect();
    assert_eq!(touched, [""; 0]);
    assert!(trace.contains("execve("), "the trace is one");
}

/// True if the call creates tokio's pipe for signals, a socket pair within the process.
fn is_signal_pipe(line: &str) -> bool {
    line.contains("socketpair(AF_UNIX")
}

/// Turns `\x41` back into `A`.
pub(crate) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        plain.push_str(&rest[..at]);
        match rest.get(at + 2..at + 4).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => plain.push(char::from(byte)),
            None => plain.push('?'),
        }
        rest = rest.get(at + 4..).unwrap_or_default();
    }
    plain + rest
}
