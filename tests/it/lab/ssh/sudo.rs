//! Tests of becoming root: one clear error reports a failure, and no password is exposed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Stdio};
use std::sync::{Arc, LazyLock};

use kcm::cluster::{Ssh, Sudo};
use kcm::files::{Bytes, FileErrorKind, Mode, Owner};
use kcm::transport::{
    Batch, Commit, Connections, LockClaim, LockError, OpenSsh, Operation, Password, ShellTransport,
    Stage, StagedFile, Transport,
};
use kcm_tests::lab::{self, LabCluster, Machine, SUDO_PASSWORD, Variant};
use kcm_tests::peers;
use zeroize::Zeroizing;

use super::{
    assert_says, kcm_in, master_with, never_ran, on, probe, reaches, refusal, remote, settings,
    workspace,
};

/// Shared lab. Tests of wrong passwords count them on separate machines, and no other test changes
/// these.
static LAB: LazyLock<Option<LabCluster>> = LazyLock::new(|| {
    let requires_terminal = "Defaults requiretty\n";
    LabCluster::up(&[
        Variant::new().sudo(lab::Sudo::Password),
        Variant::new(),
        Variant::new().sudo(lab::Sudo::Forbidden),
        Variant::new().sudo(lab::Sudo::Absent).csh(),
        Variant::new().file("/etc/sudoers.d/terminal", requires_terminal, 0o440),
        Variant::new().sudo(lab::Sudo::Password).noisy(),
    ])
});

fn master(machine: &Machine, sudo: Sudo, password: Option<&str>) -> Arc<ShellTransport<OpenSsh>> {
    let ssh = Ssh { sudo, ..settings(machine) };
    let address = machine.address().to_string().parse().unwrap();
    let password = password.map(|text| Password::new(Zeroizing::new(text.to_owned())));
    Arc::new(
        OpenSsh::new(address, ssh, &Connections::new()).into_transport(machine.name(), password),
    )
}

#[test]
fn a_password_is_given_where_it_is_asked_for() {
    let Some(lab) = &*LAB else { return };
    let [asks, free, ..] = lab.machines() else { panic!("machines") };
    for machine in [asks, free] {
        let master = master(machine, Sudo::Password, Some(SUDO_PASSWORD));
        on(&master, reaches(&master, "root"));
    }
}

#[test]
fn a_wrong_password_is_given_once() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(5);
    let wrong = master(machine, Sudo::Password, Some("wrong"));
    let message = refusal(&wrong);
    assert_says(&message, &["rejected the password", "nothing was executed", "once"]);
    let failures = || {
        let journal = machine.journal_of(&["--identifier=sudo", "--output=cat"]);
        journal.matches("incorrect password attempt").count()
    };
    super::until("sudo has logged it", || failures() > 0);
    let journal = machine.journal_of(&["--output=cat"]);
    assert!(journal.contains("1 incorrect password attempt"), "{journal}");
    assert_eq!(journal.matches("pam_unix(sudo:auth): authentication failure").count(), 1);

    // A lock needs root, too. A wrong password is tried once, not three times.
    let claim = LockClaim { owner: "a test".to_owned() };
    match on(&wrong, wrong.lock(&claim)) {
        Err(error @ LockError::Failed { .. }) => {
            assert_says(&error.to_string(), &["rejected the password"]);
        }
        other => panic!("{other:?}"),
    }
    super::until("sudo has logged it", || failures() > 1);
    assert!(!machine.journal().contains("2 incorrect password attempts"));
}

#[test]
fn who_may_not_become_root_is_told_why() {
    let Some(lab) = &*LAB else { return };
    let [asks, _, forbidden, absent, terminal, _] = lab.machines() else { panic!("machines") };
    let hears = |machine, sudo, password, parts: &[&str]| {
        assert_says(&refusal(&master(machine, sudo, password)), parts);
    };
    hears(asks, Sudo::Passwordless, None, &["requires a password", "sudo: password", "NOPASSWD"]);
    hears(asks, Sudo::Password, None, &["asks for a password", "ssh.sudoPassword"]);
    let known = Some(SUDO_PASSWORD);
    hears(forbidden, Sudo::Password, known, &["kube", "sudoers", "may not become root"]);
    hears(forbidden, Sudo::Passwordless, None, &["requires a password"]);
    hears(absent, Sudo::Passwordless, None, &["sudo is not installed", "log in as root"]);
    hears(absent, Sudo::Password, known, &["sudo is not installed", "log in as root"]);
    hears(terminal, Sudo::Passwordless, None, &["terminal", "requiretty"]);
    hears(terminal, Sudo::Password, known, &["terminal", "requiretty"]);
}

#[test]
fn without_sudo_everything_is_the_users() {
    let Some(lab) = &*LAB else { return };
    for machine in [lab.machine(1), lab.machine(3)] {
        let master = master(machine, Sudo::None, None);
        let stage = |path| {
            let owner = Owner::ROOT;
            let content = Bytes::new(*b"text");
            let target = remote(path);
            let file = StagedFile { target, content, mode: Mode::from_bits(0o640), owner };
            Operation::Stage(Stage { files: vec![file], kept: vec![] })
        };
        on(&master, async {
            reaches(&master, "kube").await;
            let path = "/home/kube/below/file";
            let commit = Commit { files: vec![remote(path)], ..Commit::default() };
            super::done(&master, vec![stage(path), Operation::Commit(commit)]).await;
            let refused = Batch::new(vec![stage("/etc/systemd/system/x.service")]);
            let failed = master.call(&refused).await.unwrap().failed.unwrap();
            assert_eq!(failed.error.file_kind(), Some(FileErrorKind::PermissionDenied));
            assert_says(&failed.to_string(), &["/etc/systemd/system"]);

            let claim = LockClaim { owner: "a test".to_owned() };
            let lock = master.lock(&claim).await.unwrap();
            assert!(matches!(master.lock(&claim).await, Err(LockError::Held { .. })));
            drop(lock);
        });
        let file = fs::metadata(machine.file("/home/kube/below/file")).unwrap();
        assert_eq!((file.uid(), file.gid(), file.mode() & 0o777), (1000, 1000, 0o640));
    }
}

#[test]
fn a_login_that_says_what_sudo_says_is_not_given_the_password() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(5);
    // Output of a login shell is not a prompt of sudo: it cannot contain the prompt that kcm chose.
    let rc = machine.file("/home/kube/.bashrc");
    let before = fs::read_to_string(&rc).unwrap();
    let trap = "printf '[sudo] password for kube: Password:' >&2\nif read -r -t 1 line; then echo \"$line\" >/tmp/caught; fi\n";
    fs::write(&rc, trap).unwrap();
    let right = master(machine, Sudo::Password, Some(SUDO_PASSWORD));
    let result = on(&right, right.call(&Batch::new(vec![probe(&[])])));
    fs::write(&rc, before).unwrap();
    assert!(result.is_ok(), "{result:?}");
    let caught = machine.run(&["cat", "/tmp/caught"]);
    assert!(!caught.stdout.contains(SUDO_PASSWORD), "{caught:?}");
}

#[test]
fn the_command_reads_the_password_from_a_file_or_a_variable() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    let from = |source: &str| {
        workspace(lab, machine, &format!("  sudo: password\n  sudoPassword: {source}\n"))
    };

    let workspace = from("{file: password}");
    workspace.write("password", format!("{SUDO_PASSWORD}\nand more\n"));
    let output = peers::output(kcm_in(&workspace, &["plan"]).stdin(Stdio::null()));
    assert!(output.status.success(), "{output:?}");

    let workspace = from("{env: A_PASSWORD}");
    let child = kcm_in(&workspace, &["plan"])
        .env("A_PASSWORD", SUDO_PASSWORD)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (seen, output) = watch(child, machine, workspace.path().to_str().unwrap());
    assert!(output.status.success(), "{output:?}");
    for program in ["ssh", "sudo"] {
        assert!(seen.iter().any(|name| name == program), "{program} was not seen: {seen:?}");
    }
}

/// Inspects the arguments and the environment of all processes of `kcm`, on both ends, until it
/// ends. Returns the names of the processes.
fn watch(mut kcm: Child, machine: &Machine, place: &str) -> (Vec<String>, std::process::Output) {
    let lab = machine.address().to_string();
    let lab = lab.split('.').nth(2).unwrap();
    let group = format!("kcm-lab-{lab}/{}", machine.name());
    let read = |process: u32, name: &str| {
        let text = fs::read(format!("/proc/{process}/{name}")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    };
    let mut seen = Vec::new();
    while kcm.try_wait().unwrap().is_none() {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        for process in processes {
            let arguments = read(process, "cmdline");
            let is_there = read(process, "cgroup").contains(&group);
            if !is_there && !arguments.contains(place) {
                continue;
            }
            let name = read(process, "comm").trim().to_owned();
            assert!(!arguments.contains(SUDO_PASSWORD), "{name}: {arguments}");
            let environment = read(process, "environ");
            assert!(!environment.contains(SUDO_PASSWORD), "{name}: its environment");
            if !seen.contains(&name) {
                seen.push(name);
            }
        }
    }
    (seen, kcm.wait_with_output().unwrap())
}

#[test]
fn a_password_that_cannot_be_read_is_named_before_anything_is_reached() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    for (source, part) in
        [("{file: absent}", "absent"), ("{env: NOT_SET_ANYWHERE}", "NOT_SET_ANYWHERE")]
    {
        let workspace =
            workspace(lab, machine, &format!("  sudo: password\n  sudoPassword: {source}\n"));
        let output = peers::output(kcm_in(&workspace, &["plan"]).stdin(Stdio::null()));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let printed = String::from_utf8(output.stderr).unwrap();
        assert_says(&printed, &[part, "ssh.sudoPassword"]);
    }
    let wrong = Ssh { sudo: Sudo::Password, ..settings(lab.machine(1)) };
    let master = master_with(lab.machine(1), wrong, &Connections::new());
    // sudo does not ask on this machine, so the missing password has no effect.
    on(&master, reaches(&master, "root"));
}

#[test]
fn a_looking_batch_that_fails_says_that_nothing_was_done() {
    let Some(lab) = &*LAB else { return };
    let master = master(lab.machine(2), Sudo::Passwordless, None);
    on(&master, async {
        for operation in [probe(&[]), super::exec(&["true"], "")] {
            never_ran(master.call(&Batch::new(vec![operation])).await);
        }
    });
}
