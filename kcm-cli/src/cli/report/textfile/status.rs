//! Metrics of the status.

use super::{certs, escaped, metric};
use crate::finding::Finding;
use crate::ops::status::{Health, MasterFacts, Service, Status, Sync};
use crate::transport::Observation;

pub(super) fn status(status: &Status) -> String {
    let mut text = String::new();
    let out = &mut text;
    let masters = || {
        status
            .masters
            .iter()
            .map(|master| (format!("master=\"{}\"", escaped(&master.name)), master.facts()))
    };
    let of = |value: fn(&MasterFacts) -> Option<i64>| {
        masters().filter_map(move |(labels, facts)| Some((labels, value(facts?)?)))
    };
    metric(
        out,
        "kcm_master_seen",
        "Whether a master could be asked.",
        masters().map(|(labels, facts)| (labels, i64::from(facts.is_some()))),
    );
    metric(
        out,
        "kcm_service_running",
        "Whether kube-controller-manager runs, and does not end again and again.",
        of(|facts| Some(i64::from(facts.service == Service::Running))),
    );
    metric(
        out,
        "kcm_service_restarts",
        "How often systemd has started it again by itself since it was last started by somebody.",
        of(|facts| Some(i64::from(facts.unit.restarts))),
    );
    metric(
        out,
        "kcm_service_healthy",
        "Whether it is healthy.",
        of(|facts| match facts.health.as_ref()? {
            Health::Healthy => Some(1),
            Health::Unhealthy { .. } => Some(0),
            Health::NotServed | Health::Unknown { .. } => None,
        }),
    );
    metric(
        out,
        "kcm_service_in_sync",
        "Whether it runs from the files that the cluster file asks for.",
        of(|facts| {
            (!matches!(facts.sync, Sync::Unknown { .. }))
                .then(|| i64::from(facts.sync == Sync::InSync))
        }),
    );
    metric(out, "kcm_leader", "Whether a master leads.", of(|facts| facts.leads.map(i64::from)));
    metric(
        out,
        "kcm_clock_offset_seconds",
        "How far a master's clock is ahead of the clock of the machine that kcm runs on.",
        masters().filter_map(|(labels, facts)| {
            let milliseconds = facts?.clock_offset_milliseconds?;
            let (sign, size) = (if milliseconds < 0 { "-" } else { "" }, milliseconds.abs());
            Some((labels, format!("{sign}{}.{:03}", size / 1000, size % 1000)))
        }),
    );
    if let Observation::Known(leadership) = &status.leadership {
        let led = leadership.holder.is_some() && !leadership.is_stale();
        metric(out, "kcm_led", "Whether anybody leads.", [(String::new(), i64::from(led))]);
        let changes = leadership.transitions.map(|changes| (String::new(), changes));
        let help = "How often the lead has changed hands.";
        metric(out, "kcm_lease_transitions", help, changes);
    }
    certs::certificates(out, &status.certificates);
    metric(out, "kcm_finding", "What is to be seen to.", findings(&status.findings));
    metric(
        out,
        "kcm_status_timestamp_seconds",
        "When this was looked at.",
        [(String::new(), status.at.unix_timestamp())],
    );
    text
}

/// Counts the findings by code and master, because a series must not occur twice.
fn findings(findings: &[Finding]) -> std::collections::BTreeMap<String, usize> {
    let mut counted = std::collections::BTreeMap::new();
    for finding in findings {
        let master = escaped(finding.master.as_deref().unwrap_or_default());
        let labels = format!("code=\"{}\",master=\"{master}\"", finding.code);
        *counted.entry(labels).or_default() += 1;
    }
    counted
}
