//! Properties that hold for every input.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kcm::transport::command_line;
use kcm::transport::fake::Fake;
use kcm::{Cluster, Fleet, Interrupt, Network, Run, Silent};
use kcm_tests::Workspace;
use kcm_tests::peers;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use time::OffsetDateTime;

/// Lines for each shell; one shell for each line would take most of the time.
const LINES_PER_SHELL: usize = 40;

#[test]
fn a_shell_splits_a_quoted_line_into_exactly_the_words_it_was_made_from() {
    if !peers::has("sh") {
        return;
    }
    let word = prop_oneof![
        "[^\\x00]{0,12}",
        "[-'\"\\\\$`!*?~#;&|<>(){}\\[\\]= \t\n\r%^]{0,12}",
        Just("-n".to_owned()),
        Just("--".to_owned()),
    ];
    let line = proptest::collection::vec(word, 1..6);
    let lines = proptest::collection::vec(line, LINES_PER_SHELL);
    let seen = AtomicUsize::new(0);
    TestRunner::new(cases(52))
        .run(&lines, |lines| {
            let commands = lines.iter().map(|words| {
                let line = command_line(words.iter().map(String::as_str)).unwrap();
                format!("printf '%s\\0' {line}\n")
            });
            let script: String = commands.collect();
            let printed = peers::output(Command::new("sh").arg("-c").arg(script)).stdout;
            let words = lines.iter().flatten();
            let expected: Vec<u8> =
                words.flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
            prop_assert_eq!(printed, expected);
            seen.fetch_add(lines.len(), Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
    assert!(seen.into_inner() >= 2_000);
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Initial state of one master.
#[derive(Clone, Debug)]
struct Before {
    offline: bool,
    can_set_owner: bool,
    files: Vec<(usize, String, u32)>,
    leftover: bool,
}

const MANAGED: [&str; 5] = [
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem",
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem",
    "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig",
    "/etc/systemd/system/kube-controller-manager.service",
    "/opt/kubernetes/bin/kube-controller-manager",
];

fn before() -> impl Strategy<Value = Before> {
    let file =
        (0..MANAGED.len(), ".{0,40}", prop::sample::select(vec![0o600, 0o644, 0o400, 0o777]));
    let files = proptest::collection::vec(file, 0..4);
    (any::<bool>(), any::<bool>(), files, any::<bool>()).prop_map(
        |(offline, can_set_owner, files, leftover)| Before {
            offline,
            can_set_owner,
            files,
            leftover,
        },
    )
}

/// Flags for all masters as YAML: valid ones, unusual values, and removals.
fn flags() -> impl Strategy<Value = String> {
    let flag = prop_oneof![
        "[ -~]{0,20}".prop_map(|value| ("profiling".to_owned(), Some(value))),
        "\\PC{0,20}".prop_map(|value| ("controllers".to_owned(), Some(value))),
        "[0-9]".prop_map(|value| ("v".to_owned(), Some(value))),
        Just(("leader-elect".to_owned(), None)),
    ];
    proptest::collection::btree_map(Just(()), flag, 0..2).prop_map(|flags| {
        let lines = flags.into_values().map(|(name, value)| match value {
            Some(value) => format!("    {name}: {}\n", serde_json::Value::from(value)),
            None => format!("    {name}: null\n"),
        });
        let lines: String = lines.collect();
        if lines.is_empty() {
            String::new()
        } else {
            // This test uses unusual values on purpose.
            let allowed = ["bad-value", "controller-unknown"];
            let allowed = allowed.map(|code| format!("{{code: {code}, reason: odd}}")).join(", ");
            format!("controllerManager:\n  flags:\n{lines}lint: {{allow: [{allowed}]}}\n")
        }
    })
}

#[test]
fn after_an_apply_the_plan_is_empty_whatever_was_there_before() {
    let workspace = Workspace::new();
    workspace.bring_everything();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let masters = proptest::collection::vec(before(), 1..4);
    let renew = prop_oneof![9 => Just(false), 1 => Just(true)];
    TestRunner::new(cases(2_000))
        .run(&(masters, flags(), renew), |(masters, flags, renew)| {
            if renew {
                // kcm issues a missing pair again.
                let _ = std::fs::remove_dir_all(workspace.file("pki/kube-controller-manager"));
            }
            runtime.block_on(applies_once(workspace.path(), &masters, &flags))
        })
        .unwrap();
}

async fn applies_once(
    workspace: &Path,
    masters: &[Before],
    flags: &str,
) -> Result<(), TestCaseError> {
    let cluster = cluster(workspace, masters.len(), flags);
    let fakes: Vec<_> =
        masters.iter().enumerate().map(|(place, before)| fake(place, before)).collect();
    let mut next = fakes.iter();
    let fleet =
        Fleet::new(&cluster, Network::Forbidden, |_| Arc::new(next.next().unwrap().clone()));
    let now = OffsetDateTime::now_utc();
    let interrupt = Interrupt::default();
    let run = Run::new(&cluster, &fleet, now, &Silent, &interrupt);
    let outcome = kcm::apply(run).await;
    prop_assert!(outcome.as_ref().is_ok_and(kcm::Outcome::is_done), "{:?}", outcome);

    let effects: Vec<_> = fakes.iter().map(|fake| fake.inspect(|state| state.effects)).collect();
    let plan = kcm::plan(run).await.unwrap().plan;
    prop_assert!(plan.is_empty(), "{:?}", plan);
    prop_assert!(kcm::apply(run).await.unwrap().is_unchanged());
    let after: Vec<_> = fakes.iter().map(|fake| fake.inspect(|state| state.effects)).collect();
    prop_assert_eq!(effects, after, "the second apply made no effect");
    Ok(())
}

fn cluster(workspace: &Path, masters: usize, flags: &str) -> Cluster {
    let head = std::fs::read_to_string(workspace.join("kcm.yaml")).unwrap();
    let (head, _) = head.split_once("masters:").unwrap();
    let entries: String = (0..masters)
        .map(|place| format!("  - {{name: m{place}, address: 192.168.1.{place}}}\n"))
        .collect();
    let text = format!("{head}{flags}masters:\n{entries}");
    Cluster::parse(&text, &workspace.join("kcm.yaml"))
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn fake(place: usize, before: &Before) -> Fake {
    let name = format!("m{place}");
    let fake = if before.offline { Fake::offline(name) } else { Fake::new(name) };
    fake.inspect(|state| {
        state.set_can_set_owner(before.can_set_owner);
        for (file, content, mode) in &before.files {
            state.put_file(MANAGED[*file], content.as_bytes(), *mode);
        }
        if before.leftover {
            state.put_file("/opt/kubernetes/kubeconfig/.kcm-stage/half", b"ha", 0o600);
        }
    });
    fake
}
