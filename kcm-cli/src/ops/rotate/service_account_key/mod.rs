//! Rotation of the key that signs service account tokens.
//!
//! The stage follows from the keys: the files on this machine, the keys on the masters, and the keys
//! that every API server reports.

mod evidence;
mod stage;

use schemars::JsonSchema;
use serde::Serialize;

use self::evidence::Evidence;
use crate::cluster::layout::Role;
use crate::context::Run;
use crate::error::Error;
use crate::finding::Finding;
use crate::ops::apply::compared;
use crate::ops::sources::{Sources, checked};
use crate::pki::token_key::TokenKeys;
use crate::plan::{Plan, Step};
use crate::preflight::lint;
use crate::rollout::{Outcome, Prepared, execute};

/// State of the rotation of the key that signs service account tokens.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TokenKeyRotation {
    /// The stage that comes next.
    pub stage: TokenKeyStage,
    /// Id of the key that masters are to sign with. `None` if no separate key exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Ids of the keys that signed before and that API servers must still verify.
    pub former_keys: Vec<String>,
    /// The masters.
    pub masters: Vec<SigningMaster>,
    /// The API servers.
    pub servers: Vec<TokenServer>,
    /// Secrets with a token that a former key signed. Such a token does not expire.
    pub legacy_tokens: Vec<String>,
    /// The reasons why the stage cannot be carried out yet.
    pub blocked_by: Vec<Finding>,
}

/// A stage of the rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TokenKeyStage {
    /// No separate key is configured: the CA key signs tokens.
    NotConfigured,
    /// The new key is created, and its public part is uploaded for the API servers.
    Announce,
    /// The masters sign with the new key.
    Switch,
    /// The public parts of former keys are withdrawn.
    Retire,
    /// No rotation is in progress.
    Done,
}

/// A master, and the key that its service signs tokens with.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SigningMaster {
    /// Name of the master.
    pub name: String,
    /// Path of the key. `None` if kube-controller-manager is not deployed or signs no tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Id of the key. `None` if it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signs_with: Option<String>,
}

/// An API server, and the keys that it verifies tokens with.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TokenServer {
    /// URL of the server.
    pub url: String,
    /// Ids of the keys that it verifies tokens with.
    pub verifies: Vec<String>,
    /// Id of the key that it signs new tokens with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signs_with: Option<String>,
    /// The reason why the keys are unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A stage that is ready to be shown, approved and executed.
#[derive(Debug)]
#[non_exhaustive]
pub struct PreparedTokenKeyStage {
    /// The stage, and the facts from which it follows.
    pub rotation: TokenKeyRotation,
    /// The plan of the stage. `None` if nothing can be done yet, or nothing is left to do.
    pub prepared: Option<Prepared>,
}

/// Determines the stage of the rotation. Changes nothing.
///
/// # Errors
/// If files on this machine cannot be read, or a master cannot be observed.
pub async fn rotation(run: Run<'_>) -> Result<TokenKeyRotation, Error> {
    if run.cluster.pki.service_account_key.is_none() {
        return Ok(TokenKeyRotation::not_configured());
    }
    determine(run, &Sources::read(run, None).await?).await
}

/// Determines the stage from inputs that were read before.
pub(super) async fn determine(run: Run<'_>, sources: &Sources) -> Result<TokenKeyRotation, Error> {
    let Some(key) = &run.cluster.pki.service_account_key else {
        return Ok(TokenKeyRotation::not_configured());
    };
    let evidence = Evidence::collect(run, sources, TokenKeys::read(key)?).await?;
    Ok(stage::rotation(&evidence))
}

/// Plans the next stage of the rotation, and writes the files on this machine that it needs:
/// [`TokenKeyStage::Announce`] creates the key. With `begin`, a rotation starts if none is in progress.
///
/// # Errors
/// If files on this machine cannot be read or written, a master cannot be observed, or a check
/// shows that the plan could not be executed.
pub async fn plan_stage(run: Run<'_>, begin: bool) -> Result<PreparedTokenKeyStage, Error> {
    let Some(key) = &run.cluster.pki.service_account_key else {
        return Ok(PreparedTokenKeyStage {
            rotation: TokenKeyRotation::not_configured(),
            prepared: None,
        });
    };
    lint::refuse(run)?;
    let mut sources = Sources::read(run, None).await?;
    let mut evidence = Evidence::collect(run, &sources, TokenKeys::read(key)?).await?;
    let mut rotation = stage::rotation(&evidence);
    let starts = match rotation.stage {
        TokenKeyStage::Announce => evidence.keys.target().is_none(),
        TokenKeyStage::Done => begin,
        _ => false,
    };
    if rotation.stage == TokenKeyStage::Announce || starts {
        let former = evidence.former.clone();
        evidence.keys.announce(key, former.as_ref(), starts)?;
        rotation = stage::rotation(&evidence);
    }
    let prepared = match rotation.stage {
        TokenKeyStage::Switch => {
            sources.sign_tokens_with(evidence.keys.switched(key)?);
            Some(checked(run, compared(run, sources)?).await?)
        }
        TokenKeyStage::Retire if rotation.blocked_by.is_empty() => {
            let mut signing = evidence.keys.signing(key)?;
            signing.public_keys.truncate(1);
            sources.sign_tokens_with(signing);
            Some(published(run, sources).await?)
        }
        TokenKeyStage::Announce => {
            sources.sign_tokens_with(evidence.keys.signing(key)?);
            Some(published(run, sources).await?)
        }
        TokenKeyStage::NotConfigured | TokenKeyStage::Retire | TokenKeyStage::Done => None,
    };
    Ok(PreparedTokenKeyStage { rotation, prepared })
}

/// Executes a stage. Returns `None` if it changes no master.
///
/// # Errors
/// If it stopped before any master changed. Later failures are in the [`Outcome`].
pub async fn execute_stage(
    run: Run<'_>,
    stage: PreparedTokenKeyStage,
) -> Result<Option<Outcome>, Error> {
    let PreparedTokenKeyStage { rotation, prepared } = stage;
    let Some(prepared) = prepared else { return Ok(None) };
    let is_empty = prepared.plan.is_empty();
    let outcome = Box::pin(execute(run, prepared)).await?;
    // The masters withdraw the keys first: this machine's file decides whether the stage is over.
    if let (TokenKeyStage::Retire, true, Some(key)) =
        (rotation.stage, outcome.is_done(), &run.cluster.pki.service_account_key)
    {
        TokenKeys::read(key)?.retire(key)?;
    }
    Ok((!is_empty).then_some(outcome))
}

/// Plans the upload of the public keys alone, which restarts nothing.
async fn published(run: Run<'_>, sources: Sources) -> Result<Prepared, Error> {
    let (decisions, desired) = sources.choose(run, sources.decisions())?;
    let mut masters = Plan::masters(&desired, sources.observed());
    for (master, observed) in masters.iter_mut().zip(&sources.observed().masters) {
        master.steps.retain(|step| match step {
            Step::RemoveLeftover { .. } => true,
            step => step.role() == Some(Role::ServiceAccountPublicKeys),
        });
        // An interrupted run left a change that is not verified yet.
        if observed.generations.pending.is_some() {
            master.steps.push(Step::Verify);
        }
    }
    let mut prepared = sources.prepared(decisions, desired, masters, false);
    let masters = std::mem::take(&mut prepared.plan.masters);
    prepared.plan = Plan::without_certificates(masters);
    checked(run, prepared).await
}

impl TokenKeyRotation {
    pub(super) fn not_configured() -> Self {
        Self {
            stage: TokenKeyStage::NotConfigured,
            key: None,
            former_keys: Vec::new(),
            masters: Vec::new(),
            servers: Vec::new(),
            legacy_tokens: Vec::new(),
            blocked_by: Vec::new(),
        }
    }

    /// Reports whether nothing is left to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.stage, TokenKeyStage::Done | TokenKeyStage::NotConfigured)
    }
}
