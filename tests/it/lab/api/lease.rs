//! Tests of reading and replacing the Lease over HTTPS.

use kcm::kube::{Lease, LeaseStore as _};

use super::*;

fn object() -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": "kube-controller-manager", "namespace": "kube-system", "uid": "u",
            "resourceVersion": "41", "labels": {"later": "x"}, "later": {"unknown": [1]},
        },
        "spec": {
            "holderIdentity": "k8s-master-01_a", "leaseDurationSeconds": 15, "leaseTransitions": 3,
            "acquireTime": "2026-11-23T06:00:00.000001Z", "renewTime": "2026-11-23T06:00:02.000002Z",
            "strategy": "OldestEmulationVersion", "preferredHolder": "k8s-master-02_b", "later": 7,
        },
    })
}

/// Reads the Lease and replaces it with a freed one, with these answers to both requests.
fn exchange(read: Answer, written: Answer) -> (Result<Lease, ApiError>, Vec<Heard>) {
    let ca = Authority::new();
    let server = scripted(&ca, move |request| match request.method.as_str() {
        "GET" => read.clone(),
        _ => written.clone(),
    });
    let replaced = run(async {
        let client = client(&server.url(), &ca, &ca.controller_manager(), Via::Direct).await;
        let lease = client.lease().await.unwrap().unwrap();
        client.replace_lease(&lease.freed(lease.renewed().unwrap())).await
    });
    (replaced, server.heard())
}

#[test]
fn what_is_sent_back_is_what_was_read_with_its_version_and_all_that_kcm_does_not_know() {
    let mut answered = object();
    answered["metadata"]["resourceVersion"] = json!("42");
    let (replaced, heard) =
        exchange(Answer::Json(200, object()), Answer::Json(200, answered.clone()));
    assert_eq!(*replaced.unwrap().object(), answered);
    let mut expected = object();
    expected["spec"]["holderIdentity"] = json!("");
    expected["spec"]["leaseDurationSeconds"] = json!(1);
    expected["spec"]["acquireTime"] = json!("2026-11-23T06:00:02.000002Z");
    assert_eq!((heard[1].method.as_str(), &heard[1].body), ("PUT", &expected));
    assert_eq!(heard[1].path.trim_end_matches('?'), LEASE);
    assert_eq!(heard[1].headers["content-type"], "application/json");
}

#[test]
fn a_change_in_between_is_a_conflict_and_writes_are_sent_once() {
    let modified =
        "Operation cannot be fulfilled on leases.coordination.k8s.io: the object has been modified";
    let cases = [
        (Answer::status(409, "Conflict", modified), "Conflict", false),
        (Answer::no_lease(), "Conflict", false),
        (Answer::status(403, "Forbidden", "no"), "Forbidden", false),
        (Answer::status(422, "Invalid", "no"), "Refusal", false),
        (Answer::status(500, "InternalError", "etcdserver: timed out"), "Unavailable", true),
        (Answer::Silence, "TimedOut", true),
        (Answer::End, "Lost", true),
    ];
    for (answer, kind, is_unknown) in cases {
        let (replaced, heard) = exchange(Answer::Json(200, object()), answer);
        let error = replaced.unwrap_err();
        println!("{error}");
        assert!(format!("{:?}", error.problem).starts_with(kind), "{error:?}");
        assert_eq!(error.is_fate_unknown(), is_unknown, "{error:?}");
        assert_eq!(heard.iter().filter(|it| it.method == "PUT").count(), 1);
    }
}

fn read(answer: Answer) -> Result<Option<Lease>, ApiError> {
    let ca = Authority::new();
    let server = scripted(&ca, move |_| answer.clone());
    run(async {
        client(&server.url(), &ca, &ca.controller_manager(), Via::Direct).await.lease().await
    })
}

#[test]
fn only_the_api_itself_can_say_that_there_is_no_lease() {
    assert_eq!(read(Answer::no_lease()).unwrap(), None);
    let page = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 9\r\n\r\nnot found"
        .to_vec();
    assert!(matches!(problem(read(Answer::Bytes(page)), &[]), Problem::Garbage { .. }));
    let other = "the server could not find the requested resource";
    let found = problem(read(Answer::status(404, "NotFound", other)), &[other]);
    assert!(matches!(found, Problem::Refusal { code: 404, .. }), "{found:?}");
    let mut unversioned = object();
    unversioned["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    for answer in [unversioned, json!({"kind": "Status"}), json!("x"), json!(null)] {
        let found = problem(read(Answer::Json(200, answer)), &[]);
        assert!(matches!(found, Problem::Garbage { .. }), "{found:?}");
    }
}
