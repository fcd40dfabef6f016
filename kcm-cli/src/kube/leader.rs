//! Changes of leadership, observed and predicted.

use schemars::JsonSchema;
use serde::Serialize;

/// A change of leader, as observed during a handover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LeaderChange {
    /// The former leader's master.
    pub from: String,
    /// The holder of the Lease after the handover. `None` if no new leader was seen in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Milliseconds from the request to stop the old leader until a new leader was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap_milliseconds: Option<u64>,
    /// The reason why the Lease was left to expire instead of being released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

/// The effect of a plan on leadership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LeaderForecast {
    /// Maximum number of leader changes.
    pub at_most: u8,
    /// The current leader, if it is known and runs on one of the cluster's masters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
}

impl LeaderChange {
    /// True if a new leader was seen, or if the Lease was left to expire.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.to.is_some() || self.left.is_some()
    }
}
