//! Rules about the content of each file.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kcm_pki::{Certificate, Fingerprint, PrivateKey};

use super::paths::{
    CA_KEY, CERTIFICATE, COMBINED, CONNECTIONS, KEY, KUBECONFIG, PENDING, PREVIOUS, TOKEN_KEY,
};

/// Parts of private keys, as they occur in key files and in kubeconfigs.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Records a key; returns true if it is new.
    pub(super) fn learn(&mut self, pem: &[u8]) -> bool {
        let text = String::from_utf8_lossy(pem);
        let Some(line) = text.lines().nth(1).filter(|_| is_key(pem)) else { return false };
        let encoded = STANDARD.encode(pem);
        self.0.insert(encoded[60..120].to_owned());
        self.0.insert(line.to_owned())
    }

    pub(super) fn are_in(&self, content: &[u8]) -> bool {
        let text = String::from_utf8_lossy(content);
        text.contains("PRIVATE KEY")
            || text.contains("client-key-data")
            || self.0.iter().any(|secret| text.contains(secret))
    }
}

/// True if a file may hold a private key.
pub(super) fn may_hold_key(target: &str) -> bool {
    [KEY, CA_KEY, TOKEN_KEY, COMBINED, KUBECONFIG].contains(&target)
}

fn is_key(pem: &[u8]) -> bool {
    std::str::from_utf8(pem).is_ok_and(|text| {
        text.ends_with("PRIVATE KEY-----\n") && PrivateKey::from_pem(text.as_bytes()).is_ok()
    })
}

/// Complete contents: recorded ones, and ones that were found to be complete.
#[derive(Clone, Debug, Default)]
pub(super) struct Whole {
    by_path: BTreeMap<String, BTreeSet<Vec<u8>>>,
    identities: BTreeSet<[u8; 32]>,
}

impl Whole {
    pub(super) fn learn(&mut self, target: &str, content: &[u8]) {
        self.by_path.entry(target.to_owned()).or_default().insert(content.to_vec());
    }

    pub(super) fn contains(&mut self, target: &str, content: &[u8]) -> bool {
        if self.by_path.get(target).is_some_and(|known| known.contains(content)) {
            return true;
        }
        let is_whole = match target {
            CERTIFICATE => {
                content.ends_with(b"-----END CERTIFICATE-----\n")
                    && Certificate::from_pem(content).is_ok()
            }
            KEY => is_key(content),
            KUBECONFIG => pair_in(content).is_some(),
            // A reader of this file finds one matching pair.
            COMBINED => pair_in(content)
                .is_some_and(|(certificate, key)| is_key(&key) && are_a_pair(&certificate, &key)),
            CONNECTIONS => serde_json::from_slice::<serde_json::Value>(content)
                .is_ok_and(|note| note["connections"].is_array()),
            PENDING | PREVIOUS => serde_json::from_slice::<serde_json::Value>(content)
                .is_ok_and(|note| note["files"].is_array()),
            _ => false,
        };
        if is_whole {
            self.learn(target, content);
        }
        is_whole
    }

    /// True if a certificate, its key, and the file with both belong together. That file is a
    /// kubeconfig or a file that it names.
    pub(super) fn is_one_identity(&mut self, files: [&[u8]; 3]) -> bool {
        let all = *Fingerprint::of(&files.concat()).as_bytes();
        if self.identities.contains(&all) {
            return true;
        }
        let [certificate, key, both] = files;
        let matches = are_a_pair(certificate, key);
        let is_one = matches && pair_in(both) == Some((certificate.to_vec(), key.to_vec()));
        if is_one {
            self.identities.insert(all);
        }
        is_one
    }
}

fn are_a_pair(certificate: &[u8], key: &[u8]) -> bool {
    Certificate::from_pem(certificate).is_ok_and(|certificate| {
        PrivateKey::from_pem(key).is_ok_and(|key| key.matches(&certificate))
    })
}

/// Returns certificate and key from a kubeconfig or from a file with both.
fn pair_in(both: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    if both.starts_with(b"-----BEGIN") {
        let end = "-----END CERTIFICATE-----\n";
        let at = std::str::from_utf8(both).ok()?.find(end)? + end.len();
        return Some((both[..at].to_vec(), both[at..].to_vec()));
    }
    let document: serde_yaml::Value = serde_yaml::from_slice(both).ok()?;
    let user = document.get("users")?.get(0)?.get("user")?;
    let data = |name: &str| STANDARD.decode(user.get(name)?.as_str()?).ok();
    Some((data("client-certificate-data")?, data("client-key-data")?))
}
