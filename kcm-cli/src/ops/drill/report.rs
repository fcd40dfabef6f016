//! What a drill did and saw, as a value.

use serde::Serialize;
use time::OffsetDateTime;

use crate::event::DrillMethod;
use crate::ops::smoke::LeftBehind;

/// What a drill did and saw. All milliseconds but durations count from [`at`](Self::at), on one clock that nobody sets.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillReport {
    /// When it began to watch.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The cluster's name.
    pub cluster: String,
    /// How leaders were ended.
    pub method: DrillMethod,
    /// The master that led when it began.
    pub leader: String,
    /// The masters that took part: those that were healthy when it began.
    pub masters: Vec<String>,
    /// Each time that a leader was ended, and what came of it.
    pub successions: Vec<Succession>,
    /// How the probe went under the leader at the beginning; nothing if there is no probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_probe: Option<Reconciliation>,
    /// Why it ended early, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Masters that are not known to run again.
    pub not_put_back: Vec<NotPutBack>,
    /// What it made and could not remove.
    pub left_behind: Vec<LeftBehind>,
    /// Whether it was asked to stop before its end.
    pub is_interrupted: bool,
    /// What was seen of everybody all the while.
    pub timeline: Timeline,
}

/// The end of a leader, and who came after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Succession {
    /// The master that led.
    pub from: String,
    /// Its process, as the Lease named it.
    pub from_holder: String,
    /// From when on nobody leads.
    pub ended_milliseconds: u64,
    /// How that is known.
    pub end: EndOfLead,
    /// The master that leads now; the one that led, if its new process is first. Nothing while nobody leads, or one that
    /// is none of the masters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Its process, as the Lease names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_holder: Option<String>,
    /// When it was first seen to hold the Lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub led_milliseconds: Option<u64>,
    /// When it was seen to renew it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewed_milliseconds: Option<u64>,
    /// How long nobody led.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap_milliseconds: Option<u64>,
    /// How much shorter that may be in truth: the time between two looks at the Lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision_milliseconds: Option<u64>,
    /// How long it may be at most: by the Lease's duration and the candidates' retry period; by that period alone where
    /// the leader released its Lease. Nothing where kcm freed it and started the service at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promise_milliseconds: Option<u64>,
    /// Why the Lease was left to run out in a handover, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// How the probe went; nothing if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Reconciliation>,
    /// When the master that led runs again: healthy, as far as that was seen, or else started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back_milliseconds: Option<u64>,
    /// When it was proven healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy_milliseconds: Option<u64>,
    /// Masters that were restarted meanwhile, so that one leads that has not taken over yet.
    pub held_back: Vec<String>,
}

/// From what on nobody leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EndOfLead {
    /// Its process was seen to be gone.
    ProcessGone,
    /// That was not seen: its last renewal was.
    LastRenewal,
    /// It released its Lease itself (KEP-5366), before or just after its process was gone.
    Released,
}

/// What became of a Deployment that was made while nobody led.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Reconciliation {
    /// It has its `ReplicaSet` and its Pod.
    Reconciled {
        /// When it was made.
        asked_milliseconds: u64,
        /// When its Pod was seen.
        done_milliseconds: u64,
        /// How long the leader took for it; nothing without a succession.
        #[serde(skip_serializing_if = "Option::is_none")]
        delay_milliseconds: Option<u64>,
    },
    /// It has not.
    Failed {
        /// What was seen instead.
        why: String,
    },
}

/// A master that is not known to run again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotPutBack {
    /// The master.
    pub master: String,
    /// Why.
    pub why: String,
    /// The command that starts it there.
    pub start: String,
}

/// What was seen all the while. Times are milliseconds from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// How long it was watched.
    pub length_milliseconds: u64,
    /// The longest time in which the Lease was not seen.
    pub blind_milliseconds: u64,
    /// Who held the Lease.
    pub lease: Vec<HolderSpan>,
    /// What each master answered, in the cluster file's order.
    pub masters: Vec<MasterTimeline>,
}

/// For how long the Lease named whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HolderSpan {
    /// From when on that was seen.
    pub from_milliseconds: u64,
    /// When it was last seen.
    pub until_milliseconds: u64,
    /// The holder; nobody, if it is free or there is none.
    pub holder: Option<String>,
}

/// What one master answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MasterTimeline {
    /// The master.
    pub name: String,
    /// What it answered, from one change to the next.
    pub health: Vec<HealthSpan>,
}

/// For how long a master answered what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthSpan {
    /// From when on that was seen.
    pub from_milliseconds: u64,
    /// Until when.
    pub until_milliseconds: u64,
    /// What.
    pub answer: HealthAnswer,
}

/// What a master answers who is asked for its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum HealthAnswer {
    /// It is healthy.
    Healthy,
    /// It is not.
    Unhealthy,
    /// Nothing: nobody listens.
    Silent,
    /// It could not be asked.
    Unknown,
}

impl Succession {
    /// Whether somebody leads, no later than promised, goes on to, and does the work of one, and the master is back.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.to.is_some()
            && self.renewed_milliseconds.is_some()
            && self.is_as_promised()
            && !matches!(self.probe, Some(Reconciliation::Failed { .. }))
            && self.healthy_milliseconds.is_some()
    }

    /// Whether nobody had to wait longer than promised, to the second.
    #[must_use]
    pub fn is_as_promised(&self) -> bool {
        match (self.gap_milliseconds, self.promise_milliseconds) {
            (Some(gap), Some(promise)) => gap <= promise + 1000,
            (gap, _) => gap.is_some(),
        }
    }
}

impl DrillReport {
    /// Whether everything was as it must be, and is again as it was.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.trouble.is_none()
            && !self.is_interrupted
            && self.is_put_back()
            && !self.successions.is_empty()
            && self.successions.iter().all(Succession::is_good)
    }

    /// Whether every master runs again, and nothing is left that was made for it.
    #[must_use]
    pub fn is_put_back(&self) -> bool {
        self.not_put_back.is_empty() && self.left_behind.is_empty()
    }
}
