//! A lab's place on this host: a number, from which its addresses follow, and everything that must be taken away.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::image::cache;
use crate::peers;

/// A place, taken for as long as its lock file is locked or its mark says that people keep it.
#[derive(Debug)]
pub(super) struct Slot {
    number: u8,
    lock: File,
}

impl Slot {
    /// Takes a free place, and cleans those that nobody holds any more.
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
            // A reboot of the host forgot the link, but not the files.
            slot.clean();
            fs::create_dir(slot.cgroup()).unwrap();
            symlink(&data, &link).unwrap();
        }
        fs::DirBuilder::new().mode(0o700).create(&data).unwrap();
        Some(slot)
    }

    /// The place of a lab that people keep. Waits until nobody else holds it.
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

    /// The number, also as a part of names that all labs share.
    pub(super) fn number(&self) -> u8 {
        self.number
    }

    /// An address of this lab.
    pub(super) fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, self.number, last)
    }

    /// The folder of its machines' files.
    pub(super) fn data(&self) -> PathBuf {
        fs::read_link(self.state().join("data")).unwrap()
    }

    /// The control group of its machines' control groups.
    pub(super) fn cgroup(&self) -> PathBuf {
        cgroups().unwrap().join(format!("kcm-lab-{}", self.number))
    }

    fn state(&self) -> PathBuf {
        state(self.number)
    }

    /// Keeps it for people: `text` is what [`Slot::kept_text`] will say.
    pub(super) fn keep(&self, text: &str) {
        fs::write(self.state().join("kept"), text).unwrap();
    }

    /// What was said when it was kept.
    pub(super) fn kept_text(&self) -> String {
        fs::read_to_string(self.state().join("kept")).unwrap()
    }

    /// After a reboot of the host nothing is left to keep.
    fn is_kept(&self) -> bool {
        is_kept(self.number) && self.cgroup().is_dir()
    }

    /// Ends all processes and removes everything.
    pub(super) fn clean(&self) {
        let mut clean = Command::new("sh");
        clean.args(["-c", CLEAN, "clean"]).args([self.state(), self.cgroup()]);
        peers::run(&mut clean);
    }

    /// Starts the process that does the same when this one ends, in whatever way.
    pub(super) fn guard(&self) -> Guard {
        let script = format!("trap '' HUP INT TERM\nread -r word && exit\n{CLEAN}");
        let mut guard = Command::new("setsid");
        guard.args(["sh", "-c", &script, "guard"]).args([self.state(), self.cgroup()]);
        // As its standard output the guard holds the lock until it is done.
        let lock = self.lock.try_clone().unwrap();
        guard.current_dir("/").stdin(Stdio::piped()).stdout(lock).stderr(Stdio::null());
        Guard(guard.spawn().unwrap())
    }
}

/// Cleans a place when the process that holds this ends or drops it.
#[derive(Debug)]
pub(super) struct Guard(Child);

impl Guard {
    /// Lets everything stay.
    pub(super) fn dismiss(mut self) {
        self.0.stdin.take().unwrap().write_all(b"dismissed\n").unwrap();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // A destructor that panics would hide why the test failed.
        if !self.0.wait().is_ok_and(|status| status.success()) {
            eprintln!("a lab was not cleaned up; the next one does it");
        }
    }
}

/// The host's cgroup2 hierarchy, in which a group can be ended as a whole.
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
