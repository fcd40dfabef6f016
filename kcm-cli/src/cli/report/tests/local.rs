//! Values of the reports about files on this machine.

use std::path::Path;

use kcm_pki::Fingerprint;
use serde_json::json;
use time::OffsetDateTime;

use super::super::{by_hand, kubeconfig, rotate, unit};
use super::Shown;
use super::values::{findings, of};
use crate::finding::Severity;
use crate::ops::certs::{
    CertificateRequests, CertificateUse, CheckedCertificate, RequestedCertificate, Validity,
};
use crate::ops::kubeconfig::{KubeconfigCheck, KubeconfigView};
use crate::ops::rotate::Rotations;
use crate::ops::rotate::ca::{CaRotation, CaStage, RotatedCa, TrustingMaster, TrustingServer};
use crate::ops::rotate::service_account_key::{
    SigningMaster, TokenKeyRotation, TokenKeyStage, TokenServer,
};
use crate::ops::unit::{
    CheckedCommand, CheckedUnit, UnitCheck, UnitDiff, UnitDifference, UnitFinding,
};
use crate::pki::identity::Reason;
use crate::plan::{Plan, PlanFacts, PlanFile, PlanOptions};

/// Writes the reports of `kubeconfig` and `unit` with `word` in all their texts.
pub(super) fn local(word: &str) -> Vec<Shown> {
    let (view, check) = (view(word), check(word));
    let (units, diff, requests) = (units(word), diff(word), requests(word));
    let rotations = Rotations {
        service_account_key: Some(token_key_rotation(word)),
        ca: Some(ca_rotation(word)),
        plan: None,
    };
    vec![
        of("kubeconfig show", &view, |out| kubeconfig::warnings(out, &view)),
        of("kubeconfig check", &check, |out| kubeconfig::check(out, &check)),
        of("certs request", &requests, |out| by_hand::requests(out, &requests)),
        of("rotate", &rotations, |out| rotate::rotations(out, &rotations, Path::new(word))),
        of("unit check", &units, |out| unit::check(out, &units)),
        of("unit diff", &diff, |out| unit::diff(out, &diff)),
    ]
}

pub(super) fn plan_file(plan: &Plan, word: &str) -> Shown {
    let facts = PlanFacts {
        options: PlanOptions { masters: vec![word.to_owned()], ..PlanOptions::default() },
        cluster_file: word.as_bytes(),
        inputs: Fingerprint::of(b""),
        plan,
        text: super::super::plan_text(plan, Path::new(word)).unwrap(),
    };
    let at = OffsetDateTime::UNIX_EPOCH;
    let file = PlanFile::new(facts, at, at).unwrap();
    of("show", &file, |out| out.write_all(file.text.as_bytes())).detailed()
}

fn token_key_rotation(word: &str) -> TokenKeyRotation {
    let text = || word.to_owned();
    TokenKeyRotation {
        stage: TokenKeyStage::Retire,
        key: Some(text()),
        former_keys: vec![text()],
        masters: vec![SigningMaster { name: text(), file: Some(text()), signs_with: Some(text()) }],
        servers: vec![TokenServer {
            url: text(),
            verifies: vec![text()],
            signs_with: Some(text()),
            problem: Some(text()),
        }],
        legacy_tokens: vec![text()],
        blocked_by: findings(word),
    }
}

fn ca_rotation(word: &str) -> CaRotation {
    let text = || word.to_owned();
    let ca = || {
        let (fingerprint, not_after) = (Fingerprint::of(b""), OffsetDateTime::UNIX_EPOCH);
        Some(RotatedCa { subject: text(), fingerprint, not_after })
    };
    let fingerprint = Fingerprint::of(b"");
    let master = TrustingMaster {
        name: text(),
        trusts: vec![fingerprint],
        issued_by: Some(fingerprint),
        problem: Some(text()),
    };
    let server = TrustingServer {
        url: text(),
        accepts: Some(false),
        serves: Some(true),
        problem: Some(text()),
    };
    CaRotation {
        stage: CaStage::Issue,
        current: ca(),
        next: ca(),
        former: ca(),
        masters: vec![master],
        servers: vec![server],
        blocked_by: findings(word),
    }
}

fn view(word: &str) -> KubeconfigView {
    KubeconfigView {
        file: word.to_owned(),
        kubeconfig: json!({ "current-context": word }),
        warnings: vec![word.to_owned()],
        text: word.to_owned(),
    }
}

fn check(word: &str) -> KubeconfigCheck {
    let (at, text) = (OffsetDateTime::UNIX_EPOCH, word.to_owned());
    let certificate = CheckedCertificate {
        master: None,
        role: CertificateUse::Kubeconfig,
        place: text.clone(),
        subject: text.clone(),
        fingerprint: Fingerprint::of(b""),
        not_after: at,
        days_left: -1,
        validity: Validity::Expired,
    };
    let certificates = vec![certificate];
    KubeconfigCheck { at, file: text, certificates, findings: findings(word) }
}

fn requests(word: &str) -> CertificateRequests {
    let request = RequestedCertificate {
        role: CertificateUse::Client,
        request: word.into(),
        subject: word.to_owned(),
        names: vec![word.to_owned()],
        usages: vec![word.to_owned()],
        lifetime_hours: 1,
        ca: Some(word.to_owned()),
        why: vec![Reason::Chain { error: word.to_owned() }],
    };
    CertificateRequests { requests: vec![request] }
}

fn units(word: &str) -> UnitCheck {
    let text = || word.to_owned();
    let finding = |severity, line| UnitFinding {
        code: "unknown-key".to_owned(),
        severity,
        file: text(),
        line,
        problem: text(),
        help: text(),
    };
    let unit = CheckedUnit {
        file: text(),
        drop_ins: vec![text()],
        environment_files: vec![text()],
        commands: vec![CheckedCommand { executable: text(), arguments: vec![text()] }],
        checked_flags: false,
        findings: vec![finding(Severity::Error, None), finding(Severity::Warning, Some(1))],
    };
    let versions = vec!["1.36".parse().unwrap()];
    UnitCheck { versions, units: vec![unit] }
}

fn diff(word: &str) -> UnitDiff {
    let text = || word.to_owned();
    let difference =
        UnitDifference { setting: text(), first: vec![text()], second: vec![text(), text()] };
    UnitDiff { first: text(), second: text(), differences: vec![difference] }
}
