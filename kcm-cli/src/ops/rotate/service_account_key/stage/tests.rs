use kcm_pki::{KeyAlgorithm, PrivateKey};

use super::*;
use crate::kube::{LegacyToken, TokenVerification, VerificationKey};
use crate::pki::token_key::TokenKeys;
use crate::util::files::RemotePath;

const PUBLIC: &str = "/opt/kubernetes/pki/service-account/sa.pub";
const KEY: &str = "/opt/kubernetes/pki/service-account/sa.key";

/// The key that signs before a rotation, and the key that it introduces.
struct Keys {
    old: PrivateKey,
    new: PrivateKey,
}

impl Keys {
    fn new() -> Self {
        let key = || PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        Self { old: key(), new: key() }
    }

    fn public(&self) -> [PublicKey; 2] {
        [self.old.public_key().clone(), self.new.public_key().clone()]
    }

    /// The first rotation, from the CA key: two masters sign with the old key.
    fn first(&self) -> Evidence {
        let path = |path: &str| RemotePath::new(path).unwrap();
        Evidence {
            keys: TokenKeys {
                current: Some(copy(&self.new)),
                next: None,
                published: self.public().into(),
            },
            former: Some(self.old.public_key().clone()),
            masters: ["m1", "m2"].map(|name| signer(name, &self.old)).into(),
            servers: ["https://10.0.0.1:6443", "https://10.0.0.2:6443"]
                .map(|url| server(url, &self.public(), &self.old))
                .into(),
            legacy: Ok(Vec::new()),
            public_file: path(PUBLIC),
            key_file: path(KEY),
        }
    }

    /// The first rotation after all masters switched.
    fn switched(&self) -> Evidence {
        let masters = ["m1", "m2"].map(|name| signer(name, &self.new)).into();
        Evidence { masters, former: None, ..self.first() }
    }
}

fn copy(key: &PrivateKey) -> PrivateKey {
    PrivateKey::from_pem(key.to_pem().as_bytes()).unwrap()
}

fn signer(name: &str, key: &PrivateKey) -> Signer {
    Signer {
        name: name.to_owned(),
        file: Some(RemotePath::new(KEY).unwrap()),
        public_part: Ok(public_part(key.public_key())),
        is_current: true,
        has_public_keys: true,
    }
}

fn server(url: &str, keys: &[PublicKey], signs: &PrivateKey) -> VerifyingServer {
    let keys =
        keys.iter().map(|key| VerificationKey { id: id(key), public_part: public_part(key) });
    let signs_with = Some(id(signs.public_key()));
    let answer = Ok(TokenVerification { keys: keys.collect(), signs_with, servers: Vec::new() });
    VerifyingServer { url: url.parse().unwrap(), answer }
}

/// Returns the stage, and the findings that block it.
fn judged(evidence: &Evidence) -> (TokenKeyStage, String) {
    let rotation = rotation(evidence);
    let blocked = crate::finding::listed(&rotation.blocked_by);
    (rotation.stage, blocked)
}

#[test]
fn without_a_key_the_first_stage_is_the_announcement() {
    let evidence = Evidence { keys: TokenKeys::default(), ..Keys::new().first() };
    assert_eq!(judged(&evidence), (TokenKeyStage::Announce, String::new()));
}

#[test]
fn each_server_that_lacks_a_key_blocks_the_switch_by_name() {
    let keys = Keys::new();
    let [old, new] = keys.public();
    let mut evidence = keys.first();
    assert_eq!(judged(&evidence), (TokenKeyStage::Switch, String::new()));

    evidence.servers[1] = server("https://10.0.0.2:6443", std::slice::from_ref(&old), &keys.old);
    let (stage, blocked) = judged(&evidence);
    assert_eq!(stage, TokenKeyStage::Announce);
    assert!(
        blocked.contains(
            "https://10.0.0.2:6443 does not verify tokens of the new service account key"
        )
    );
    assert!(blocked.contains(&format!("--service-account-key-file={PUBLIC}")), "{blocked}");
    assert!(!blocked.contains("10.0.0.1"), "{blocked}");

    // A server that lost the key with which masters sign now would refuse running Pods.
    evidence.servers[1] = server("https://10.0.0.2:6443", &[new], &keys.old);
    let (stage, blocked) = judged(&evidence);
    assert_eq!(stage, TokenKeyStage::Announce);
    assert!(blocked.contains(&format!("the key {}, which signs now", id(&old))), "{blocked}");

    evidence.servers[1].answer = Err("connection refused".to_owned());
    let (stage, blocked) = judged(&evidence);
    assert!(
        stage == TokenKeyStage::Announce && blocked.contains("connection refused"),
        "{blocked}"
    );

    evidence.servers.clear();
    let (stage, blocked) = judged(&evidence);
    assert!(
        stage == TokenKeyStage::Announce && blocked.contains("client certificate"),
        "{blocked}"
    );
}

#[test]
fn a_master_without_the_public_keys_or_with_an_unknown_key_blocks_the_switch() {
    let keys = Keys::new();
    let mut evidence = keys.first();
    evidence.masters[1].has_public_keys = false;
    assert_eq!(judged(&evidence), (TokenKeyStage::Announce, String::new()));

    evidence.masters[1] =
        Signer { public_part: Err("timeout".to_owned()), ..signer("m2", &keys.old) };
    let (stage, blocked) = judged(&evidence);
    assert!(
        stage == TokenKeyStage::Announce && blocked.contains("m2: cannot determine the key"),
        "{blocked}"
    );
}

#[test]
fn an_interrupted_switch_goes_on() {
    let keys = Keys::new();
    let mut evidence = keys.first();
    evidence.masters[0] = signer("m1", &keys.new);
    assert_eq!(judged(&evidence).0, TokenKeyStage::Switch);

    let mut evidence = keys.switched();
    evidence.masters[1].is_current = false;
    assert_eq!(
        judged(&evidence).0,
        TokenKeyStage::Switch,
        "the process still signs with the old key"
    );
}

#[test]
fn a_later_rotation_introduces_the_next_key() {
    let keys = Keys::new();
    let own = TokenKeys {
        current: Some(copy(&keys.old)),
        next: None,
        published: vec![keys.old.public_key().clone()],
    };
    let mut evidence = Evidence { keys: own, former: None, ..keys.first() };
    assert_eq!(judged(&evidence), (TokenKeyStage::Done, String::new()));

    evidence.keys.next = Some(copy(&keys.new));
    let rotation = super::rotation(&evidence);
    assert_eq!(rotation.stage, TokenKeyStage::Switch);
    assert_eq!(rotation.key, Some(id(keys.new.public_key())));
    assert_eq!(rotation.former_keys, [id(keys.old.public_key())]);
}

#[test]
fn the_former_key_is_withdrawn_once_nothing_uses_it() {
    let keys = Keys::new();
    let mut evidence = keys.switched();
    let (stage, blocked) = judged(&evidence);
    assert_eq!(stage, TokenKeyStage::Retire);
    assert!(blocked.contains("signs new tokens with the former key"), "{blocked}");
    assert!(blocked.contains(&format!("--service-account-signing-key-file={KEY}")), "{blocked}");

    for place in 0..2 {
        evidence.servers[place] = server("https://10.0.0.1:6443", &keys.public(), &keys.new);
    }
    assert_eq!(judged(&evidence), (TokenKeyStage::Retire, String::new()));

    let token = |key: Option<&PrivateKey>, name: &str| LegacyToken {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        key_id: key.map(|key| id(key.public_key())),
    };
    let tokens = [token(Some(&keys.old), "a"), token(Some(&keys.new), "b"), token(None, "c")];
    evidence.legacy = Ok(tokens.into());
    let rotation = super::rotation(&evidence);
    assert_eq!(rotation.legacy_tokens, ["default/a"]);
    assert!(judged(&evidence).1.contains("default/a"));

    evidence.legacy = Err("forbidden".to_owned());
    assert!(judged(&evidence).1.contains("forbidden"));

    evidence.legacy = Ok(Vec::new());
    evidence.keys.published = vec![keys.new.public_key().clone()];
    assert_eq!(judged(&evidence), (TokenKeyStage::Done, String::new()));
}
