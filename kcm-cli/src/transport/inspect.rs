//! A service as it runs, for comparison with what it was started from.

use std::net::SocketAddr;

use kcm_systemd::UnitName;
use serde::Serialize;
use time::OffsetDateTime;

use super::Observation;
use crate::util::files::RemotePath;

/// Looks at a unit's main process and at the program that it would be started from; changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspect {
    /// The unit.
    pub unit: UnitName,
    /// The program that is asked for its version, if that is of interest.
    pub program: Option<RemotePath>,
}

/// What an inspection saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspected {
    /// The master's clock, in the middle of the exchange.
    #[serde(with = "time::serde::rfc3339")]
    pub clock: OffsetDateTime,
    /// What the program answers to `--version`, if it was asked; why, if it cannot be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Observation<String>>,
    /// The main process, if there is one.
    pub process: Option<ProcessFacts>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessFacts {
    /// Its number.
    pub pid: u32,
    /// Its arguments, argument 0 first; what is no UTF-8 is replaced.
    pub argv: Vec<String>,
    /// The TCP addresses on which it listens, those of IPv4 alone if it has any; unknown where others' processes cannot
    /// be looked into.
    pub listening: Observation<Vec<SocketAddr>>,
}
