//! Values of progress reports, with the same word in all their texts.

use time::OffsetDateTime;

use super::values::{changes, decision};
use crate::artifact::certificate_reload::CertificateReload;
use crate::event::{CheckName, CheckResult, DrillMethod, DrillStep, Event, SmokeCheck};
use crate::ops::drill::{
    DrillReport, EndOfLeadership, HolderSpan, MasterTimeline, NotPutBack, Reconciliation,
    Succession, Timeline,
};
use crate::ops::smoke::{LeftBehind, SmokeReport};
use crate::pki::identity::Decision;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn left_behind(word: &str) -> Vec<LeftBehind> {
    vec![LeftBehind { what: word.to_owned(), why: word.to_owned(), remove: word.to_owned() }]
}

pub(super) fn smoke_report(word: &str) -> SmokeReport {
    let (seen, look, why) = (word.to_owned(), word.to_owned(), word.to_owned());
    let results = [
        CheckResult::Passed { seen: seen.clone() },
        CheckResult::Failed { seen, look },
        CheckResult::Skipped { why },
    ];
    let check = |result| SmokeCheck {
        name: CheckName::Standby,
        master: Some(word.to_owned()),
        asked: word.to_owned(),
        result,
        milliseconds: 1,
    };
    SmokeReport {
        at: NOW,
        namespace: Some(word.to_owned()),
        checks: results.map(check).into(),
        left_behind: left_behind(word),
        is_interrupted: false,
    }
}

pub(super) fn drill_report(word: &str) -> DrillReport {
    let text = || word.to_owned();
    let succession = Succession {
        from: text(),
        from_holder: text(),
        ended_milliseconds: 1,
        end: EndOfLeadership::Released,
        to: None,
        to_holder: Some(text()),
        led_milliseconds: Some(1),
        renewed_milliseconds: None,
        gap_milliseconds: Some(9_000),
        precision_milliseconds: None,
        promise_milliseconds: Some(1),
        left: Some(text()),
        probe: Some(Reconciliation::Failed { why: text() }),
        back_milliseconds: None,
        healthy_milliseconds: None,
        held_back: vec![text(), text()],
    };
    let span = HolderSpan { from_milliseconds: 0, until_milliseconds: 1, holder: Some(text()) };
    DrillReport {
        at: NOW,
        cluster: text(),
        method: DrillMethod::Stop,
        leader: text(),
        masters: vec![text()],
        successions: vec![succession],
        first_probe: Some(Reconciliation::Failed { why: text() }),
        trouble: Some(text()),
        not_put_back: vec![NotPutBack { master: text(), why: text(), start: text() }],
        left_behind: left_behind(word),
        is_interrupted: false,
        timeline: Timeline {
            lease: vec![span],
            masters: vec![MasterTimeline { name: text(), health: Vec::new() }],
            ..Timeline::default()
        },
    }
}

pub(super) fn events(word: &str) -> Vec<Event> {
    let text = || word.to_owned();
    let certificate_reload = CertificateReload::Unknown { reason: text() };
    let Decision::Issue { why } = decision(word) else { return Vec::new() };
    let mut events = vec![
        Event::Warning { text: text() },
        Event::Observed { master: text() },
        Event::CaCreated { path: text(), not_after: NOW, algorithm: text() },
        Event::IdentityIssued { path: text(), why, not_after: NOW },
        Event::JournalUnread { master: text(), reason: text() },
        Event::JournalLost { master: text(), reason: text() },
        Event::JournalResumed { master: text() },
        Event::Restores { master: text(), replaced_at: NOW },
        Event::Uploading { master: text(), sent: 1, total: 2 },
        Event::Staged { master: text(), files: 1 },
        Event::CertificateReload { master: text(), certificate_reload },
        Event::Committing { master: text() },
        Event::Committed { master: text() },
        Event::Unverified { master: text(), cause: text() },
        Event::RolledBack { master: text(), error: text() },
        Event::Failed { master: text(), error: text() },
    ];
    events.extend(changes(word).into_iter().map(|change| Event::LeaderChanged { change }));
    events.extend(smoke_report(word).checks.into_iter().map(|check| Event::Checked { check }));
    let steps = [
        DrillStep::Ends { master: text(), method: DrillMethod::Kill },
        DrillStep::Ended { master: text() },
        DrillStep::Led { holder: text(), gap_milliseconds: 1 },
        DrillStep::Back { master: text() },
        DrillStep::HeldBack { master: text() },
    ];
    events.extend(steps.into_iter().map(|step| Event::Drilled { step }));
    events
}
