//! Tests of a second kcm process that starts at every moment of a first one.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use kcm::transport::LockError;
use kcm::transport::fake::Fake;
use kcm::{Error, MasterResult};

use super::checker::{Checker, watch};
use super::evaluate::{evaluate, knowing};
use super::line::Caller;
use super::scenario::{Ended, Scenario};
use super::uncut::Uncut;

/// Runs a second command whenever the first is about to send a batch or to take a lock. While the
/// first holds a lock, the second is refused and changes nothing. Earlier, the second runs, and the
/// first detects its changes.
pub(super) async fn at_every_exchange(scenario: &Scenario) -> usize {
    let uncut = Uncut::of(scenario).await;
    let (mut refused, mut wrong) = (0, Vec::new());
    for moment in 0..uncut.moments {
        let fakes = scenario.fork();
        let checker = knowing(scenario, &fakes, &uncut);
        watch(&checker, &fakes);
        let first = Arc::new(Caller { waits_at: Some(moment), ..Caller::default() });
        let second = Arc::new(Caller::default());
        let masters = with_nobody(&fakes);
        let ((), first, ended) = {
            let begun = scenario.run_seeing(Arc::clone(&first), &masters, &scenario.verb);
            let meanwhile = async {
                first.waits.notified().await;
                let ended =
                    scenario.run_seeing(Arc::clone(&second), &masters, &scenario.verb).await;
                first.goes_on.notify_one();
                ended
            };
            let (first, second) = tokio::join!(begun, meanwhile);
            ((), first, second)
        };
        let effects = second.effects.load(Ordering::Relaxed);
        let what = match &ended {
            Ended::Refused(Error::Lock(LockError::Held { .. })) => {
                refused += 1;
                (effects > 0).then(|| format!("refused, and had {effects} effects"))
            }
            Ended::Refused(_) => (effects > 0).then(|| format!("{effects} effects of {ended:?}")),
            ended => (!ended.is_done()).then(|| format!("the second: {ended:?}")),
        };
        let harm = [harm(&first), harm(&ended)].into_iter().flatten();
        let what: Vec<_> = what.into_iter().chain(harm).collect();
        let judged = evaluate(scenario, &uncut, &fakes, &checker).await;
        let found = settle(&fakes, &checker).into_iter().chain(what).chain(judged.err());
        let found: Vec<_> = found.collect();
        if !found.is_empty() {
            wrong.push(format!("moment {moment}: {}; the first: {first:?}", found.join("; ")));
        }
    }
    assert!(refused > 0, "{}: no second was refused", scenario.name);
    report(scenario, uncut.moments, &wrong, "a second kcm at every exchange");
    uncut.moments
}

/// Lets a second command observe the masters after every effect of the first, also within a batch.
/// It continues with this observation after the first has ended.
pub(super) async fn after_every_effect(scenario: &Scenario) -> usize {
    let uncut = Uncut::of(scenario).await;
    let (mut count, mut wrong) = (0, Vec::new());
    for place in 0..scenario.fakes.len() {
        for index in 0..uncut.effects[place].len() {
            count += 1;
            let fakes = scenario.fork();
            let checker = knowing(scenario, &fakes, &uncut);
            watch(&checker, &fakes);
            let seen = see_after(&fakes, place, index, &checker);
            let first = scenario.run(&fakes, &scenario.verb).await;
            watch(&checker, &fakes);
            let seen = seen.lock().unwrap().take().unwrap();
            let masters: Vec<_> = fakes.iter().cloned().zip(seen.into_iter().map(Some)).collect();
            checker.lock().unwrap().begin();
            checker.lock().unwrap().expect_another();
            let second =
                scenario.run_seeing(Arc::new(Caller::default()), &masters, &scenario.verb).await;
            let judged = evaluate(scenario, &uncut, &fakes, &checker).await;
            let found: Vec<_> = settle(&fakes, &checker).into_iter().chain(judged.err()).collect();
            if !found.is_empty() {
                let effect = &uncut.effects[place][index];
                let found = found.join("; ");
                wrong.push(format!(
                    "master {place} after {index}, {effect}: {found}; {second:?} after {first:?}"
                ));
            }
        }
    }
    report(scenario, count, &wrong, "a second kcm that looks after every effect");
    count
}

/// Returns the first failure in the middle of a command. A late command must refuse or have nothing
/// to do.
fn harm(ended: &Ended) -> Option<String> {
    let is_harm = |result: &&MasterResult| {
        matches!(result, MasterResult::Failed { .. } | MasterResult::RolledBack { .. })
    };
    ended.results().into_iter().find(is_harm).map(|result| format!("{result:?}"))
}

fn with_nobody(fakes: &[Fake]) -> Vec<(Fake, Option<Fake>)> {
    fakes.iter().map(|fake| (fake.clone(), None)).collect()
}

/// Copies all masters after one effect on one of them.
fn see_after(
    fakes: &[Fake],
    place: usize,
    index: usize,
    checker: &Arc<Mutex<Checker>>,
) -> Arc<Mutex<Option<Vec<Fake>>>> {
    let seen = Arc::new(Mutex::new(None));
    let (to_see, checker) = (Arc::clone(&seen), Arc::clone(checker));
    let others: Vec<_> = fakes.iter().enumerate().filter(|(other, _)| *other != place).collect();
    let others: Vec<_> = others.into_iter().map(|(other, fake)| (other, fake.clone())).collect();
    let mut effects = 0;
    fakes[place].inspect(|state| {
        state.observer = Some(Box::new(move |state, effect| {
            checker.lock().unwrap().look(place, state, effect);
            if effects == index {
                let mut all: Vec<_> = others.iter().map(|(_, fake)| fake.fork()).collect();
                all.insert(place, state.fork());
                *to_see.lock().unwrap() = Some(all);
            }
            effects += 1;
        }));
    });
    seen
}

/// Stops the observation; returns the violations.
fn settle(fakes: &[Fake], checker: &Arc<Mutex<Checker>>) -> Vec<String> {
    for fake in fakes {
        fake.inspect(|state| state.observer = None);
    }
    let violations = std::mem::take(&mut checker.lock().unwrap().violations);
    violations.into_iter().map(|(rule, what)| format!("rule {rule}: {what}")).collect()
}

fn report(scenario: &Scenario, count: usize, wrong: &[String], what: &str) {
    let (name, masters) = (scenario.name, scenario.fakes.len());
    println!("{name}, {masters} masters: {what}, {count} times");
    let first: Vec<_> = wrong.iter().take(8).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{name}, {masters}: {} wrong\n{}", wrong.len(), first.join("\n"));
}
