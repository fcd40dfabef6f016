//! Tests of connecting to a master; a failure is one clear error with the fix.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use kcm::cluster::{HostAddress, Ssh};
use kcm::transport::{Batch, Connections, OpenSsh, Transport};
use kcm_tests::lab::{LabCluster, Variant};
use kcm_tests::{CommandOutput, Workspace, kcm, peers};

use super::{
    assert_says, commands, kcm_in, master_at, master_with, never_ran, on, probe, reaches, refusal,
    settings, workspace,
};

/// Shared lab; no test changes it.
static LAB: LazyLock<Option<LabCluster>> =
    LazyLock::new(|| LabCluster::up(&[Variant::new().ipv6()]));

/// Returns settings with a separate configuration file.
fn config(folder: &tempfile::TempDir, text: &str) -> Ssh {
    let file = folder.path().join("config");
    fs::write(&file, text).unwrap();
    Ssh { config_file: Some(file), ..Ssh::default() }
}

/// Returns a port on which no process listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_port_on_which_nobody_listens_is_named() {
    if !peers::has("ssh") {
        return;
    }
    let port = closed_port();
    let master = master_at("127.0.0.1", Ssh { port: Some(port), ..Ssh::default() });
    let message = refusal(&master);
    assert_says(
        &message,
        &["k8s-master-01", "nothing was changed", "127.0.0.1", "refused", "sshd"],
    );
    assert_says(&message, &[&port.to_string()]);
}

#[test]
fn a_master_that_failed_once_is_not_tried_again() {
    if !peers::has("ssh") {
        return;
    }
    let port = closed_port();
    let master = master_at("127.0.0.1", Ssh { port: Some(port), ..Ssh::default() });
    on(&master, async {
        let ask = async || never_ran(master.call(&Batch::new(vec![probe(&[])])).await);
        let first = ask().await;
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(ask().await, first);
        listener.accept().unwrap_err();
    });
}

#[test]
fn a_host_that_says_nothing_is_not_waited_for() {
    if !peers::has("ssh") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = Some(listener.local_addr().unwrap().port());
    let connect_timeout = Duration::from_secs(1);
    let start = Instant::now();
    let message = refusal(&master_at("127.0.0.1", Ssh { port, connect_timeout, ..Ssh::default() }));
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert_says(&message, &["timed out", "check that the host is running"]);
}

#[test]
fn a_host_that_speaks_something_else_is_no_sshd() {
    if !peers::has("ssh") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = Some(listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        while let Ok((mut peer, _)) = listener.accept() {
            let _ = peer.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
        }
    });
    let message = refusal(&master_at("127.0.0.1", Ssh { port, ..Ssh::default() }));
    assert_says(&message, &["check that sshd listens on this port"]);
}

#[test]
fn a_name_that_nobody_knows_is_named() {
    if !peers::has("ssh") {
        return;
    }
    let message = refusal(&master_at("nobody.invalid", Ssh::default()));
    assert_says(&message, &["nobody.invalid", "resolve", "IP address"]);
}

#[test]
fn a_user_or_key_that_is_not_let_in_is_told_how_to_try() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("another key");
    peers::run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
    let user = Some("nobody-here".parse().unwrap());
    let known = machine.known_hosts();
    let own = format!("UserKnownHostsFile {}\nPort {}\n", known.display(), machine.port());
    let connections = Connections::new();

    let wrong_user = Ssh { user, ..settings(machine) };
    let message = refusal(&master_with(machine, wrong_user, &connections));
    assert_says(&message, &["nobody-here@", "Permission denied", "-l nobody-here"]);
    let [advice] = commands(&message)[..] else { panic!("{message}") };
    assert_says(advice, &["ssh ", &machine.address().to_string()]);

    let user = || Some("kube".parse().unwrap());
    let wrong_key = Ssh { user: user(), identity_file: Some(key.clone()), ..config(&folder, &own) };
    let message = refusal(&master_with(machine, wrong_key, &connections));
    assert_says(&message, &["kube@", "Permission denied", "another key"]);

    let absent = folder.path().join("absent");
    let no_key = Ssh { user: user(), identity_file: Some(absent), ..config(&folder, &own) };
    let message = refusal(&master_with(machine, no_key, &connections));
    assert_says(&message, &["absent", "no such file"]);

    // An agent may lack a key with a passphrase.
    let locked = folder.path().join("locked");
    let mut keygen = Command::new("ssh-keygen");
    peers::run(keygen.args(["-q", "-t", "ed25519", "-N", "secret", "-f"]).arg(&locked));
    let locked = Ssh { user: user(), identity_file: Some(locked), ..config(&folder, &own) };
    let message = refusal(&master_with(machine, locked, &connections));
    assert_says(&message, &["has a passphrase", "`ssh-add "]);

    fs::copy(machine.identity_file(), &key).unwrap();
    fs::remove_file(key.with_extension("pub")).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let open_key = Ssh { user: user(), identity_file: Some(key), ..config(&folder, &own) };
    let message = refusal(&master_with(machine, open_key, &connections));
    assert_says(&message, &["another key", "chmod 600"]);
}

#[test]
fn the_users_configuration_counts() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    let folder = tempfile::tempdir().unwrap();
    let known = folder.path().join("known hosts");
    fs::write(&known, format!("the-alias {}\n", machine.host_key())).unwrap();
    let common = format!(
        "  IdentityFile {}\n  UserKnownHostsFile \"{}\"\n  User kube\n",
        machine.identity_file().display(),
        known.display()
    );
    let (address, port) = (machine.address(), machine.port());
    let direct = format!(
        "Host the-alias\n  HostName {address}\n  Port {port}\n  HostKeyAlias the-alias\n{common}"
    );
    let proxy = format!(
        "Host the-alias\n  ProxyCommand nc {address} {port}\n{common}  RemoteCommand exit 9\n  \
         RequestTTY force\n  LogLevel QUIET\n  ControlPath {}\n",
        folder.path().join("socket").display()
    );
    let included = "Include ~/.ssh/no-such-file\n".to_owned() + &direct;
    for text in [direct, proxy, included] {
        if text.contains("nc ") && !peers::has("nc") {
            continue;
        }
        let master = master_at("the-alias", config(&folder, &text));
        on(&master, reaches(&master, "root"));
    }
    assert!(!folder.path().join("socket").exists());
}

#[test]
fn a_broken_configuration_is_one_clear_error() {
    if !peers::has("ssh") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let message = refusal(&master_at("127.0.0.1", config(&folder, "User kube\nUzer kube\n")));
    let file = folder.path().join("config");
    assert_says(&message, &[file.to_str().unwrap(), "line 2", "uzer", "correct that file"]);

    let absent = folder.path().join("absent");
    let ssh = Ssh { config_file: Some(absent.clone()), ..Ssh::default() };
    let message = refusal(&master_at("127.0.0.1", ssh));
    assert_says(&message, &[absent.to_str().unwrap(), "configFile"]);
}

#[test]
fn a_host_is_never_an_option() {
    for host in ["-oProxyCommand=id", "-v", "a b", "kube@host", "", "ssh://host", "a;id"] {
        assert!(host.parse::<HostAddress>().is_err(), "{host}");
    }
}

#[test]
fn a_master_may_have_an_ipv6_address() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    let folder = tempfile::tempdir().unwrap();
    let own = format!("UserKnownHostsFile {}\n", machine.known_hosts().display());
    let ssh = Ssh {
        port: machine.ipv6().map(|address| address.port()),
        user: Some("kube".parse().unwrap()),
        identity_file: Some(machine.identity_file()),
        ..config(&folder, &own)
    };
    let master = master_at("::1", ssh);
    on(&master, reaches(&master, "root"));
}

#[test]
fn many_that_begin_at_once_do_not_sweep_each_others_folders_away() {
    if !peers::has("ssh") {
        return;
    }
    let port = Some(closed_port());
    let attempt = || {
        for _ in 0..6 {
            let message = refusal(&master_at("127.0.0.1", Ssh { port, ..Ssh::default() }));
            assert_says(&message, &["refused"]);
        }
    };
    std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(attempt))));
}

// These tests run the command, which has a separate environment.

fn plan(workspace: &Workspace, change: impl FnOnce(&mut Command)) -> CommandOutput {
    let mut command = kcm_in(workspace, &["plan"]);
    command.stdin(Stdio::null());
    change(&mut command);
    let output = peers::output(&mut command);
    CommandOutput {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn without_ssh_the_command_says_what_to_install() {
    let Some(lab) = &*LAB else { return };
    let workspace = workspace(lab, lab.machine(0), "");
    kcm();
    for path in ["", "/nowhere"] {
        let ran = plan(&workspace, |command| _ = command.env("PATH", path));
        assert_eq!(ran.code, 1, "{ran:?}");
        assert_says(&ran.stderr, &["k8s-master-01", "`ssh` is not installed", "OpenSSH"]);
    }
}

#[test]
fn the_control_folder_may_be_anywhere_that_is_short_enough() {
    let Some(lab) = &*LAB else { return };
    let workspace = workspace(lab, lab.machine(0), "");
    let long = workspace.file(&"x".repeat(60));
    fs::create_dir(&long).unwrap();
    let runtimes: [Option<PathBuf>; 4] =
        [Some(long), Some(workspace.file("absent")), Some("relative".into()), None];
    for runtime in runtimes {
        let ran = plan(&workspace, |command| {
            match &runtime {
                Some(folder) => command.env("XDG_RUNTIME_DIR", folder),
                None => command.env_remove("XDG_RUNTIME_DIR").env_remove("HOME"),
            };
        });
        assert_eq!(ran.code, 0, "{runtime:?}: {ran:?}");
        let uid = peers::run(Command::new("id").arg("-u"));
        let ours = PathBuf::from(format!("/tmp/kcm-{}", uid.trim()));
        assert_eq!(fs::metadata(ours).unwrap().permissions().mode() & 0o777, 0o700);
    }
    assert!(!workspace.file("absent").exists() && !workspace.file("relative").exists());
}

#[test]
fn an_agent_holds_the_key() {
    let Some(lab) = &*LAB else { return };
    if !peers::has("ssh-agent") || !peers::has("ssh-add") {
        return;
    }
    let machine = lab.machine(0);
    let workspace = workspace(lab, machine, "  user: kube\n");
    let config = workspace.file("config");
    let (known, port) = (machine.known_hosts(), machine.port());
    let text = format!("UserKnownHostsFile {}\nPort {port}\nIdentityFile none\n", known.display());
    fs::write(&config, text).unwrap();
    let theirs = lab.operator().join("ssh_config");
    workspace.edit(theirs.to_str().unwrap(), config.to_str().unwrap());

    let socket = workspace.file("agent");
    let mut agent = Command::new("ssh-agent");
    agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).stderr(Stdio::null());
    let mut agent = agent.spawn().unwrap();
    super::until("the agent is there", || socket.exists());
    let without = plan(&workspace, |command| _ = command.env("SSH_AUTH_SOCK", &socket));
    let mut add = Command::new("ssh-add");
    peers::run(add.arg("-q").arg(machine.identity_file()).env("SSH_AUTH_SOCK", &socket));
    let with = plan(&workspace, |command| _ = command.env("SSH_AUTH_SOCK", &socket));
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert_eq!((without.code, with.code), (1, 0), "{without:?} {with:?}");
    assert_says(&without.stderr, &["Permission denied"]);
}

#[test]
fn a_master_that_is_never_asked_is_never_reached() {
    let address = "nobody.invalid".parse().unwrap();
    let shell = OpenSsh::new(address, Ssh::default(), &Connections::new());
    let master = shell.into_transport("k8s-master-01", None);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(master.close());
}
