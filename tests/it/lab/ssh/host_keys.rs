//! Tests of host keys: an unknown or changed one is refused, and the message contains the fix.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use kcm::cluster::{HostKeys, Ssh};
use kcm::transport::{Connections, OpenSsh, ShellTransport};
use kcm_tests::lab::{LabCluster, Machine, Variant};
use kcm_tests::peers;

use super::{assert_says, commands, follow, master_with, on, reaches, refusal};

/// Shared lab; no test changes it.
static LAB: LazyLock<Option<LabCluster>> =
    LazyLock::new(|| LabCluster::up(&[Variant::new(), Variant::new().root_login()]));

/// An operator with a separate `known_hosts`.
struct Operator {
    folder: tempfile::TempDir,
}

impl Operator {
    fn who_knows(known: &str) -> Self {
        let operator = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(operator.known_hosts(), known).unwrap();
        operator
    }

    fn known_hosts(&self) -> PathBuf {
        self.folder.path().join("known hosts")
    }

    fn settings(&self, machine: &Machine, host_keys: HostKeys) -> Ssh {
        let config = self.folder.path().join("config");
        let text = format!(
            "Port {}\nUser {}\nIdentityFile {}\nUserKnownHostsFile \"{}\"\nGlobalKnownHostsFile none\n\
             StrictHostKeyChecking yes\n",
            machine.port(),
            machine.user(),
            machine.identity_file().display(),
            self.known_hosts().display(),
        );
        fs::write(&config, text).unwrap();
        Ssh { config_file: Some(config), host_keys, ..Ssh::default() }
    }

    fn master(&self, machine: &Machine, host_keys: HostKeys) -> Arc<ShellTransport<OpenSsh>> {
        master_with(machine, self.settings(machine, host_keys), &Connections::new())
    }

    fn knows(&self) -> String {
        fs::read_to_string(self.known_hosts()).unwrap()
    }
}

/// Returns the name of a machine in `known_hosts`.
fn place(machine: &Machine) -> String {
    match machine.port() {
        22 => machine.address().to_string(),
        port => format!("[{}]:{port}", machine.address()),
    }
}

/// Returns the fingerprint of a machine's key, as `ssh-keygen` prints it.
fn fingerprint(machine: &Machine) -> String {
    let key = machine.root().join("etc/ssh/ssh_host_ed25519_key.pub");
    let printed = peers::run(Command::new("ssh-keygen").arg("-lf").arg(key));
    printed.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn an_unknown_key_is_refused_with_its_fingerprint_and_the_command_that_accepts_it() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    let operator = Operator::who_knows("");
    let message = refusal(&operator.master(machine, HostKeys::Strict));
    let fingerprint = fingerprint(machine);
    assert_says(&message, &[&fingerprint, &place(machine), "is not known", "ED25519"]);
    assert_eq!(operator.knows(), "", "a refusal remembers nothing");

    let commands = commands(&message);
    let [compare, accept] = commands[..] else { panic!("{message}") };
    // The first command is for the machine itself.
    assert_says(&machine.output(&["sh", "-c", compare]), &[&fingerprint]);
    follow(accept);
    assert_says(&operator.knows(), &[&machine.host_key()]);
    let master = operator.master(machine, HostKeys::Strict);
    on(&master, reaches(&master, "root"));
}

#[test]
fn a_changed_key_is_refused_whatever_was_asked_for() {
    let Some(lab) = &*LAB else { return };
    let (machine, other) = (lab.machine(0), lab.machine(1));
    for host_keys in [HostKeys::Strict, HostKeys::AcceptNew] {
        let known = format!("# old\n{} {}\n", place(machine), other.host_key());
        let operator = Operator::who_knows(&known);
        let message = refusal(&operator.master(machine, host_keys));
        let file = operator.known_hosts().display().to_string();
        assert_says(&message, &["the host key of", "has changed", &fingerprint(machine), &file]);
        assert_eq!(operator.knows(), known);

        let [remove] = commands(&message)[..] else { panic!("{message}") };
        follow(remove);
        assert!(!operator.knows().contains(&other.host_key()));
        let master = operator.master(machine, HostKeys::AcceptNew);
        on(&master, reaches(&master, "root"));
    }
}

#[test]
fn a_new_key_is_accepted_and_remembered_where_that_was_asked_for_by_name() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    let operator = Operator::who_knows("");
    let master = operator.master(machine, HostKeys::AcceptNew);
    on(&master, reaches(&master, "root"));
    assert_says(&operator.knows(), &[&machine.host_key()]);
    let master = operator.master(machine, HostKeys::Strict);
    on(&master, reaches(&master, "root"));
}
