//! Tests of masters behind a real sshd.

mod batches;
mod connect;
mod contract;
mod exchange;
mod host_keys;
mod jump;
mod leaks;
mod lock;
mod lost;
mod neighbour;
mod program;
mod stream;
mod sudo;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use kcm::cluster::Ssh;
use kcm::files::RemotePath;
use kcm::transport::{
    Batch, Connections, Exec, OpenSsh, Operation, Output, Password, Probe, Replies, Reply,
    ShellTransport, Transport, TransportError,
};
use kcm_systemd::UnitName;
use kcm_tests::lab::{LabCluster, Machine};
use kcm_tests::{Workspace, kcm};
use zeroize::Zeroizing;

/// Returns the SSH settings with which the lab's operator reaches a machine.
fn settings(machine: &Machine) -> Ssh {
    let operator = machine.identity_file();
    let config_file = Some(operator.parent().unwrap().join("ssh_config"));
    Ssh { config_file, ..Ssh::default() }
}

/// Returns a machine as kcm reaches it with these settings.
fn master_with(
    machine: &Machine,
    ssh: Ssh,
    connections: &Connections,
) -> Arc<ShellTransport<OpenSsh>> {
    let password = machine.sudo_password().map(|it| Password::new(Zeroizing::new(it.to_owned())));
    let address = machine.address().to_string().parse().unwrap();
    Arc::new(OpenSsh::new(address, ssh, connections).into_transport(machine.name(), password))
}

pub(super) fn master(machine: &Machine) -> Arc<ShellTransport<OpenSsh>> {
    master_with(machine, settings(machine), &Connections::new())
}

/// Returns the master at an address.
fn master_at(address: &str, ssh: Ssh) -> Arc<ShellTransport<OpenSsh>> {
    let address = address.parse().unwrap();
    Arc::new(OpenSsh::new(address, ssh, &Connections::new()).into_transport("k8s-master-01", None))
}

/// Runs a test on a runtime like the command's, and then closes the connection.
pub(super) fn on<F: Future>(master: &Arc<ShellTransport<OpenSsh>>, test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let done = test.await;
        master.close().await;
        done
    })
}

fn remote(path: &str) -> RemotePath {
    RemotePath::new(path).unwrap()
}

fn unit() -> UnitName {
    "kube-controller-manager.service".parse().unwrap()
}

fn probe(paths: &[&str]) -> Operation {
    Operation::Probe(Probe {
        paths: paths.iter().map(|path| remote(path)).collect(),
        ..Probe::new(
            unit(),
            remote("/etc/systemd/system/kube-controller-manager.service"),
            remote("/opt/kubernetes/bin/kube-controller-manager"),
        )
    })
}

fn exec(argv: &[&str], stdin: impl Into<Vec<u8>>) -> Operation {
    let argv = argv.iter().map(|&word| word.to_owned()).collect();
    Operation::Exec(Exec { argv, stdin: Zeroizing::new(stdin.into()) })
}

fn within(seconds: u64, operations: Vec<Operation>) -> Batch {
    Batch { deadline: Duration::from_secs(seconds), ..Batch::new(operations) }
}

/// Returns the replies to operations, all of which must succeed.
async fn done(master: &ShellTransport<OpenSsh>, operations: Vec<Operation>) -> Vec<Reply> {
    let replies = master.call(&Batch::new(operations)).await.unwrap();
    assert!(replies.failed.is_none(), "{replies:?}");
    replies.done
}

/// Runs a program on the master.
async fn output(
    master: &ShellTransport<OpenSsh>,
    argv: &[&str],
    stdin: impl Into<Vec<u8>>,
) -> Output {
    match done(master, vec![exec(argv, stdin)]).await.remove(0) {
        Reply::Exec(output) => output,
        other => panic!("{other:?}"),
    }
}

/// Returns the trimmed output of a program on the master, which must succeed.
async fn stdout_of(master: &ShellTransport<OpenSsh>, argv: &[&str]) -> String {
    let output = output(master, argv, "").await;
    assert_eq!(output.status, Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Asserts that a program runs on the master as `user`.
async fn reaches(master: &Arc<ShellTransport<OpenSsh>>, user: &str) {
    assert_eq!(stdout_of(master, &["id", "-un"]).await, user);
}

/// Returns the user-visible reason why a batch never ran.
fn never_ran(result: Result<Replies, TransportError>) -> String {
    match result {
        Err(error @ TransportError::NeverRan { .. }) => {
            println!("{error}");
            let error = error.to_string();
            assert!(!error.contains('\n') && !error.contains('\r'), "one line: {error}");
            error
        }
        other => panic!("{other:?}"),
    }
}

/// Returns the user-visible reason why a master is unreachable.
fn refusal(master: &Arc<ShellTransport<OpenSsh>>) -> String {
    on(master, async { never_ran(master.call(&Batch::new(vec![probe(&[])])).await) })
}

fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

/// Returns the commands that a message names.
fn commands(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// Runs a command of a message, as an operator would.
fn follow(command: &str) {
    println!("$ {command}");
    let mut shell = Command::new("sh");
    kcm_tests::peers::run(shell.args(["-c", command]).stdin(std::process::Stdio::null()));
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        sleep(Duration::from_millis(20));
    }
}

async fn until_async(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Holder of a machine's script lock until it is dropped, like a running script.
struct Busy<'m> {
    machine: &'m Machine,
    holder: Child,
}

impl<'m> Busy<'m> {
    fn on(machine: &'m Machine) -> Self {
        let hold = "mkdir -p /run/kcm && exec flock -F /run/kcm/script sh -c \
                    'touch /run/busy; while [ -e /run/busy ]; do sleep 0.1; done'";
        let holder = machine.command(&["sh", "-c", hold]).spawn().unwrap();
        until("it is busy", || machine.run(&["test", "-e", "/run/busy"]).code == 0);
        Self { machine, holder }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.machine.run(&["rm", "-f", "/run/busy"]);
        let _ = self.holder.wait();
    }
}

/// A workspace whose only master is a machine, with further lines for the `ssh` section.
fn workspace(lab: &LabCluster, machine: &Machine, ssh: &str) -> Workspace {
    let workspace = Workspace::one_master();
    workspace.bring_everything();
    let text = workspace.read("kcm.yaml");
    let (head, _) = text.split_once("masters:\n").unwrap();
    let config = lab.operator().join("ssh_config");
    let (name, address) = (machine.name(), machine.address());
    workspace.write(
        "kcm.yaml",
        format!(
            "{head}masters:\n  - {{name: {name}, address: {address}}}\nssh:\n  configFile: {}\n{ssh}",
            config.display()
        ),
    );
    workspace
}

/// Returns the `kcm` command in a workspace, with a separate folder for control sockets.
fn kcm_in(workspace: &Workspace, arguments: &[&str]) -> Command {
    let runtime = runtime_folder(workspace);
    let mut command = Command::new(kcm());
    command.current_dir(workspace.path()).args(arguments).env("XDG_RUNTIME_DIR", runtime);
    command
}

fn runtime_folder(workspace: &Workspace) -> std::path::PathBuf {
    let runtime = workspace.file("run");
    fs::create_dir_all(&runtime).unwrap();
    // pam_systemd creates the folder with this mode; kcm refuses any other.
    fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
    runtime
}

/// Returns the processes of this machine whose command line contains a text, with their command
/// lines.
fn processes_with(text: &str) -> Vec<(u32, String)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let lines = numbers.filter_map(|number| Some((number, command_line_of(number)?)));
    lines.filter(|(number, line)| *number != std::process::id() && line.contains(text)).collect()
}

fn command_line_of(process: u32) -> Option<String> {
    let line = fs::read(Path::new("/proc").join(process.to_string()).join("cmdline")).ok()?;
    Some(String::from_utf8_lossy(&line).replace('\0', " "))
}
