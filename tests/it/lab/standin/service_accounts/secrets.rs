//! Tests of the Secrets of the token controller, and of the published root CA.

use super::*;

/// A leader that signs with a key which the server accepts.
fn signing<'a>(plane: &'a ControlPlane, key: &Key) -> (Candidate<'a>, Process) {
    plane.restart_with(|settings| {
        settings.service_account_keys.push(key.public.clone());
        settings.downtime = Duration::ZERO;
    });
    let candidate = Candidate::new(plane);
    fs::write(candidate.file("sa-key.pem"), &key.private).unwrap();
    let flag = private_key_flag(&candidate);
    let process = candidate.start_with(&[&flag]);
    (candidate, process)
}

fn private_key_flag(candidate: &Candidate<'_>) -> String {
    format!("--service-account-private-key-file={}", candidate.file("sa-key.pem").display())
}

/// Creates a token Secret of `default/robot`; returns its path and its token.
fn token_secret(plane: &ControlPlane, name: &str) -> (String, String) {
    let path = plane.create_token_secret("default", name, "robot");
    until("it has a token", PATIENCE, || plane.secret_value(&path, "token").is_some());
    let token = plane.secret_value(&path, "token").unwrap();
    (path, token)
}

#[test]
fn a_legacy_token_lives_as_long_as_its_secret() {
    if !peers::has("openssl") {
        return;
    }
    let (plane, key) = (control_plane(), Key::rsa());
    let (_candidate, _process) = signing(&plane, &key);
    let admin = plane.admin();
    plane.create_service_account("default", "robot");
    let account = admin.get(&format!("{CORE}/default/serviceaccounts/robot")).ok();
    let (path, token) = token_secret(&plane, "robot-token");
    assert!(key.verifies(&token, "-sha256"));
    let (header, claims) = decoded(&token);
    assert_eq!(header, json!({"alg": "RS256", "kid": key.kid}));
    let claim = "kubernetes.io/serviceaccount";
    let expected = json!({
        "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:default:robot",
        format!("{claim}/namespace"): "default",
        format!("{claim}/secret.name"): "robot-token",
        format!("{claim}/service-account.name"): "robot",
        format!("{claim}/service-account.uid"): account["metadata"]["uid"],
    });
    assert_eq!(claims, expected);
    let value = |key: &str| plane.secret_value(&path, key).unwrap();
    assert_eq!(
        (value("ca.crt"), value("namespace")),
        (plane.authority().certificate.clone(), "default".to_owned())
    );
    let status = || plane.status_with_token(&token, "/api");
    assert_eq!(status(), 200);
    let review = plane.review_token(&token, &[]);
    assert_eq!((&review["authenticated"], &review["audiences"]), (&json!(true), &json!([ISSUER])));
    assert_eq!(review["user"]["username"], "system:serviceaccount:default:robot");
    assert_eq!(review["user"]["uid"], account["metadata"]["uid"]);

    // A forged token has a valid signature, and is not the one in the Secret.
    let mut reordered = claims.clone();
    reordered["extra"] = json!(true);
    let forged = key.sign(&header, &reordered);
    assert_eq!(plane.status_with_token(&forged, "/api"), 401);
    let error = plane.review_token(&forged, &[])["error"].clone();
    assert!(error.as_str().unwrap().contains("does not match server's copy"), "{error}");
    admin.delete(&path).ok();
    // A real server caches a successful authentication for ten seconds.
    until("it is refused", PATIENCE, || status() == 401);
    let error = plane.review_token(&token, &[])["error"].clone();
    assert!(error.as_str().unwrap().contains("has been invalidated"), "{error}");
}

#[test]
fn a_token_secret_needs_a_service_account() {
    if !peers::has("openssl") {
        return;
    }
    let (plane, key) = (control_plane(), Key::ecdsa("prime256v1"));
    let (_candidate, _process) = signing(&plane, &key);
    let admin = plane.admin();
    plane.create_service_account("default", "robot");
    let (path, token) = token_secret(&plane, "robot-token");
    assert_eq!(plane.status_with_token(&token, "/api"), 200);
    let orphan = plane.create_token_secret("default", "orphan", "nobody");
    until("the orphan is gone", PATIENCE, || admin.get(&orphan).code == 404);
    admin.delete(&format!("{CORE}/default/serviceaccounts/robot")).ok();
    until("the Secret is gone, too", PATIENCE, || admin.get(&path).code == 404);

    let secrets = format!("{CORE}/default/secrets");
    let kind = "kubernetes.io/service-account-token";
    let nameless = json!({"metadata": {"name": "nameless"}, "type": kind});
    assert_eq!(admin.create(&secrets, &nameless).code, 422);
    let plain = json!({"metadata": {"name": "plain"}, "stringData": {"key": "value"}});
    let plain = admin.create(&secrets, &plain).ok();
    assert_eq!((&plain["type"], &plain["data"]["key"]), (&json!("Opaque"), &json!("dmFsdWU=")));
    let plain = format!("{secrets}/plain");
    assert_eq!(admin.patch(&plain, &json!({"type": kind})).code, 422);
    assert_eq!(admin.patch(&plain, &json!({"data": {"key": "*"}})).code, 400);
    assert_eq!(admin.list(&format!("{secrets}?fieldSelector=type%3D{kind}")).len(), 0);
    assert_eq!(admin.list(&format!("{secrets}?fieldSelector=type%3DOpaque")).len(), 1);
    let maps = format!("{CORE}/default/configmaps?fieldSelector=type%3DOpaque");
    assert_eq!(admin.get(&maps).code, 400);
}

#[test]
fn a_new_leader_publishes_its_root_ca_and_keeps_tokens() {
    if !peers::has("openssl") {
        return;
    }
    let (plane, key) = (control_plane(), Key::rsa());
    let (candidate, process) = signing(&plane, &key);
    plane.create_service_account("default", "robot");
    let (path, token) = token_secret(&plane, "robot-token");
    let published = || {
        let map = plane.admin().get(&format!("{CORE}/default/configmaps/kube-root-ca.crt"));
        map.body["data"]["ca.crt"].clone()
    };
    until("the CA is published", PATIENCE, || published() == plane.authority().certificate);
    let _ = process.terminate();
    let bundle = format!("{}{}", plane.authority().certificate, Authority::new().certificate);
    fs::write(candidate.file("bundle.pem"), &bundle).unwrap();
    let root_ca = format!("--root-ca-file={}", candidate.file("bundle.pem").display());
    let _process = candidate.start_with(&[&root_ca, &private_key_flag(&candidate)]);
    until("both CAs are published", PATIENCE, || published() == bundle);
    until("the Secret has both", PATIENCE, || {
        plane.secret_value(&path, "ca.crt") == Some(bundle.clone())
    });
    assert_eq!(plane.secret_value(&path, "token"), Some(token.clone()));
    assert_eq!(plane.status_with_token(&token, "/api"), 200);
}
