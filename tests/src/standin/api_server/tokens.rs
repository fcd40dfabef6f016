//! Service account tokens: their keys, issuers and audiences, and their verification.
//!
//! As upstream, the key files are read only at start. Bound objects are not supported.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::identity::User;
use super::kinds::{Kind, SECRETS, SERVICE_ACCOUNTS};
use super::status::Failure;
use super::store::{Key, Store};
use crate::standin::flags::Parsed;
use crate::standin::random::uuid;
use crate::standin::service_account::{
    self, LEGACY_ISSUER, PublicKey, SigningKey, Token, read_public_keys,
};
use crate::standin::version::Version;

/// Issues and verifies tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    issuers: Vec<String>,
    audiences: Vec<String>,
    keys: Vec<PublicKey>,
    signer: SigningKey,
    /// True if tokens have an id, which 1.30 and later issue.
    has_id: bool,
}

/// The user of a valid token, and those of the requested audiences that the token has.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) user: User,
    pub(super) audiences: Vec<String>,
}

impl Tokens {
    /// Reads the keys of the flags. Without any of these flags, the key is generated and stored in
    /// the folder `data`.
    pub(super) fn read(
        flags: &Parsed,
        data: Option<&Path>,
        version: Version,
    ) -> Result<Self, String> {
        let has_id = version.minor >= 30;
        if !FLAGS.iter().any(|name| flags.has(name)) {
            let signer = stored_key(data)?;
            let (issuers, keys) = (vec![ISSUER.to_owned()], vec![signer.public().clone()]);
            return Ok(Self { audiences: issuers.clone(), issuers, keys, signer, has_id });
        }
        let [files, issuers] = [FLAGS[0], FLAGS[2]].map(|name| flags.all(name).to_vec());
        check(flags, &issuers)?;
        let signer = SigningKey::read(&flags.path(FLAGS[1]).unwrap_or_default())
            .map_err(|error| format!("failed to parse service-account-issuer-key-file: {error}"))?;
        let keys: Result<Vec<_>, _> =
            files.iter().map(|path| read_public_keys(Path::new(path))).collect();
        let audiences = flags.list(FLAGS[3]).filter(|audiences| !audiences.is_empty());
        let audiences = audiences.unwrap_or_else(|| issuers.clone());
        Ok(Self { issuers, audiences, keys: keys?.concat(), signer, has_id })
    }

    /// Issuer of new tokens.
    pub(super) fn issuer(&self) -> &str {
        &self.issuers[0]
    }

    /// Keys that verify tokens.
    pub(super) fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Audiences of the API server.
    pub(super) fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// Issues a token for a service account; returns it with the time of its expiry.
    pub(super) fn issue(
        &self,
        account: &Value,
        audiences: &[String],
        seconds: i64,
    ) -> (String, OffsetDateTime) {
        let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
        let expires = now + time::Duration::seconds(seconds);
        let metadata = &account["metadata"];
        let mut claims = json!({
            "aud": audiences, "exp": expires.unix_timestamp(), "iat": now.unix_timestamp(),
            "iss": self.issuer(), "nbf": now.unix_timestamp(),
            "kubernetes.io": {
                "namespace": metadata["namespace"],
                "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
            },
            "sub": format!("system:serviceaccount:{}:{}", text(&metadata["namespace"]), text(&metadata["name"])),
        });
        if self.has_id {
            claims["jti"] = json!(uuid());
        }
        (service_account::issue(&self.signer, &claims), expires)
    }

    /// Verifies a token for one of the audiences `wanted`.
    ///
    /// # Errors
    /// The message of upstream's authenticators.
    pub(super) fn verify(
        &self,
        token: &str,
        wanted: &[String],
        store: &Store,
    ) -> Result<Verified, String> {
        let parsed = Token::parse(token);
        let is_known = |token: &Token<'_>| {
            token.issuer() == LEGACY_ISSUER || self.issuers.iter().any(|own| own == token.issuer())
        };
        let parsed = parsed.filter(is_known).ok_or_else(|| UNKNOWN.to_owned())?;
        let verify = || {
            let claims = parsed.verified(&self.keys)?;
            let audiences = self.common_audiences(claims, wanted)?;
            let user = match parsed.issuer() {
                LEGACY_ISSUER => legacy_user(claims, token, store)?,
                _ => user(claims, store)?,
            };
            Ok(Verified { user, audiences })
        };
        // The authenticator of the loopback client rejects the token first.
        verify().map_err(|why: String| format!("[{UNKNOWN}, {why}]"))
    }

    fn common_audiences(&self, claims: &Value, wanted: &[String]) -> Result<Vec<String>, String> {
        let own = match &claims["aud"] {
            Value::String(one) => vec![one.clone()],
            Value::Array(list) => list.iter().map(|item| text(item).to_owned()).collect(),
            _ => Vec::new(),
        };
        // A token without audiences, such as a legacy token, is for the API server.
        let own = if own.is_empty() { self.audiences.clone() } else { own };
        let common: Vec<_> = own.iter().filter(|item| wanted.contains(item)).cloned().collect();
        if common.is_empty() {
            let (own, wanted) = (quoted(&own), quoted(wanted));
            let why = format!("{own} is invalid for the target audiences {wanted}");
            return Err(format!("token audiences {why}"));
        }
        Ok(common)
    }
}

/// Checks the flags as `Validate` of the authentication options.
fn check(flags: &Parsed, issuers: &[String]) -> Result<(), String> {
    let missing = FLAGS[..3].iter().filter(|name| flags.all(name).is_empty());
    let mut errors: Vec<_> = missing.map(|name| format!("{name} is a required flag")).collect();
    for (index, issuer) in issuers.iter().enumerate() {
        if issuer.is_empty() {
            errors.push("service-account-issuer should not be an empty string".to_owned());
        } else if issuers[..index].contains(issuer) {
            errors.push(format!("service-account-issuer {issuer:?} is already specified"));
        }
    }
    match errors.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        all => Err(format!("[{}]", all.join(", "))),
    }
}

/// Reads or creates the key of a server without flags.
fn stored_key(data: Option<&Path>) -> Result<SigningKey, String> {
    let path = data.map(|data| data.join("service-account-key.pem"));
    if let Some(pem) = path.as_ref().and_then(|path| fs::read(path).ok()) {
        return SigningKey::from_pem(&pem);
    }
    let pem = rcgen::KeyPair::generate().map_err(|error| error.to_string())?.serialize_pem();
    if let Some(path) = path {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(path.parent().unwrap_or(&PathBuf::from("/"))).map_err(failed)?;
        fs::write(&path, &pem).map_err(failed)?;
    }
    SigningKey::from_pem(pem.as_bytes())
}

/// Returns the user of a bound token, as `Validate` in upstream's `claims.go`.
fn user(claims: &Value, store: &Store) -> Result<User, String> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let limit = |name: &str| claims[name].as_f64();
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact")]
    let is_before = |at: f64, leeway: i64| at < (now + leeway) as f64;
    if limit("exp").is_some_and(|at| is_before(at, -LEEWAY)) {
        return Err("service account token has expired".to_owned());
    }
    if limit("nbf").is_some_and(|at| !is_before(at, LEEWAY + 1)) {
        return Err("service account token is not valid yet".to_owned());
    }
    if limit("iat").is_some_and(|at| !is_before(at, LEEWAY + 1)) {
        return Err("service account token is issued in the future".to_owned());
    }
    let bound = &claims["kubernetes.io"];
    if ["pod", "secret", "node"].iter().any(|kind| !bound[*kind].is_null()) {
        return Err("this stand-in supports no bound objects".to_owned());
    }
    let (namespace, account) = (text(&bound["namespace"]), &bound["serviceaccount"]);
    let found = find(store, SERVICE_ACCOUNTS, namespace, text(&account["name"]))?;
    let uid = &found["metadata"]["uid"];
    if *uid != account["uid"] {
        let (uid, claim) = (text(uid), text(&account["uid"]));
        return Err(format!("service account UID ({uid}) does not match claim ({claim})"));
    }
    let mut user = service_account(found);
    user.credential = claims["jti"].as_str().map(|id| format!("JTI={id}"));
    Ok(user)
}

/// Returns the user of the token in a Secret, as `Validate` in upstream's `legacy.go`.
fn legacy_user(claims: &Value, token: &str, store: &Store) -> Result<User, String> {
    let claim = |name: &str| text(&claims[&format!("kubernetes.io/serviceaccount/{name}")]);
    let (namespace, secret) = (claim("namespace"), claim("secret.name"));
    let (name, uid) = (claim("service-account.name"), claim("service-account.uid"));
    let needed = [
        ("sub", text(&claims["sub"])),
        ("namespace", namespace),
        ("secretName", secret),
        ("serviceAccountName", name),
        ("serviceAccountUID", uid),
    ];
    if let Some((missing, _)) = needed.iter().find(|(_, value)| value.is_empty()) {
        return Err(format!("{missing} claim is missing"));
    }
    if claims["sub"] != format!("system:serviceaccount:{namespace}:{name}") {
        return Err("sub claim is invalid".to_owned());
    }
    let is_ending = |object: &Value| object["metadata"]["deletionTimestamp"].is_string();
    let secret = find(store, SECRETS, namespace, secret).ok().filter(|secret| !is_ending(secret));
    let secret = secret.ok_or("Token has been invalidated")?;
    if secret["data"]["token"] != BASE64.encode(token) {
        return Err("Token does not match server's copy".to_owned());
    }
    let found = find(store, SERVICE_ACCOUNTS, namespace, name)?;
    if is_ending(found) {
        return Err(format!("ServiceAccount {namespace}/{name} has been deleted"));
    }
    if found["metadata"]["uid"] != uid {
        let own = text(&found["metadata"]["uid"]);
        return Err(format!("ServiceAccount UID ({own}) does not match claim ({uid})"));
    }
    Ok(service_account(found))
}

fn service_account(account: &Value) -> User {
    let metadata = &account["metadata"];
    let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
    User {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ],
        uid: metadata["uid"].as_str().map(str::to_owned),
        credential: None,
    }
}

fn find<'a>(
    store: &'a Store,
    kind: &Kind,
    namespace: &str,
    name: &str,
) -> Result<&'a Value, String> {
    let found = store.get(&Key::new(kind, namespace, name));
    found.ok_or_else(|| Failure::not_found(kind, name).message)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Formats strings as Go's `%q`.
fn quoted(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(" "))
}

/// Flags of [`Tokens::read`]. The first three are required as soon as one is given.
const FLAGS: [&str; 4] = [
    "service-account-key-file",
    "service-account-signing-key-file",
    "service-account-issuer",
    "api-audiences",
];
/// Issuer of a server without flags.
const ISSUER: &str = "https://kubernetes.default.svc";
/// Error of a token that no authenticator recognizes.
pub(super) const UNKNOWN: &str = "invalid bearer token";
/// Tolerance for clocks, in seconds: `DefaultLeeway` of go-jose.
const LEEWAY: i64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_wrong_file_or_flag_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = crate::ca(kcm_pki::KeyAlgorithm::EcdsaP256, "kubernetes");
        let file = |name: &str| folder.path().join(name).display().to_string();
        for (name, content) in [("ca.pem", certificate), ("ca-key.pem", key), ("no", "x".into())] {
            fs::write(file(name), content).unwrap();
        }
        let read = |verifies: &str, signs: &str, issuer: &str| {
            let values = [file(verifies), file(signs), issuer.to_owned()];
            let given = FLAGS.into_iter().zip(values.iter().map(String::as_str));
            let flags = Parsed::of(given.filter(|(_, value)| !value.ends_with('/')));
            Tokens::read(&flags, None, Version { minor: 36, patch: 0 }).map(drop)
        };
        read("ca.pem", "ca-key.pem", ISSUER).unwrap();
        read("ca-key.pem", "ca-key.pem", ISSUER).unwrap();
        for (verifies, signs, issuer, words) in [
            ("", "ca-key.pem", ISSUER, "service-account-key-file is a required flag"),
            ("ca.pem", "", ISSUER, "service-account-signing-key-file is a required flag"),
            ("ca.pem", "ca-key.pem", "", "should not be an empty string"),
            ("none", "ca-key.pem", ISSUER, "open "),
            ("ca.pem", "none", ISSUER, "failed to parse service-account-issuer-key-file: open "),
            ("no", "ca-key.pem", ISSUER, "any valid RSA or ECDSA public keys"),
            ("ca.pem", "ca.pem", ISSUER, "a valid RSA or ECDSA private key"),
        ] {
            let error = read(verifies, signs, issuer).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn the_key_of_a_server_without_flags_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let version = Version { minor: 36, patch: 0 };
        let read = || Tokens::read(&Parsed::default(), Some(folder.path()), version).unwrap();
        assert_eq!(read().keys(), read().keys());
    }
}
