//! Inspection of a running service, for comparison with the files it was started from.

use std::net::SocketAddr;

use kcm_systemd::UnitName;
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use super::Observation;
use crate::util::files::RemotePath;

/// An inspection of a unit's main process and of the program that it would be started from. Changes
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspect {
    /// The unit.
    pub unit: UnitName,
    /// The program to query for its version, if it is needed.
    pub program: Option<RemotePath>,
}

/// The result of an inspection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspected {
    /// The master's clock, in the middle of the exchange.
    #[serde(with = "time::serde::rfc3339")]
    pub clock: OffsetDateTime,
    /// Output of `--version`, if it was requested; the reason, if the program cannot be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Observation<String>>,
    /// The main process, if there is one.
    pub process: Option<ProcessFacts>,
}

/// The observed facts about a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessFacts {
    /// Process ID.
    pub pid: u32,
    /// Arguments, argument 0 first; invalid UTF-8 is replaced.
    pub argv: Vec<String>,
    /// The TCP addresses on which it listens; only those of IPv4 if it has any. Unknown if the
    /// processes of other users cannot be inspected.
    pub listening: Observation<Vec<SocketAddr>>,
}
