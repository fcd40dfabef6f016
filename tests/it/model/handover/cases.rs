//! Tests of when kcm writes the Lease and when it does not, with a fake store and over HTTPS.

use std::sync::atomic::{AtomicUsize, Ordering};

use kcm::kube::handover::{Handover, Reason, free_lease};
use kcm::kube::{ApiError, ClockOffset, Problem, Scripted, Via};
use kcm_tests::control_plane::Authority;
use kcm_tests::standin::scripted::Answer;

use super::*;
use crate::lab::api::{LEASE, client, scripted};

fn free(store: &FakeLeases, before: &Lease) -> Result<Handover, ApiError> {
    run(free_lease(store, Some(before), &process(), PATIENCE))
}

/// Runs a handover in which the Lease is `now` after the stop. Returns the result and the store.
fn after(now: &Value) -> (Handover, FakeLeases) {
    let (store, before) = store(&spec());
    store.put(now);
    (free(&store, &before).unwrap(), store)
}

#[test]
fn the_lease_of_the_process_that_ended_is_freed_and_keeps_its_count() {
    let (handover, store) = after(&with("renewTime", "2026-11-23T06:59:59.500000Z"));
    assert_eq!(handover, Handover::Freed);
    let expected = json!({
        "holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 3,
        "acquireTime": "2026-11-23T07:00:00.000000Z", "renewTime": "2026-11-23T07:00:00.000000Z",
    });
    assert_eq!(store.writes(), [expected]);
}

#[test]
fn a_holder_that_is_not_certainly_that_process_keeps_its_lease() {
    let cases = [
        ("another leads", with("holderIdentity", "k8s-master-02_b")),
        ("it is free", with("holderIdentity", "")),
        ("a new process of that host", with("holderIdentity", "k8s-master-01_b")),
        ("acquired before ours started", with("acquireTime", "2026-11-23T05:59:59.900000Z")),
        ("renewed after ours ended", with("renewTime", "2026-11-23T07:00:00.100000Z")),
        ("not renewed for long", with("renewTime", "2026-11-23T06:58:00.000000Z")),
        ("coordinated", with("strategy", "OldestEmulationVersion")),
    ];
    for (what, now) in cases {
        let (handover, store) = after(&now);
        println!("{what}: {handover:?}");
        assert_ne!(handover, Handover::Freed, "{what}");
        assert_eq!((store.writes(), store.spec()), (Vec::new(), Some(now)), "{what}");
    }
    // The result is the same if the Lease had these values before the stop.
    for now in [with("acquireTime", "2026-11-23T05:59:59.9Z"), with("strategy", "x")] {
        let (store, before) = store(&now);
        assert!(matches!(free(&store, &before).unwrap(), Handover::Left(_)));
        assert_eq!(store.writes(), Vec::<Value>::new());
    }
}

#[test]
fn a_change_between_reading_and_writing_is_read_and_decided_on_again() {
    // The last renewal of the process arrived late; it still holds the Lease.
    let (store, before) = store(&spec());
    let late = with("renewTime", "2026-11-23T06:59:59.900000Z");
    store.script([Scripted::Answers, Scripted::After(late)]);
    assert_eq!(free(&store, &before).unwrap(), Handover::Freed);
    assert_eq!(store.writes().len(), 1);

    // Another master or the successor on this host has acquired the Lease.
    for (holder, is_other) in [("k8s-master-02_b", true), ("k8s-master-01_b", false)] {
        let (store, before) = super::store(&spec());
        let taken = with("holderIdentity", holder);
        store.script([Scripted::Answers, Scripted::After(taken.clone())]);
        let handover = free(&store, &before).unwrap();
        assert_eq!(matches!(handover, Handover::OtherLeads(_)), is_other, "{handover:?}");
        assert_eq!((store.writes(), store.spec()), (Vec::new(), Some(taken)));
    }

    // The Lease changes before every write.
    let (store, before) = super::store(&spec());
    let again = [Scripted::Answers, Scripted::After(spec())];
    store.script(again.into_iter().cycle().take(100));
    assert_eq!(free(&store, &before).unwrap(), Handover::Left(Reason::Contended));
    assert_eq!(store.writes(), Vec::<Value>::new());

    let (store, before) = super::store(&spec());
    store.remove();
    assert_eq!(free(&store, &before).unwrap(), Handover::AlreadyFree);
}

#[test]
fn an_answer_that_is_lost_is_found_out_by_reading() {
    let (store, before) = store(&spec());
    store.script([Scripted::Answers, Scripted::LosesAnswer]);
    assert_eq!(free(&store, &before).unwrap(), Handover::Freed);
    assert_eq!(store.writes().len(), 1);

    let (store, before) = super::store(&spec());
    store.script([Scripted::Answers, Scripted::LosesRequest]);
    assert_eq!(free(&store, &before).unwrap(), Handover::Freed);
    assert_eq!(store.writes().len(), 1);

    let (store, before) = super::store(&spec());
    let again = [Scripted::Answers, Scripted::LosesRequest];
    store.script(again.into_iter().cycle().take(100));
    assert!(free(&store, &before).unwrap_err().is_fate_unknown());

    let (store, before) = super::store(&spec());
    store.script([Scripted::Fails(503)]);
    let error = free(&store, &before).unwrap_err();
    assert!(matches!(error.problem, Problem::Unavailable { code: 503, .. }), "{error:?}");
    assert_eq!(store.writes(), Vec::<Value>::new());
}

/// Runs a handover with clock offsets in seconds of a master, of the API server and of another
/// master against the operator's clock.
fn with_clocks(offsets: [i64; 3]) -> (Handover, FakeLeases) {
    let here = STARTED;
    let clocks = offsets.map(|seconds| {
        let there = here + time::Duration::seconds(seconds);
        ClockOffset::between(there, here, here, Duration::from_secs(1))
    });
    let (store, before) = store(&spec());
    let process = EndedProcess { clock_spread: Some(ClockOffset::spread(clocks)), ..process() };
    let handover = run(free_lease(&store, Some(&before), &process, PATIENCE)).unwrap();
    (handover, store)
}

#[test]
fn with_any_clock_two_minutes_off_nothing_is_written() {
    for offsets in
        [[120, 0, 0], [-120, 0, 0], [0, 120, 0], [0, -120, 0], [0, 0, 120], [0, 0, -120], [120; 3]]
    {
        let (handover, store) = with_clocks(offsets);
        assert!(matches!(handover, Handover::Left(Reason::Clocks { .. })), "{handover:?}");
        assert_eq!(store.writes(), Vec::<Value>::new(), "{offsets:?}");
    }
    assert_eq!(with_clocks([1, -1, 2]).0, Handover::Freed);

    // Undetected clock offsets free no Lease either. A host of the same name wrote these times with
    // a wrong clock.
    for renewed in ["06:57:59", "07:01:59"] {
        let acquired =
            format!("2026-11-23T{}.3Z", if renewed < "07" { "05:58:00" } else { "06:02:00" });
        let mut spec = with("renewTime", format!("2026-11-23T{renewed}.000000Z"));
        spec["acquireTime"] = json!(acquired);
        let (store, before) = super::store(&spec);
        let handover = free(&store, &before).unwrap();
        assert!(matches!(handover, Handover::Left(_)), "{handover:?}");
        assert_eq!(store.writes(), Vec::<Value>::new());
    }
}

#[test]
fn a_server_that_does_not_answer_costs_no_more_than_the_patience() {
    let ca = Authority::new();
    for silent in ["GET", "PUT"] {
        let server = scripted(&ca, move |request| {
            let metadata = json!({"resourceVersion": "1"});
            let lease = json!({"kind": "Lease", "metadata": metadata, "spec": spec()});
            if request.method == silent { Answer::Silence } else { Answer::Json(200, lease) }
        });
        let start = std::time::Instant::now();
        let handover = run(async {
            let own = client(&server.url(), &ca, &ca.controller_manager(), Via::Direct).await;
            let patience = Duration::from_millis(700);
            free_lease(&own, Some(&stored()), &process(), patience).await.unwrap()
        });
        assert_eq!(handover, Handover::Left(Reason::OutOfTime));
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    }
}

fn stored() -> Lease {
    let metadata = json!({"resourceVersion": "1"});
    Lease::from_object(json!({"kind": "Lease", "metadata": metadata, "spec": spec()})).unwrap()
}

/// Starts a server with one Lease. `first` modifies its answer to the first replacement.
fn serving(ca: &Authority, first: fn(Answer) -> Answer) -> kcm_tests::standin::scripted::Scripted {
    let (version, writes) = (AtomicUsize::new(1), AtomicUsize::new(0));
    let freed = std::sync::Mutex::new(spec());
    scripted(ca, move |request| {
        assert_eq!(request.path.trim_end_matches('?'), LEASE);
        let now = version.load(Ordering::SeqCst).to_string();
        let object = |version: &str, spec: &Value| {
            let metadata = json!({"resourceVersion": version});
            Answer::Json(200, json!({"kind": "Lease", "metadata": metadata, "spec": spec}))
        };
        if request.method == "GET" {
            return object(&now, &freed.lock().unwrap());
        }
        if request.body["metadata"]["resourceVersion"] != now.as_str() {
            return Answer::status(409, "Conflict", "the object has been modified");
        }
        version.fetch_add(1, Ordering::SeqCst);
        *freed.lock().unwrap() = request.body["spec"].clone();
        let answer = object("2", &request.body["spec"]);
        if writes.fetch_add(1, Ordering::SeqCst) == 0 { first(answer) } else { answer }
    })
}

#[test]
fn a_server_that_answers_late_or_twice_has_it_written_once() {
    let ca = Authority::new();
    let firsts: [fn(Answer) -> Answer; 4] = [
        |answer| answer,
        |answer| Answer::Late(Duration::from_millis(1500), Box::new(answer)),
        |answer| Answer::Twice(Box::new(answer)),
        |_| Answer::End,
    ];
    for first in firsts {
        let server = serving(&ca, first);
        let handover = run(async {
            let own = client(&server.url(), &ca, &ca.controller_manager(), Via::Direct).await;
            free_lease(&own, Some(&stored()), &process(), PATIENCE).await.unwrap()
        });
        assert_eq!(handover, Handover::Freed);
        let puts = server.heard().iter().filter(|request| request.method == "PUT").count();
        assert_eq!(puts, 1);
    }
}
