//! Interruption of a command at every moment.

use std::collections::BTreeMap;
use std::ops::Range;

use kcm::transport::fake::{Fault, FaultPoint};

use super::asked::Misfortune;
use super::checker::watch;
use super::evaluate::{evaluate, knowing};
use super::line::Caller;
use super::scenario::Scenario;
use super::uncut::{Kind, Uncut};

/// Numbers of cuts by kind.
#[derive(Debug, Default)]
struct Count(BTreeMap<Kind, usize>);

impl Count {
    fn all(&self) -> usize {
        self.0.values().sum()
    }
}

/// Cuts a scenario at every moment on every master in every way. With one master and no election,
/// includes redundant moments.
pub(super) async fn cut_everywhere(scenario: &Scenario) {
    cut_masters(scenario, 0..scenario.fakes.len()).await;
}

/// Cuts a scenario at every moment on one of its masters in every way.
pub(super) async fn cut_master(scenario: &Scenario, place: usize) {
    cut_masters(scenario, place..place + 1).await;
}

async fn cut_masters(scenario: &Scenario, places: Range<usize>) {
    let begun = std::time::Instant::now();
    let uncut = Uncut::of(scenario).await;
    let masters = scenario.fakes.len();
    let (mut count, mut wrong) = (Count::default(), Vec::new());
    let every = masters == 1 && scenario.election().is_none();
    for place in places {
        for kind in Kind::ALL {
            for at in uncut.moments(place, kind, every) {
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
    none_is(&wrong, name, masters);
}

async fn cut(
    scenario: &Scenario,
    uncut: &Uncut,
    place: usize,
    fault: Fault,
    kind: Kind,
) -> Result<(), String> {
    let dies_with_its_script = kind == Kind::KilledWithItsScript;
    let caller = Caller { dies_with_its_script, ..Caller::default() };
    befall(scenario, uncut, caller, Some((place, fault))).await
}

/// Runs a command with a fault, checks the result, and runs the same command again.
async fn befall(
    scenario: &Scenario,
    uncut: &Uncut,
    caller: Caller,
    fault: Option<(usize, Fault)>,
) -> Result<(), String> {
    let fakes = scenario.fork();
    let checker = knowing(scenario, &fakes, uncut);
    watch(&checker, &fakes);
    if let Some((place, fault)) = fault {
        fakes[place].inspect(|state| state.faults.push(fault));
    }
    let first = scenario.run_as(caller, &fakes, &scenario.verb).await;
    if fakes.iter().any(|fake| fake.inspect(|state| !state.faults.is_empty())) {
        return Err(format!("it was never reached: {first:?}"));
    }
    let judged = evaluate(scenario, uncut, &fakes, &checker).await;
    for fake in &fakes {
        fake.inspect(|state| state.observer = None);
    }
    let violations = std::mem::take(&mut checker.lock().unwrap().violations);
    let all = violations.into_iter().map(|(rule, what)| format!("rule {rule}: {what}"));
    let led = scenario.election().map_or(Ok(()), |election| election.evaluate());
    let all: Vec<_> = all.chain(judged.err()).chain(led.err()).collect();
    if all.is_empty() { Ok(()) } else { Err(format!("{}; after {first:?}", all.join("; "))) }
}

/// Applies every fault to every request of a command to the API server.
pub(super) async fn befall_every_request(scenario: &Scenario) {
    let uncut = Uncut::of(scenario).await;
    let (mut times, mut wrong) = (0, Vec::new());
    for at in 0..uncut.requests {
        for misfortune in Misfortune::ALL {
            let caller = Caller { misfortune: Some((at, misfortune)), ..Caller::default() };
            times += 1;
            if let Err(why) = befall(scenario, &uncut, caller, None).await {
                wrong.push(format!("request {at}, {misfortune:?}: {why}"));
            }
        }
    }
    let (name, masters) = (scenario.name, scenario.fakes.len());
    println!("{name}, {masters} masters, led: {times} requests with a misfortune");
    none_is(&wrong, name, masters);
}

fn none_is(wrong: &[String], name: &str, masters: usize) {
    let first: Vec<_> = wrong.iter().take(12).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{name}, {masters}: {} wrong\n{}", wrong.len(), first.join("\n"));
}
