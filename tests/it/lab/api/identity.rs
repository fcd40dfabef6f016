//! Tests of the right server that does not accept kcm's identity.

use time::OffsetDateTime;

use super::*;

/// Returns valid answers except at one path.
fn but(path: &'static str, answer: Answer) -> impl Fn(&Heard) -> Answer + Send + Sync + 'static {
    move |request| match request.path.trim_end_matches('?') {
        asked if asked == path => answer.clone(),
        _ => good(request),
    }
}

#[test]
fn everything_is_asked_with_one_identity_on_one_connection() {
    let ca = Authority::new();
    let server = scripted(&ca, good);
    let accepted = check(&server, &ca).unwrap();
    assert_eq!((accepted.version.as_str(), accepted.user.as_deref()), ("v1.36.2", Some(MANAGER)));
    assert!(!accepted.clock.unwrap().exceeds(Duration::from_secs(2)), "{accepted:?}");
    let heard = server.heard();
    let asked: Vec<_> =
        heard.iter().map(|it| (it.method.as_str(), it.path.trim_end_matches('?'))).collect();
    assert_eq!(asked, [("GET", "/version"), ("POST", WHO), ("POST", MAY), ("POST", MAY)]);
    let verbs: Vec<_> =
        heard[2..].iter().map(|it| &it.body["spec"]["resourceAttributes"]).collect();
    for (attributes, verb) in verbs.iter().zip(["get", "update"]) {
        let expected = json!({
            "verb": verb, "group": "coordination.k8s.io", "resource": "leases",
            "namespace": "kube-system", "name": "kube-controller-manager",
        });
        assert_eq!(**attributes, expected);
    }
    for request in heard {
        assert!(request.has_certificate && request.connection == 0, "{request:?}");
        assert_eq!(request.headers["host"], server.address().to_string());
        assert!(request.headers["user-agent"].starts_with("kcm/"), "{request:?}");
    }
}

#[test]
fn a_server_that_does_not_say_who_we_are_is_no_failure() {
    let ca = Authority::new();
    let page = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 19\r\n\r\n\
                 404 page not found\n"
        .to_vec();
    let hardened = "selfsubjectreviews.authentication.k8s.io is forbidden: User \
                    \"system:kube-controller-manager\" cannot create resource";
    for answer in [Answer::Bytes(page), Answer::status(403, "Forbidden", hardened)] {
        let server = scripted(&ca, but(WHO, answer));
        assert_eq!(check(&server, &ca).unwrap().user, None);
    }
}

#[test]
fn who_is_not_known_there_is_told_why_as_far_as_that_shows() {
    let ca = Authority::new();
    let unauthorized = Answer::status(401, "Unauthorized", "Unauthorized");
    let server = scripted(&ca, but("/version", unauthorized.clone()));
    let found = problem(check(&server, &ca), &["credentials", "CN=kubernetes", "--client-ca-file"]);
    assert!(matches!(found, Problem::Unauthenticated { .. }), "{found:?}");

    // At the server's time, the certificate is not yet valid or has expired.
    let Answer::Json(code, object) = unauthorized else { unreachable!() };
    for (minutes, words) in [(-20, "not valid before 20"), (6_000_000, "expired on 20")] {
        let clock = time::Duration::minutes(minutes);
        let answer = Answer::Dated(clock, code, object.clone());
        let server = scripted(&ca, but("/version", answer));
        problem(check(&server, &ca), &["credentials", words]);
    }
    // kcm does not inspect the credentials of a kubeconfig.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.kubeconfig");
    std::fs::write(&path, ca.kubeconfig(&server.url(), &ca.controller_manager())).unwrap();
    let asked = run(async {
        let credentials = Credentials::Kubeconfig(kcm::kube::KubeconfigContext::current(path));
        ApiServer::new(&credentials, Via::Direct, QUICK).await?.version().await
    });
    let found = problem(asked, &["use a kubeconfig"]);
    assert!(matches!(found, Problem::Unauthenticated { .. }), "{found:?}");
}

#[test]
fn a_proxy_that_takes_only_certificates_of_its_own_ca_is_told_by_its_alert() {
    let (ca, other) = (Authority::new(), Authority::new());
    let wire = Wire::MutualTls(ca.server(&["127.0.0.1"]), other.certificate.clone());
    let server = Scripted::start(&wire, good);
    let found = problem(check(&server, &ca), &["credentials", "alert"]);
    assert!(matches!(found, Problem::Unauthenticated { .. }), "{found:?}");
    check_as(&server, &ca, &other.controller_manager()).unwrap();
    // A strict server also rejects an expired certificate.
    let (now, hour) = (OffsetDateTime::now_utc(), time::Duration::HOUR);
    let past = other.valid_between(MANAGER, &[], now - 2 * hour, now - hour);
    let found = problem(check_as(&server, &ca, &past), &["CertificateExpired"]);
    assert!(matches!(found, Problem::Unauthenticated { .. }), "{found:?}");
}

#[test]
fn a_client_certificate_that_does_not_arrive_leaves_us_anonymous() {
    let ca = Authority::new();
    let message = "selfsubjectreviews.authentication.k8s.io is forbidden: User \
                   \"system:anonymous\" cannot create resource \"selfsubjectreviews\"";
    let refused = Answer::status(403, "Forbidden", message);
    for answer in [refused, Answer::Json(201, user("system:anonymous"))] {
        let server = scripted(&ca, but(WHO, answer));
        assert!(matches!(problem(check(&server, &ca), &["anonymous"]), Problem::Anonymous));
    }
}

#[test]
fn another_user_is_told_with_both_names() {
    let ca = Authority::new();
    let server = scripted(&ca, but(WHO, Answer::Json(201, user("system:kube-scheduler"))));
    let found = problem(check(&server, &ca), &["\"system:kube-scheduler\"", MANAGER]);
    assert!(matches!(found, Problem::WrongUser { .. }), "{found:?}");
}

#[test]
fn what_is_forbidden_is_told_by_its_verb() {
    let ca = Authority::new();
    for refused in ["get", "update"] {
        let server = scripted(&ca, move |request| match request.path.trim_end_matches('?') {
            MAY => {
                let verb = &request.body["spec"]["resourceAttributes"]["verb"];
                allowed(&request.body, verb != refused)
            }
            _ => good(request),
        });
        let words = [refused, "leases/kube-controller-manager in kube-system", "RBAC"];
        let found = problem(check(&server, &ca), &words);
        assert!(matches!(found, Problem::Forbidden { .. }), "{found:?}");
    }
}

#[test]
fn a_clock_two_minutes_off_is_a_finding_and_a_second_is_none() {
    let ca = Authority::new();
    let version = |seconds| {
        move |request: &Heard| match good(request) {
            Answer::Json(code, object) if request.path == "/version" => {
                Answer::Dated(time::Duration::seconds(seconds), code, object)
            }
            answer => answer,
        }
    };
    for seconds in [120, -120] {
        let server = scripted(&ca, version(seconds));
        let words = [&format!("{seconds:+} s off ours")[..2], "60 s are safe"];
        let found = problem(check(&server, &ca), &words);
        let Problem::Clock { offset, .. } = found else { panic!("{found:?}") };
        assert!(offset.exceeds(Duration::from_secs(110)), "{offset:?}");
    }
    check(&scripted(&ca, version(1)), &ca).unwrap();
}
