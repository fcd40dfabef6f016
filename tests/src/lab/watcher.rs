//! Watches from outside who serves: asks neither kcm nor systemd, but the kernel for its listening sockets.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use super::{Lab, Machine};

/// Looks every few milliseconds which machines have a kube-controller-manager that listens.
#[derive(Debug)]
pub struct Watcher {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Watched>,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// How often it was looked.
    pub looks: usize,
    /// The longest time between two looks.
    pub blind: Duration,
    /// Every time that a machine was down, in the order of their ends.
    pub outages: Vec<Outage>,
    /// The most machines that were down at one time.
    pub most_down: usize,
}

/// One time that a machine was down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The machine.
    pub machine: String,
    /// From the first look that did not find it to the first that did again.
    pub length: Duration,
}

impl Watched {
    /// The longest that a machine was down.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.outages.iter().map(|outage| outage.length).max().unwrap_or_default()
    }

    /// How long machines were down, all together.
    #[must_use]
    pub fn exposure(&self) -> Duration {
        self.outages.iter().map(|outage| outage.length).sum()
    }
}

impl Watcher {
    /// Begins to watch.
    #[must_use]
    pub fn start(lab: &Lab) -> Self {
        let place = |machine: &Machine| (machine.name().to_owned(), machine.addresses()[0]);
        let places: Vec<_> = lab.machines().iter().map(place).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_over);
        Self { is_over, thread: spawn(move || watch(&places, &asked)) }
    }

    /// Ends it. A machine that is down counts until now.
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

/// Whether a kube-controller-manager listens on a machine.
pub(super) fn serves(machine: &Machine) -> bool {
    listening().contains(&machine.addresses()[0])
}

/// The addresses at which somebody listens on kube-controller-manager's port: all machines share this one's network.
fn listening() -> BTreeSet<Ipv4Addr> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let listening = table.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (local, _, state) = (words.nth(1)?, words.next()?, words.next()?);
        let (address, port) = local.split_once(':')?;
        let is_ours = state == LISTEN && u16::from_str_radix(port, 16) == Ok(SECURE_PORT);
        // As the bytes lie in memory.
        let address = u32::from_str_radix(address, 16).ok()?;
        is_ours.then(|| Ipv4Addr::from(address.to_ne_bytes()))
    });
    listening.collect()
}

const INTERVAL: Duration = Duration::from_millis(20);
const LISTEN: &str = "0A";
const SECURE_PORT: u16 = 10257;
