//! Tests that the contract of a transport holds for a real system behind sshd, with every login
//! shell and every way to become root.

use std::sync::Arc;

use kcm::cluster::{Ssh, Sudo};
use kcm::transport::conformance::{self, Folder, Subject};
use kcm::transport::{OpenSsh, ShellTransport, StreamAddress};
use kcm_tests::lab::{self, LabCluster, Machine, Variant};

use super::{on, settings};

/// Restores the initial state of a machine.
fn wipe(machine: &Machine) {
    let unit = "kube-controller-manager.service";
    machine.run(&["systemctl", "disable", "--now", unit]);
    let all = "rm -rf /srv/* /data /etc/systemd/system/kube-controller-manager.service; \
               find /opt -mindepth 1 -delete; systemctl daemon-reload; systemctl reset-failed";
    machine.output(&["sh", "-c", all]);
}

fn holds(machine: &Machine, master: &Arc<ShellTransport<OpenSsh>>) {
    on(
        master,
        conformance::transport(|| {
            wipe(machine);
            let back_door = Box::new(Folder(machine.root()));
            Subject { transport: Arc::clone(master) as _, back_door }
        }),
    );
}

#[test]
fn the_contract_holds_for_every_way_to_log_in() {
    let variants = [
        Variant::new(),
        Variant::new().root_login(),
        Variant::new().csh().noisy(),
        Variant::new().noisy().sudo(lab::Sudo::Password),
    ];
    let Some(lab) = LabCluster::up(&variants) else { return };
    for machine in lab.machines() {
        let sudo = match machine.sudo_password() {
            Some(_) => Sudo::Password,
            None => Sudo::Passwordless,
        };
        let ssh = Ssh { sudo, ..settings(machine) };
        holds(machine, &super::master_with(machine, ssh, &super::Connections::new()));
    }
}

#[test]
fn the_contract_of_a_shell_holds() {
    let Some(lab) = LabCluster::up(&[Variant::new()]) else { return };
    let machine = lab.machine(0);
    let address = machine.address().to_string().parse().unwrap();
    let shell = OpenSsh::new(address, settings(machine), &super::Connections::new());
    let sshd = StreamAddress { host: machine.address().to_string(), port: machine.port() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        conformance::shell(&shell, &sshd).await;
        kcm::transport::Shell::close(&shell).await;
    });
}
