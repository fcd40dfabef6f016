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
        "1 if a master was observed, otherwise 0.",
        masters().map(|(labels, facts)| (labels, i64::from(facts.is_some()))),
    );
    metric(
        out,
        "kcm_service_running",
        "1 if kube-controller-manager is running and not crash-looping, otherwise 0.",
        of(|facts| Some(i64::from(facts.service == Service::Running))),
    );
    metric(
        out,
        "kcm_service_restarts",
        "Number of automatic restarts by systemd since the last start by an operator or a program (NRestarts).",
        of(|facts| Some(i64::from(facts.unit.restarts))),
    );
    metric(
        out,
        "kcm_service_healthy",
        "1 if kube-controller-manager is healthy, 0 if not; absent if unknown or not served.",
        of(|facts| match facts.health.as_ref()? {
            Health::Healthy => Some(1),
            Health::Unhealthy { .. } => Some(0),
            Health::NotServed | Health::Unknown { .. } => None,
        }),
    );
    metric(
        out,
        "kcm_service_in_sync",
        "1 if the service runs with the desired state of the cluster file, otherwise 0; absent if unknown.",
        of(|facts| {
            (!matches!(facts.sync, Sync::Unknown { .. }))
                .then(|| i64::from(facts.sync == Sync::InSync))
        }),
    );
    metric(
        out,
        "kcm_leader",
        "1 if a master is the leader, otherwise 0; absent if unknown.",
        of(|facts| facts.leads.map(i64::from)),
    );
    metric(
        out,
        "kcm_clock_offset_seconds",
        "Offset of a master's clock in seconds; positive if ahead of the machine that runs kcm.",
        masters().filter_map(|(labels, facts)| {
            let milliseconds = facts?.clock_offset_milliseconds?;
            let (sign, size) = (if milliseconds < 0 { "-" } else { "" }, milliseconds.abs());
            Some((labels, format!("{sign}{}.{:03}", size / 1000, size % 1000)))
        }),
    );
    if let Observation::Known(leadership) = &status.leadership {
        let led = leadership.holder.is_some() && !leadership.is_stale();
        metric(
            out,
            "kcm_led",
            "1 if the Lease has a holder and is known to be valid, otherwise 0; absent if the Lease is unknown.",
            [(String::new(), i64::from(led))],
        );
        let changes = leadership.transitions.map(|changes| (String::new(), changes));
        let help = "Number of leader changes (leaseTransitions).";
        metric(out, "kcm_lease_transitions", help, changes);
    }
    certs::certificates(out, &status.certificates);
    metric(
        out,
        "kcm_finding",
        "Number of findings by code and master.",
        findings(&status.findings),
    );
    metric(
        out,
        "kcm_status_timestamp_seconds",
        "Time of the observation in seconds since the Unix epoch.",
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
