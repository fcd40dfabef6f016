//! `rotate`: replaces keys and the CA, in stages. Each stage is an ordinary plan, and is refused until
//! the stage before it is proven.
//!
//! A stage follows from the keys and certificates themselves: those on this machine, on the masters,
//! and those that every API server reports. There is no state file, so after an interruption the
//! same command continues.

pub mod ca;
pub mod service_account_key;

use schemars::JsonSchema;
use serde::Serialize;

use self::ca::CaRotation;
use self::service_account_key::TokenKeyRotation;
use crate::context::Run;
use crate::error::Error;
use crate::plan::Plan;

/// State of the rotations.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Rotations {
    /// The rotation of the key that signs service account tokens. `None` if it was not determined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_key: Option<TokenKeyRotation>,
    /// The rotation of the CA. `None` if it was not determined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<CaRotation>,
    /// The plan of the next stage, if it was requested and can be carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
}

impl Rotations {
    /// Reports whether no stage is left.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.service_account_key.as_ref().is_none_or(TokenKeyRotation::is_done)
            && self.ca.as_ref().is_none_or(CaRotation::is_done)
    }
}

impl From<TokenKeyRotation> for Rotations {
    fn from(rotation: TokenKeyRotation) -> Self {
        Self { service_account_key: Some(rotation), ..Self::default() }
    }
}

impl From<CaRotation> for Rotations {
    fn from(rotation: CaRotation) -> Self {
        Self { ca: Some(rotation), ..Self::default() }
    }
}

/// Determines the stages of all rotations. Changes nothing.
///
/// # Errors
/// If files on this machine cannot be read, or a master cannot be observed.
pub async fn rotations(run: Run<'_>) -> Result<Rotations, Error> {
    let files = ca::read_files(run)?;
    if run.cluster.pki.service_account_key.is_none() && files.is_none() {
        return Ok(Rotations {
            service_account_key: Some(TokenKeyRotation::not_configured()),
            ca: Some(CaRotation::not_configured()),
            plan: None,
        });
    }
    let sources = ca::read_sources(run, files.as_ref()).await?;
    Ok(Rotations {
        service_account_key: Some(service_account_key::determine(run, &sources).await?),
        ca: Some(ca::determine(run, &sources, files).await?),
        plan: None,
    })
}
