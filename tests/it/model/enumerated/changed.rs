//! Tests of changes by another user between the plan and a commit, which the commit must refuse.

use std::sync::Arc;

use kcm::MasterResult;
use kcm::files::{Effect, Mode, RemotePath};
use kcm::transport::Activity;
use kcm::transport::fake::{Fake, FakeState};

use super::checker::paths::{KEY, KUBECONFIG, MANAGED, PREVIOUS, UNIT};
use super::checker::{Files, files};
use super::evaluate::ENABLED;
use super::line::{Caller, Twist};
use super::scenario::{SERVICE, Scenario};
use super::uncut::Uncut;

/// A change by another user.
#[derive(Clone, Copy, Debug)]
enum Edit {
    /// Other content in a file that kcm manages.
    Content(&'static str),
    /// A wider mode of a file.
    Wider(&'static str),
    /// A removed file.
    Gone(&'static str),
    /// A drop-in that changes the unit.
    DropIn,
    /// A disabled unit, which no longer starts at boot.
    Disabled,
}

impl Edit {
    fn all() -> Vec<Self> {
        let contents = MANAGED.iter().chain([&PREVIOUS]).map(|path| Self::Content(path));
        let others = [
            Self::Wider(KEY),
            Self::Wider(UNIT),
            Self::Gone(KUBECONFIG),
            Self::Gone(PREVIOUS),
            Self::DropIn,
            Self::Disabled,
        ];
        contents.chain(others).collect()
    }

    fn make(self, state: &mut FakeState) {
        let path = |text: &str| RemotePath::new(text).unwrap();
        match self {
            Self::Content(at) => {
                // An absent file is created.
                let stat = state.files().stat(&path(at)).unwrap();
                let mode = stat.map_or(0o600, |stat| stat.mode.bits());
                state.put_file(at, b"somebody else's\n", mode);
            }
            Self::Wider(at) => {
                let (at, mode) = (path(at), Mode::from_bits(0o664));
                state.files().perform(Effect::SetMode { path: &at, mode }).unwrap();
            }
            Self::Gone(at) => state.files().perform(Effect::Remove { path: &path(at) }).unwrap(),
            Self::DropIn => {
                state.put_file(&format!("{UNIT}.d/local.conf"), b"[Service]\nNice=5\n", 0o644);
            }
            Self::Disabled => {
                state.files().perform(Effect::Remove { path: &path(ENABLED) }).unwrap();
            }
        }
    }
}

/// Edits every master in every way right before its commit. `twist` modifies the batches of the
/// transport.
pub(super) async fn before_every_commit(
    scenario: &Scenario,
    twist: Option<Twist>,
) -> Result<usize, String> {
    let uncut = Uncut::of(scenario).await;
    let mut count = 0;
    for place in 0..scenario.fakes.len() {
        let moment = uncut.commits[place].ok_or("it commits nothing there")?;
        for edit in Edit::all() {
            count += 1;
            let fakes = scenario.fork();
            let caller = Caller { waits_at: Some(moment), twist, ..Caller::default() };
            let caller = Arc::new(caller);
            let masters: Vec<_> = fakes.iter().map(|fake| (fake.clone(), None)).collect();
            let first = scenario.run_seeing(Arc::clone(&caller), &masters, &scenario.verb);
            let meanwhile = async {
                caller.waits.notified().await;
                fakes[place].inspect(|state| edit.make(state));
                let edited = seen(&fakes[place]);
                caller.goes_on.notify_one();
                edited
            };
            let (ended, edited) = tokio::join!(first, meanwhile);
            let why = |what: &str| format!("master {place}, {edit:?}: {what}: {ended:?}");
            let results = ended.results();
            if !matches!(results.get(place), Some(MasterResult::Untouched { error: Some(_) })) {
                return Err(why("it did not refuse"));
            }
            if seen(&fakes[place]) != edited {
                return Err(why("it refused, and changed something"));
            }
            let untouched = MasterResult::Untouched { error: None };
            if results.iter().skip(place + 1).any(|result| **result != untouched) {
                return Err(why("it went on"));
            }
        }
    }
    println!("{}: {count} changes between plan and commit", scenario.name);
    Ok(count)
}

/// Returns the relevant state of a master: all files in place, and the invocation that runs.
fn seen(fake: &Fake) -> (Files, Option<String>) {
    fake.inspect(|state| {
        let mut in_place = files(state);
        in_place.retain(|path, _| !path.contains("/.kcm-stage/"));
        let run = match state.activity(&SERVICE.parse().unwrap()) {
            Activity::Active { invocation, .. } => Some(invocation),
            _ => None,
        };
        (in_place, run)
    })
}
