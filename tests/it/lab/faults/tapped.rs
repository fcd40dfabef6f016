//! kcm within this process, over real SSH, with actions that a test triggers in a phase of the
//! rollout.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use kcm::kube::{
    Accepted, Api, ApiError, ControlPlane, Credentials, Lease, LeaseStore, LegacyToken, Networked,
    PublishedTrust, TokenVerification, Via,
};
use kcm::transport::{
    Batch, Connections, HttpsAnswer, HttpsError, HttpsQuestion, Journal, JournalError,
    JournalQuestion, LockClaim, LockError, LockGuard, OpenSsh, Operation, Replies, ShellTransport,
    Stream, StreamAddress, StreamError, Transport, TransportError, UnitAction,
};
use kcm::{Cluster, Error, Fleet, Interrupt, MasterResult, Network, Outcome, Run, Silent};
use kcm_tests::lab::Machine;
use rustix::process::{Pid, Signal, kill_process};
use time::OffsetDateTime;

use super::Ground;

/// Part of a rollout, as one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Observe,
    Examine,
    Lock,
    Stage,
    Commit,
    /// Commit of the leader, until its process has ended.
    Stop,
    /// Release of the leader's Lease.
    Free,
    /// Start of the leader's service.
    Start,
    Gate,
    Conclude,
}

impl Phase {
    fn of(batch: &Batch) -> Option<Self> {
        let does = |action: fn(&UnitAction) -> bool| {
            let mut operations = batch.operations.iter();
            operations.any(|it| matches!(it, Operation::Unit(it) if action(it)))
        };
        if does(|action| matches!(action, UnitAction::Stop { .. })) {
            return Some(Self::Stop);
        }
        if does(|action| matches!(action, UnitAction::Start { .. })) {
            return Some(Self::Start);
        }
        match &batch.operations[..] {
            [Operation::Probe(_), ..] => Some(Self::Observe),
            [Operation::Examine(_), ..] => Some(Self::Examine),
            [Operation::Stage(_), ..] => Some(Self::Stage),
            [Operation::Commit(_), ..] => Some(Self::Commit),
            [Operation::Settle(_), Operation::Commit(_), ..] => Some(Self::Conclude),
            _ => None,
        }
    }
}

/// Action that happens once, when a master reaches a phase.
#[derive(Clone)]
pub(super) struct Blow {
    pub(super) master: String,
    pub(super) phase: Phase,
    /// Delay since the beginning of the phase; at zero, the action happens before it.
    pub(super) after: Duration,
    pub(super) strike: Arc<dyn Fn() + Send + Sync>,
}

/// Trigger of a blow.
struct Striker {
    blow: Blow,
    is_struck: AtomicBool,
}

impl Striker {
    /// Starts the action if `master` has reached the phase of the blow.
    async fn reach(&self, master: &str, phase: Option<Phase>) {
        let is_meant = phase == Some(self.blow.phase) && master == self.blow.master;
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

struct Tapped {
    name: String,
    inner: ShellTransport<OpenSsh>,
    striker: Arc<Striker>,
}

impl fmt::Debug for Tapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl Transport for Tapped {
    async fn call(&self, batch: &Batch) -> Result<Replies, TransportError> {
        self.striker.reach(&self.name, Phase::of(batch)).await;
        self.inner.call(batch).await
    }

    async fn open_stream(&self, address: &StreamAddress) -> Result<Box<dyn Stream>, StreamError> {
        self.inner.open_stream(address).await
    }

    async fn insecure_https(&self, question: &HttpsQuestion) -> Result<HttpsAnswer, HttpsError> {
        if question.path == "/healthz" {
            self.striker.reach(&self.name, Some(Phase::Gate)).await;
        }
        self.inner.insecure_https(question).await
    }

    async fn journal(&self, question: &JournalQuestion) -> Result<Box<dyn Journal>, JournalError> {
        self.inner.journal(question).await
    }

    async fn lock(&self, claim: &LockClaim) -> Result<Box<dyn LockGuard>, LockError> {
        self.striker.reach(&self.name, Some(Phase::Lock)).await;
        self.inner.lock(claim).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// Access to the API server through one master.
struct TappedApi {
    master: String,
    inner: Arc<dyn Api>,
    striker: Arc<Striker>,
}

impl fmt::Debug for TappedApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl LeaseStore for TappedApi {
    async fn lease(&self) -> Result<Option<Lease>, ApiError> {
        self.inner.lease().await
    }

    async fn replace_lease(&self, lease: &Lease) -> Result<Lease, ApiError> {
        self.striker.reach(&self.master, Some(Phase::Free)).await;
        self.inner.replace_lease(lease).await
    }
}

#[async_trait]
impl Api for TappedApi {
    async fn check_identity(&self) -> Result<Accepted, ApiError> {
        self.inner.check_identity().await
    }
}

struct TappedPlane(Arc<Striker>);

impl fmt::Debug for TappedPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TappedPlane")
    }
}

#[async_trait]
impl ControlPlane for TappedPlane {
    async fn open(&self, credentials: &Credentials, via: Via) -> Result<Arc<dyn Api>, ApiError> {
        let Via::Master { name, .. } = &via else { panic!("{via:?}") };
        let (master, striker) = (name.clone(), Arc::clone(&self.0));
        let inner = Networked.open(credentials, via).await?;
        Ok(Arc::new(TappedApi { master, inner, striker }))
    }

    async fn token_verification(
        &self,
        credentials: &Credentials,
        via: Via,
    ) -> Result<TokenVerification, ApiError> {
        Networked.token_verification(credentials, via).await
    }

    async fn legacy_tokens(
        &self,
        credentials: &Credentials,
        via: Via,
    ) -> Result<Vec<LegacyToken>, ApiError> {
        Networked.legacy_tokens(credentials, via).await
    }

    async fn published_trust(
        &self,
        credentials: &Credentials,
        via: Via,
    ) -> Result<PublishedTrust, ApiError> {
        Networked.published_trust(credentials, via).await
    }
}

/// Returns the cluster file of a folder, restricted to these masters if any are named.
fn cluster_in(folder: &Path, only: &[String]) -> Cluster {
    let file = folder.join("kcm.yaml");
    let text = fs::read_to_string(&file).unwrap();
    Cluster::parse(&text, &file).unwrap().select(only, &[]).unwrap()
}

/// Returns a fleet whose masters `connect` reaches by name.
fn fleet(
    cluster: &Cluster,
    connect: impl Fn(String, ShellTransport<OpenSsh>) -> Arc<dyn Transport>,
) -> Fleet {
    let connections = Connections::new();
    Fleet::new(cluster, Network::Allowed, |name| {
        let master = cluster.master(name).unwrap();
        let (address, ssh) = (master.address.clone(), master.ssh.clone());
        let shell = OpenSsh::new(address, ssh, &connections);
        connect(name.to_owned(), shell.into_transport(name, None))
    })
}

fn apply(cluster: &Cluster, fleet: &Fleet) -> Result<Outcome, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (interrupt, now) = (Interrupt::new(), OffsetDateTime::now_utc());
    let run = Run::new(cluster, fleet, now, &Silent, &interrupt);
    runtime.block_on(async {
        let ended = kcm::apply(run).await;
        fleet.close().await;
        ended
    })
}

/// Applies the cluster file of a folder in this process, restricted to these masters if any are
/// named. The blow must have happened.
pub(super) fn apply_under(folder: &Path, only: &[String], blow: &Blow) -> Result<Outcome, Error> {
    let striker = Arc::new(Striker { blow: blow.clone(), is_struck: false.into() });
    let plane = Arc::new(TappedPlane(Arc::clone(&striker)));
    struck(&cluster_in(folder, only), &striker, |fleet| fleet.with_control_plane(plane))
}

fn struck(
    cluster: &Cluster,
    striker: &Arc<Striker>,
    furnish: impl FnOnce(Fleet) -> Fleet,
) -> Result<Outcome, Error> {
    let tapped = |name, inner| -> Arc<dyn Transport> {
        Arc::new(Tapped { name, inner, striker: Arc::clone(striker) })
    };
    let ended = apply(cluster, &furnish(fleet(cluster, tapped)));
    let blow = &striker.blow;
    assert!(striker.is_struck.load(Ordering::Relaxed), "{:?} was never reached", blow.phase);
    println!("{:?} of {}: {}", blow.phase, blow.master, shown(&ended));
    ended
}

/// Returns the address of a master in the cluster file of a folder.
pub(super) fn address(folder: &Path, master: &str) -> String {
    cluster_in(folder, &[]).master(master).unwrap().address.to_string()
}

/// Kills every `ssh` process on this machine that is connected to a master.
pub(super) fn kill_ssh_to(address: &str) {
    let killed = ssh_to(address).into_iter().filter(|process| {
        Pid::from_raw(*process).is_some_and(|it| kill_process(it, Signal::KILL).is_ok())
    });
    assert!(killed.count() > 0, "no ssh leads to {address}");
}

impl Ground {
    /// Applies in this process without access to the Lease, in the order of the cluster file. The
    /// blow must have happened.
    pub(super) fn apply_under(&self, blow: &Blow) -> Result<Outcome, Error> {
        let striker = Arc::new(Striker { blow: blow.clone(), is_struck: false.into() });
        struck(&cluster_in(self.workspace.path(), &[]), &striker, |fleet| fleet)
    }

    /// Applies without access to the Lease.
    pub(super) fn apply_blindly(&self) -> Result<Outcome, Error> {
        let cluster = cluster_in(self.workspace.path(), &[]);
        apply(&cluster, &fleet(&cluster, |_, master| Arc::new(master)))
    }

    pub(super) fn ssh_killer(machine: &Machine) -> Arc<dyn Fn() + Send + Sync> {
        let address = machine.address().to_string();
        Arc::new(move || kill_ssh_to(&address))
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

/// Formats the result of an apply.
pub(super) fn shown(ended: &Result<Outcome, Error>) -> String {
    match ended {
        Err(error) => error.to_string(),
        Ok(outcome) => {
            let masters = outcome.masters.iter();
            masters.map(|master| format!("\n  {} {:?}", master.name, master.result)).collect()
        }
    }
}

/// Returns the result of each master.
pub(super) fn results(ended: Result<Outcome, Error>) -> Vec<MasterResult> {
    ended.unwrap().masters.into_iter().map(|master| master.result).collect()
}
