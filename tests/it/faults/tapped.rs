//! kcm in this process, over real SSH, with somebody at the line who knows in which phase it is.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kcm::cluster::Ssh;
use kcm::transport::{
    Batch, Connections, HttpsError, HttpsQuestion, LockClaim, LockError, LockGuard, Operation,
    Replies, SshMaster, Stream, StreamAddress, StreamError, Transport, TransportError,
};
use kcm::{Cluster, Consent, Error, Fleet, Interrupt, MasterResult, Network, Outcome, Run, Silent};
use kcm_tests::lab::Machine;
use rustix::process::{Pid, Signal, kill_process};
use time::OffsetDateTime;

use super::Ground;

/// A part of a rollout, as one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Observe,
    Examine,
    Lock,
    Stage,
    Commit,
    Gate,
    Conclude,
}

impl Phase {
    fn of(batch: &Batch) -> Option<Self> {
        match &batch.operations[..] {
            [Operation::Probe(_), ..] => Some(Self::Observe),
            [Operation::Examine(_), ..] => Some(Self::Examine),
            [Operation::Stage(_), ..] => Some(Self::Stage),
            [Operation::Commit(_), ..] => Some(Self::Commit),
            [Operation::Settle(_), Operation::Commit(_)] => Some(Self::Conclude),
            _ => None,
        }
    }
}

/// What happens once, when a master comes to a phase.
#[derive(Clone)]
pub(super) struct Blow {
    pub(super) master: String,
    pub(super) phase: Phase,
    /// How long after the phase has begun; at zero, before it.
    pub(super) after: Duration,
    pub(super) strike: Arc<dyn Fn() + Send + Sync>,
}

struct Tapped {
    name: String,
    inner: SshMaster,
    blow: Blow,
    is_struck: std::sync::atomic::AtomicBool,
}

impl fmt::Debug for Tapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Tapped {
    /// Strikes if it is time.
    async fn reach(&self, phase: Option<Phase>) {
        use std::sync::atomic::Ordering;
        let is_meant = phase == Some(self.blow.phase) && self.name == self.blow.master;
        if !is_meant || self.is_struck.swap(true, Ordering::Relaxed) {
            return;
        }
        let Blow { after, strike, .. } = self.blow.clone();
        let striking = tokio::task::spawn_blocking(move || {
            std::thread::sleep(after);
            strike();
        });
        if after.is_zero() {
            striking.await.unwrap();
        }
    }
}

#[async_trait]
impl Transport for Tapped {
    async fn call(&self, batch: &Batch) -> Result<Replies, TransportError> {
        self.reach(Phase::of(batch)).await;
        self.inner.call(batch).await
    }

    async fn open_stream(&self, address: &StreamAddress) -> Result<Box<dyn Stream>, StreamError> {
        self.inner.open_stream(address).await
    }

    async fn insecure_https_status(&self, question: &HttpsQuestion) -> Result<u16, HttpsError> {
        if question.path == "/healthz" {
            self.reach(Some(Phase::Gate)).await;
        }
        self.inner.insecure_https_status(question).await
    }

    async fn lock(&self, claim: &LockClaim) -> Result<Box<dyn LockGuard>, LockError> {
        self.reach(Some(Phase::Lock)).await;
        self.inner.lock(claim).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

impl Ground {
    /// Applies in this process. The blow must have fallen.
    pub(super) fn apply_under(&self, blow: &Blow) -> Result<Outcome, Error> {
        let file = self.site.file("kcm.yaml");
        let cluster = Cluster::parse(&self.site.read("kcm.yaml"), &file).unwrap();
        let connections = Connections::new();
        let config_file = Some(self.lab.operator().join("ssh_config"));
        let mut tapped = Vec::new();
        let fleet = Fleet::new(&cluster, Network::Allowed, |name| {
            let ssh = Ssh { config_file: config_file.clone(), ..Ssh::default() };
            let machine = self.machine(name);
            let address = machine.address().to_string().parse().unwrap();
            let inner = SshMaster::new(name, address, ssh, None, &connections);
            let master = Arc::new(Tapped {
                name: name.to_owned(),
                inner,
                blow: blow.clone(),
                is_struck: false.into(),
            });
            tapped.push(Arc::clone(&master));
            master
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (interrupt, now) = (Interrupt::new(), OffsetDateTime::now_utc());
        let (events, consent) = (&Silent, Consent::default());
        let run =
            Run { cluster: &cluster, fleet: &fleet, now, events, interrupt: &interrupt, consent };
        let ended = runtime.block_on(async {
            let ended = kcm::apply(run).await;
            fleet.close().await;
            ended
        });
        let mut struck =
            tapped.iter().map(|it| it.is_struck.load(std::sync::atomic::Ordering::Relaxed));
        assert!(struck.any(|struck| struck), "{:?} was never reached", blow.phase);
        println!("{:?} of {}: {}", blow.phase, blow.master, shown(&ended));
        ended
    }

    pub(super) fn machine(&self, name: &str) -> &Machine {
        self.lab.machines().iter().find(|machine| machine.name() == name).unwrap()
    }

    /// Kills every `ssh` of this machine's that leads to a master.
    pub(super) fn ssh_killer(machine: &Machine) -> Arc<dyn Fn() + Send + Sync> {
        let address = machine.address().to_string();
        Arc::new(move || {
            let killed = ssh_to(&address).into_iter().filter(|process| {
                Pid::from_raw(*process).is_some_and(|it| kill_process(it, Signal::KILL).is_ok())
            });
            assert!(killed.count() > 0, "no ssh leads to {address}");
        })
    }
}

fn ssh_to(address: &str) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter(|number| {
            let line = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
            let words: Vec<_> = line.split(|byte| *byte == 0).collect();
            words[0].starts_with(b"ssh") && words.contains(&address.as_bytes())
        })
        .collect()
}

/// In words.
pub(super) fn shown(ended: &Result<Outcome, Error>) -> String {
    match ended {
        Err(error) => error.to_string(),
        Ok(outcome) => {
            let masters = outcome.masters.iter();
            masters.map(|master| format!("\n  {} {:?}", master.name, master.result)).collect()
        }
    }
}

/// How it ended on each master.
pub(super) fn results(ended: Result<Outcome, Error>) -> Vec<MasterResult> {
    ended.unwrap().masters.into_iter().map(|master| master.result).collect()
}
