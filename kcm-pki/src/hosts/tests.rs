use proptest::prelude::*;

use super::*;

fn host(entry: &str) -> Host {
    entry.parse().unwrap()
}

fn problem(entry: &str) -> HostProblem {
    entry.parse::<Host>().unwrap_err().problem
}

#[test]
fn entries_are_typed_by_what_they_look_like() {
    assert_eq!(host("10.0.0.1"), Host::Ip([10, 0, 0, 1].into()));
    assert_eq!(host("fd00::1"), Host::Ip("fd00::1".parse().unwrap()));
    assert_eq!(host("me@example.com"), Host::Email("me@example.com".into()));
    assert_eq!(host("spiffe://td.example/ns/x"), Host::Uri("spiffe://td.example/ns/x".into()));
    assert_eq!(
        host("https://[fd00::1]:6443/x?y#z"),
        Host::Uri("https://[fd00::1]:6443/x?y#z".into())
    );
    for name in
        ["localhost", "k8s-master-01", "a_b", "*.example.com", "Kubernetes.default.svc", "x1.2x"]
    {
        assert_eq!(host(name), Host::Dns(name.into()));
    }
}

#[test]
fn a_mapped_address_becomes_the_one_of_version_4() {
    assert_eq!(host("::ffff:10.0.0.2"), Host::Ip([10, 0, 0, 2].into()));
}

#[test]
fn order_is_dns_email_ip_uri_and_stable_within() {
    let entries =
        ["spiffe://td/x", "10.0.0.2", "b.example", "me@x.y", "10.0.0.1", "a.example", "b.example"];
    let hosts = Hosts::parse(entries).unwrap();
    let order: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    let expected =
        ["b.example", "a.example", "b.example", "me@x.y", "10.0.0.2", "10.0.0.1", "spiffe://td/x"];
    assert_eq!(order, expected);
}

#[test]
fn what_people_write_around_a_host_is_refused_with_the_host() {
    assert_eq!(problem("10.0.0.1:6443"), HostProblem::Port { host: "10.0.0.1".into() });
    assert_eq!(problem("api.example:6443"), HostProblem::Port { host: "api.example".into() });
    assert_eq!(problem("[fd00::1]:6443"), HostProblem::Port { host: "fd00::1".into() });
    assert_eq!(problem("[fd00::1]"), HostProblem::Brackets { address: "fd00::1".parse().unwrap() });
    assert_eq!(problem("10.0.0.0/16"), HostProblem::Network);
    assert_eq!(problem("example.com."), HostProblem::FinalDot { name: "example.com".into() });
    for blank in [" 10.0.0.2", "a b", "a\n", "\u{a0}x"] {
        assert_eq!(problem(blank), HostProblem::Blank, "{blank:?}");
    }
    assert_eq!(problem(""), HostProblem::Empty);
}

#[test]
fn invalid_dns_names_are_refused() {
    for wildcard in ["*", "a.*.example", "a*.example", "*.*.example"] {
        assert!(matches!(problem(wildcard), HostProblem::Wildcard), "{wildcard}");
    }
    for numeric in ["10.0.0.256", "1.2.3", "010.0.0.1", "6443"] {
        assert_eq!(problem(numeric), HostProblem::NumericTopLabel, "{numeric}");
    }
    let long = "a".repeat(64);
    for label in ["a..b", ".a", "-a", "a-", "a$b", "a/b", "fe80::1%eth0", "*.", ".", long.as_str()]
    {
        assert!(
            matches!(problem(label), HostProblem::Label { .. } | HostProblem::FinalDot { .. }),
            "{label}: {:?}",
            problem(label)
        );
    }
    let name = vec!["a".repeat(50); 5].join(".");
    assert_eq!(problem(&name), HostProblem::TooLong { length: 254 });
}

#[test]
fn international_names_are_refused_with_the_a_label() {
    let expected = HostProblem::NotAscii { a_label: Some("*.xn--mnchen-3ya.example".into()) };
    assert_eq!(problem("*.München.example"), expected);
    assert_eq!(problem("a b.中国"), HostProblem::Blank);
    assert_eq!(problem("a$.中国"), HostProblem::NotAscii { a_label: None });
    let message = "中国".parse::<Host>().unwrap_err().to_string();
    assert!(message.ends_with("the name is not ASCII; write `xn--fiqs8s`"), "{message}");
}

#[test]
fn invalid_addresses_and_uris_are_refused() {
    for email in
        ["Me<me@x.y>", "@x.y", "me@", "a@b@c", ".a@x.y", "a..b@x.y", "me@10.0.0.999", "é@x.y"]
    {
        assert_eq!(problem(email), HostProblem::Email, "{email}");
    }
    for uri in [
        "://x",
        "1a://x",
        "http://",
        "http:///x",
        "http://a b",
        "http://a:b/",
        "http://é/",
        "x://a{b}",
    ] {
        assert!(matches!(problem(uri), HostProblem::Uri | HostProblem::Blank), "{uri}");
    }
}

#[test]
fn membership_ignores_the_case_of_dns_names() {
    let hosts = Hosts::parse(["API.example", "me@x.y"]).unwrap();
    assert!(hosts.contains(&host("api.EXAMPLE")));
    assert!(!hosts.contains(&host("ME@x.y")));
}

proptest! {
    #[test]
    fn no_entry_makes_the_parser_panic(entry in ".*") {
        let _ = entry.parse::<Host>();
    }

    #[test]
    fn nearly_hosts_do_not_panic(entry in "[a-z0-9.:/@\\[\\]*%_-]{0,40}") {
        let _ = entry.parse::<Host>();
    }

    #[test]
    fn what_is_accepted_is_ascii_and_reads_back(entry in "[a-zA-Z0-9.:/@*_é-]{1,20}") {
        if let Ok(host) = entry.parse::<Host>() {
            prop_assert!(host.to_string().is_ascii());
            prop_assert_eq!(host.to_string().parse::<Host>(), Ok(host));
        }
    }
}
