//! Tests of jump hosts, each with its own user and key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use kcm::cluster::{HostKeys, Jump, Ssh};
use kcm::transport::{Connections, OpenSsh, ShellTransport};
use kcm_tests::lab::{LabCluster, Machine, SshCounts, Variant};
use kcm_tests::peers;

use super::{assert_says, commands, follow, master_with, on, reaches, refusal};

/// Shared lab: a master, a jump host that accepts a separate key for root, and a jump host like the
/// master.
static LAB: LazyLock<Option<LabCluster>> = LazyLock::new(|| {
    let lab = LabCluster::up(&[Variant::new(), Variant::new().root_login(), Variant::new()])?;
    let key = jump_key(&lab);
    let mut keygen = Command::new("ssh-keygen");
    peers::run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
    let taken = lab.machine(1).root().join("root/.ssh/authorized_keys");
    fs::copy(key.with_extension("pub"), taken).unwrap();
    Some(lab)
});

/// Serialises the tests, because they count logins.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn jump_key(lab: &LabCluster) -> PathBuf {
    lab.operator().join("jump_key")
}

/// Returns the settings of an operator who knows the hosts in `known_hosts`.
fn settings(folder: &Path, machine: &Machine, jump: Vec<Jump>) -> Ssh {
    let config = folder.join("config");
    let known = folder.join("known_hosts");
    let text = format!("UserKnownHostsFile {}\nGlobalKnownHostsFile none\n", known.display());
    fs::write(&config, text).unwrap();
    Ssh {
        config_file: Some(config),
        user: Some(machine.user().parse().unwrap()),
        port: Some(machine.port()),
        identity_file: Some(machine.identity_file()),
        jump,
        ..Ssh::default()
    }
}

fn master(machine: &Machine, ssh: Ssh) -> Arc<ShellTransport<OpenSsh>> {
    master_with(machine, ssh, &Connections::new())
}

fn through(machine: &Machine, key: PathBuf) -> Jump {
    Jump {
        host: machine.address().to_string().parse().unwrap(),
        user: Some(machine.user().parse().unwrap()),
        port: Some(machine.port()),
        identity_file: Some(key),
    }
}

/// Returns the lines of `known_hosts` for some machines.
fn known(machines: &[&Machine]) -> String {
    let line = |machine: &&Machine| match machine.port() {
        22 => format!("{} {}\n", machine.address(), machine.host_key()),
        port => format!("[{}]:{port} {}\n", machine.address(), machine.host_key()),
    };
    machines.iter().map(line).collect()
}

#[test]
fn one_or_two_hosts_are_jumped_through_with_their_own_users_and_keys() {
    let Some(lab) = &*LAB else { return };
    let [end, root, like] = lab.machines() else { panic!("three machines") };
    let _turn = turn();
    let first = || through(like, like.identity_file());
    let second = || through(root, jump_key(lab));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("known_hosts"), known(&[end, root, like])).unwrap();
    let counts = || [like, root, end].map(Machine::ssh_counts);
    let one = |commands| SshCounts { connections: 1, logins: 1, commands };
    let none = SshCounts::default();
    for (jump, expected) in [
        (vec![second()], [none, one(0), one(1)]),
        (vec![first(), second()], [one(0), one(0), one(1)]),
    ] {
        let before = counts();
        let master = master(end, settings(folder.path(), end, jump));
        on(&master, reaches(&master, "root"));
        let after = counts();
        let seen: Vec<_> =
            after.into_iter().zip(before).map(|(after, then)| after - then).collect();
        assert_eq!(seen, expected);
    }
}

#[test]
fn whoever_of_them_is_unknown_is_named_and_can_be_accepted() {
    let Some(lab) = &*LAB else { return };
    let [end, root, like] = lab.machines() else { panic!("three machines") };
    let _turn = turn();
    let jump = vec![through(like, like.identity_file()), through(root, jump_key(lab))];
    let folder = tempfile::tempdir().unwrap();
    let known_hosts = folder.path().join("known_hosts");
    fs::write(&known_hosts, "").unwrap();
    let ssh = settings(folder.path(), end, jump);
    for unknown in [like, root, end] {
        let message = refusal(&master(end, ssh.clone()));
        let key = unknown.root().join("etc/ssh/ssh_host_ed25519_key.pub");
        let fingerprint = peers::run(Command::new("ssh-keygen").arg("-lf").arg(key));
        let fingerprint = fingerprint.split(' ').nth(1).unwrap().to_owned();
        assert_says(&message, &[&unknown.address().to_string(), &fingerprint, "is not known"]);
        follow(commands(&message).last().unwrap());
    }
    let reached = master(end, ssh.clone());
    on(&reached, reaches(&reached, "root"));

    fs::write(&known_hosts, "").unwrap();
    let reached = master(end, Ssh { host_keys: HostKeys::AcceptNew, ..ssh });
    on(&reached, reaches(&reached, "root"));
    assert_eq!(fs::read_to_string(&known_hosts).unwrap().lines().count(), 3);
}

#[test]
fn a_host_on_the_way_that_lets_nobody_in_is_named() {
    let Some(lab) = &*LAB else { return };
    let [end, root, like] = lab.machines() else { panic!("three machines") };
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("known_hosts"), known(&[end, root, like])).unwrap();
    // The host does not accept this key.
    let denied = through(root, root.identity_file());
    let message = refusal(&master(end, settings(folder.path(), end, vec![denied])));
    assert_says(&message, &[&format!("root@{}", root.address()), "Permission denied"]);

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let absent = Jump { port: Some(port), ..through(root, jump_key(lab)) };
    let message = refusal(&master(end, settings(folder.path(), end, vec![absent])));
    assert_says(&message, &[&root.address().to_string(), &port.to_string(), "refused"]);

    // The host key has changed.
    let another = known(&[end]).replace(&end.address().to_string(), &root.address().to_string());
    fs::write(folder.path().join("known_hosts"), another + &known(&[end, like])).unwrap();
    let changed = through(root, jump_key(lab));
    let message = refusal(&master(end, settings(folder.path(), end, vec![changed])));
    assert_says(&message, &["the host key of", "has changed", "known_hosts"]);
    assert_says(commands(&message).last().unwrap(), &["-R", &root.address().to_string()]);
}
