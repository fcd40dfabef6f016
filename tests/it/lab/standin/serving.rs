//! Tests of `/healthz` and of its serving certificate.

use kcm_tests::peers;

use super::*;

/// Returns the serving certificate as PEM.
fn served(candidate: &Candidate<'_>) -> String {
    let at = std::net::SocketAddr::new(candidate.address, candidate.port).to_string();
    let mut openssl = peers::openssl(candidate.folder.path(), &["s_client", "-connect", &at]);
    let output = peers::output(openssl.stdin(std::process::Stdio::null()));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let start = text.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("{text}"));
    let end = text.find("-----END CERTIFICATE-----").unwrap();
    format!("{}-----END CERTIFICATE-----\n", &text[start..end])
}

#[test]
fn leader_and_standby_are_healthy_and_self_signed_for_a_year() {
    if !peers::has("curl") || !peers::has("openssl") {
        return;
    }
    let plane = control_plane();
    let (first, second) = (Candidate::new(&plane), Candidate::new(&plane));
    let _first = first.start();
    let holder = leader(&plane);
    let _second = second.start();
    for candidate in [&first, &second] {
        until("it is healthy", PATIENCE, || candidate.is_healthy());
        fs::write(candidate.file("served.pem"), served(candidate)).unwrap();
        let check = |seconds: &str| {
            let arguments = ["x509", "-in", "served.pem", "-noout", "-checkend", seconds];
            peers::output(&mut peers::openssl(candidate.folder.path(), &arguments)).status.success()
        };
        assert!(check("31000000") && !check("32000000"));
    }
    assert_ne!(served(&first), served(&second));
    assert_eq!(plane.admin().holder().unwrap(), holder);
}

#[test]
fn a_serving_certificate_in_files_is_used_and_read_again() {
    if !peers::has("curl") || !peers::has("openssl") {
        return;
    }
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let host = candidate.address.to_string();
    let put = |identity: &Identity| {
        for (name, content) in [("tls.pem", &identity.certificate), ("tls-key.pem", &identity.key)]
        {
            fs::write(candidate.file("new"), content).unwrap();
            fs::rename(candidate.file("new"), candidate.file(name)).unwrap();
        }
    };
    let (old, new) = (plane.authority().server(&[&host]), plane.authority().server(&[&host]));
    put(&old);
    let flag = |flag: &str, name: &str| format!("--{flag}={}", candidate.file(name).display());
    let (certificate, key) =
        (flag("tls-cert-file", "tls.pem"), flag("tls-private-key-file", "tls-key.pem"));
    let mut process = candidate.start_with(&[&certificate, &key]);
    until("it is healthy", PATIENCE, || candidate.is_healthy());
    assert_eq!(served(&candidate), old.certificate);
    put(&new);
    // The real program reads the files once a minute if it gets no notification.
    until("it is read again", Duration::from_secs(75), || served(&candidate) == new.certificate);
    assert_eq!(process.code(), None);
    assert!(candidate.is_healthy());
}
