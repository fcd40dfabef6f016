//! Tests of unusable answers, which kcm must not confuse with each other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kcm::kube::Step;

use super::*;

fn ask(answer: Answer, words: &[&str]) -> Problem {
    let ca = Authority::new();
    let server = scripted(&ca, move |_| answer.clone());
    problem(check(&server, &ca), words)
}

fn page(code: u16, text: &str) -> Answer {
    let length = text.len();
    Answer::Bytes(
        format!("HTTP/1.1 {code} x\r\nContent-Length: {length}\r\n\r\n{text}").into_bytes(),
    )
}

#[test]
fn a_server_that_cannot_answer_now_is_told_from_one_that_is_none() {
    for (code, text) in [(500, "etcdserver: request timed out"), (429, "slow down"), (503, "no")] {
        let found = ask(Answer::status(code, "x", text), &[text, &code.to_string()]);
        assert!(matches!(found, Problem::Unavailable { .. }), "{found:?}");
    }
    let found = ask(page(502, "<html>\nBad Gateway</html>"), &["502", "<html> Bad Gateway"]);
    assert!(matches!(found, Problem::Unavailable { code: 502, .. }), "{found:?}");
    let found = ask(Answer::status(418, "x", "a teapot"), &["418", "a teapot"]);
    assert!(matches!(found, Problem::Refusal { code: 418, .. }), "{found:?}");
    let long = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(5 << 20)).into_bytes();
    for answer in [
        page(200, "<html>Welcome to nginx!</html>"),
        page(200, ""),
        page(404, "404 page not found"),
        page(302, ""),
        Answer::Json(200, json!({"gitVersion": 1})),
        Answer::Json(200, json!([])),
        Answer::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        Answer::Bytes(long),
    ] {
        let found = ask(answer, &["not valid for a Kubernetes API server"]);
        assert!(matches!(found, Problem::Garbage { .. }), "{found:?}");
    }
}

#[test]
fn nothing_is_waited_for_without_end() {
    let start = Instant::now();
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec();
    for (answer, is_late) in
        [(Answer::Silence, true), (Answer::End, false), (page(200, "{"), false)]
            .into_iter()
            .chain([(Answer::Bytes(half), false)])
    {
        let found = ask(answer, &[]);
        let is_timeout = matches!(found, Problem::TimedOut { step: Step::Answer, .. });
        assert_eq!(is_timeout, is_late, "{found:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
}

/// Starts a server that numbers its answers to `/version` and modifies the first one.
fn numbering(ca: &Authority, first: fn(Answer) -> Answer) -> Scripted {
    let count = AtomicUsize::new(0);
    scripted(ca, move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let info = json!({
            "major": "1", "minor": "36", "gitVersion": format!("v{number}"), "gitCommit": "",
            "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
        });
        let answer = Answer::Json(200, info);
        if number == 0 { first(answer) } else { answer }
    })
}

#[test]
fn an_answer_that_comes_late_or_twice_is_never_taken_for_the_next() {
    let ca = Authority::new();
    run(async {
        let late =
            |answer| Answer::Late(QUICK.request + Duration::from_millis(200), Box::new(answer));
        let server = numbering(&ca, late);
        let asked = client(&server.url(), &ca, &ca.controller_manager(), Via::Direct).await;
        let error = asked.version().await.unwrap_err();
        assert!(error.is_fate_unknown() && error.is_unreachable(), "{error}");
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(asked.version().await.unwrap().version, "v1");
        assert_eq!(server.connections(), 2);

        for pause in [Duration::ZERO, Duration::from_millis(50)] {
            for _ in 0..20 {
                let server = numbering(&ca, |answer| Answer::Twice(Box::new(answer)));
                let asked = client(&server.url(), &ca, &ca.controller_manager(), Via::Direct).await;
                assert_eq!(asked.version().await.unwrap().version, "v0");
                tokio::time::sleep(pause).await;
                let second = asked.version().await.unwrap().version;
                assert_ne!(second, "v0");
            }
        }
    });
}

#[test]
fn a_connection_that_ended_unseen_costs_a_new_one_and_no_answer() {
    let ca = Authority::new();
    let server = scripted(&ca, |request| match good(request) {
        Answer::Json(code, object) => page(code, &object.to_string()),
        answer => answer,
    });
    run(async {
        let asked = client(&server.url(), &ca, &ca.controller_manager(), Via::Direct).await;
        for _ in 0..5 {
            assert_eq!(asked.version().await.unwrap().version, "v1.36.2");
        }
    });
    // Each answer closed its connection.
    assert_eq!(server.connections(), 5);
}
