//! Plan files: a plan that is approved now and executed later. Pure.
//!
//! A plan file holds no secret: digests, decisions, and the text of the plan. kcm does not execute
//! its steps. It plans again, and executes the new plan only if it equals the approved one. So a
//! changed file can never make kcm execute anything else than what it shows.

use kcm_pki::Fingerprint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use time::OffsetDateTime;

use super::Plan;
use crate::context::Consent;
use crate::util::schema::{Rfc3339, Sha256};
use crate::util::words::{at, moment};

/// A plan that was approved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlanFile {
    /// Version of kcm that made the plan.
    pub kcm: String,
    /// Time at which the plan was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Rfc3339")]
    pub created_at: OffsetDateTime,
    /// Time after which the plan is refused.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Rfc3339")]
    pub valid_until: OffsetDateTime,
    /// Options with which the plan was made.
    pub options: PlanOptions,
    /// SHA-256 of the cluster file.
    #[schemars(with = "Sha256")]
    pub cluster_file: String,
    /// SHA-256 of the properties of certificates and files that the cluster file names on this
    /// machine.
    #[schemars(with = "Sha256")]
    pub inputs: String,
    /// The plan, without the forecast of the leader.
    pub plan: Value,
    /// The plan as it was shown.
    pub text: String,
    /// SHA-256 of the other fields.
    #[schemars(with = "Sha256")]
    pub digest: String,
}

/// Options of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlanOptions {
    /// Folder in place of the masters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Selected masters; all if empty.
    pub masters: Vec<String>,
    /// Skipped masters.
    pub skip: Vec<String>,
    /// The accepted risks.
    pub consent: Consent,
}

/// The facts of a plan file, besides its time.
#[derive(Clone, Debug)]
pub(crate) struct PlanFacts<'a> {
    pub(crate) options: PlanOptions,
    /// Content of the cluster file.
    pub(crate) cluster_file: &'a [u8],
    pub(crate) inputs: Fingerprint,
    pub(crate) plan: &'a Plan,
    pub(crate) text: String,
}

/// An error of a plan file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlanFileError {
    /// The file is not a plan file.
    #[error("not a plan file: {reason}")]
    Invalid {
        /// The reason.
        reason: String,
    },
    /// The content does not match its digest.
    #[error("the plan file was changed or is incomplete: its digest does not match")]
    Changed,
}

impl PlanFile {
    /// Creates a plan file that is valid until `valid_until`.
    ///
    /// # Errors
    /// The plan cannot be serialised.
    pub(crate) fn new(
        facts: PlanFacts<'_>,
        created_at: OffsetDateTime,
        valid_until: OffsetDateTime,
    ) -> serde_json::Result<Self> {
        let mut plan = serde_json::to_value(facts.plan)?;
        // The leader may change without a change of the masters.
        if let Some(plan) = plan.as_object_mut() {
            plan.remove("leaderChanges");
        }
        let file = Self {
            kcm: env!("CARGO_PKG_VERSION").to_owned(),
            created_at,
            valid_until,
            options: facts.options,
            cluster_file: Fingerprint::of(facts.cluster_file).to_string(),
            inputs: facts.inputs.to_string(),
            plan,
            text: facts.text,
            digest: String::new(),
        };
        let digest = file.compute_digest()?;
        Ok(Self { digest, ..file })
    }

    /// Reads a plan file. `kind` is the kind of its document, `version` that of the format.
    ///
    /// # Errors
    /// [`PlanFileError`].
    pub(crate) fn parse(text: &[u8], version: &str, kind: &str) -> Result<Self, PlanFileError> {
        let invalid = |reason: String| PlanFileError::Invalid { reason };
        let mut value: Value =
            serde_json::from_slice(text).map_err(|error| invalid(error.to_string()))?;
        for (key, expected) in [("apiVersion", version), ("kind", kind)] {
            let found = value.as_object_mut().and_then(|fields| fields.remove(key));
            if found.as_ref().and_then(Value::as_str) != Some(expected) {
                return Err(invalid(format!("{key} is not {expected}")));
            }
        }
        let file: Self =
            serde_json::from_value(value).map_err(|error| invalid(error.to_string()))?;
        match file.compute_digest() {
            Ok(digest) if digest == file.digest => Ok(file),
            _ => Err(PlanFileError::Changed),
        }
    }

    /// Returns what differs between this approved plan and the one of now; empty if it may be
    /// executed.
    pub(crate) fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if now.created_at > self.valid_until {
            found.push(format!("the plan was valid until {}", moment(self.valid_until)));
        }
        if now.created_at < self.created_at {
            let made = moment(self.created_at);
            found.push(format!("the plan was made at {made}, later than this machine's time"));
        }
        if minor(&self.kcm) != minor(&now.kcm) {
            found.push(format!("kcm {} made the plan, but this is kcm {}", self.kcm, now.kcm));
        }
        if self.cluster_file != now.cluster_file {
            found.push("the cluster file was changed".to_owned());
        }
        if self.inputs != now.inputs {
            let text = "a file of this machine that the cluster file names was changed: CA certificate, trust bundle, CSR, signing config or program";
            found.push(text.to_owned());
        }
        for key in ["createsCa", "identity", "serving"] {
            let (approved, current) = (self.plan.get(key), now.plan.get(key));
            if approved != current {
                found.push(format!("{key}: {}", change(approved, current)));
            }
        }
        found.extend(self.masters(now));
        if found.is_empty() && (self.plan != now.plan || shown(&self.text) != shown(&now.text)) {
            found.push("the text of the plan differs from its steps".to_owned());
        }
        found
    }

    /// Returns the masters whose steps differ.
    fn masters(&self, now: &Self) -> Vec<String> {
        let (approved, current) = (masters(&self.plan), masters(&now.plan));
        let names = |masters: &[PlannedMaster<'_>]| -> String {
            masters.iter().map(|master| master.name).collect::<Vec<_>>().join(", ")
        };
        if names(&approved) != names(&current) {
            return vec![format!(
                "the masters were {}, and are {}",
                names(&approved),
                names(&current)
            )];
        }
        let both = approved.iter().zip(&current).filter(|(was, is)| was.steps != is.steps);
        let text = both.map(|(was, is)| {
            let steps = was.steps.iter().zip(is.steps);
            let place = steps.take_while(|(was, is)| was == is).count();
            let (approved, current) = (was.steps.get(place), is.steps.get(place));
            format!("{}: {}", was.name, change(approved, current))
        });
        text.collect()
    }

    fn compute_digest(&self) -> serde_json::Result<String> {
        let content = Self { digest: String::new(), ..self.clone() };
        Ok(Fingerprint::of(&serde_json::to_vec(&content)?).to_string())
    }
}

/// The steps of a master in a serialised plan.
struct PlannedMaster<'p> {
    name: &'p str,
    steps: &'p [Value],
}

fn masters(plan: &Value) -> Vec<PlannedMaster<'_>> {
    let masters = at(plan, "/masters").as_array().into_iter().flatten();
    let master = |master| PlannedMaster {
        name: at(master, "/name").as_str().unwrap_or_default(),
        steps: at(master, "/steps").as_array().map_or(&[], Vec::as_slice),
    };
    masters.map(master).collect()
}

/// Describes a part of the approved plan, and what it is now.
fn change(approved: Option<&Value>, current: Option<&Value>) -> String {
    match (brief(approved), brief(current)) {
        (was, is) if was == is => format!("{was}, from another state than approved"),
        (was, is) => format!("{was}, now {is}"),
    }
}

/// Returns a part of a plan in a few words: a step by its name and its path.
fn brief(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let words =
        ["/step", "/decision", "/path"].into_iter().filter_map(|key| at(value, key).as_str());
    match words.collect::<Vec<_>>().join(" ") {
        none if none.is_empty() => value.to_string(),
        words => words,
    }
}

/// Returns the text of a plan without the forecast of the leader.
fn shown(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with("leader: ") && !line.is_empty()).collect()
}

/// Returns the version without the last number.
fn minor(version: &str) -> &str {
    version.rsplit_once('.').map_or(version, |(minor, _)| minor)
}

#[cfg(test)]
mod tests;
