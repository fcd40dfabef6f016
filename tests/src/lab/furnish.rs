//! Creates a machine's root file system: an overlay on the image, with the files of the machine.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use super::{Machine, Opt, Sudo, Variant};
use crate::peers;

/// Creates all files of a machine before its first boot.
pub(super) fn furnish(machine: &Machine, image: &Path, hosts: &str, operator_key: &str) {
    lay(image, machine.folder());
    mount_opt(machine);
    let root = Root(machine.root());
    let variant = machine.variant();
    root.put("/etc/hostname", &format!("{}\n", machine.hostname()), 0o644);
    root.put("/etc/hosts", hosts, 0o644);
    root.put("/etc/machine-id", &machine_id(), 0o444);
    root.put("/etc/sudoers.d/kube", sudoers(variant), 0o440);
    root.put("/etc/ssh/sshd_config.d/lab.conf", &sshd_config(machine), 0o644);
    host_key(machine);
    users(&root, variant);
    if variant.sudo == Sudo::Absent {
        fs::remove_file(root.0.join("usr/bin/sudo")).unwrap();
    }
    root.put_at_home(variant, ".ssh/authorized_keys", operator_key, 0o600);
    if variant.is_noisy {
        root.put_at_home(variant, ".bashrc", NOISE, 0o644);
        root.put_at_home(variant, ".cshrc", CSH_NOISE, 0o644);
    }
    for (path, content, mode) in &variant.files {
        let at = machine.file(&path.to_string_lossy());
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, content).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(*mode)).unwrap();
    }
    if variant.opt == Opt::ReadOnly {
        mount(&["-o", "remount,ro"], &machine.folder().join("opt"));
    }
}

fn lay(image: &Path, folder: &Path) {
    for name in ["upper", "work", "root"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    let at = |name: &str| folder.join(name).display().to_string();
    let layers =
        format!("lowerdir={},upperdir={},workdir={}", image.display(), at("upper"), at("work"));
    let mut mount = Command::new("mount");
    mount.args(["-t", "overlay", "overlay", "-o", &layers]).arg(folder.join("root"));
    // Not every file system supports the upper layer of an overlay. A copy is slower but
    // equivalent.
    if !peers::output(&mut mount).status.success() {
        let mut copy = Command::new("cp");
        copy.args(["-a", "--reflink=auto"]).arg(image.join(".")).arg(folder.join("root"));
        peers::run(&mut copy);
    }
}

/// Mounts the machine's `/opt` on the host, so that it persists while the machine is off.
fn mount_opt(machine: &Machine) {
    let options = match machine.variant().opt {
        Opt::Folder => return,
        Opt::Sized(octets) => format!("mode=755,size={octets}"),
        Opt::Full => "mode=755,size=64k".to_owned(),
        Opt::ReadOnly => "mode=755".to_owned(),
    };
    let at = machine.folder().join("opt");
    fs::create_dir(&at).unwrap();
    mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], &at);
    if machine.variant().opt == Opt::Full {
        let mut rest = fs::File::create(at.join("everything")).unwrap();
        while rest.write_all(&[0; 4096]).is_ok() {}
    }
}

fn mount(arguments: &[&str], at: &Path) {
    peers::run(Command::new("mount").args(arguments).arg(at));
}

struct Root(std::path::PathBuf);

impl Root {
    fn put(&self, path: &str, content: &str, mode: u32) {
        let at = self.0.join(path.trim_start_matches('/'));
        fs::write(&at, content).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn put_at_home(&self, variant: &Variant, name: &str, content: &str, mode: u32) {
        let home = if variant.is_root_login { "/root" } else { "/home/kube" };
        let owner = Some(if variant.is_root_login { 0 } else { KUBE });
        let path = format!("{home}/{name}");
        let at = self.0.join(path.trim_start_matches('/'));
        let folder = at.parent().unwrap();
        if !folder.exists() {
            fs::create_dir(folder).unwrap();
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
            chown(folder, owner, owner).unwrap();
        }
        self.put(&path, content, mode);
        chown(&at, owner, owner).unwrap();
    }

    fn edit(&self, path: &str, edit: impl Fn(&str) -> String) {
        let at = self.0.join(path.trim_start_matches('/'));
        let mut edited = String::new();
        for line in fs::read_to_string(&at).unwrap().lines() {
            writeln!(edited, "{}", edit(line)).unwrap();
        }
        fs::write(at, edited).unwrap();
    }
}

fn users(root: &Root, variant: &Variant) {
    let login = format!("{}:", variant.user());
    if variant.is_csh {
        root.edit("/etc/passwd", |line| match line.strip_suffix("/bin/bash") {
            Some(start) if line.starts_with(&login) => format!("{start}/bin/csh"),
            _ => line.to_owned(),
        });
    }
    root.edit("/etc/shadow", |line| match line.strip_prefix("kube:!:") {
        Some(rest) => format!("kube:{SUDO_PASSWORD_HASH}:{rest}"),
        None => line.to_owned(),
    });
}

fn sudoers(variant: &Variant) -> &'static str {
    match variant.sudo {
        Sudo::Free => "kube ALL=(ALL:ALL) NOPASSWD: ALL\n",
        Sudo::Password => "kube ALL=(ALL:ALL) ALL\n",
        Sudo::Forbidden | Sudo::Absent => "",
    }
}

fn sshd_config(machine: &Machine) -> String {
    let mut config = String::from("LogLevel VERBOSE\nHostKey /etc/ssh/ssh_host_ed25519_key\n");
    for address in machine.addresses() {
        writeln!(config, "ListenAddress {address}:{}", machine.port()).unwrap();
    }
    if let Some(address) = machine.ipv6() {
        writeln!(config, "ListenAddress {address}").unwrap();
    }
    for line in &machine.variant().sshd {
        writeln!(config, "{line}").unwrap();
    }
    config
}

fn host_key(machine: &Machine) {
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", machine.name(), "-f"]);
    keygen.arg(machine.root().join("etc/ssh/ssh_host_ed25519_key"));
    peers::run(&mut keygen);
}

fn machine_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap().replace('-', "")
}

const KUBE: u32 = 1000;

/// Output of `openssl passwd -6` for [`super::SUDO_PASSWORD`].
const SUDO_PASSWORD_HASH: &str = "$6$kcmlab$Lzo5kB/X9OXIFmhzn9fxXgL0pBsaK.qMuHz5K3s/oTYstTXuRB5TnBLECmIhy6Evxp1OpIDkttJdEIb67V2sU1";

const NOISE: &str = "echo 'Welcome to this master!'\necho 'Mind the step.' >&2\n";
const CSH_NOISE: &str = "echo 'Welcome to this master!'\n";
