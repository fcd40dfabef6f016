//! Cutting a command everywhere.

use std::collections::BTreeMap;

use kcm::transport::fake::{Fault, FaultPoint};

use super::checker::watch;
use super::judge::{judge, knowing};
use super::line::Caller;
use super::scenario::Scenario;
use super::uncut::{Kind, Uncut};

/// How many cuts there were, by kind.
#[derive(Debug, Default)]
struct Count(BTreeMap<Kind, usize>);

impl Count {
    fn all(&self) -> usize {
        self.0.values().sum()
    }
}

/// Cuts a scenario at every moment on every master in every way; with one master, at those moments too that differ in nothing.
pub(super) async fn cut_everywhere(scenario: &Scenario) {
    let begun = std::time::Instant::now();
    let uncut = Uncut::of(scenario).await;
    let masters = scenario.fakes.len();
    let (mut count, mut wrong) = (Count::default(), Vec::new());
    for place in 0..masters {
        for kind in Kind::ALL {
            for at in uncut.moments(place, kind, masters == 1) {
                *count.0.entry(kind).or_default() += 1;
                if let Err(why) =
                    cut(scenario, &uncut, place, Fault { at, kind: kind.fault() }, kind).await
                {
                    let effect = match at {
                        FaultPoint::Effect { index, .. } => uncut.effects[place][index].as_str(),
                        FaultPoint::Operation { .. } => "",
                    };
                    wrong.push(format!("master {place}, {kind:?} at {at:?} {effect}: {why}"));
                }
            }
        }
    }
    let (name, all, seconds) = (scenario.name, count.all(), begun.elapsed().as_secs());
    println!("{name}, {masters} masters: {all} cuts in {seconds} s: {:?}", count.0);
    let first: Vec<_> = wrong.iter().take(12).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{name}, {masters}: {} wrong\n{}", wrong.len(), first.join("\n"));
}

async fn cut(
    scenario: &Scenario,
    uncut: &Uncut,
    place: usize,
    fault: Fault,
    kind: Kind,
) -> Result<(), String> {
    let fakes = scenario.fork();
    let checker = knowing(scenario, &fakes, uncut);
    watch(&checker, &fakes);
    fakes[place].inspect(|state| state.faults.push(fault));
    let dies_with_its_script = kind == Kind::KilledWithItsScript;
    let caller = Caller { dies_with_its_script, ..Caller::default() };
    let first = scenario.run_as(caller, &fakes, &scenario.verb).await;
    if fakes[place].inspect(|state| !state.faults.is_empty()) {
        return Err(format!("it was never reached: {first:?}"));
    }
    let judged = judge(scenario, uncut, &fakes, &checker).await;
    for fake in &fakes {
        fake.inspect(|state| state.observer = None);
    }
    let violations = std::mem::take(&mut checker.lock().unwrap().violations);
    let all = violations.into_iter().map(|(rule, what)| format!("rule {rule}: {what}"));
    let all: Vec<_> = all.chain(judged.err()).collect();
    if all.is_empty() { Ok(()) } else { Err(format!("{}; after {first:?}", all.join("; "))) }
}
