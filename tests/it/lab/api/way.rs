//! Tests of unreachable servers and of the wrong server.

use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use kcm::kube::Step;
use time::OffsetDateTime;
use tokio::net::TcpSocket;

use super::*;

fn version_at(url: &str) -> Problem {
    let ca = Authority::new();
    let asked = run(async {
        client(url, &ca, &ca.controller_manager(), Via::Direct).await.version().await
    });
    problem(asked, &[url])
}

#[test]
fn who_does_not_answer_is_told_by_how_far_it_came() {
    let nobody = kcm_tests::control_plane::free_port("127.0.0.1".parse().unwrap());
    assert!(matches!(version_at(&format!("https://127.0.0.1:{nobody}")), Problem::Refused));
    assert!(matches!(version_at("https://nobody.invalid:6443"), Problem::Unknown { .. }));

    let (_listener, _queue, address) = run(async { deaf() });
    let silent = Scripted::start(&Wire::Silent, good);
    let start = Instant::now();
    for (url, expected) in
        [(format!("https://{address}"), Step::Connect), (silent.url(), Step::Handshake)]
    {
        let found = version_at(&url);
        assert!(matches!(found, Problem::TimedOut { step, .. } if step == expected), "{found:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
    let closing = Scripted::start(&Wire::Closes, good);
    assert!(matches!(version_at(&closing.url()), Problem::Closed));
    let plain = Scripted::start(&Wire::Plain, good);
    assert!(matches!(version_at(&plain.url()), Problem::NoTls));
}

/// Returns a listener with a full queue, and the connections that fill it. A further connection
/// gets no reply.
fn deaf() -> (tokio::net::TcpListener, Vec<TcpStream>, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let patience = Duration::from_millis(500);
    let queue = std::iter::from_fn(|| TcpStream::connect_timeout(&address, patience).ok());
    (listener, queue.take(100).collect(), address)
}

fn judged(ca: &Authority, served: &Identity, words: &[&str]) -> Problem {
    let server = Scripted::start(&Wire::Tls(served.clone()), good);
    let judged = problem(check(&server, ca), words);
    assert!(server.heard().is_empty(), "nothing is said to a server that is not known");
    judged
}

#[test]
fn a_certificate_of_another_ca_is_told_even_if_that_has_the_same_name() {
    let (ca, other) = (Authority::new(), Authority::new());
    let found = judged(&ca, &other.server(&["127.0.0.1"]), &["CN=kubernetes", "issuer"]);
    assert!(matches!(found, Problem::AnotherCa { issuer: Some(_) }), "{found:?}");
    let (certificate, key) = kcm_tests::ca(kcm_pki::KeyAlgorithm::EcdsaP256, "somebody else");
    let unmanaged_leader = Authority { certificate, key };
    let found = judged(&ca, &unmanaged_leader.server(&["127.0.0.1"]), &["CN=somebody else"]);
    assert!(matches!(found, Problem::AnotherCa { issuer: Some(_) }), "{found:?}");
}

#[test]
fn a_certificate_for_other_names_is_told_with_them() {
    let ca = Authority::new();
    let served = ca.server(&["kubernetes", "192.168.1.210"]);
    let found = judged(&ca, &served, &["kubernetes, 192.168.1.210", "not for 127.0.0.1"]);
    let Problem::AnotherName { expected, presented } = found else { panic!("{found:?}") };
    assert_eq!(expected, "127.0.0.1");
    assert_eq!(presented, ["kubernetes", "192.168.1.210"]);
    let found = judged(&ca, &ca.client("a client", &[]), &[]);
    assert!(
        matches!(found, Problem::AnotherName { .. } | Problem::ServerCertificate { .. }),
        "{found:?}"
    );
}

#[test]
fn a_certificate_out_of_its_time_is_told_with_both_times() {
    let ca = Authority::new();
    let (now, hour) = (OffsetDateTime::now_utc(), time::Duration::HOUR);
    let past = ca.valid_between("server", &["127.0.0.1"], now - 2 * hour, now - hour);
    let found = judged(&ca, &past, &["expired on 20", "renew the certificate"]);
    let Problem::ServerCertificateExpired { not_after, now: seen } = found else {
        panic!("{found:?}")
    };
    assert_eq!((not_after.unix_timestamp() + 3600 - now.unix_timestamp()).abs(), 0);
    assert!((seen - now).abs() < time::Duration::MINUTE);
    let future = ca.valid_between("server", &["127.0.0.1"], now + hour, now + 2 * hour);
    let found = judged(&ca, &future, &["not valid before 20", "clock"]);
    assert!(matches!(found, Problem::ServerCertificateNotYetValid { .. }), "{found:?}");
}

#[test]
fn what_cannot_be_used_is_told_before_anything_is_asked() {
    let ca = Authority::new();
    let own = ca.controller_manager();
    let (no_ca, no_pem) = (String::new(), "x".to_owned());
    let cases = [
        (Authority { certificate: no_ca, ..ca.clone() }, own.clone(), "the CA"),
        (ca.clone(), Identity { certificate: no_pem.clone(), ..own.clone() }, "the certificate"),
        (ca.clone(), Identity { key: no_pem, ..own.clone() }, "the key"),
        (ca.clone(), Identity { key: ca.controller_manager().key, ..own }, "with its key"),
    ];
    for (ca, identity, what) in cases {
        let given = credentials("https://127.0.0.1:1", &ca, &identity);
        let made = run(ApiServer::new(&given, Via::Direct, QUICK));
        let found = problem(made, &[what, "cannot use"]);
        assert!(matches!(found, Problem::Unusable { .. }), "{found:?}");
    }
}
