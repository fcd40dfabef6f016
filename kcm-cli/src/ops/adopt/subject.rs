//! Subject, names and usages of a client certificate in cfssl's formats, so that a renewal keeps
//! them. Pure.

use kcm_pki::{Certificate, CsrFile, KeyAlgorithm, SigningConfig, Usages};
use serde_json::{Map, Value, json};

use crate::pki::TUTORIAL_CSR;

/// Fields of an entry of `names`.
const FIELDS: [&str; 5] = ["C", "ST", "L", "O", "OU"];

/// A CSR file.
#[derive(Debug)]
pub(super) struct Csr {
    pub(super) text: String,
    /// Attributes of the subject that a CSR file cannot express.
    pub(super) lost: Vec<String>,
}

/// Returns the CSR file for another certificate like this one, or `None` if kcm's default is
/// semantically equal.
pub(super) fn csr(certificate: &Certificate) -> Option<Csr> {
    let attributes = certificate.subject_attributes();
    let hosts: Vec<_> = certificate.sans().iter().map(ToString::to_string).collect();
    if hosts.is_empty() && is_ours(&attributes) {
        return None;
    }
    let mut names: Vec<Map<String, Value>> = Vec::new();
    let (mut serial, mut lost) = (None, Vec::new());
    for field in FIELDS {
        let values = attributes.iter().filter(|(name, _)| name == field);
        for (place, value) in values.filter_map(|(_, value)| value.as_ref()).enumerate() {
            if names.len() <= place {
                names.push(Map::new());
            }
            if let Some(entry) = names.get_mut(place) {
                entry.insert(field.to_owned(), json!(value));
            }
        }
    }
    for (name, value) in &attributes {
        match (name.as_str(), value) {
            ("serialNumber", Some(value)) if serial.is_none() => serial = Some(value.clone()),
            (name, Some(_)) if FIELDS.contains(&name) => {}
            ("CN", Some(value)) if Some(value.as_str()) == certificate.common_name() => {}
            (name, value) => lost.push(format!("{name}={}", value.as_deref().unwrap_or("?"))),
        }
    }
    let mut csr = Map::new();
    csr.insert("CN".to_owned(), json!(certificate.common_name()?));
    csr.insert("hosts".to_owned(), json!(hosts));
    csr.insert("key".to_owned(), key(certificate.key_algorithm()));
    csr.insert("names".to_owned(), json!(names));
    if let Some(serial) = serial {
        csr.insert("serialnumber".to_owned(), json!(serial));
    }
    let text = format!("{:#}\n", Value::Object(csr));
    // A file that cannot be read back would be unusable.
    CsrFile::parse(&text).ok()?;
    Some(Csr { text, lost })
}

/// Returns the signing config for another certificate like this one, or `None` if kcm's default
/// usages suffice.
pub(super) fn signing_config(certificate: &Certificate, hours: i64) -> Option<String> {
    let built_in = SigningConfig::built_in();
    let usages: &Usages = &built_in.default_profile().ok()?.usages;
    let theirs = certificate.usages();
    if usages.iter().all(|usage| certificate.allows(usage)) {
        return None;
    }
    let names: Vec<_> = theirs.iter().map(kcm_pki::Usage::name).collect();
    let profile = json!({ "usages": names, "expiry": format!("{hours}h") });
    let config = json!({ "signing": { "default": { "expiry": format!("{hours}h") }, "profiles": { "kubernetes": profile } } });
    let text = format!("{config:#}\n");
    SigningConfig::parse(&text).ok()?.value.profile("kubernetes").ok()?;
    Some(text)
}

fn key(algorithm: Option<KeyAlgorithm>) -> Value {
    let name = algorithm.map_or_else(|| "rsa-2048".to_owned(), |it| it.to_string());
    let (kind, size) = name.split_once('-').unwrap_or(("rsa", "2048"));
    let size = size.trim_start_matches(|c: char| !c.is_ascii_digit());
    json!({ "algo": kind, "size": size.parse::<u32>().unwrap_or(2048) })
}

/// Reports whether the attributes are those of kcm's default subject, in any order.
fn is_ours(attributes: &[(String, Option<String>)]) -> bool {
    let Ok(ours) = CsrFile::parse(TUTORIAL_CSR) else { return false };
    let subject = ours.value.subject;
    let mut ours = vec![("CN", subject.common_name())];
    for entry in subject.names() {
        ours.extend([
            ("C", entry.country.as_str()),
            ("ST", entry.state.as_str()),
            ("L", entry.locality.as_str()),
            ("O", entry.organization.as_str()),
            ("OU", entry.organizational_unit.as_str()),
        ]);
    }
    let theirs = attributes.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
    let mut theirs: Vec<_> = theirs.map(|(name, value)| (name, value.unwrap_or("?"))).collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    ours == theirs
}

#[cfg(test)]
mod tests {
    use kcm_pki::{
        CaRequest, CertificateAuthority, LeafRequest, OutlivesCa, PrivateKey, SerialNumber, Usage,
    };
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn issued(csr: &str, usages: &[&str]) -> Certificate {
        let now = time::macros::datetime!(2026-11-23 06:00 UTC);
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let subject = CsrFile::parse(r#"{"CN": "ca"}"#).unwrap().value.subject;
        let root = CaRequest { subject, lifetime: DAY * 900, path_len: None };
        let serial = || SerialNumber::from_random([7; 20]);
        let ca = CertificateAuthority::create(&root, &key, serial(), now).unwrap();
        let ca = kcm_pki::CaCertificate::new(ca).unwrap();
        let authority = CertificateAuthority::new(ca, key).unwrap();
        let csr = CsrFile::parse(csr).unwrap().value;
        let leaf = LeafRequest {
            subject: csr.subject,
            hosts: csr.hosts,
            usages: Usages::parse(usages.iter().copied()).unwrap(),
            lifetime: DAY,
            outlives_ca: OutlivesCa::Clamp,
        };
        let key = PrivateKey::generate(csr.key).unwrap();
        authority.issue(&leaf, key.public_key(), serial(), now).unwrap().certificate
    }

    const ALL: [&str; 4] = ["signing", "key encipherment", "client auth", "server auth"];

    #[test]
    fn every_name_comes_back_from_the_file() {
        for names in [
            r#"[{"O": "system:masters"}]"#,
            r#"[{"C": "DE", "ST": "Bayern", "L": "Coburg", "O": "system:masters", "OU": "Ops"}]"#,
            r#"[{"O": "system:masters"}, {"O": "system:kube-controller-manager"}]"#,
            r#"[{"C": "US", "O": "a"}, {"O": "b", "OU": "x"}, {"O": "c"}]"#,
            "[]",
        ] {
            let text = format!(
                r#"{{"CN": "system:kube-controller-manager", "hosts": ["10.0.0.1", "kcm"], "key": {{"algo": "ecdsa", "size": 384}}, "names": {names}, "serialnumber": "7"}}"#
            );
            let found = issued(&text, &ALL);
            let csr = csr(&found).unwrap();
            assert!(csr.lost.is_empty(), "{names}: {:?}", csr.lost);
            let again = issued(&csr.text, &ALL);
            assert_eq!(again.subject(), found.subject(), "{names}");
            assert_eq!(again.sans(), found.sans());
            assert_eq!(again.key_algorithm(), Some(KeyAlgorithm::EcdsaP384));
        }
    }

    #[test]
    fn kcms_own_subject_needs_no_file() {
        let found = issued(TUTORIAL_CSR, &ALL);
        assert!(csr(&found).is_none());
        assert!(signing_config(&found, 24).is_none());
    }

    #[test]
    fn other_usages_come_back_from_the_signing_config() {
        for usages in [
            &["client auth"][..],
            &["signing", "client auth"],
            &["digital signature", "key encipherment", "client auth"],
        ] {
            let found = issued(TUTORIAL_CSR, usages);
            let Some(text) = signing_config(&found, 24) else {
                assert!(usages.iter().all(|it| Usages::parse([*it]).is_ok()), "{usages:?}");
                continue;
            };
            let config = SigningConfig::parse(&text).unwrap().value;
            let profile = config.profile("kubernetes").unwrap();
            assert!(profile.usages.contains(Usage::ClientAuth));
            assert_eq!(profile.usages.to_string(), found.usages().to_string());
        }
    }
}
