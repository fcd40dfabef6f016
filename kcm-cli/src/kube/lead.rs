//! What becomes of the leadership, as values.

use serde::Serialize;

/// How the lead went from one to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeadChange {
    /// The master that led.
    pub from: String,
    /// Who leads now, as the Lease names it; nobody yet, if that took too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// From the moment at which the old leader was told to stop until a process was seen to lead, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap_milliseconds: Option<u64>,
    /// Why the Lease was left to run out, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

/// What a plan does to the lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeadForecast {
    /// How often it changes, at most.
    pub at_most: u8,
    /// The master that leads, if that could be seen and is one of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
}

impl LeadChange {
    /// Whether somebody led soon, or was not expected to.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.to.is_some() || self.left.is_some()
    }
}
