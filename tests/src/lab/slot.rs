//! A lab's slot on the host: a number that determines its addresses, and the files and processes to
//! remove.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::image::cache;
use crate::peers;

/// A slot, in use while its lock file is locked or its `kept` file exists.
#[derive(Debug)]
pub(super) struct Slot {
    number: u8,
    lock: File,
}

impl Slot {
    /// Takes a free slot, and cleans up slots whose lab has ended.
    pub(super) fn take() -> Option<Self> {
        fs::create_dir_all(RUN).unwrap();
        let mut taken = None;
        for number in 0..SLOTS {
            if taken.is_some() && !state(number).exists() {
                continue;
            }
            let Some(slot) = Self::try_lock(number) else { continue };
            if slot.is_kept() {
                continue;
            }
            slot.clean();
            taken.get_or_insert(slot);
        }
        let slot = taken?;
        match fs::create_dir(slot.cgroup()) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return None,
            _ if !slot.cgroup().join("cgroup.kill").is_file() => return None,
            _ => (),
        }
        let data = cache().join("machines").join(slot.number.to_string());
        let link = slot.state().join("data");
        fs::create_dir_all(data.parent().unwrap()).unwrap();
        symlink(&data, &link).unwrap();
        if data.exists() {
            // A reboot of the host removes the link in `/run`, but not the files.
            slot.clean();
            fs::create_dir(slot.cgroup()).unwrap();
            symlink(&data, &link).unwrap();
        }
        fs::DirBuilder::new().mode(0o700).create(&data).unwrap();
        Some(slot)
    }

    /// Returns the slot of the kept lab. Waits until no other process holds it.
    pub(super) fn kept() -> Option<Self> {
        let number = (0..SLOTS).find(|number| is_kept(*number))?;
        let lock = lock_file(number);
        lock.lock().unwrap();
        Some(Self { number, lock }).filter(Self::is_kept)
    }

    fn try_lock(number: u8) -> Option<Self> {
        let lock = lock_file(number);
        match lock.try_lock() {
            Ok(()) => Some(Self { number, lock }),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(error)) => panic!("{}: {error}", state(number).display()),
        }
    }

    /// Number of the slot, also used in names that all labs share.
    pub(super) fn number(&self) -> u8 {
        self.number
    }

    /// Returns an address of this lab.
    pub(super) fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, self.number, last)
    }

    /// Folder of the machines' files.
    pub(super) fn data(&self) -> PathBuf {
        fs::read_link(self.state().join("data")).unwrap()
    }

    /// Parent of the machines' control groups.
    pub(super) fn cgroup(&self) -> PathBuf {
        cgroups().unwrap().join(format!("kcm-lab-{}", self.number))
    }

    fn state(&self) -> PathBuf {
        state(self.number)
    }

    /// Keeps the lab and stores `text` for [`Slot::kept_text`].
    pub(super) fn keep(&self, text: &str) {
        fs::write(self.state().join("kept"), text).unwrap();
    }

    /// Returns the text that [`Slot::keep`] stored.
    pub(super) fn kept_text(&self) -> String {
        fs::read_to_string(self.state().join("kept")).unwrap()
    }

    /// Reports whether the lab is kept. The control group shows that the host has not rebooted
    /// since.
    fn is_kept(&self) -> bool {
        is_kept(self.number) && self.cgroup().is_dir()
    }

    /// Kills all processes of the lab and removes its files.
    pub(super) fn clean(&self) {
        let mut clean = Command::new("sh");
        clean.args(["-c", CLEAN, "clean"]).args([self.state(), self.cgroup()]);
        peers::run(&mut clean);
    }

    /// Starts a process that cleans the slot when this process ends in any way.
    pub(super) fn guard(&self) -> Guard {
        let script = format!("trap '' HUP INT TERM\nread -r word && exit\n{CLEAN}");
        let mut guard = Command::new("setsid");
        guard.args(["sh", "-c", &script, "guard"]).args([self.state(), self.cgroup()]);
        // With the lock as its standard output, the guard holds the lock until it has finished.
        let lock = self.lock.try_clone().unwrap();
        guard.current_dir("/").stdin(Stdio::piped()).stdout(lock).stderr(Stdio::null());
        Guard(guard.spawn().unwrap())
    }
}

/// Cleans a slot when this value is dropped or when its process ends.
#[derive(Debug)]
pub(super) struct Guard(Child);

impl Guard {
    /// Ends the guard without cleaning.
    pub(super) fn dismiss(mut self) {
        self.0.stdin.take().unwrap().write_all(b"dismissed\n").unwrap();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // A panic here would hide why the test failed.
        if !self.0.wait().is_ok_and(|status| status.success()) {
            eprintln!("a lab was not cleaned up; the next one does it");
        }
    }
}

/// Finds the host's cgroup2 hierarchy, in which all processes of a group can be killed at once.
pub(super) fn cgroups() -> Option<PathBuf> {
    let candidates = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
    candidates.map(PathBuf::from).into_iter().find(|at| at.join("cgroup.procs").is_file())
}

fn lock_file(number: u8) -> File {
    fs::create_dir_all(state(number)).unwrap();
    let path = state(number).join("lock");
    File::options().create(true).append(true).open(path).unwrap()
}

fn is_kept(number: u8) -> bool {
    state(number).join("kept").is_file()
}

fn state(number: u8) -> PathBuf {
    Path::new(RUN).join(number.to_string())
}

const RUN: &str = "/run/kcm-lab";
const SLOTS: u8 = 64;
const CLEAN: &str = include_str!("clean.sh");
