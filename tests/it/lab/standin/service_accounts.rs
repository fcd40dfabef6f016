//! Tests of service account keys and tokens. openssl generates the keys and checks the signatures.

mod forged;
mod secrets;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use kcm_tests::control_plane::Settings;
use kcm_tests::peers;

use super::*;

const KEY_SET: &str = "/openid/v1/jwks";
const DISCOVERY: &str = "/.well-known/openid-configuration";
const ISSUER: &str = "https://kubernetes.default.svc";

/// A key pair of openssl, in a folder of its own.
struct Key {
    folder: tempfile::TempDir,
    private: String,
    public: String,
    /// SHA-256 of the public key in DER, in base64url.
    kid: String,
}

impl Key {
    fn rsa() -> Self {
        Self::generate(&["genrsa", "-out", "key.pem", "2048"])
    }

    fn ecdsa(curve: &str) -> Self {
        Self::generate(&["ecparam", "-name", curve, "-genkey", "-noout", "-out", "key.pem"])
    }

    fn generate(arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("kcm-key-").tempdir().unwrap();
        let run = |arguments: &[&str]| peers::output(&mut peers::openssl(folder.path(), arguments));
        assert!(run(arguments).status.success());
        for (form, name) in [("PEM", "public.pem"), ("DER", "public.der")] {
            let arguments = ["pkey", "-in", "key.pem", "-pubout", "-outform", form, "-out", name];
            assert!(run(&arguments).status.success());
        }
        let kid = BASE64.encode(run(&["dgst", "-sha256", "-binary", "public.der"]).stdout);
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let (private, public) = (read("key.pem"), read("public.pem"));
        Self { folder, private, public, kid }
    }

    /// Reports whether openssl verifies the signature of a token with this key.
    fn verifies(&self, token: &str, digest: &str) -> bool {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = BASE64.decode(signature).unwrap();
        let signature =
            if self.private.contains("EC PRIVATE") { der(&signature) } else { signature };
        fs::write(self.folder.path().join("signed"), signed).unwrap();
        fs::write(self.folder.path().join("signature"), signature).unwrap();
        let arguments =
            ["dgst", digest, "-verify", "public.pem", "-signature", "signature", "signed"];
        peers::output(&mut peers::openssl(self.folder.path(), &arguments)).status.success()
    }

    /// Signs a token with openssl. The key must be RSA.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = unsigned(header, claims);
        fs::write(self.folder.path().join("signed"), &signed).unwrap();
        let arguments = ["dgst", "-sha256", "-sign", "key.pem", "signed"];
        let signature = peers::output(&mut peers::openssl(self.folder.path(), &arguments)).stdout;
        format!("{signed}.{}", BASE64.encode(signature))
    }
}

/// Converts an ECDSA signature of RFC 7518 to the form of openssl: a sequence of two integers.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |octets: &[u8]| {
        let start = octets.iter().position(|octet| *octet != 0).unwrap();
        let sign = if octets[start] < 0x80 { &[][..] } else { &[0] };
        let octets = [sign, &octets[start..]].concat();
        [&[2, u8::try_from(octets.len()).unwrap()], octets.as_slice()].concat()
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    let content = [integer(r), integer(s)].concat();
    let length = u8::try_from(content.len()).unwrap();
    let head = if length < 0x80 { vec![0x30, length] } else { vec![0x30, 0x81, length] };
    [head, content].concat()
}

fn unsigned(header: &Value, claims: &Value) -> String {
    [header, claims].map(|part| BASE64.encode(part.to_string())).join(".")
}

/// Returns the header and the claims of a token.
fn decoded(token: &str) -> (Value, Value) {
    let part = |index: usize| {
        let part = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap()
    };
    (part(0), part(1))
}

/// Restarts the server at once with these keys.
fn restart(plane: &ControlPlane, verifying: &[&Key], signing: &Key) {
    plane.restart_with(|settings: &mut Settings| {
        settings.service_account_keys = verifying.iter().map(|key| key.public.clone()).collect();
        settings.signing_key.clone_from(&signing.private);
        settings.downtime = Duration::ZERO;
    });
}

fn kids(plane: &ControlPlane) -> Vec<String> {
    let keys = plane.admin().get(KEY_SET).ok()["keys"].clone();
    keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn openssl_verifies_the_tokens_of_every_kind_of_key() {
    if !peers::has("openssl") {
        return;
    }
    let plane = control_plane();
    plane.create_service_account("default", "robot");
    let account = plane.admin().get(&format!("{CORE}/default/serviceaccounts/robot")).ok();
    for (key, algorithm, digest) in [
        (Key::rsa(), "RS256", "-sha256"),
        (Key::ecdsa("prime256v1"), "ES256", "-sha256"),
        (Key::ecdsa("secp384r1"), "ES384", "-sha384"),
        (Key::ecdsa("secp521r1"), "ES512", "-sha512"),
    ] {
        restart(&plane, &[&key], &key);
        let token = plane.request_token("default", "robot", &[]);
        assert!(key.verifies(&token, digest), "{algorithm}");
        assert!(!key.verifies(&token.replacen("ey", "eY", 1), digest), "{algorithm}");
        assert_eq!(plane.status_with_token(&token, "/api"), 200, "{algorithm}");
        let (header, claims) = decoded(&token);
        assert_eq!(header, json!({"alg": algorithm, "kid": key.kid}));
        assert_eq!(kids(&plane), [key.kid.as_str()]);
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let number = |name: &str| claims[name].as_i64().unwrap();
        assert_eq!((number("exp") - number("iat"), number("nbf")), (3600, number("iat")));
        assert!((now - number("iat")).abs() < 60, "{claims}");
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!([ISSUER])));
        assert_eq!(claims["sub"], "system:serviceaccount:default:robot");
        let bound = json!({"name": "robot", "uid": account["metadata"]["uid"]});
        let bound = json!({"namespace": "default", "serviceaccount": bound});
        assert_eq!(claims["kubernetes.io"], bound);
    }
}

#[test]
fn a_token_lives_as_long_as_its_key_is_listed() {
    if !peers::has("openssl") {
        return;
    }
    let plane = control_plane();
    let (old, new) = (Key::rsa(), Key::ecdsa("prime256v1"));
    plane.create_service_account("default", "robot");
    let status = |token: &str| plane.status_with_token(token, "/api");
    restart(&plane, &[&old], &old);
    let first = plane.request_token("default", "robot", &[]);
    restart(&plane, &[&old, &new], &new);
    let second = plane.request_token("default", "robot", &[]);
    assert_eq!(decoded(&second).0["kid"], new.kid);
    assert_eq!((status(&first), status(&second)), (200, 200));
    assert_eq!(kids(&plane), [old.kid.clone(), new.kid.clone()]);

    // One file with both keys, one of them private.
    plane.restart_with(|settings| {
        settings.service_account_keys = vec![format!("{}{}", new.private, old.public)];
    });
    assert_eq!((status(&first), status(&second)), (200, 200));
    assert_eq!(kids(&plane), [new.kid.clone(), old.kid.clone()]);

    restart(&plane, &[&new], &new);
    assert_eq!((status(&first), status(&second)), (401, 200));
    assert_eq!(kids(&plane), [new.kid.as_str()]);
    let review = plane.review_token(&first, &[]);
    assert_ne!(review["authenticated"], true);
    assert!(review["error"].as_str().unwrap().contains("no keys found"), "{review}");

    // A signing key that is not listed issues tokens that nobody accepts.
    restart(&plane, &[&old], &new);
    let third = plane.request_token("default", "robot", &[]);
    assert_eq!((status(&first), status(&second), status(&third)), (200, 401, 401));
}

#[test]
fn the_keys_are_shown_to_service_accounts_and_administrators_only() {
    let plane = control_plane();
    plane.create_service_account("default", "robot");
    let token = plane.request_token("default", "robot", &[]);
    let own = plane.client(Some(&plane.authority().controller_manager()));
    for path in [KEY_SET, DISCOVERY] {
        assert_eq!(plane.client(None).get(path).code, 403, "{path}");
        let refused = own.get(path);
        assert_eq!(refused.code, 403, "{path}");
        assert!(refused.message().contains(&format!("cannot get path \"{path}\"")), "{refused:?}");
        assert_eq!(plane.admin().get(path).code, 200, "{path}");
        assert_eq!(plane.status_with_token(&token, path), 200, "{path}");
    }
    let robot = plane.client(None).with_token(&token);
    let document = robot.get(DISCOVERY).ok();
    assert_eq!(document["issuer"], ISSUER);
    assert_eq!(document["jwks_uri"], format!("{}{KEY_SET}", plane.server()));
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["ES256"]));
    let keys = robot.get(KEY_SET).ok();
    let key = &keys["keys"][0];
    assert_eq!(
        (&key["use"], &key["kty"], &key["crv"]),
        (&json!("sig"), &json!("EC"), &json!("P-256"))
    );
    assert_eq!(key["kid"], decoded(&token).0["kid"]);
    let coordinate = |name: &str| BASE64.decode(key[name].as_str().unwrap()).unwrap().len();
    assert_eq!((coordinate("x"), coordinate("y")), (32, 32));

    if !peers::has("curl") {
        return;
    }
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--insecure", "--dump-header", "-", "--output", "/dev/null"]);
    curl.args(["--header", &format!("Authorization: Bearer {token}")]);
    let headers = peers::run(curl.arg(format!("{}{KEY_SET}", plane.server()))).to_lowercase();
    for header in ["content-type: application/jwk-set+json", "cache-control: public, max-age=3600"]
    {
        assert!(headers.contains(header), "{headers}");
    }
}
