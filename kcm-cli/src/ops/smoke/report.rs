//! Result of a smoke test, as a value.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::context::Run;
use crate::event::{CheckName, CheckResult, Event, SmokeCheck};
use crate::util::schema::Rfc3339;

/// Result of a smoke test.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SmokeReport {
    /// Start of the test.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Rfc3339")]
    pub at: OffsetDateTime,
    /// Namespace that the test created; absent if it created none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Checks, in order of execution.
    pub checks: Vec<SmokeCheck>,
    /// Objects that the test created and could not remove.
    pub left_behind: Vec<LeftBehind>,
    /// True if the test was interrupted before its end.
    pub is_interrupted: bool,
}

/// An object that could not be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LeftBehind {
    /// The object.
    pub what: String,
    /// The cause.
    pub why: String,
    /// Command that removes the object, once the cause is fixed.
    pub remove: String,
}

impl SmokeReport {
    /// Reports whether every check was executed and passed, and every object was removed.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        let passed = |check: &SmokeCheck| matches!(check.result, CheckResult::Passed { .. });
        !self.is_interrupted && self.left_behind.is_empty() && self.checks.iter().all(passed)
    }
}

/// A smoke test in progress, which collects results.
pub(super) struct Book<'r> {
    pub(super) run: Run<'r>,
    pub(super) patience: Duration,
    report: SmokeReport,
}

impl<'r> Book<'r> {
    pub(super) fn new(run: Run<'r>, patience: Duration) -> Self {
        let report = SmokeReport {
            at: run.now,
            namespace: None,
            checks: Vec::new(),
            left_behind: Vec::new(),
            is_interrupted: false,
        };
        Self { run, patience, report }
    }

    pub(super) fn namespace(&mut self, name: &str) {
        self.report.namespace = Some(name.to_owned());
    }

    pub(super) fn left(&mut self, left: LeftBehind) {
        self.report.left_behind.push(left);
    }

    pub(super) fn pass(&mut self, name: CheckName, asked: &str, seen: String, since: Instant) {
        self.enter(name, None, asked, CheckResult::Passed { seen }, since);
    }

    pub(super) fn fail(
        &mut self,
        name: CheckName,
        asked: &str,
        seen: String,
        look: String,
        since: Instant,
    ) {
        self.enter(name, None, asked, CheckResult::Failed { seen, look }, since);
    }

    pub(super) fn skip(&mut self, name: CheckName, asked: &str, why: &str) {
        let why = if self.run.interrupt.is_requested() { "interrupted" } else { why };
        let result = CheckResult::Skipped { why: why.to_owned() };
        self.enter(name, None, asked, result, Instant::now());
    }

    pub(super) fn enter(
        &mut self,
        name: CheckName,
        master: Option<&str>,
        asked: &str,
        result: CheckResult,
        since: Instant,
    ) {
        let milliseconds = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (master, asked) = (master.map(str::to_owned), asked.to_owned());
        let check = SmokeCheck { name, master, asked, result, milliseconds };
        self.run.events.event(&Event::Checked { check: check.clone() });
        self.report.checks.push(check);
    }

    /// Records every check without a result as skipped.
    pub(super) fn skip_rest(&mut self, why: &str) {
        for name in CheckName::ALL {
            if !self.report.checks.iter().any(|check| check.name == name) {
                self.skip(name, "", why);
            }
        }
    }

    /// Reports whether a check has passed.
    pub(super) fn has_passed(&self, name: CheckName) -> bool {
        let mut all = self.report.checks.iter();
        all.any(|check| check.name == name && matches!(check.result, CheckResult::Passed { .. }))
    }

    pub(super) fn close(mut self) -> SmokeReport {
        self.report.is_interrupted = self.run.interrupt.is_requested();
        self.report
    }
}
