//! Tests of tokens that the server must refuse.

use super::*;

/// Claims of a valid token of the service account `default/robot`.
fn claims(plane: &ControlPlane) -> Value {
    decoded(&plane.request_token("default", "robot", &[])).1
}

/// Asserts that a token is refused, with these words in the error of its review.
fn refused(plane: &ControlPlane, token: &str, words: &str) {
    assert_eq!(plane.status_with_token(token, "/api"), 401, "{words}");
    let review = plane.review_token(token, &[]);
    assert_ne!(review["authenticated"], true, "{words}");
    let error = review["error"].as_str().unwrap();
    assert!(error.contains(words), "{words}: {error}");
}

#[test]
fn a_token_with_one_wrong_claim_is_refused() {
    if !peers::has("openssl") {
        return;
    }
    let (plane, key) = (control_plane(), Key::rsa());
    plane.create_service_account("default", "robot");
    restart(&plane, &[&key], &key);
    let (header, claims) = (json!({"alg": "RS256", "kid": key.kid}), claims(&plane));
    assert_eq!(plane.status_with_token(&key.sign(&header, &claims), "/api"), 200);
    let without_kid = key.sign(&json!({"alg": "RS256"}), &claims);
    assert_eq!(plane.status_with_token(&without_kid, "/api"), 200);

    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let account = "/kubernetes.io/serviceaccount";
    for (pointer, value, words) in [
        ("/exp", json!(now - 90), "has expired"),
        ("/nbf", json!(now + 90), "is not valid yet"),
        ("/iss", json!("https://example.org"), "invalid bearer token"),
        ("/aud", json!(["https://example.org"]), "is invalid for the target audiences"),
        (&format!("{account}/uid"), json!("0"), "does not match claim (0)"),
        (&format!("{account}/name"), json!("nobody"), "\"nobody\" not found"),
    ] {
        let mut claims = claims.clone();
        *claims.pointer_mut(pointer).unwrap() = value;
        refused(&plane, &key.sign(&header, &claims), words);
    }
    // Clocks may differ by a minute.
    let mut late = claims.clone();
    late["exp"] = json!(now - 20);
    assert_eq!(plane.status_with_token(&key.sign(&header, &late), "/api"), 200);
}

#[test]
fn a_token_without_the_signature_of_the_key_is_refused() {
    if !peers::has("openssl") {
        return;
    }
    let (plane, key, other) = (control_plane(), Key::rsa(), Key::rsa());
    plane.create_service_account("default", "robot");
    restart(&plane, &[&key], &key);
    let claims = claims(&plane);
    let header = |algorithm: &str| json!({"alg": algorithm, "kid": key.kid});
    let good = key.sign(&header("RS256"), &claims);
    assert_eq!(plane.status_with_token(&good, "/api"), 200);

    let primitive = "error in cryptographic primitive";
    refused(&plane, &other.sign(&header("RS256"), &claims), primitive);
    refused(&plane, &other.sign(&json!({"alg": "RS256"}), &claims), primitive);
    let foreign = json!({"alg": "RS256", "kid": other.kid});
    refused(&plane, &other.sign(&foreign, &claims), "no keys found");
    refused(&plane, &key.sign(&header("ES256"), &claims), primitive);
    let (_, signature) = good.rsplit_once('.').unwrap();
    let mut changed = claims.clone();
    changed["sub"] = json!("system:serviceaccount:default:admin");
    let changed = format!("{}.{signature}", unsigned(&header("RS256"), &changed));
    refused(&plane, &changed, primitive);

    let invalid = "invalid bearer token";
    for algorithm in ["none", "None", ""] {
        let token = format!("{}.", unsigned(&header(algorithm), &claims));
        refused(&plane, &token, invalid);
        refused(&plane, &format!("{token}{signature}"), invalid);
    }
    // The public key as the secret of an HMAC.
    let signed = unsigned(&header("HS256"), &claims);
    for secret in ["public.pem", "public.der"] {
        let secret = fs::read(key.folder.path().join(secret)).unwrap();
        let secret = secret.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        fs::write(key.folder.path().join("signed"), &signed).unwrap();
        let option = format!("hexkey:{secret}");
        let arguments =
            ["dgst", "-sha256", "-mac", "HMAC", "-macopt", &option, "-binary", "signed"];
        let mac = peers::output(&mut peers::openssl(key.folder.path(), &arguments));
        assert_eq!(mac.stdout.len(), 32);
        refused(&plane, &format!("{signed}.{}", BASE64.encode(mac.stdout)), invalid);
    }
    for token in ["made-up", "a.b.c", "..", &good[..good.len() - 40]] {
        assert_eq!(plane.status_with_token(token, "/api"), 401, "{token}");
    }
}

#[test]
fn a_token_is_for_its_audiences_only() {
    let plane = control_plane();
    plane.create_service_account("default", "robot");
    let vault = plane.request_token("default", "robot", &["vault", "consul"]);
    assert_eq!(decoded(&vault).1["aud"], json!(["vault", "consul"]));
    assert_eq!(plane.status_with_token(&vault, "/api"), 401);
    let review = plane.review_token(&vault, &["vault", "other"]);
    assert_eq!((&review["authenticated"], &review["audiences"]), (&json!(true), &json!(["vault"])));
    assert_eq!(review["user"]["username"], "system:serviceaccount:default:robot");
    assert_ne!(plane.review_token(&vault, &[])["authenticated"], true);
    let own = plane.request_token("default", "robot", &[]);
    assert_eq!(plane.review_token(&own, &[])["audiences"], json!([ISSUER]));
    assert_ne!(plane.review_token(&own, &["vault"])["authenticated"], true);

    let path = format!("{CORE}/default/serviceaccounts/robot/token");
    let asked = |seconds: u64| json!({"spec": {"expirationSeconds": seconds}});
    for (seconds, code) in [(599, 422), (600, 201), ((1 << 32) + 1, 422)] {
        assert_eq!(plane.admin().create(&path, &asked(seconds)).code, code, "{seconds}");
    }
    plane.admin().delete(&format!("{CORE}/default/serviceaccounts/robot")).ok();
    until("it is refused", PATIENCE, || plane.status_with_token(&own, "/api") == 401);
    plane.create_service_account("default", "robot");
    assert_eq!(plane.status_with_token(&own, "/api"), 401);
}
