//! Watches which machines serve: reads the kernel's listening sockets, independently of kcm and
//! systemd.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use super::{LabCluster, Machine};

/// Checks every few milliseconds on which machines kube-controller-manager listens.
#[derive(Debug)]
pub struct Watcher {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Watched>,
}

/// The observations of a watcher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Number of checks.
    pub looks: usize,
    /// Longest time between two checks.
    pub blind: Duration,
    /// All outages, in the order of their ends.
    pub outages: Vec<Outage>,
    /// Maximum number of machines that were down at the same time.
    pub most_down: usize,
}

/// An outage of one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Name of the machine.
    pub machine: String,
    /// Time from the first check that found the machine down to the first that found it up again.
    pub length: Duration,
}

impl Watched {
    /// Length of the longest outage.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.outages.iter().map(|outage| outage.length).max().unwrap_or_default()
    }

    /// Sum of the lengths of all outages.
    #[must_use]
    pub fn exposure(&self) -> Duration {
        self.outages.iter().map(|outage| outage.length).sum()
    }
}

impl Watcher {
    /// Starts to watch.
    #[must_use]
    pub fn start(lab: &LabCluster) -> Self {
        let place = |machine: &Machine| (machine.name().to_owned(), machine.addresses()[0]);
        let places: Vec<_> = lab.machines().iter().map(place).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_over);
        Self { is_over, thread: spawn(move || watch(&places, &asked)) }
    }

    /// Stops and returns the observations. An outage that has not ended counts until now.
    #[must_use]
    pub fn end(self) -> Watched {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn watch(places: &[(String, Ipv4Addr)], is_over: &AtomicBool) -> Watched {
    let mut watched = Watched::default();
    let mut down_since: Vec<Option<Instant>> = vec![None; places.len()];
    let mut last = Instant::now();
    loop {
        let is_last = is_over.load(Ordering::Relaxed);
        let listening = listening();
        let now = Instant::now();
        watched.blind = watched.blind.max(now - last);
        (watched.looks, last) = (watched.looks + 1, now);
        for ((machine, address), since) in places.iter().zip(&mut down_since) {
            let is_up = listening.contains(address);
            if let Some(begun) = since.filter(|_| is_up || is_last) {
                let outage = Outage { machine: machine.clone(), length: now - begun };
                watched.outages.push(outage);
            }
            *since = if is_up { None } else { since.or(Some(now)) };
        }
        let down = down_since.iter().flatten().count();
        watched.most_down = watched.most_down.max(down);
        if is_last {
            return watched;
        }
        sleep(INTERVAL);
    }
}

/// Reports whether a process listens on kube-controller-manager's port of a machine.
pub(super) fn serves(machine: &Machine) -> bool {
    listening().contains(&machine.addresses()[0])
}

/// Returns the addresses with a listener on kube-controller-manager's port. All machines share the
/// host's network.
fn listening() -> BTreeSet<Ipv4Addr> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let listening = table.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (local, _, state) = (words.nth(1)?, words.next()?, words.next()?);
        let (address, port) = local.split_once(':')?;
        let is_ours = state == LISTEN && u16::from_str_radix(port, 16) == Ok(SECURE_PORT);
        // The kernel prints the address, which is in network byte order in memory, as a native
        // integer.
        let address = u32::from_str_radix(address, 16).ok()?;
        is_ours.then(|| Ipv4Addr::from(address.to_ne_bytes()))
    });
    listening.collect()
}

const INTERVAL: Duration = Duration::from_millis(20);
const LISTEN: &str = "0A";
const SECURE_PORT: u16 = 10257;
