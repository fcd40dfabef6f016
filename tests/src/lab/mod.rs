//! The lab: Debian systems with real systemd and sshd, under systemd-nspawn on loopback addresses.
//!
//! A lab needs root, the programs in [`PROGRAMS`] and a cgroup2 hierarchy. Each lab has a number K,
//! which keeps labs apart. Its addresses are 127.0.K.x, and everything that it shares with the host
//! has K in its name.
//!
//! A lab is removed when it is dropped, and also when the process that made it is killed. The next
//! lab removes what is left if that fails.

mod boot;
mod furnish;
mod image;
mod machine;
mod slot;
mod sshd;
mod variant;
mod watcher;

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

pub use machine::Machine;
use slot::{Guard, Slot};
pub use sshd::SshCounts;
pub use variant::{Opt, SUDO_PASSWORD, Sudo, Variant};
pub use watcher::{Outage, Watched, Watcher};

use crate::peers;

/// Programs that a lab runs on the host. To build the image, it also runs `debootstrap`, once.
pub const PROGRAMS: &[&str] = &[
    "systemd-nspawn",
    "nsenter",
    "setsid",
    "mount",
    "mountpoint",
    "ssh",
    "ssh-keygen",
    "journalctl",
];

/// A set of machines.
#[derive(Debug)]
pub struct LabCluster {
    machines: Vec<Machine>,
    // Dropped before the slot: the guard cleans up while the slot is still locked.
    guard: Option<Guard>,
    slot: Slot,
}

impl LabCluster {
    /// Boots the tutorial's three masters; prints the reason and returns `None` where that is not
    /// possible.
    #[must_use]
    pub fn three() -> Option<Self> {
        Self::up(&[Variant::new(), Variant::new(), Variant::new()])
    }

    /// Boots a machine for each of `variants` (at most 9), named `k8s-master-01` and so on.
    ///
    /// Prints the reason and returns `None` where that is not possible.
    #[must_use]
    pub fn up(variants: &[Variant]) -> Option<Self> {
        assert!(variants.len() <= 9, "a lab has at most 9 machines");
        if !peers::is_root() || !PROGRAMS.iter().all(|program| peers::has(program)) {
            return None;
        }
        if slot::cgroups().is_none() {
            peers::skip("there is no cgroup2 hierarchy");
            return None;
        }
        let image = image::image()?;
        let Some(slot) = Slot::take() else {
            peers::skip("no lab has room here, or no control group can be made");
            return None;
        };
        let guard = Some(slot.guard());
        let machines = variants.iter().cloned().zip(0..);
        let port = free_port(&slot, variants.len());
        let machines = machines.map(|(variant, index)| machine(&slot, variant, index, port));
        let lab = Self { machines: machines.collect(), guard, slot };
        lab.furnish(&image);
        for machine in &lab.machines {
            boot::start(machine);
        }
        for machine in &lab.machines {
            boot::wait_until_up(machine);
        }
        Some(lab)
    }

    /// Returns the machine at `index`, counted from 0.
    #[must_use]
    pub fn machine(&self, index: usize) -> &Machine {
        &self.machines[index]
    }

    /// Returns all machines in order.
    #[must_use]
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }

    /// Path of the operator's folder with `id_ed25519`, `known_hosts` and `ssh_config`.
    ///
    /// The `ssh_config` lists the machines by name and by address.
    #[must_use]
    pub fn operator(&self) -> PathBuf {
        self.slot.data().join("operator")
    }

    /// Returns an address of this lab that no machine has, for servers of a test.
    ///
    /// # Panics
    /// If a machine may have the address: `last` is in 11 to 19, or at least 100.
    #[must_use]
    pub fn address(&self, last: u8) -> IpAddr {
        assert!(!(11..20).contains(&last) && last < 100, "{last} is for machines");
        self.slot.address(last).into()
    }

    /// Returns the `masters` and `ssh` sections of a cluster file for these machines.
    #[must_use]
    pub fn cluster_sections(&self) -> String {
        let mut sections = String::from("masters:\n");
        for machine in &self.machines {
            let (name, address) = (machine.name(), machine.address());
            writeln!(sections, "  - {{name: {name}, address: {address}}}").unwrap();
        }
        let config = self.operator().join("ssh_config");
        writeln!(sections, "ssh:\n  configFile: {}", config.display()).unwrap();
        sections
    }

    fn furnish(&self, image: &Path) {
        let operator = self.operator();
        fs::create_dir(&operator).unwrap();
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "operator", "-f"]);
        peers::run(keygen.arg(operator.join("id_ed25519")));
        let key = fs::read_to_string(operator.join("id_ed25519.pub")).unwrap();

        let mut hosts = String::from("127.0.0.1 localhost\n::1 localhost\n");
        for machine in &self.machines {
            let names = [machine.name(), machine.hostname()];
            writeln!(hosts, "{} {}", machine.address(), names.join(" ")).unwrap();
        }
        let (mut known_hosts, mut config) = (String::new(), String::new());
        for machine in &self.machines {
            furnish::furnish(machine, image, &hosts, &key);
            known_hosts += &known(machine);
            config += &ssh_config(machine);
        }
        fs::write(operator.join("known_hosts"), known_hosts).unwrap();
        fs::write(operator.join("ssh_config"), config).unwrap();
    }
}

/// Labs for manual use, which outlive the command that made them.
impl LabCluster {
    /// Keeps the lab running after this process ends. Its machines must have the default variant.
    pub fn keep(mut self) {
        let ports = self.machines.iter().map(|machine| format!("{}\n", machine.port()));
        self.slot.keep(&ports.collect::<String>());
        self.guard.take().unwrap().dismiss();
    }

    /// Returns the kept lab, if there is one. Dropping this value does not stop it.
    #[must_use]
    pub fn kept() -> Option<Self> {
        let slot = Slot::kept()?;
        let kept = slot.kept_text();
        let ports = kept.lines().map(|port| port.parse().unwrap());
        let machines =
            ports.zip(0..).map(|(port, index)| machine(&slot, Variant::new(), index, port));
        Some(Self { machines: machines.collect(), guard: None, slot })
    }

    /// Removes the lab, also if it was kept.
    pub fn down(mut self) {
        if self.guard.take().is_none() {
            self.slot.clean();
        }
    }
}

impl Drop for LabCluster {
    fn drop(&mut self) {
        let Some(guard) = self.guard.take() else { return };
        for machine in &self.machines {
            let child = machine.child.lock().ok().and_then(|mut child| child.take());
            let _ = child.map(|mut child| child.kill().and_then(|()| child.wait()));
        }
        drop(guard);
    }
}

fn machine(slot: &Slot, variant: Variant, index: u8, port: u16) -> Machine {
    let name = format!("k8s-master-{:02}", index + 1);
    let extra = (0..variant.extra_addresses).map(|extra| 100 + 10 * index + extra);
    let addresses = std::iter::once(FIRST_ADDRESS + index).chain(extra);
    let ipv6_port = 22_000 + u16::from(slot.number()) * 10 + u16::from(index);
    Machine {
        addresses: addresses.map(|last| slot.address(last)).collect(),
        ipv6: variant.has_ipv6.then(|| SocketAddr::new(Ipv6Addr::LOCALHOST.into(), ipv6_port)),
        port,
        lab: slot.number(),
        folder: slot.data().join(&name),
        operator: slot.data().join("operator"),
        cgroup: slot.cgroup().join(&name),
        child: Mutex::new(None),
        variant,
        name,
    }
}

/// Returns port 22, or an alternative if the host's own sshd listens on every address.
fn free_port(slot: &Slot, machines: usize) -> u16 {
    let addresses = (FIRST_ADDRESS..).take(machines).map(|last| slot.address(last));
    let addresses: Vec<Ipv4Addr> = addresses.collect();
    let is_free = |port: &u16| addresses.iter().all(|at| TcpListener::bind((*at, *port)).is_ok());
    [22, 2222, 22_022].into_iter().find(is_free).expect("one of the ports is free")
}

fn known(machine: &Machine) -> String {
    let key = machine.host_key();
    let on_port = |address: IpAddr, port: u16| match port {
        22 => format!("{address} {key}\n"),
        port => format!("[{address}]:{port} {key}\n"),
    };
    let addresses = machine.addresses().iter().map(|at| on_port((*at).into(), machine.port()));
    let ipv6 = machine.ipv6().map(|at| on_port(at.ip(), at.port()));
    addresses.chain(ipv6).collect()
}

fn ssh_config(machine: &Machine) -> String {
    let addresses = machine.addresses().iter().map(ToString::to_string).collect::<Vec<_>>();
    format!(
        "Host {name}\n  HostName {address}\nHost {name} {addresses}\n  Port {port}\n  User {user}\n  \
         IdentityFile {identity}\n  IdentitiesOnly yes\n  UserKnownHostsFile {known_hosts}\n  \
         GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  BatchMode yes\n",
        name = machine.name(),
        address = machine.address(),
        addresses = addresses.join(" "),
        port = machine.port(),
        user = machine.user(),
        identity = machine.identity_file().display(),
        known_hosts = machine.known_hosts().display(),
    )
}

const FIRST_ADDRESS: u8 = 11;
