//! Tests of `logs` on fake masters, through the library.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use kcm::transport::fake::{Fake, Power};
use kcm::transport::{Journal, JournalEntry, JournalQuestion, JournalStart, Transport};
use kcm::{
    Cluster, Event, EventSink, Fleet, Interrupt, LogLine, LogSink, LogsQuestion, Network, Pattern,
    Run, logs,
};
use kcm_tests::Workspace;
use time::OffsetDateTime;

fn entry(number: u64) -> JournalEntry {
    let (cursor, message) = (format!("c{number}"), format!("message {number}").into_bytes());
    JournalEntry { cursor, microseconds: 1_000_000 + number, message, cut: 0 }
}

#[derive(Default)]
struct Seen(Vec<(String, u64)>);

impl LogSink for Seen {
    fn line(&mut self, line: LogLine<'_>) -> ControlFlow<()> {
        self.0.push((line.master.to_owned(), line.entry.microseconds - 1_000_000));
        ControlFlow::Continue(())
    }
}

/// Event sink that reconnects a lost master with a new entry, and interrupts `logs` once the
/// journal is resumed.
struct Ends<'a>(&'a Interrupt, &'a Fake);

impl EventSink for Ends<'_> {
    fn event(&self, event: &Event) {
        match event {
            Event::JournalLost { .. } => self.1.inspect(|state| {
                state.power = Power::On;
                state.journal.push(entry(9));
            }),
            Event::JournalResumed { .. } => self.0.ask(),
            _ => {}
        }
    }
}

struct World {
    cluster: Cluster,
    fakes: BTreeMap<String, Fake>,
}

impl World {
    fn new() -> Self {
        let workspace = Workspace::new();
        let cluster =
            Cluster::parse(&workspace.read("kcm.yaml"), &workspace.file("kcm.yaml")).unwrap();
        let names = cluster.masters.iter().map(|master| master.name.as_str().to_owned());
        let fakes: BTreeMap<_, _> = names.map(|name| (name.clone(), Fake::new(name))).collect();
        for (place, fake) in fakes.values().enumerate() {
            let place = u64::try_from(place).unwrap();
            fake.inspect(|state| {
                state.journal = (0..3).map(|nth| entry(nth * 3 + place)).collect();
            });
        }
        Self { cluster, fakes }
    }

    fn master(&self, number: usize) -> &Fake {
        self.fakes.values().nth(number).unwrap()
    }

    async fn logs(
        &self,
        question: &LogsQuestion,
        events: &dyn EventSink,
        interrupt: &Interrupt,
    ) -> (kcm::LogsOutcome, Vec<(String, u64)>) {
        let connect = |name: &str| -> Arc<dyn Transport> { Arc::new(self.fakes[name].clone()) };
        let fleet = Fleet::new(&self.cluster, Network::Forbidden, connect);
        let now = OffsetDateTime::now_utc();
        let run = Run::new(&self.cluster, &fleet, now, events, interrupt);
        let mut seen = Seen::default();
        let outcome = logs(run, question, &mut seen).await.unwrap();
        (outcome, seen.0)
    }
}

fn question() -> LogsQuestion {
    LogsQuestion { since: OffsetDateTime::UNIX_EPOCH, follow: false, grep: None }
}

#[tokio::test]
async fn entries_come_by_time_only_those_that_match_and_a_dead_master_stops_nobody() {
    let (world, interrupt) = (World::new(), Interrupt::new());
    let (outcome, seen) = world.logs(&question(), &kcm::Silent, &interrupt).await;
    assert_eq!((outcome.asked, outcome.unread.len()), (3, 0));
    assert_eq!(
        seen.iter().map(|(_, number)| *number).collect::<Vec<_>>(),
        (0..9).collect::<Vec<_>>()
    );

    world.master(1).inspect(|state| state.power = Power::Off);
    let grep = Some(Pattern::parse("[0-3]$").unwrap());
    let (outcome, seen) =
        world.logs(&LogsQuestion { grep, ..question() }, &kcm::Silent, &interrupt).await;
    assert_eq!(outcome.unread, ["k8s-master-02"]);
    assert_eq!(seen.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [0, 2, 3]);
    assert!(Pattern::parse("a(").is_err());
}

#[tokio::test]
async fn a_line_that_is_lost_goes_on_after_its_last_entry() {
    let (world, interrupt) = (World::new(), Interrupt::new());
    let fake = world.master(0).clone();
    let cut = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        fake.inspect(|state| state.power = Power::Off);
    };
    let (events, follow) = (Ends(&interrupt, &fake), LogsQuestion { follow: true, ..question() });
    let (read, ()) = tokio::join!(world.logs(&follow, &events, &interrupt), cut);
    let (outcome, seen) = read;
    assert!(outcome.interrupted && outcome.unread.is_empty(), "{outcome:?}");
    assert!(seen.len() >= 9 && seen.len() <= 10, "{seen:?}");
    let mut once = seen.clone();
    once.dedup();
    assert_eq!(once, seen);
}

#[tokio::test]
async fn a_fake_holds_the_contract_of_journals() {
    let world = World::new();
    let unit: kcm_systemd::UnitName = "kube-controller-manager.service".parse().unwrap();
    let ask = |from| JournalQuestion { unit: unit.clone(), from, follow: false };
    let rest = async |journal: &mut dyn Journal| {
        let mut all = Vec::new();
        while let Some(entry) = journal.next().await.unwrap() {
            all.push(entry.cursor);
        }
        all
    };
    let fake = world.master(0);
    let since = ask(JournalStart::Since(OffsetDateTime::UNIX_EPOCH));
    assert_eq!(rest(&mut *fake.journal(&since).await.unwrap()).await, ["c0", "c3", "c6"]);
    let after = ask(JournalStart::After("c3".to_owned()));
    assert_eq!(rest(&mut *fake.journal(&after).await.unwrap()).await, ["c6"]);
    let never = ask(JournalStart::After("c4".to_owned()));
    assert!(fake.journal(&never).await.is_err());
    fake.inspect(|state| state.power = Power::Off);
    assert!(fake.journal(&since).await.is_err());
}
