//! Checker of the invariants on the fakes after every single effect. It shares no code with the
//! code under test.

mod content;
pub(super) mod paths;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use kcm::files::NodeKind;
use kcm::transport::Activity;
use kcm::transport::fake::{Fake, FakeState, Power};
use kcm_pki::Fingerprint;

use self::content::{Secrets, Whole, may_hold_key};
use self::paths::{
    CA_KEY, CERTIFICATE, COMBINED, KEY, KUBECONFIG, MANAGED, PENDING, PREVIOUS, Stands, TOKEN_KEY,
    UNIT, kept, staged, stands,
};
use super::scenario::SERVICE;

/// Files by path, with mode and content.
pub(super) type Files = BTreeMap<String, (u32, Vec<u8>)>;
/// Contents of staged files, by target path.
pub(super) type Staged = BTreeMap<String, Vec<u8>>;

/// Observer of all masters of a cluster that records violations of the rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Checker {
    /// Violations: the number of the rule, and a description.
    pub(super) violations: Vec<(u32, String)>,
    masters: Vec<Seen>,
    secrets: Secrets,
    whole: Whole,
    /// Files that every master must have staged before the first master changes; recorded if
    /// `None`.
    staged: Option<Vec<Staged>>,
    /// Folder of the operator's pair, if the masters must have that pair.
    operator: Option<PathBuf>,
    /// True if any managed file has changed since the command began.
    has_changed: bool,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    name: String,
    /// True if the service ran before the first command.
    was_up: bool,
    /// True if the service runs now; `None` while the master has no power.
    is_up: Option<bool>,
    /// True if the command removes kube-controller-manager from this master.
    leaves: bool,
    files: Files,
    /// Managed files before the first command (`before`) and before the current one (`at_first`).
    before: Files,
    at_first: Files,
    /// Staged files before the current command.
    left_over: Staged,
}

impl Checker {
    /// Records the state of all masters. The command removes kube-controller-manager from
    /// `leaving`.
    pub(super) fn new(fakes: &[Fake], leaving: &[&str], operator: Option<PathBuf>) -> Self {
        let mut checker = Self { operator, ..Self::default() };
        for (place, fake) in fakes.iter().enumerate() {
            checker.masters.push(Seen::default());
            fake.inspect(|state| {
                checker.learn(&files(state));
                checker.masters[place].leaves = leaving.contains(&state.name.as_str());
                checker.masters[place].name.clone_from(&state.name);
                checker.look(place, state, "the beginning");
            });
        }
        for seen in &mut checker.masters {
            seen.was_up = seen.is_up == Some(true);
            seen.before = seen.managed();
        }
        assert!(checker.violations.is_empty(), "{:?}", checker.violations);
        checker.staged = None;
        checker.begin();
        checker
    }

    /// Records these files as complete, and their keys as secrets.
    pub(super) fn learn(&mut self, files: &Files) {
        for (path, (_, content)) in files {
            let (target, stands) = stands(path);
            if stands != Stands::Staged {
                self.whole.learn(&target, content);
            }
            if [KEY, CA_KEY, TOKEN_KEY].contains(&target.as_str()) {
                self.secrets.learn(content);
            }
        }
    }

    /// Requires the files that were staged in a run without a fault.
    pub(super) fn expect_staged(&mut self, staged: Vec<Staged>) {
        for (target, content) in staged.iter().flatten() {
            self.whole.learn(target, content);
        }
        self.staged = Some(staged);
    }

    /// Drops the required staged files, because the next command does something else.
    pub(super) fn expect_another(&mut self) {
        self.staged = None;
    }

    /// Returns the files that were staged when the first file changed.
    pub(super) fn staged(&self) -> Vec<Staged> {
        self.staged.clone().unwrap_or_else(|| vec![Staged::new(); self.masters.len()])
    }

    /// Prepares for another command.
    pub(super) fn begin(&mut self) {
        self.has_changed = false;
        for seen in &mut self.masters {
            seen.at_first = seen.managed();
            seen.left_over = seen.beside();
        }
    }

    /// Returns the masters whose service ran before and is down now, except those that are being
    /// removed.
    pub(super) fn down(&self) -> Vec<&str> {
        let down = self.masters.iter().filter(|seen| {
            let is_taken_off = seen.leaves && !seen.files.contains_key(UNIT);
            seen.was_up && seen.is_up == Some(false) && !is_taken_off
        });
        down.map(|seen| seen.name.as_str()).collect()
    }

    /// Rule 7: some time after kcm died, every service that ran before runs again, unless its
    /// master is being removed.
    pub(super) fn are_back(&mut self, is_disabled: impl Fn(usize) -> bool) {
        let mut away = Vec::new();
        for (place, seen) in self.masters.iter().enumerate() {
            let is_leaving = seen.leaves && (seen.managed() != seen.before || is_disabled(place));
            if seen.was_up && seen.is_up != Some(true) && !is_leaving {
                away.push(format!("{} does not come back", seen.name));
            }
        }
        for what in away {
            self.violation(7, what);
        }
    }

    fn violation(&mut self, rule: u32, what: String) {
        if self.violations.len() < 20 {
            self.violations.push((rule, what));
        }
    }

    /// Checks one master after an effect.
    pub(super) fn look(&mut self, place: usize, state: &FakeState, effect: &str) {
        let activity = state.activity(&SERVICE.parse().unwrap());
        let seen = &mut self.masters[place];
        let has_power = state.power == Power::On;
        seen.is_up = has_power.then_some(matches!(activity, Activity::Active { .. }));
        if !has_power {
            return;
        }
        // A sync changes no content.
        let has_changed = !effect.starts_with("sync ") && self.look_at_files(place, state, effect);
        if has_changed {
            self.notes(place, effect);
            self.identity(place, effect);
            self.order(place, effect);
        }
        let down = self.down();
        if down.len() > 1 {
            let what = format!("{} are down after {effect}", down.join(" and "));
            self.violation(2, what);
        }
    }

    /// Rules 3 and 4: no file is partial or too widely readable, and keys are only in files for
    /// keys.
    fn look_at_files(&mut self, place: usize, state: &FakeState, effect: &str) -> bool {
        let (mut fresh, mut there) = (Vec::new(), 0);
        let mut has_changed = false;
        for node in state.nodes() {
            let (path, mode) = (node.path.as_str(), node.mode.bits());
            let Some(content) = node.content else {
                if node.kind == NodeKind::Folder && paths::is_private_folder(path) && mode != 0o700
                {
                    self.violation(3, format!("{path} has mode {mode:04o} after {effect}"));
                }
                continue;
            };
            there += 1;
            let known = self.masters[place].files.get(path);
            if known.is_none_or(|(was, bytes)| (*was, &bytes[..]) != (mode, content)) {
                fresh.push((path.to_owned(), mode, content.to_vec()));
            }
        }
        for (path, mode, content) in fresh {
            has_changed = true;
            self.file(&path, mode, &content, effect);
            self.masters[place].files.insert(path, (mode, content));
        }
        if self.masters[place].files.len() != there {
            has_changed = true;
            let paths: BTreeSet<_> =
                state.nodes().into_iter().map(|node| node.path.to_string()).collect();
            self.masters[place].files.retain(|path, _| paths.contains(path));
        }
        has_changed
    }

    fn file(&mut self, path: &str, mode: u32, content: &[u8], effect: &str) {
        let (target, stands) = stands(path);
        if target == KEY {
            self.secrets.learn(content);
        }
        if self.secrets.are_in(content) {
            if mode != 0o600 {
                self.violation(3, format!("{path} has mode {mode:04o} after {effect}"));
            }
            if !may_hold_key(&target) {
                self.violation(4, format!("{path} holds a key after {effect}"));
            }
        }
        if stands != Stands::Staged && !self.whole.contains(&target, content) {
            let size = content.len();
            self.violation(3, format!("{path} ({size} bytes) is not whole after {effect}"));
        }
    }

    /// Rule 6: every file that a note lists can be restored.
    fn notes(&mut self, place: usize, effect: &str) {
        let seen = &self.masters[place];
        if seen.leaves {
            return;
        }
        let mut lost = Vec::new();
        for (path, is_pending) in [(PENDING, true), (PREVIOUS, false)] {
            let Some((_, content)) = seen.files.get(path) else { continue };
            let Ok(note) = serde_json::from_slice::<serde_json::Value>(content) else { continue };
            let files = note["files"].as_array().cloned().unwrap_or_default();
            let is_first =
                |file: &serde_json::Value| file["path"] == UNIT && file["file"].is_null();
            if files.iter().any(is_first) {
                continue;
            }
            for file in files.iter().filter(|file| !file["file"].is_null()) {
                let target = file["path"].as_str().unwrap();
                let kept = kept(target, note["slot"].as_str().unwrap());
                let has = |path: &str| {
                    let content = seen.files.get(path).map(|(_, content)| content);
                    content.is_some_and(|content| {
                        file["file"]["digest"] == Fingerprint::of(content).to_string()
                    })
                };
                let is_there = has(&kept) || is_pending && has(target);
                if !is_there {
                    lost.push(format!("{}: {kept} of {path} is lost after {effect}", seen.name));
                }
            }
        }
        for what in lost {
            self.violation(6, what);
        }
    }

    /// Rule 6: without a pending change, certificate, key and kubeconfig belong together.
    fn identity(&mut self, place: usize, effect: &str) {
        let seen = &self.masters[place];
        let both = if seen.files.contains_key(COMBINED) { COMBINED } else { KUBECONFIG };
        let found = [CERTIFICATE, KEY, both]
            .map(|path| seen.files.get(path).map(|(_, content)| &content[..]));
        if seen.leaves || seen.files.contains_key(PENDING) || found == [None; 3] {
            return;
        }
        let is_one = match found {
            [Some(certificate), Some(key), Some(both)] => {
                self.whole.is_one_identity([certificate, key, both])
            }
            _ => false,
        };
        if !is_one {
            let name = &self.masters[place].name;
            let what = format!("{name}: the identity does not fit together after {effect}");
            self.violation(6, what);
        }
    }

    /// Rule 5: before the first managed file changes, everything is staged on all masters.
    fn order(&mut self, place: usize, effect: &str) {
        let seen = &self.masters[place];
        let is_same = MANAGED.iter().all(|path| seen.files.get(*path) == seen.at_first.get(*path));
        if is_same || std::mem::replace(&mut self.has_changed, true) {
            return;
        }
        let Some(expected) = self.staged.clone() else {
            let fresh = |seen: &Seen| {
                let mut beside = seen.beside();
                beside.retain(|target, content| seen.left_over.get(target) != Some(content));
                beside
            };
            self.staged = Some(self.masters.iter().map(fresh).collect());
            return;
        };
        let operator = self.operator.as_ref().map(|folder| {
            [CERTIFICATE, KEY]
                .map(|path| fs::read(folder.join(path.rsplit_once('/').unwrap().1)).unwrap())
        });
        let mut missing = Vec::new();
        for (seen, expected) in self.masters.iter().zip(&expected) {
            let beside = seen.beside();
            for (target, content) in expected {
                let wanted = match (target.as_str(), &operator) {
                    (CERTIFICATE, Some([certificate, _])) => certificate,
                    (KEY, Some([_, key])) => key,
                    _ => content,
                };
                let is_wanted = |content: Option<&Vec<u8>>, whole: &mut Whole| match &operator {
                    Some([certificate, key])
                        if [KUBECONFIG, COMBINED].contains(&target.as_str()) =>
                    {
                        content.is_some_and(|it| whole.is_one_identity([certificate, key, it]))
                    }
                    _ => content == Some(wanted),
                };
                let there = seen.at_first.get(target).map(|(_, content)| content);
                if !is_wanted(there, &mut self.whole)
                    && !is_wanted(beside.get(target), &mut self.whole)
                {
                    let what = format!("{}: {target} is not staged at {effect}", seen.name);
                    missing.push(what);
                }
            }
        }
        for what in missing {
            self.violation(5, what);
        }
    }
}

impl Seen {
    fn managed(&self) -> Files {
        let managed = self.files.iter().filter(|(path, _)| MANAGED.contains(&path.as_str()));
        managed.map(|(path, file)| (path.clone(), file.clone())).collect()
    }

    /// Returns the files that are staged, or that were put in place since the command began.
    fn beside(&self) -> Staged {
        let mut beside = Staged::new();
        for target in MANAGED {
            let in_place =
                self.files.get(target).filter(|it| self.at_first.get(target) != Some(it));
            let found = self.files.get(&staged(target)).or(in_place);
            beside.extend(found.map(|(_, content)| (target.to_owned(), content.clone())));
        }
        beside
    }
}

/// Returns every file of a master.
pub(super) fn files(state: &FakeState) -> Files {
    let nodes = state.nodes().into_iter();
    let files = nodes.filter_map(|node| {
        Some((node.path.to_string(), (node.mode.bits(), node.content?.to_vec())))
    });
    files.collect()
}

/// Lets the checker observe every effect on the masters.
pub(super) fn watch(checker: &Arc<Mutex<Checker>>, fakes: &[Fake]) {
    for (place, fake) in fakes.iter().enumerate() {
        let checker = Arc::clone(checker);
        fake.inspect(|state| {
            state.observer = Some(Box::new(move |state, effect| {
                checker.lock().unwrap().look(place, state, effect);
            }));
        });
    }
}

/// Checks all masters once.
pub(super) fn look(checker: &Arc<Mutex<Checker>>, fakes: &[Fake], when: &str) {
    for (place, fake) in fakes.iter().enumerate() {
        fake.inspect(|state| checker.lock().unwrap().look(place, state, when));
    }
}
