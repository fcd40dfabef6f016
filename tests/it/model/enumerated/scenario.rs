//! Scenarios: the command, the initial state, and the result without a fault.

mod kinds;

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcm::files::RemotePath;
use kcm::kube::{PublishedTrust, TokenVerification};
use kcm::rotate::ca::{self, CaStage};
use kcm::rotate::service_account_key::{self as token_key, TokenKeyStage};
use kcm::transport::Transport;
use kcm::transport::fake::{Behaviour, Fake};
use kcm::{
    Cluster, Consent, Error, Fleet, From, Interrupt, MasterResult, Network, Outcome, Renewal, Run,
    Silent,
};
use kcm_tests::Workspace;
use time::OffsetDateTime;

use super::asked::Asked;
use super::checker::paths::UNIT;
use super::election::Election;
use super::line::{Caller, Line};

pub(super) const SERVICE: &str = "kube-controller-manager.service";
/// Flag with which a service exits.
const DEADLY: &str = "--v=13";
const HOUR: Duration = Duration::from_secs(3600);
/// Flag with which a service is unhealthy.
const UNHEALTHY: &str = "--v=14";

#[derive(Clone, Debug)]
pub(super) enum Verb {
    Apply,
    Renew,
    Rollback,
    Remove(Vec<&'static str>),
    /// The stage of the replacement of the CA, or an apply if another stage comes next.
    RotateCa(CaStage),
    /// The stage of the replacement of the service account key, unless another stage comes next.
    RotateTokenKey(TokenKeyStage),
}

/// The end of a command.
#[derive(Debug)]
pub(super) enum Ended {
    Killed,
    Refused(Error),
    CommandOutput(Outcome),
    /// No stage was left to carry out.
    Idle,
}

impl Ended {
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::CommandOutput(outcome) => outcome.is_done(),
            Self::Idle => true,
            Self::Killed | Self::Refused(_) => false,
        }
    }

    pub(super) fn is_unchanged(&self) -> bool {
        match self {
            Self::CommandOutput(outcome) => outcome.is_unchanged(),
            Self::Idle => true,
            Self::Killed | Self::Refused(_) => false,
        }
    }

    pub(super) fn results(&self) -> Vec<&MasterResult> {
        match self {
            Self::CommandOutput(outcome) => {
                outcome.masters.iter().map(|master| &master.result).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The expected end of a command without a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Done,
    /// The first master is rolled back, and the others are untouched.
    Restores,
}

/// A command and its masters.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) verb: Verb,
    pub(super) end: End,
    pub(super) workspace: Workspace,
    pub(super) fakes: Vec<Fake>,
    /// True if a rollback to an earlier generation is possible after the command.
    pub(super) can_go_back: bool,
    /// Command of the operator after a cut, if it is not the same one.
    pub(super) instead: Option<Verb>,
    /// True if the API server is down until the command has ended.
    pub(super) without_api_server: bool,
    cluster: Cluster,
    /// Files of the operator's PKI at the beginning.
    pki: Vec<(PathBuf, Vec<u8>)>,
    /// CA certificates that the API server publishes.
    published: PublishedTrust,
    /// Keys with which the API server verifies tokens.
    verified: TokenVerification,
    commands: Cell<u32>,
    /// Master that leads, if the leader can be determined.
    leader: Option<usize>,
    /// Election since the last fork.
    election: RefCell<Option<Arc<Election>>>,
}

async fn rotate_ca(run: Run<'_>, wanted: CaStage) -> Result<Outcome, Error> {
    let stage = ca::plan_stage(run, false).await?;
    let is_it = stage.rotation.stage == wanted;
    match if is_it { ca::execute_stage(run, stage).await? } else { None } {
        Some(outcome) => Ok(outcome),
        None => kcm::apply(run).await,
    }
}

async fn rotate_token_key(run: Run<'_>, wanted: TokenKeyStage) -> Result<Option<Outcome>, Error> {
    let stage = token_key::plan_stage(run, false).await?;
    if stage.rotation.stage == wanted {
        return token_key::execute_stage(run, stage).await;
    }
    // Before API servers verify the announced key, apply refuses it.
    match wanted {
        TokenKeyStage::Announce => Ok(None),
        _ => kcm::apply(run).await.map(Some),
    }
}

/// Records the labels of the effects on a master from now on.
pub(super) fn labels(fake: &Fake) -> Arc<Mutex<Vec<String>>> {
    let labels = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&labels);
    fake.inspect(|state| {
        state.observer =
            Some(Box::new(move |_, effect| log.lock().unwrap().push(effect.to_owned())));
    });
    labels
}

impl Scenario {
    /// Adds an API server, where the master at `leader` leads.
    pub(super) fn led_by(self, leader: usize) -> Self {
        Self { leader: Some(leader), ..self }
    }

    /// Excludes one master.
    pub(super) fn without(self, name: &str) -> Self {
        let cluster = self.cluster.clone().select(&[], &[name.to_owned()]).unwrap();
        Self { cluster, ..self }
    }

    /// Returns the names of the command's masters.
    pub(super) fn names(&self) -> Vec<String> {
        self.cluster.masters.iter().map(|master| master.name.to_string()).collect()
    }

    /// Returns the election since the last fork, if there is an API server.
    pub(super) fn election(&self) -> Option<Arc<Election>> {
        self.election.borrow().clone()
    }

    fn bare(name: &'static str, masters: usize) -> Self {
        let workspace = Workspace::new();
        workspace.bring_everything();
        let text = workspace.read("kcm.yaml");
        let head = text.split("masters:\n").next().unwrap();
        let lines = (1..=masters)
            .map(|it| format!("  - {{name: k8s-master-0{it}, address: 192.168.1.{}}}\n", 203 + it));
        workspace.write("kcm.yaml", format!("{head}masters:\n{}", lines.collect::<String>()));
        let cluster =
            Cluster::parse(&workspace.read("kcm.yaml"), &workspace.file("kcm.yaml")).unwrap();
        let fakes: Vec<_> =
            cluster.masters.iter().map(|master| Fake::new(master.name.as_str())).collect();
        for fake in &fakes {
            fake.inspect(|state| {
                state.expect_services(|files| {
                    let unit = files.read(&RemotePath::new(UNIT).unwrap()).unwrap_or_default();
                    let unit = String::from_utf8_lossy(&unit).into_owned();
                    if unit.contains(DEADLY) {
                        Behaviour::Dies("a flag that it cannot stand".to_owned())
                    } else if unit.contains(UNHEALTHY) {
                        Behaviour::Unhealthy
                    } else {
                        Behaviour::Healthy
                    }
                });
            });
        }
        Self {
            name,
            verb: Verb::Apply,
            end: End::Done,
            workspace,
            fakes,
            can_go_back: false,
            instead: None,
            without_api_server: false,
            cluster,
            pki: Vec::new(),
            published: PublishedTrust::default(),
            verified: TokenVerification::default(),
            commands: Cell::new(0),
            leader: None,
            election: RefCell::default(),
        }
        .keep_pki()
    }

    fn edit(&mut self, from: &str, to: &str) {
        self.workspace.edit(from, to);
        let text = self.workspace.read("kcm.yaml");
        self.cluster = Cluster::parse(&text, &self.workspace.file("kcm.yaml")).unwrap();
    }

    /// Returns copies of the masters in their initial state, and restores the operator's pair.
    pub(super) fn fork(&self) -> Vec<Fake> {
        for path in self.pki_files() {
            fs::remove_file(path).unwrap();
        }
        for (path, content) in &self.pki {
            fs::write(path, content).unwrap();
        }
        let fakes: Vec<_> = self.fakes.iter().map(Fake::fork).collect();
        self.begin_election(&fakes);
        fakes
    }

    fn begin_election(&self, fakes: &[Fake]) {
        let election = self.leader.map(|leader| Election::begin(fakes, leader));
        if let Some(election) = &election {
            election.leases.set_tokens(self.verified.clone());
            election.leases.set_trust(self.published.clone());
        }
        self.election.replace(election);
    }

    fn pki_files(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.workspace.file("pki")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }

    pub(super) async fn run(&self, fakes: &[Fake], verb: &Verb) -> Ended {
        self.run_as(Caller::default(), fakes, verb).await
    }

    pub(super) async fn run_as(&self, caller: Caller, fakes: &[Fake], verb: &Verb) -> Ended {
        let masters: Vec<_> = fakes.iter().map(|fake| (fake.clone(), None)).collect();
        self.run_seeing(Arc::new(caller), &masters, verb).await
    }

    /// Runs a command for which other fakes answer the batches without changes.
    pub(super) async fn run_seeing(
        &self,
        caller: Arc<Caller>,
        masters: &[(Fake, Option<Fake>)],
        verb: &Verb,
    ) -> Ended {
        let mut lines = masters.iter().cloned().enumerate();
        let connect = |_: &str| -> Arc<dyn Transport> {
            let (place, (fake, seen)) = lines.next().unwrap();
            Arc::new(Line { caller: Arc::clone(&caller), place, fake, seen })
        };
        let mut fleet = Fleet::new(&self.cluster, Network::Forbidden, connect);
        let mut beat = None;
        if let Some(election) = self.election() {
            beat = Some(tokio::spawn(Arc::clone(&election).beat()));
            let asked = Asked { caller: Arc::clone(&caller), election };
            fleet = fleet.with_control_plane(Arc::new(asked));
        }
        // Two commands never begin at the same moment.
        self.commands.set(self.commands.get() + 1);
        let now = OffsetDateTime::now_utc() + Duration::from_secs(1) * self.commands.get();
        let (interrupt, consent) =
            (Interrupt::new(), Consent { remove_last: true, ..Consent::default() });
        let run = Run::new(&self.cluster, &fleet, now, &Silent, &interrupt).with_consent(consent);
        let work = async {
            match verb {
                Verb::Apply => kcm::apply(run).await.map(Some),
                Verb::Renew => kcm::renew(run, Renewal::default()).await.map(Some),
                Verb::Rollback => kcm::rollback(run).await.map(Some),
                Verb::Remove(names) => {
                    let names = names.iter().map(|name| (*name).to_owned()).collect();
                    kcm::remove(run, &From::These(names)).await.map(Some)
                }
                Verb::RotateCa(stage) => Box::pin(rotate_ca(run, *stage)).await.map(Some),
                Verb::RotateTokenKey(stage) => Box::pin(rotate_token_key(run, *stage)).await,
            }
        };
        let ended = tokio::select! {
            biased;
            () = caller.death() => Ended::Killed,
            ended = tokio::time::timeout(HOUR, work) => match ended.unwrap() {
                Ok(Some(outcome)) => Ended::CommandOutput(outcome),
                Ok(None) => Ended::Idle,
                Err(error) => Ended::Refused(error),
            },
        };
        if let Some(beat) = beat {
            beat.abort();
        }
        ended
    }

    /// Saves the current PKI for the beginning of each run.
    fn keep_pki(mut self) -> Self {
        let files = self.pki_files().into_iter();
        self.pki = files.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        self
    }
}
