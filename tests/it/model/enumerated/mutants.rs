//! Tests that the checker detects masters and transports that break one rule each.

use std::sync::{Arc, Mutex};

use kcm::files::{Effect, Mode, RemotePath};
use kcm::transport::fake::{Fake, FakeState, Fault, FaultKind, FaultPoint, When};
use kcm::transport::{Batch, Operation, Stage, UnitAction};
use kcm_pki::{KeyAlgorithm, PrivateKey};

use super::changed;
use super::checker::paths::{KEY, PENDING, UNIT, staged};
use super::checker::{Checker, watch};
use super::evaluate::{evaluate, knowing};
use super::line::{Caller, Twist};
use super::scenario::{Ended, SERVICE, Scenario};
use super::uncut::Uncut;

/// Action of a master beside an effect. Arguments: the master, the others, its number, and the
/// effect.
type Mischief = fn(&mut FakeState, &[Fake], usize, &str);

/// Returns the broken rules, and the result of `evaluate`.
async fn broken(
    scenario: &Scenario,
    mischief: Mischief,
    twist: Option<Twist>,
    fault: Option<Fault>,
) -> (Vec<u32>, Result<(), String>) {
    let uncut = Uncut::of(scenario).await;
    let fakes = scenario.fork();
    let checker = knowing(scenario, &fakes, &uncut);
    with(mischief, &checker, &fakes);
    fakes[0].inspect(|state| state.faults.extend(fault));
    let caller = Caller { twist, dies_with_its_script: true, ..Caller::default() };
    let ended = scenario.run_as(caller, &fakes, &scenario.verb).await;
    watch(&checker, &fakes);
    let judged = evaluate(scenario, &uncut, &fakes, &checker).await;
    for fake in &fakes {
        fake.inspect(|state| state.observer = None);
    }
    let violations = std::mem::take(&mut checker.lock().unwrap().violations);
    assert!(!matches!(ended, Ended::Refused(_)), "{ended:?}");
    (violations.into_iter().map(|(rule, _)| rule).collect(), judged)
}

fn with(mischief: Mischief, checker: &Arc<Mutex<Checker>>, fakes: &[Fake]) {
    for (place, fake) in fakes.iter().enumerate() {
        let checker = Arc::clone(checker);
        // The fake itself is locked while it works.
        let others: Vec<_> = fakes.iter().filter(|it| !std::ptr::eq(*it, fake)).cloned().collect();
        fake.inspect(|state| {
            state.observer = Some(Box::new(move |state, effect| {
                mischief(state, &others, place, effect);
                checker.lock().unwrap().look(place, state, effect);
            }));
        });
    }
}

fn path(text: &str) -> RemotePath {
    RemotePath::new(text).unwrap()
}

fn nothing(_: &mut FakeState, _: &[Fake], _: usize, _: &str) {}

async fn breaks(rule: u32, mischief: Mischief) {
    let scenario = Scenario::flag_change(3).await;
    let (rules, _) = broken(&scenario, mischief, None, None).await;
    assert!(rules.contains(&rule), "{rules:?}");
}

#[tokio::test(start_paused = true)]
async fn a_checker_finds_nothing_where_nothing_is_wrong() {
    let scenario = Scenario::flag_change(3).await;
    assert_eq!(broken(&scenario, nothing, None, None).await, (Vec::new(), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn it_sees_two_that_are_down() {
    breaks(2, |state, others, place, effect| {
        if place == 1 && effect.starts_with("restart") {
            let unit = SERVICE.parse().unwrap();
            state.end_service(&unit, "a mutant");
            // The checker observes the first master while its service is down.
            others[0].inspect(|state| {
                state.end_service(&unit, "a mutant");
                let mut observer = state.observer.take().unwrap();
                observer(state, "another's mischief");
                state.observer = Some(observer);
            });
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_sees_a_secret_that_is_too_wide() {
    breaks(3, |state, _, _, effect| {
        if effect.starts_with("link ") {
            let mode = Mode::from_bits(0o640);
            state.files().perform(Effect::SetMode { path: &path(KEY), mode }).unwrap();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_sees_a_folder_that_is_too_wide() {
    breaks(3, |state, _, _, effect| {
        if effect.starts_with("create ") {
            let folder = path(&staged(UNIT)).parent().unwrap();
            let mode = Mode::FOLDER;
            state.files().perform(Effect::SetMode { path: &folder, mode }).unwrap();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_sees_half_a_file() {
    breaks(3, |state, _, _, effect| {
        if effect.ends_with(&format!("to {UNIT}")) {
            let unit = path(UNIT);
            let content = state.files().read(&unit).unwrap();
            let half = &content[..content.len() / 2];
            state.files().perform(Effect::Write { path: &unit, content: half }).unwrap();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_sees_a_key_where_none_belongs() {
    breaks(4, |state, _, _, effect| {
        if effect.starts_with("write ") {
            let key = state.files().read(&path(KEY)).unwrap();
            let note = path(&staged(PENDING));
            if state.files().stat(&note).unwrap().is_some() {
                state.files().perform(Effect::Write { path: &note, content: &key }).unwrap();
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_sees_a_change_before_all_are_staged() {
    let scenario = Scenario::flag_change(3).await;
    let twist: Twist = |place, batch: &mut Batch| {
        if place == 2
            && let Some(Operation::Stage(stage)) = batch.operations.first_mut()
        {
            *stage = Stage::default();
        }
    };
    let (rules, _) = broken(&scenario, nothing, Some(twist), None).await;
    assert!(rules.contains(&5), "{rules:?}");
}

#[tokio::test(start_paused = true)]
async fn it_sees_a_key_of_another_identity() {
    breaks(6, |state, _, _, effect| {
        if effect.starts_with(&format!("rename {PENDING}")) {
            let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap().to_pem();
            state.put_file(KEY, key.as_bytes(), 0o600);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_sees_an_earlier_generation_that_is_lost() {
    breaks(6, |state, _, _, effect| {
        if effect.ends_with(&format!("to {UNIT}")) {
            for slot in ["a", "b"] {
                let kept = path(&super::checker::paths::kept(UNIT, slot));
                if state.files().stat(&kept).unwrap().is_some() {
                    state.files().perform(Effect::Remove { path: &kept }).unwrap();
                }
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_sees_a_service_that_stays_down() {
    let scenario = Scenario::removal_of_all(1).await;
    let uncut = Uncut::of(&scenario).await;
    let stop = uncut.effects[0].iter().position(|effect| effect.starts_with("stop ")).unwrap();
    let fault = |index| Fault {
        at: FaultPoint::Effect { index, when: When::After },
        kind: FaultKind::Stops,
    };
    let (rules, _) = broken(&scenario, nothing, None, Some(fault(stop))).await;
    assert_eq!(rules, [0; 0]);
    // Disarms the timer that starts the service again.
    let twist: Twist = |_, batch: &mut Batch| {
        let stop = batch
            .operations
            .iter()
            .position(|it| matches!(it, Operation::Unit(UnitAction::Stop { .. })));
        if let Some(stop) = stop {
            let unit = SERVICE.parse().unwrap();
            batch.operations.insert(stop + 1, Operation::Unit(UnitAction::Disarm { unit }));
        }
    };
    let (rules, _) = broken(&scenario, nothing, Some(twist), Some(fault(stop + 1))).await;
    assert!(rules.contains(&7), "{rules:?}");
}

#[tokio::test(start_paused = true)]
async fn it_sees_a_command_that_is_never_done() {
    let scenario = Scenario::flag_change(1).await;
    // The unit is in place, but the service does not restart with it.
    let mischief: Mischief = |state, _, _, effect| {
        if effect.starts_with("restart ") {
            let content = state.file(UNIT).unwrap().to_vec();
            state.put_file(UNIT, &content, 0o644);
        }
    };
    let (_, judged) = broken(&scenario, mischief, None, None).await;
    assert_eq!(judged, Ok(()), "the second run mends it");
    let fakes = scenario.fork();
    let uncut = Uncut::of(&scenario).await;
    let checker = knowing(&scenario, &fakes, &uncut);
    with(mischief, &checker, &fakes);
    let judged = evaluate(&scenario, &uncut, &fakes, &checker).await;
    fakes[0].inspect(|state| state.observer = None);
    assert!(judged.unwrap_err().contains("no no-op"));
}

#[tokio::test(start_paused = true)]
async fn it_sees_a_commit_that_does_not_look_first() {
    let scenario = Scenario::flag_change(1).await;
    let twist: Twist = |_, batch: &mut Batch| {
        for operation in &mut batch.operations {
            if let Operation::Commit(commit) = operation {
                (commit.expected, commit.unit) = (Vec::new(), None);
            }
        }
    };
    let error = changed::before_every_commit(&scenario, Some(twist)).await.unwrap_err();
    assert!(error.contains("it did not refuse"), "{error}");
}
