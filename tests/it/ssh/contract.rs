//! The contract of a transport holds for a real system behind a real sshd, whatever the login shell is and however one
//! becomes root.

use std::sync::Arc;

use kcm::cluster::{Ssh, Sudo};
use kcm::transport::SshMaster;
use kcm_tests::contract::{self, Outside, Subject};
use kcm_tests::lab::{self, Lab, Machine, Variant};

use super::{on, settings};

/// As before anything was done there.
fn wipe(machine: &Machine) {
    let unit = "kube-controller-manager.service";
    machine.run(&["systemctl", "disable", "--now", unit]);
    let all = "rm -rf /srv/* /data /etc/systemd/system/kube-controller-manager.service; \
               find /opt -mindepth 1 -delete; systemctl daemon-reload; systemctl reset-failed";
    machine.output(&["sh", "-c", all]);
}

fn holds(machine: &Machine, master: &Arc<SshMaster>) {
    on(
        master,
        contract::run(|| {
            wipe(machine);
            let back_door = Box::new(Outside(machine.root()));
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
    let Some(lab) = Lab::up(&variants) else { return };
    for machine in lab.machines() {
        let sudo = match machine.sudo_password() {
            Some(_) => Sudo::Password,
            None => Sudo::Passwordless,
        };
        let ssh = Ssh { sudo, ..settings(machine) };
        holds(machine, &super::master_with(machine, ssh, &super::Connections::new()));
    }
}
