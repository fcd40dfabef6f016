//! Conditions after a cut.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcm::MasterResult;
use kcm::files::NodeKind;
use kcm::transport::fake::{Fake, Power};

use super::PAIR;
use super::checker::paths::{CONNECTIONS, IDENTITY, MANAGED, PENDING, UNIT};
use super::checker::{Checker, Files, files, look};
use super::scenario::{End, Ended, SERVICE, Scenario, Verb};
use super::uncut::Uncut;

/// Link that lets the service start at boot.
pub(super) const ENABLED: &str =
    "/etc/systemd/system/multi-user.target.wants/kube-controller-manager.service";
/// Longer than the timer that starts a service again, and than systemd's own timeouts.
const AWHILE: Duration = Duration::from_secs(40);

pub(super) fn checker(scenario: &Scenario, fakes: &[Fake]) -> Arc<Mutex<Checker>> {
    let leaving: &[&str] = match &scenario.verb {
        Verb::Remove(names) => names,
        _ => &[],
    };
    let has_pair = matches!(
        scenario.verb,
        Verb::Apply | Verb::Renew | Verb::RotateCa(_) | Verb::RotateTokenKey(_)
    );
    let operator = has_pair.then(|| scenario.workspace.file(PAIR));
    Arc::new(Mutex::new(Checker::new(fakes, leaving, operator)))
}

/// Returns a checker that knows the run of the command without a fault.
pub(super) fn knowing(scenario: &Scenario, fakes: &[Fake], uncut: &Uncut) -> Arc<Mutex<Checker>> {
    let checker = checker(scenario, fakes);
    let mut knowing = checker.lock().unwrap();
    uncut.at_the_end.iter().for_each(|files| knowing.learn(files));
    knowing.expect_staged(uncut.staged.clone());
    drop(knowing);
    checker
}

/// Checks the conditions after a cut, and again after the same command.
pub(super) async fn evaluate(
    scenario: &Scenario,
    uncut: &Uncut,
    fakes: &[Fake],
    checker: &Arc<Mutex<Checker>>,
) -> Result<(), String> {
    let mut had_no_power = Vec::new();
    for fake in fakes {
        had_no_power.push(help(fake)?);
    }
    if let Some(election) = scenario.election() {
        election.pass(AWHILE).await;
    }
    wait(fakes, checker).await;
    if scenario.end == End::Done {
        let is_disabled = |place: usize| had_no_power[place] && !is_enabled(&fakes[place]);
        checker.lock().unwrap().are_back(is_disabled);
    }
    let is_unfinished = uncut.at_the_end.iter().zip(fakes).any(|(end, fake)| !is_at(fake, end));

    checker.lock().unwrap().begin();
    if let Some(instead) = &scenario.instead {
        checker.lock().unwrap().expect_another();
        return taken_back(scenario, fakes, instead).await;
    }
    if matches!(scenario.verb, Verb::Rollback) && !is_unfinished {
        checker.lock().unwrap().expect_another();
    }
    let again = scenario.run(fakes, &scenario.verb).await;
    if matches!(scenario.verb, Verb::Rollback) {
        return rolled_back(scenario, uncut, fakes, is_unfinished, &again);
    }
    ended_as_it_must(scenario, &again)?;
    if scenario.without_api_server {
        for fake in fakes {
            fake.inspect(|state| state.set_api_server(true));
        }
        wait(fakes, checker).await;
        let all_run = fakes.iter().all(is_up);
        let proven = scenario.run(fakes, &scenario.verb).await;
        if !all_run || !proven.is_done() {
            return Err(format!("with an API server: all run: {all_run}, then {proven:?}"));
        }
    }
    if scenario.end == End::Done {
        checker.lock().unwrap().begin();
        let third = scenario.run(fakes, &scenario.verb).await;
        if !third.is_unchanged() {
            return Err(format!("the third is no no-op: {third:?}, after {again:?}"));
        }
    }
    for (end, fake) in uncut.at_the_end.iter().zip(fakes) {
        is_as_if_uncut(scenario, fake, end)?;
    }
    if scenario.can_go_back && scenario.end == End::Done {
        let back = scenario.run(fakes, &Verb::Rollback).await;
        let is_back = |(fake, base): (&Fake, &Fake)| is_at(fake, &base.inspect(|it| files(it)));
        if !back.is_done() || !fakes.iter().zip(&scenario.fakes).all(is_back) {
            return Err(format!("what was before cannot be had again: {back:?}"));
        }
    }
    Ok(())
}

/// Restores power and disk space; returns true if the power was off.
fn help(fake: &Fake) -> Result<bool, String> {
    fake.inspect(|state| {
        state.set_full(false);
        if state.power == Power::On {
            return Ok(false);
        }
        let unit = (SERVICE.parse().unwrap(), kcm::files::RemotePath::new(UNIT).unwrap());
        state.power_on(&[unit]).map(|()| true).map_err(|error| format!("at boot: {error}"))
    })
}

pub(super) async fn wait(fakes: &[Fake], checker: &Arc<Mutex<Checker>>) {
    for _ in 0..2 {
        tokio::time::advance(AWHILE / 2).await;
        for fake in fakes {
            fake.inspect(kcm::transport::fake::FakeState::catch_up);
        }
        look(checker, fakes, "a while");
    }
}

fn is_up(fake: &Fake) -> bool {
    let activity = fake.inspect(|state| state.activity(&SERVICE.parse().unwrap()));
    matches!(activity, kcm::transport::Activity::Active { .. })
}

fn is_enabled(fake: &Fake) -> bool {
    fake.inspect(|state| state.nodes().iter().any(|node| node.path.as_str() == ENABLED))
}

/// True if the managed files equal `files_there`, and no change awaits verification.
fn is_at(fake: &Fake, files_there: &Files) -> bool {
    let found = fake.inspect(|state| files(state));
    !found.contains_key(PENDING)
        && MANAGED.iter().all(|path| found.get(*path) == files_there.get(*path))
}

/// Returns the service's `--v`, which identifies the generation.
fn generation(fake: &Fake) -> Option<String> {
    let unit = fake.inspect(|state| files(state).remove(UNIT))?;
    let unit = String::from_utf8(unit.1).unwrap();
    Some(unit.split("--v=").nth(1).map_or_else(String::new, |rest| rest[..1].to_owned()))
}

/// Checks a repeated rollback: it finishes an interrupted one and reverts a finished one. All
/// masters have the same generation.
fn rolled_back(
    scenario: &Scenario,
    uncut: &Uncut,
    fakes: &[Fake],
    is_unfinished: bool,
    again: &Ended,
) -> Result<(), String> {
    let generations: Vec<_> = fakes.iter().map(generation).collect();
    if !again.is_done() || !fakes.iter().all(is_up) {
        return Err(format!("again, to {generations:?}: {again:?}"));
    }
    if generations.iter().any(|other| *other != generations[0]) {
        return Err(format!("masters have {generations:?}: {again:?}"));
    }
    let is_back = uncut.at_the_end.iter().zip(fakes).all(|(end, fake)| is_at(fake, end));
    if is_unfinished != is_back {
        let why = format!("unfinished: {is_unfinished}, then back: {is_back}, {generations:?}");
        return Err(format!("{}: {why}: {again:?}", scenario.name));
    }
    Ok(())
}

/// Checks that `instead` removes all changes of the command. Without any changes, a rollback
/// reverts the previous command.
async fn taken_back(scenario: &Scenario, fakes: &[Fake], instead: &Verb) -> Result<(), String> {
    let is_at_first = || {
        let is_back = |(fake, base): (&Fake, &Fake)| is_at(fake, &base.inspect(|it| files(it)));
        fakes.iter().zip(&scenario.fakes).all(is_back)
    };
    let are_one = || {
        let generations: Vec<_> = fakes.iter().map(generation).collect();
        let is_one = generations.iter().all(|other| *other == generations[0]);
        if is_one && fakes.iter().all(is_up) { Ok(()) } else { Err(format!("{generations:?}")) }
    };
    let nothing_came = is_at_first();
    let back = scenario.run(fakes, instead).await;
    let is_back = is_at_first() != (nothing_came && matches!(instead, Verb::Rollback));
    if !back.is_done() || !is_back {
        return Err(format!("nothing had come: {nothing_came}, it is back: {is_back}, {back:?}"));
    }
    are_one()?;
    let again = scenario.run(fakes, instead).await;
    if matches!(instead, Verb::Apply) && !again.is_unchanged() {
        return Err(format!("again: {again:?}"));
    }
    let last = scenario.run(fakes, &Verb::Rollback).await;
    if last.is_done() { are_one() } else { Err(format!("and then back: {last:?}")) }
}

/// Checks that every file and folder exists with the mode that it has without a fault.
fn is_as_if_uncut(scenario: &Scenario, fake: &Fake, end: &Files) -> Result<(), String> {
    let found = fake.inspect(|state| files(state));
    let paths = |files: &Files| -> Vec<_> {
        // kcm writes this file last, and nothing depends on it.
        let files = files.iter().filter(|(path, _)| *path != CONNECTIONS);
        files.map(|(path, (mode, _))| (path.clone(), *mode)).collect()
    };
    let slots_aside = |path: &str| path.replace("/.kcm.b/", "/.kcm.a/");
    let (mut there, mut wanted) = (paths(&found), paths(end));
    for list in [&mut there, &mut wanted] {
        for (path, _) in list.iter_mut() {
            *path = slots_aside(path);
        }
        list.sort();
    }
    if there != wanted {
        let more: Vec<_> = there.iter().filter(|it| !wanted.contains(it)).collect();
        let less: Vec<_> = wanted.iter().filter(|it| !there.contains(it)).collect();
        return Err(format!("there is {more:?} and not {less:?}"));
    }
    let is_renewal = scenario.name.starts_with("renewal");
    for path in MANAGED.iter().filter(|path| !is_renewal || !IDENTITY.contains(path)) {
        if found.get(*path) != end.get(*path) {
            return Err(format!("{path} is another than if uncut"));
        }
    }
    let is_left = fake.inspect(|state| {
        let is_stage = |path: &str| path.ends_with("/.kcm-stage");
        let nodes = state.nodes();
        let left =
            nodes.iter().find(|it| it.kind == NodeKind::Folder && is_stage(it.path.as_str()));
        left.map(|node| node.path.to_string())
            .or_else(|| state.is_armed(&SERVICE.parse().unwrap()).then(|| "a timer".to_owned()))
    });
    match is_left {
        Some(left) => Err(format!("{left} is left")),
        None => Ok(()),
    }
}

/// Checks that the command ended as it does without a fault.
pub(super) fn ended_as_it_must(scenario: &Scenario, ended: &Ended) -> Result<(), String> {
    let results = ended.results();
    let is_as_it_must = match scenario.end {
        End::Done => ended.is_done(),
        End::Restores => {
            let others = results.iter().skip(1);
            let are_untouched =
                others.clone().all(|it| matches!(it, MasterResult::Untouched { .. }));
            matches!(results.first(), Some(MasterResult::RolledBack { .. })) && are_untouched
        }
    };
    if is_as_it_must { Ok(()) } else { Err(format!("it ended otherwise: {ended:?}")) }
}
