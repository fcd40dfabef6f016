//! Run of a command without a fault, and the moments at which a fault can occur.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use kcm::files::FileErrorKind;
use kcm::transport::fake::{FaultKind, FaultPoint, When};

use super::checker::{Files, Staged, files, watch};
use super::evaluate::{checker, ended_as_it_must, wait};
use super::line::{Caller, Exchange};
use super::scenario::{Scenario, labels};

/// A fault of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// kcm is killed; its script continues.
    Killed,
    /// kcm and its script are killed.
    KilledWithItsScript,
    /// The connection is lost; the script continues, and kcm does not know the result.
    ConnectionLost,
    /// The script is killed, and kcm does not know how far it got.
    ScriptKilled,
    /// An operation on the master fails.
    Fails,
    /// The disk is full from then on.
    DiskFull,
    /// The master loses its power.
    PowerOff,
}

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::Killed,
        Self::KilledWithItsScript,
        Self::ConnectionLost,
        Self::ScriptKilled,
        Self::Fails,
        Self::DiskFull,
        Self::PowerOff,
    ];

    pub(super) fn fault(self) -> FaultKind {
        match self {
            Self::Killed => FaultKind::KillsCaller,
            Self::KilledWithItsScript | Self::ScriptKilled => FaultKind::Stops,
            Self::ConnectionLost => FaultKind::LosesConnection,
            Self::Fails => FaultKind::Fails(FileErrorKind::Other),
            Self::DiskFull => FaultKind::FillsDisk,
            Self::PowerOff => FaultKind::PowersOff,
        }
    }

    /// True if the script still runs to its end. Then the moment within an exchange makes no
    /// difference.
    fn lets_the_script_run(self) -> bool {
        matches!(self, Self::Killed | Self::ConnectionLost)
    }
}

/// Record of a command without a fault.
pub(super) struct Uncut {
    /// All files of each master at the end.
    pub(super) at_the_end: Vec<Files>,
    pub(super) staged: Vec<Staged>,
    /// Effects on each master, in order.
    pub(super) effects: Vec<Vec<String>>,
    operations: Vec<usize>,
    pub(super) exchanges: Vec<Vec<Exchange>>,
    /// Operations that fail without a fault, by master and number; no moment follows them.
    failed: Vec<(usize, usize)>,
    /// The moment right before each master's first commit.
    pub(super) commits: Vec<Option<usize>>,
    /// Number of moments at which another process may act first.
    pub(super) moments: usize,
    /// Number of requests to the API server.
    pub(super) requests: usize,
}

impl Uncut {
    pub(super) async fn of(scenario: &Scenario) -> Self {
        let fakes = scenario.fork();
        let learning = checker(scenario, &fakes);
        watch(&learning, &fakes);
        ended_as_it_must(scenario, &scenario.run(&fakes, &scenario.verb).await).unwrap();
        let staged = learning.lock().unwrap().staged();

        let fakes = scenario.fork();
        let effects: Vec<_> = fakes.iter().map(labels).collect();
        let caller = Arc::new(Caller::default());
        let masters: Vec<_> = fakes.iter().map(|fake| (fake.clone(), None)).collect();
        let ended = scenario.run_seeing(Arc::clone(&caller), &masters, &scenario.verb).await;
        ended_as_it_must(scenario, &ended).unwrap();
        for fake in &fakes {
            fake.inspect(|state| state.observer = None);
        }
        let operations = fakes.iter().map(|fake| fake.inspect(|state| state.operations)).collect();
        if scenario.without_api_server {
            for fake in &fakes {
                fake.inspect(|state| state.set_api_server(true));
            }
            wait(&fakes, &checker(scenario, &fakes)).await;
            assert!(scenario.run(&fakes, &scenario.verb).await.is_done());
        }
        let mut exchanges = vec![Vec::new(); fakes.len()];
        for exchange in caller.exchanges.lock().unwrap().iter() {
            exchanges[exchange.place].push(*exchange);
        }
        Self {
            at_the_end: fakes.iter().map(|fake| fake.inspect(|state| files(state))).collect(),
            staged,
            effects: effects.iter().map(|labels| labels.lock().unwrap().clone()).collect(),
            operations,
            exchanges,
            failed: caller.failed.lock().unwrap().clone(),
            commits: commits(&caller, fakes.len()),
            moments: caller.moments.load(Ordering::Relaxed),
            requests: caller.requests.load(Ordering::Relaxed),
        }
    }

    /// True if this is one of many exchanges that only wait for the service to become healthy.
    fn is_one_of_many(&self, place: usize, number: usize) -> bool {
        let exchanges = &self.exchanges[place];
        let only_looks = |number: usize| {
            let this = exchanges.get(number).filter(|it| it.name == "settle");
            let next = exchanges.get(number + 1);
            this.zip(next).is_some_and(|(this, next)| next.first == this.first + 1)
        };
        number >= 2 && (number - 2..=number + 2).all(only_looks)
    }

    /// Returns every moment on one master at which a kind of cut can occur. `every` adds redundant
    /// moments.
    pub(super) fn moments(&self, place: usize, kind: Kind, every: bool) -> Vec<FaultPoint> {
        let mut moments = Vec::new();
        let effect = |index, when| FaultPoint::Effect { index, when };
        let operation = |index, when| FaultPoint::Operation { index, when };
        let exchanges = || {
            let all = self.exchanges[place].iter().enumerate();
            all.filter(|(number, _)| !self.is_one_of_many(place, *number)).map(|(_, it)| it.first)
        };
        if !every && kind.lets_the_script_run() {
            return exchanges().map(|index| operation(index, When::Before)).collect();
        }
        for (index, label) in self.effects[place].iter().enumerate() {
            moments.push(effect(index, When::Before));
            // All other effects are indivisible.
            if label.starts_with("write ") {
                moments.push(effect(index, When::Inside));
            }
            if every {
                moments.push(effect(index, When::After));
            }
        }
        let skipped: Vec<_> = (0..self.exchanges[place].len())
            .filter(|number| self.is_one_of_many(place, *number))
            .map(|number| self.exchanges[place][number].first)
            .collect();
        let firsts: Vec<_> = exchanges().collect();
        for index in (0..self.operations[place]).filter(|index| !skipped.contains(index)) {
            // Within an exchange, the moment after an operation equals the moment before the next.
            if every || firsts.contains(&index) {
                moments.push(operation(index, When::Before));
            }
            if !self.failed.contains(&(place, index)) {
                moments.push(operation(index, When::After));
            }
        }
        moments
    }
}

fn commits(caller: &Caller, masters: usize) -> Vec<Option<usize>> {
    let exchanges = caller.exchanges.lock().unwrap();
    let commit = |place| exchanges.iter().find(|it| it.place == place && it.name == "commit");
    (0..masters).map(|place| commit(place).map(|commit| commit.moment)).collect()
}
