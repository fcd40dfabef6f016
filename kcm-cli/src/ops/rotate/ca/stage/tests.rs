use std::collections::BTreeMap;

use kcm_pki::{CaRequest, CertificateAuthority, CsrFile, KeyAlgorithm, PrivateKey, SerialNumber};
use time::macros::datetime;

use super::super::evidence::ServerTrust;
use super::*;
use crate::kube::PublishedTrust;
use crate::pki::ca_files::CaFiles;
use crate::util::files::RemotePath;

/// Creates a root CA. All have the same name, as a rotation leaves it.
fn root(serial: u8) -> CaCertificate {
    let subject = CsrFile::parse(r#"{"CN": "kubernetes"}"#).unwrap().value.subject;
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let request = CaRequest { subject, lifetime: CaRequest::DEFAULT_LIFETIME, path_len: None };
    let serial = SerialNumber::from_random([serial; 20]);
    let now = datetime!(2026-11-30 06:00 UTC);
    CaCertificate::new(CertificateAuthority::create(&request, &key, serial, now).unwrap()).unwrap()
}

struct Cas {
    old: CaCertificate,
    new: CaCertificate,
}

impl Cas {
    fn new() -> Self {
        Self { old: root(1), new: root(2) }
    }

    fn both(&self) -> Vec<Certificate> {
        vec![self.old.certificate().clone(), self.new.certificate().clone()]
    }

    fn master(&self, name: &str, issuer: &CaCertificate) -> Master {
        Master {
            name: name.to_owned(),
            trusts: Ok(self.both()),
            issued_by: Some(issuer.clone()),
            signs_tokens_with: None,
            signs_with: Some(issuer.certificate().clone()),
        }
    }

    fn server(&self, url: &str) -> Server {
        let roots = BTreeMap::from([("default".to_owned(), self.both())]);
        let published =
            PublishedTrust { client_cas: self.both(), roots, ..PublishedTrust::default() };
        let answer = ServerTrust { published, accepts: Some(Ok(())), serves: Ok(()) };
        Server { url: url.parse().unwrap(), answer: Ok(answer) }
    }

    /// All trust both CAs, and the old one has issued every certificate.
    fn trusted(&self) -> Evidence {
        Evidence {
            files: CaFiles {
                current: self.old.clone(),
                next: Some(self.new.clone()),
                former: None,
                trust: self.both(),
                has_bundle: true,
            },
            is_in_sync: true,
            masters: ["m1", "m2"].map(|name| self.master(name, &self.old)).into(),
            servers: ["https://10.0.0.1:6443", "https://10.0.0.2:6443"]
                .map(|url| self.server(url))
                .into(),
            excluded: Vec::new(),
            bundle: RemotePath::new("/opt/kubernetes/pki/ca/cert/ca-bundle.pem").unwrap(),
        }
    }

    /// The new CA has issued every certificate.
    fn issued(&self) -> Evidence {
        let files = CaFiles {
            current: self.new.clone(),
            next: None,
            former: Some(self.old.clone()),
            trust: self.both(),
            has_bundle: true,
        };
        let masters = ["m1", "m2"].map(|name| self.master(name, &self.new)).into();
        Evidence { files, masters, ..self.trusted() }
    }
}

fn says(rotation: &CaRotation, stage: CaStage, texts: &[&str]) {
    assert_eq!(rotation.stage, stage, "{rotation:?}");
    let found: Vec<_> = rotation.blocked_by.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), texts.len(), "{found:?}");
    for (found, text) in found.iter().zip(texts) {
        assert!(found.contains(text), "{found} / {text}");
    }
}

fn answer(evidence: &mut Evidence) -> &mut ServerTrust {
    evidence.servers[1].answer.as_mut().unwrap()
}

#[test]
fn a_rotation_begins_with_trust_in_the_next_ca() {
    let cas = Cas::new();
    let evidence = cas.trusted();
    says(&rotation(&evidence), CaStage::Issue, &[]);
    let mut evidence = cas.trusted();
    evidence.files.trust.truncate(1);
    says(&rotation(&evidence), CaStage::Trust, &[]);
    let evidence = Evidence { is_in_sync: false, ..cas.trusted() };
    says(&rotation(&evidence), CaStage::Trust, &[]);
    let mut idle = Evidence { is_in_sync: false, ..cas.trusted() };
    idle.files.next = None;
    let idle = rotation(&idle);
    says(&idle, CaStage::Done, &[]);
    assert!(idle.is_done() && idle.former.is_none());
}

#[test]
fn each_server_and_namespace_without_trust_blocks_the_issue() {
    let cas = Cas::new();
    let mut evidence = cas.trusted();
    answer(&mut evidence).accepts = Some(Err("rejects the credentials".to_owned()));
    answer(&mut evidence).published.client_cas.truncate(1);
    let found = rotation(&evidence);
    says(&found, CaStage::Issue, &["https://10.0.0.2:6443 does not accept certificates"]);
    assert!(found.blocked_by[0].to_string().contains("--client-ca-file"), "{found:?}");
    assert_eq!(found.servers[1].accepts, Some(false));

    // Without a certificate at hand, the ConfigMap is the proof.
    let mut evidence = cas.trusted();
    answer(&mut evidence).accepts = None;
    says(&rotation(&evidence), CaStage::Issue, &[]);
    answer(&mut evidence).published.client_cas.truncate(1);
    says(&rotation(&evidence), CaStage::Issue, &["extension-apiserver-authentication"]);

    let mut evidence = cas.trusted();
    let roots = &mut answer(&mut evidence).published.roots;
    roots.extend((0..9).map(|number| (format!("n{number}"), Vec::new())));
    says(&rotation(&evidence), CaStage::Issue, &["n0, n1, n2, n3, n4 and 4 other namespaces"]);

    let mut evidence = cas.trusted();
    evidence.servers[0].answer = Err("connection refused".to_owned());
    says(&rotation(&evidence), CaStage::Issue, &["10.0.0.1:6443 accepts: connection refused"]);
    evidence.servers.clear();
    says(&rotation(&evidence), CaStage::Issue, &["no client certificate"]);

    let mut evidence = cas.trusted();
    evidence.masters[1].signs_tokens_with = Some("/pki/ca-key.pem".to_owned());
    says(&rotation(&evidence), CaStage::Issue, &["kcm rotate service-account-key"]);
}

#[test]
fn the_former_ca_is_dropped_once_nothing_uses_it() {
    let cas = Cas::new();
    says(&rotation(&cas.issued()), CaStage::Drop, &[]);
    let mut evidence = cas.issued();
    answer(&mut evidence).serves = Err("another CA".to_owned());
    says(&rotation(&evidence), CaStage::Drop, &["does not verify https://10.0.0.2:6443"]);
    let mut evidence = cas.issued();
    evidence.masters[0].signs_with = Some(cas.old.certificate().clone());
    evidence.excluded = vec!["m3".to_owned()];
    says(&rotation(&evidence), CaStage::Drop, &["m1: kube-controller-manager signs", "m3"]);
}

#[test]
fn an_interrupted_stage_continues() {
    let cas = Cas::new();
    let mut evidence = Evidence { is_in_sync: false, ..cas.issued() };
    evidence.masters[1] = cas.master("m2", &cas.old);
    says(&rotation(&evidence), CaStage::Issue, &[]);

    // The bundle on this machine is reduced, but one master still trusts both.
    let mut evidence = Evidence { is_in_sync: false, ..cas.issued() };
    evidence.files.trust = vec![cas.new.certificate().clone()];
    evidence.masters[0].trusts = Ok(evidence.files.trust.clone());
    says(&rotation(&evidence), CaStage::Drop, &[]);
    evidence.masters[1].trusts = Ok(evidence.files.trust.clone());
    says(&rotation(&evidence), CaStage::Done, &[]);
}
