//! One value of every report, with the same word in all its texts.

use std::path::Path;

use kcm_pki::{Fingerprint, KeyAlgorithm};
use time::OffsetDateTime;

use super::super::document::{Document, DocumentValue};
use super::super::terminal::{Terminal, json};
use super::super::{
    AdoptReport, CertificateFiles, End, adopt, cert, certs, drill, human, lint, logs, smoke, status,
};
use super::Shown;
use super::local::{local, plan_file};
use super::progress::{drill_report, events, smoke_report};
use crate::artifact::certificate_reload::CertificateReload;
use crate::cluster::ClusterFileError;
use crate::cluster::layout::Role;
use crate::desired::Content;
use crate::finding::{Finding, FindingCode};
use crate::kube::{LeaderChange, LeaderForecast};
use crate::ops::adopt::{AdoptRequest, AdoptSsh, Adopted};
use crate::ops::cert::{CertificateDetails, CertificateList, CertificateVerification, Purpose};
use crate::ops::certs::{
    CertificateCheck, CertificateUse, CheckedCertificate, UnseenCertificate, Validity,
};
use crate::ops::logs::LogLine;
use crate::ops::status::{
    Alike, FileStatus, Health, Leadership, MasterFacts, MasterStatus, Service, Status, Sync,
};
use crate::pki::identity::{Decision, Reason};
use crate::plan::{MasterPlan, Plan, Step};
use crate::preflight::lint::lint_of_error;
use crate::rollout::{LeadershipOutcome, MasterOutcome, MasterResult, Outcome};
use crate::transport::{
    Activity, Enablement, JournalEntry, Observation, PathState, ProcessFacts, UnitState,
};
use crate::util::files::{Mode, Owner, RemotePath};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// Writes every report with `word` in all its texts.
pub(super) fn shown(word: &str) -> Vec<Shown> {
    let file = Path::new("kcm.yaml");
    let (plan, outcome, check) = (plan(word), outcome(word), check(word));
    let (smoke, drill, states) = (smoke_report(word), drill_report(word), status(word));
    let adopted = adopted(word);
    let report = AdoptReport { adopted: &adopted, plan: &plan, written: &[Path::new(word)] };
    let mut all = vec![
        of("plan", &plan, |out| human::plan(out, &plan, file, Some(Path::new(word)))).detailed(),
        plan_file(&plan, word),
        of("outcome", &outcome, |out| human::outcome(out, &outcome, End::Gone, file)).detailed(),
        of("certs check", &check, |out| certs::check(out, &check)),
        cert_files(word),
        cert_list(word),
        cert_verification(word),
        of("status", &states, |out| status::status(out, &states, true)),
        of("smoke", &smoke, |out| smoke::report(out, &smoke)),
        of("drill", &drill, |out| drill::report(out, &drill)),
        of("adopt, found", &report, |out| adopt::found(out, &adopted)),
        of("adopt", &report, |out| adopt::adopted(out, &report, file, None)).detailed(),
        lint_report(word),
        log(word),
    ];
    all.extend(local(word));
    for event in events(word) {
        let shown = of("event", &event, |out| human::event(out, &event));
        all.push(shown.detailed());
    }
    all
}

impl Shown {
    pub(super) fn detailed(self) -> Self {
        Self { has_details: true, ..self }
    }
}

pub(super) fn of(
    name: &'static str,
    value: &impl DocumentValue,
    write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
) -> Shown {
    let mut terminal = Terminal(Vec::new());
    write(&mut terminal).unwrap();
    let human = String::from_utf8(terminal.0).unwrap();
    let read = serde_json::to_value(value).unwrap();
    let json = [true, false].map(|pretty| (json(value, pretty).unwrap(), Some(read.clone())));
    let document = serde_json::to_value(Document::new(value)).ok();
    Shown { name, human, json: json.into(), document, has_details: false }
}

fn path() -> RemotePath {
    RemotePath::new("/etc/x").unwrap()
}

pub(super) fn decision(word: &str) -> Decision {
    let (text, texts) = (word.to_owned(), vec![word.to_owned(), word.to_owned()]);
    let why = vec![
        Reason::Unreadable { error: text.clone() },
        Reason::Chain { error: text.clone() },
        Reason::CommonName { found: text.clone(), wanted: text.clone() },
        Reason::Algorithm { found: text.clone(), wanted: KeyAlgorithm::Rsa2048 },
        Reason::Usages { missing: texts.clone() },
        Reason::Hosts { missing: texts.clone() },
        Reason::KeyNotHere { files: texts.clone() },
        Reason::MastersDiffer { held: vec![(Fingerprint::of(b""), texts.clone())] },
        Reason::KeysDiffer { masters: texts.clone() },
        Reason::NotOnAll { masters: texts },
        Reason::UnusableOnMaster { master: text.clone(), error: text },
    ];
    Decision::Issue { why }
}

fn steps(word: &str) -> Vec<Step> {
    // Each line of a diff has a sign.
    let line = word.replace('\n', " ");
    let before = PathState::Link { target: word.to_owned() };
    let (path, mode, owner, digest) = (path(), Mode::PUBLIC, Owner::ROOT, Fingerprint::of(b""));
    vec![
        Step::Write {
            role: Role::Unit,
            path: path.clone(),
            mode,
            owner,
            before: before.clone(),
            after: Content::Pending,
            size: None,
            diff: format!("-{line}\n+{line}\n {line}\n"),
        },
        Step::SetAttributes {
            role: Role::Key,
            path: path.clone(),
            mode,
            owner: None,
            before: before.clone(),
        },
        Step::Restore {
            path: path.clone(),
            from: path.clone(),
            digest,
            mode,
            owner,
            before: before.clone(),
        },
        Step::Remove { path, before },
        Step::Restart,
    ]
}

fn plan(word: &str) -> Plan {
    let other = vec![Step::Reload];
    Plan {
        creates_ca: true,
        identity: Some(decision(word)),
        serving: Some(decision(word)),
        masters: vec![
            MasterPlan { name: word.to_owned(), steps: steps(word) },
            MasterPlan { name: format!("{word}2"), steps: [steps(word), other].concat() },
            MasterPlan { name: word.to_owned(), steps: Vec::new() },
        ],
        leader_changes: Some(LeaderForecast { at_most: 1, leader: Some(word.to_owned()) }),
    }
}

pub(super) fn changes(word: &str) -> Vec<LeaderChange> {
    let (from, text) = (word.to_owned(), Some(word.to_owned()));
    let change = LeaderChange { from, to: text.clone(), gap_milliseconds: Some(1), left: None };
    vec![LeaderChange { to: None, left: text, ..change.clone() }, change]
}

fn outcome(word: &str) -> Outcome {
    let text = || word.to_owned();
    let results = [
        MasterResult::Unchanged,
        MasterResult::Done,
        MasterResult::Renewed { certificate_reload: CertificateReload::Unknown { reason: text() } },
        MasterResult::Untouched { error: Some(text()) },
        MasterResult::Unverified { cause: text() },
        MasterResult::RolledBack { error: text() },
        MasterResult::Failed { error: text() },
    ];
    let master = |result| MasterOutcome { name: text(), steps: steps(word), result };
    Outcome {
        created_ca: true,
        identity: Some(decision(word)),
        serving: None,
        masters: results.into_iter().map(master).collect(),
        skipped: vec![text()],
        leadership: Some(LeadershipOutcome {
            changes: changes(word),
            leader: None,
            trouble: Some(text()),
        }),
    }
}

pub(super) fn check(word: &str) -> CertificateCheck {
    let all = [CertificateUse::Ca, CertificateUse::Kubeconfig, CertificateUse::Served];
    let certificate = |role| CheckedCertificate {
        master: Some(word.to_owned()),
        role,
        place: word.to_owned(),
        subject: word.to_owned(),
        fingerprint: Fingerprint::of(b""),
        not_after: NOW,
        days_left: 1,
        validity: Validity::Due,
    };
    let unseen =
        |role| UnseenCertificate { master: Some(word.to_owned()), role, reason: word.to_owned() };
    CertificateCheck {
        at: NOW,
        certificates: all.map(certificate).into(),
        unseen: vec![unseen(None), unseen(Some(CertificateUse::Served))],
    }
}

pub(super) fn status(word: &str) -> Status {
    let text = || word.to_owned();
    let why = || vec![text(), text()];
    let facts = |service, sync, activity, version| MasterFacts {
        hostname: Some(text()),
        service,
        unit: UnitState {
            enablement: Enablement::Enabled,
            activity,
            needs_reload: false,
            drop_ins: why(),
            restarts: 0,
        },
        process: Some(ProcessFacts {
            pid: 1,
            argv: why(),
            listening: Observation::Unknown(text()),
        }),
        version: Some(version),
        sync,
        certificate_reload: Some(CertificateReload::Unknown { reason: text() }),
        health: Some(Health::Unhealthy { why: text() }),
        leads: None,
        clock_offset_milliseconds: Some(1),
        files: vec![FileStatus {
            path: path(),
            state: PathState::Link { target: text() },
            holds_key: true,
            read_by: vec![text()],
        }],
    };
    let failed = Activity::Failed { result: text(), returns: false };
    let active = Activity::Active { invocation: text(), main_pid: 1, since: NOW };
    let failing = Service::Failed { result: text() };
    let mut seen = [
        facts(
            failing,
            Sync::Drift { why: why(), replaces_ca: false },
            failed,
            Observation::Known(text()),
        ),
        facts(
            Service::Running,
            Sync::Unknown { why: text() },
            active,
            Observation::Unknown(text()),
        ),
    ];
    seen[1].leads = Some(true);
    let seen = seen.into_iter().map(Observation::Known).chain([Observation::Unknown(text())]);
    Status {
        at: NOW,
        masters: seen.map(|seen| MasterStatus { name: text(), seen }).collect(),
        leadership: Observation::Known(Leadership {
            holder: Some(text()),
            master: None,
            age_milliseconds: Some(1),
            duration_milliseconds: Some(1),
            since: Some(NOW),
            transitions: Some(1),
        }),
        alike: Alike { ca_certificate: Some(true), ca_key: Some(false), service_account_key: None },
        certificates: check(word).certificates,
        findings: findings(word),
    }
}

pub(super) fn findings(word: &str) -> Vec<Finding> {
    vec![
        Finding::error(FindingCode::UnitMasked, word, word, word),
        Finding::general(FindingCode::MastersDiffer, word, word),
    ]
}

fn adopted(word: &str) -> Adopted {
    let masters = vec![("m1".to_owned(), "192.0.2.1".to_owned())];
    let request = AdoptRequest::new(masters, AdoptSsh::default());
    Adopted {
        text: word.to_owned(),
        cluster: request.masters(Path::new("kcm.yaml")).unwrap(),
        ca_certificate: word.to_owned(),
        ca_fingerprint: Fingerprint::of(b""),
        trust: None,
        csr: None,
        signing_config: None,
        findings: findings(word),
    }
}

fn lint_report(word: &str) -> Shown {
    let mut report = lint_of_error(&ClusterFileError {
        file: word.into(),
        line: None,
        column: None,
        field: word.to_owned(),
        message: word.to_owned(),
        help: Some(word.into()),
    });
    for finding in &mut report.findings {
        finding.masters = vec![word.to_owned(), word.to_owned()];
        finding.flag = Some(word.to_owned());
        finding.help = word.to_owned();
    }
    let accepted = report.findings.clone().into_iter().map(|mut finding| {
        finding.accepted = Some(word.to_owned());
        finding
    });
    let accepted: Vec<_> = accepted.collect();
    report.findings.extend(accepted);
    let mut shown = of("lint", &report, |out| lint::report(out, &report));
    let sarif = report.to_sarif();
    shown.json.push((json(&sarif, true).unwrap(), Some(sarif)));
    shown
}

fn certificate(word: &str) -> CertificateDetails {
    let (text, texts) = (|| word.to_owned(), vec![word.to_owned(), word.to_owned()]);
    CertificateDetails {
        subject: text(),
        issuer: text(),
        serial: text(),
        not_before: NOW,
        not_after: NOW,
        days_left: -1,
        key_type: text(),
        signature_algorithm: text(),
        names: texts.clone(),
        usages: texts,
        is_ca: true,
        path_length: Some(1),
        fingerprint: Fingerprint::of(b""),
        subject_key_id: Some(text()),
        authority_key_id: None,
    }
}

fn cert_files(word: &str) -> Shown {
    let files = CertificateFiles {
        certificate_file: Some(word.to_owned()),
        key_file: Some(word.to_owned()),
        request_file: word.to_owned(),
        requested_subject: word.to_owned(),
        certificate: Some(certificate(word)),
        warnings: vec![word.to_owned()],
    };
    of("cert files", &files, |out| cert::files(out, &files))
}

fn cert_list(word: &str) -> Shown {
    let certificates = vec![certificate(word), certificate(word)];
    let list = CertificateList { source: word.to_owned(), at: NOW, certificates };
    of("cert list", &list, |out| cert::list(out, &list)).detailed()
}

fn cert_verification(word: &str) -> Shown {
    let verified = CertificateVerification {
        source: word.to_owned(),
        purpose: Purpose::Server,
        chain: vec![word.to_owned(), word.to_owned()],
        not_after: NOW,
        days_left: 1,
        is_due: true,
    };
    of("cert verification", &verified, |out| cert::verified(out, &verified)).detailed()
}

/// Returns a journal entry. It may have several lines, because each names the master.
fn log(word: &str) -> Shown {
    let (cursor, message) = (word.to_owned(), word.as_bytes().to_vec());
    let entry = JournalEntry { cursor, microseconds: 1, message, cut: 1 };
    let line = LogLine { place: 0, master: "m1", entry: &entry };
    let human = anstream::adapter::strip_str(&logs::human(line, 2)).to_string();
    let json = vec![(logs::json(line), None)];
    Shown { name: "logs", human, json, document: None, has_details: true }
}
