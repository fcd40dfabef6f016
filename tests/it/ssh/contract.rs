//! The contract of a transport holds for a real system behind a real sshd, whatever the login shell is and however one
//! becomes root.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kcm::cluster::{Ssh, Sudo};
use kcm::transport::SshMaster;
use kcm_tests::contract::{self, BackDoor, Subject};
use kcm_tests::lab::{self, Lab, Machine, Variant};

use super::{on, settings};

/// The machine's root file system from outside.
struct Outside {
    root: PathBuf,
}

impl Outside {
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

impl BackDoor for Outside {
    fn put(&self, path: &str, content: &[u8], mode: u32) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, content).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn file(&self, path: &str) -> Option<(u32, Vec<u8>)> {
        let at = self.at(path);
        at.is_file().then(|| (mode(&at), fs::read(&at).unwrap()))
    }

    fn folder(&self, path: &str) -> Option<u32> {
        let at = self.at(path);
        at.is_dir().then(|| mode(&at))
    }

    fn link(&self, path: &str) -> Option<String> {
        fs::read_link(self.at(path)).ok().map(|target| target.to_str().unwrap().to_owned())
    }

    fn put_link(&self, path: &str, target: &str) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(target, at).unwrap();
    }
}

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
            let back_door = Box::new(Outside { root: machine.root() });
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
