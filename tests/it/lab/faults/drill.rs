//! Tests of `kcm drill` on real masters: its measurements match independent ones, and the original
//! state is always restored.

use std::time::{Duration, SystemTime};

use kcm_tests::control_plane::LeaseWatcher;
use kcm_tests::lab::{Machine, Watcher};
use serde_json::Value;

use super::{Ground, UNIT, assert_says, ended, plain, together, until, until_said};

/// systemd's message that a unit was stopped (`SD_MESSAGE_UNIT_STOPPED`).
const STOPPED: &str = "MESSAGE_ID=9d1aaa27d60140bd96365438aad20286";
/// Longest time for which a service may be down because kcm died (`PROMISE`), and the time of its
/// start.
const PROMISE: Duration = Duration::from_secs(20);
const START: Duration = Duration::from_secs(3);

impl Ground {
    fn drill(&self, arguments: &[&str]) -> Value {
        let ran = self.kcm(&[&["drill", "-o", "json"], arguments].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Returns the output of `kcm status` without values of a process or of a leader.
    fn essence(&self) -> Value {
        let ran = self.kcm(&["status", "-o", "json"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let mut status: Value = serde_json::from_str(&ran.stdout).unwrap();
        let is_served = |certificate: &mut Value| certificate["use"] == "served";
        for certificate in status["certificates"].as_array_mut().unwrap() {
            if is_served(certificate) {
                // Each process creates its own serving certificate.
                *certificate = certificate["place"].clone();
            }
        }
        strip(&mut status);
        status
    }

    fn drill_namespaces(&self) -> usize {
        let all = self.plane.admin().list("/api/v1/namespaces");
        let name = |it: &Value| it["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        all.iter().filter(|it| name(it).starts_with("kcm-drill")).count()
    }

    fn is_led(&self) {
        until("somebody leads", Duration::from_secs(30), || self.plane.admin().holder().is_some());
    }
}

/// Removes the values of one process, one leader or one moment.
fn strip(value: &mut Value) {
    const PASSING: [&str; 10] = [
        "at",
        "invocation",
        "mainPid",
        "since",
        "pid",
        "leads",
        "holder",
        "ageMilliseconds",
        "transitions",
        "clockOffsetMilliseconds",
    ];
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !PASSING.contains(&name.as_str()));
            if let Some(leadership) = fields.get_mut("leadership") {
                leadership["known"].as_object_mut().unwrap().remove("master");
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(all) => all.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Returns the times at which systemd recorded the end of a machine's service.
fn stops(machine: &Machine) -> Vec<SystemTime> {
    let unit = format!("UNIT={UNIT}");
    let read = ["journalctl", "--quiet", "-o", "short-unix", STOPPED, &unit];
    let lines = machine.output(&read);
    let times = lines.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
    times.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds)).collect()
}

fn milliseconds(value: &Value) -> Duration {
    Duration::from_millis(value.as_u64().unwrap_or_else(|| panic!("{value}")))
}

#[test]
fn in_a_drill_each_takes_over_once_as_others_measure_it_and_then_all_is_as_it_was() {
    let Some(ground) = Ground::led(&plain(3)) else { return };
    ground.bring_admin();
    ground.is_led();
    let before = ground.essence();
    let watcher = LeaseWatcher::start(ground.plane.admin());
    let serving = Watcher::start(&ground.lab);
    let report = ground.drill(&["--all", "--kubeconfig", "admin.kubeconfig", "--svg", "drill.svg"]);
    let (history, served) = (watcher.end(), serving.end());

    let successions = report["successions"].as_array().unwrap();
    let mut to: Vec<_> = successions.iter().map(|it| it["to"].as_str().unwrap()).collect();
    to.sort_unstable();
    assert_eq!(to, ["k8s-master-01", "k8s-master-02", "k8s-master-03"]);
    let seen: Vec<_> = history.successions().collect();
    assert_eq!(seen.len(), 3, "{history:?}");
    for (succession, (holder, since)) in successions.iter().zip(&seen) {
        assert_eq!(succession["toHolder"], *holder);
        assert_eq!(succession["end"], "processGone");
        let machines = ground.lab.machines();
        let from = machines.iter().find(|machine| succession["from"] == machine.name()).unwrap();
        let stop = stops(from).into_iter().filter(|stop| stop < since).max().unwrap();
        let theirs = since.duration_since(stop).unwrap();
        let ours = milliseconds(&succession["gapMilliseconds"]);
        println!("{} to {holder}: {ours:?}, as others measure it {theirs:?}", from.name());
        assert!(ours.abs_diff(theirs) < Duration::from_secs(3), "{ours:?}, {theirs:?}");
        let promise = milliseconds(&succession["promiseMilliseconds"]);
        assert!(ours > Duration::from_secs(10) && ours <= promise, "{succession:#}");
        assert_eq!(succession["probe"]["result"], "reconciled");
        let delay = milliseconds(&succession["probe"]["delayMilliseconds"]);
        assert!(delay < Duration::from_secs(30), "{succession:#}");
    }
    println!("down for {:?} at most, blind for {:?}", served.longest(), served.blind);
    assert_eq!(served.most_down, 1, "{served:?}");
    assert!(served.longest() < PROMISE, "{served:?}");
    assert_eq!(ground.essence(), before);
    assert_eq!(ground.drill_namespaces(), 0);
    ground.is_whole();
    let svg = ground.workspace.read("drill.svg");
    let picture = roxmltree::Document::parse(&svg).unwrap();
    let names: Vec<_> = picture.descendants().filter_map(|node| node.text()).collect();
    assert!(names.contains(&"k8s-master-02"), "{svg}");
    let bars = picture.descendants().filter(|node| node.has_tag_name("rect")).count();
    assert!(bars > 12, "{svg}");
}

/// A killed leader returns as another process, and the Lease expires as promised. After a handover,
/// no candidate waits for the expiry.
fn kill_and_hand_over() {
    let Some(ground) = Ground::deployed(&plain(2)) else { return };
    ground.is_led();
    let [first, second] = ground.lab.machines() else { panic!() };
    let leads = ground.leader().name().to_owned();
    let other = if leads == first.name() { second } else { first };
    other.output(&["systemctl", "stop", UNIT]);
    let ran = ground.kcm(&["drill"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert_says(&ran.stderr, &["only", &leads, "--even-the-last", "last-healthy"]);
    other.output(&["systemctl", "start", UNIT]);
    until("it serves", Duration::from_secs(10), || other.serves());

    let report = ground.drill(&["--handover", "--svg", "handover.svg"]);
    let succession = &report["successions"][0];
    assert!(milliseconds(&succession["gapMilliseconds"]) < Duration::from_secs(14), "{report:#}");
    assert_eq!(succession["promiseMilliseconds"], Value::Null);

    let killed = ground.leader();
    let report = ground.drill(&["--kill", "--svg", "kill.svg"]);
    let succession = &report["successions"][0];
    assert_eq!(succession["from"], killed.name());
    let gap = milliseconds(&succession["gapMilliseconds"]);
    assert!(gap > Duration::from_secs(10), "{report:#}");
    let journal = killed.output(&["journalctl", "--quiet", "-o", "cat", &format!("UNIT={UNIT}")]);
    assert_says(&journal, &["status=9/KILL"]);
    // kcm has reset the failure that systemd recorded.
    let ran = ground.kcm(&["status"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ground.is_whole();
}

/// Every service runs after kcm ends during the gap: at once after SIGTERM, by the timer after
/// SIGKILL.
fn interrupted_and_killed() {
    let Some(ground) = Ground::deployed(&plain(2)) else { return };
    ground.is_led();
    let leader = ground.leader();
    let drill = ground.start(&["drill"]);
    until_said(&drill, "the process has exited");
    drill.send_terminate();
    let back = until("it serves", Duration::from_secs(10), || leader.serves());
    println!("asked to stop: it serves again after {back:?}");
    let (code, printed) = ended(drill);
    assert_eq!(code, 130, "{printed}");
    assert_says(&printed, &["Interrupted: everything is restored", "within 23.8 s"]);
    ground.is_whole();

    let was = ground.plane.admin().holder();
    let changed = || {
        let holder = ground.plane.admin().holder();
        holder.is_some() && holder != was
    };
    until("another process leads", Duration::from_secs(40), changed);
    let watcher = Watcher::start(&ground.lab);
    let drill = ground.start(&["drill"]);
    until_said(&drill, "the process has exited");
    drill.kill();
    let is_up = || ground.lab.machines().iter().all(Machine::serves);
    assert!(!is_up());
    let back = until("everybody serves", PROMISE + START, is_up);
    println!("killed: everybody serves after {back:?}");
    assert!(back <= PROMISE, "{back:?}");
    assert_eq!(watcher.end().most_down, 1);
    ground.is_whole();
}

#[test]
fn a_drill_that_is_ended_in_the_middle_leaves_nobody_down_and_kills_and_handovers_are_drilled_too()
{
    together(vec![Box::new(kill_and_hand_over), Box::new(interrupted_and_killed)]);
}

/// Section of the cluster file that lets leaders release their Lease.
const SELF_RELEASE: &str = "controllerManager: {flags: {feature-gates: \"ControllerManagerReleaseLeaderElectionLockOnExit=true\"}}
";

#[test]
fn leaders_that_release_their_lease_are_drilled_and_changed_with_short_gaps() {
    let Some(ground) = Ground::new(&plain(3)) else { return };
    ground.write(SELF_RELEASE);
    ground.apply(&[]);
    ground.is_led();
    let [first, ..] = ground.lab.machines() else { panic!() };
    let watcher = LeaseWatcher::start(ground.plane.admin());
    let report = ground.drill(&[]);
    let history = watcher.end();
    let succession = &report["successions"][0];
    assert_eq!(
        (&succession["end"], &succession["promiseMilliseconds"]),
        (&"released".into(), &4400.into())
    );
    let ours = milliseconds(&succession["gapMilliseconds"]);
    // Another reader of the Lease measures the gap from its release to its acquisition.
    let free = history.holdings.iter().find(|it| it.holder.is_none()).unwrap();
    let (_, taken) = history.successions().next().unwrap();
    let theirs = taken.duration_since(free.since).unwrap();
    println!("drilled with self-release: {ours:?}, as others measure it {theirs:?}");
    assert!(ours.abs_diff(theirs) < Duration::from_secs(1), "{ours:?}, {theirs:?}");
    assert!(ours < Duration::from_secs(6), "{report:#}");
    assert_ne!(succession["to"], succession["from"]);
    let back = succession["backMilliseconds"].as_u64().unwrap();
    assert!(back - succession["endedMilliseconds"].as_u64().unwrap() < 9000, "{report:#}");
    let exits = first.output(&["systemctl", "show", "-p", "Result", "--value", UNIT]);
    assert_eq!(exits.trim(), "success");

    // A killed leader does not release its Lease.
    let report = ground.drill(&["--kill"]);
    let succession = &report["successions"][0];
    assert_eq!(succession["end"], "processGone");
    assert!(milliseconds(&succession["gapMilliseconds"]) > Duration::from_secs(10), "{report:#}");

    for number in 1..=3 {
        let section = SELF_RELEASE.replace("flags: {", &format!("flags: {{v: {}, ", 3 + number));
        ground.write(&section);
        let gap = ground.gap(&format!("with self-release, change {number}"), || {
            let ran = ground.apply(&[]);
            assert!(!ran.stderr.contains("the Lease had expired"), "{ran:?}");
        });
        assert!(gap.beyond_the_stop() < Duration::from_secs(6), "{gap:?}");
    }
    ground.is_whole();
}
