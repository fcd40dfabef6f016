//! The image that every machine starts from: built once and kept outside the checkout.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::digest;

use crate::peers;

/// Folder of images and machines' files: `KCM_LAB_CACHE`, else `/var/cache/kcm-lab`.
pub(super) fn cache() -> PathBuf {
    std::env::var_os("KCM_LAB_CACHE").map_or_else(|| "/var/cache/kcm-lab".into(), PathBuf::from)
}

/// Returns the folder of the image, which it builds if necessary; prints a message and returns
/// `None` if it cannot.
pub(super) fn image() -> Option<PathBuf> {
    let images = cache().join("images");
    fs::create_dir_all(&images).unwrap();
    let image = images.join(recipe_digest());
    // Other processes wait here while one builds the image, and then find it.
    let lock = File::create(images.join("lock")).unwrap();
    lock.lock().unwrap();
    if !image.is_dir() {
        if !peers::has("debootstrap") {
            return None;
        }
        eprintln!("making {}: this takes a minute, once", image.display());
        make(&image);
    }
    Some(image)
}

fn make(image: &Path) {
    let unfinished = image.with_extension("new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).unwrap();
    }
    let include = format!("--include={}", PACKAGES.join(","));
    let mut bootstrap = Command::new("debootstrap");
    bootstrap.args(["--variant=minbase", &include, SUITE]).arg(&unfinished);
    peers::run(&mut bootstrap);
    let mut finish = Command::new("chroot");
    finish.arg(&unfinished).args(["/bin/sh", "-euc", FINISH]);
    peers::run(&mut finish);
    fs::rename(&unfinished, image).unwrap();
}

/// Digest of everything that the image is built from, as a name. Another recipe is another image.
fn recipe_digest() -> String {
    let recipe = format!("{SUITE}\n{PACKAGES:?}\n{FINISH}");
    let digest = digest::digest(&digest::SHA256, recipe.as_bytes());
    let start = digest.as_ref().first_chunk().unwrap();
    format!("{:016x}", u64::from_be_bytes(*start))
}

const SUITE: &str = "bookworm";

/// Packages of a small Debian server, and `csh`, which some operators still use as login shell.
const PACKAGES: &[&str] =
    &["systemd", "systemd-sysv", "libpam-systemd", "dbus", "openssh-server", "sudo", "csh"];

/// Script that runs in the image: creates the tutorial's user and removes files that each machine
/// creates anew.
///
/// It also masks units that need hardware or the internet, and removes documentation and caches.
const FINISH: &str = r"
useradd --create-home --shell /bin/bash --uid 1000 kube
systemctl set-default multi-user.target
systemctl mask getty.target console-getty.service dev-hugepages.mount sys-fs-fuse-connections.mount \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
  e2scrub_reap.service systemd-pstore.service
mkdir -p /var/log/journal
rm -f /etc/ssh/ssh_host_* /etc/machine-id /var/lib/dbus/machine-id /etc/hostname /etc/resolv.conf
rm -rf /var/cache/apt/* /var/lib/apt/lists/* /var/log/journal/* /usr/share/doc/* /usr/share/locale/*
";
