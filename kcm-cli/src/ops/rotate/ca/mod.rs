//! Rotation of the CA.
//!
//! The stage follows from the certificates: those in the CA files on this machine, on the masters,
//! and those that every API server accepts and serves.

mod evidence;
mod stage;

use kcm_pki::{Certificate, Fingerprint};
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use self::evidence::Evidence;
use crate::cluster::{Cluster, Pki};
use crate::context::Run;
use crate::error::Error;
use crate::event::Silent;
use crate::finding::Finding;
use crate::ops::apply::compared;
use crate::ops::sources::{Sources, checked};
use crate::pki::ca_files::{self, CaFiles};
use crate::pki::{OperatorError, Pair};
use crate::preflight::lint;
use crate::rollout::{Outcome, Prepared, execute};
use crate::util::schema::Sha256;

/// State of the rotation of the CA.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CaRotation {
    /// The stage that comes next.
    pub stage: CaStage,
    /// The CA that issues. `None` if it was not determined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<RotatedCa>,
    /// The CA that replaces the current one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<RotatedCa>,
    /// The replaced CA, if this machine or a master still trusts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former: Option<RotatedCa>,
    /// The masters.
    pub masters: Vec<TrustingMaster>,
    /// The API servers; empty if no rotation is in progress.
    pub servers: Vec<TrustingServer>,
    /// The reasons why the stage cannot be carried out yet.
    pub blocked_by: Vec<Finding>,
}

/// A stage of the rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CaStage {
    /// The cluster file names no bundle of CA certificates.
    NotConfigured,
    /// The masters trust the current CA and the next one.
    Trust,
    /// The next CA becomes the current one, and issues the certificates of the masters.
    Issue,
    /// The masters no longer trust the former CA.
    Drop,
    /// No rotation is in progress.
    Done,
}

/// A CA of the rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RotatedCa {
    /// Subject of the certificate.
    pub subject: String,
    /// SHA-256 of the certificate.
    #[schemars(with = "Sha256")]
    pub fingerprint: Fingerprint,
    /// End of the certificate's validity.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String")]
    pub not_after: OffsetDateTime,
}

/// A master, and the CAs of its kubeconfig.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TrustingMaster {
    /// Name of the master.
    pub name: String,
    /// Fingerprints of the CA certificates with which the master verifies API servers.
    #[schemars(with = "Vec<Sha256>")]
    pub trusts: Vec<Fingerprint>,
    /// Fingerprint of the CA that issued the client certificate. `None` if it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Sha256>")]
    pub issued_by: Option<Fingerprint>,
    /// The reason why the trusted CA certificates are unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// An API server, and its relation to the CA that the rotation introduces.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TrustingServer {
    /// URL of the server.
    pub url: String,
    /// True if the server accepts client certificates of the CA. `None` if kcm has none at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepts: Option<bool>,
    /// True if the CA verifies the serving certificate of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serves: Option<bool>,
    /// The reason why nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A stage that is ready to be shown, approved and executed.
#[derive(Debug)]
#[non_exhaustive]
pub struct PreparedCaStage {
    /// The stage, and the facts from which it follows.
    pub rotation: CaRotation,
    /// The plan of the stage. `None` if nothing can be done yet, or nothing is left to do.
    pub prepared: Option<Prepared>,
    change: FileChange,
}

/// The change of the CA files on this machine that comes before the masters change.
#[derive(Debug)]
enum FileChange {
    None,
    /// Stores a new CA, if there is one, and writes the bundle.
    Trust(Option<Pair>, Vec<Certificate>),
    /// Makes the next CA the current one, if an earlier run has not done so.
    Promote,
}

/// Determines the stage of the rotation. Changes nothing.
///
/// # Errors
/// If files on this machine cannot be read, or a master cannot be observed.
pub async fn rotation(run: Run<'_>) -> Result<CaRotation, Error> {
    let Some(files) = read_files(run)? else { return Ok(CaRotation::not_configured()) };
    let sources = read_sources(run, Some(&files)).await?;
    determine(run, &sources, Some(files)).await
}

/// Determines the stage from inputs that were read before.
pub(super) async fn determine(
    run: Run<'_>,
    sources: &Sources,
    files: Option<CaFiles>,
) -> Result<CaRotation, Error> {
    let Some(files) = files else { return Ok(CaRotation::not_configured()) };
    Ok(stage::rotation(&Evidence::collect(run, sources, files).await?))
}

/// Reads the CA files on this machine. `None` if the cluster file names no bundle, or the CA does not
/// exist yet.
pub(super) fn read_files(run: Run<'_>) -> Result<Option<CaFiles>, OperatorError> {
    let pki = &run.cluster.pki;
    Ok(pki.trust.as_deref().map(|bundle| CaFiles::read(pki, bundle)).transpose()?.flatten())
}

/// Reads the inputs of a plan. A bundle that does not exist yet counts as the current CA alone.
pub(super) async fn read_sources(run: Run<'_>, files: Option<&CaFiles>) -> Result<Sources, Error> {
    let Some(files) = files.filter(|files| !files.has_bundle) else {
        return Sources::read(run, None).await;
    };
    let pki = Pki { trust: None, ..run.cluster.pki.clone() };
    let cluster = Cluster { pki, ..run.cluster.clone() };
    let mut sources = Sources::read(Run { cluster: &cluster, ..run }, None).await?;
    sources.trust(&files.trust);
    Ok(sources)
}

/// Plans the next stage of the rotation. With `begin`, a rotation starts if none is in progress: the
/// plan creates the next CA. Otherwise it starts once the files of the next CA exist. Writes nothing.
///
/// # Errors
/// If files on this machine cannot be read, a master cannot be observed, or a check shows that the
/// plan could not be executed.
pub async fn plan_stage(run: Run<'_>, begin: bool) -> Result<PreparedCaStage, Error> {
    let pki = &run.cluster.pki;
    let Some(files) = read_files(run)? else {
        return Ok(PreparedCaStage::without_plan(CaRotation::not_configured()));
    };
    lint::refuse(run)?;
    let mut sources = read_sources(run, Some(&files)).await?;
    let mut evidence = Evidence::collect(run, &sources, files).await?;
    let mut rotation = stage::rotation(&evidence);
    let mut created = None;
    if rotation.stage == CaStage::Done && begin {
        let (next, pair) = evidence.files.new_root(pki, run.now)?;
        evidence.files.next = Some(next);
        rotation = stage::rotation(&evidence);
        created = Some(pair);
    }
    if !rotation.blocked_by.is_empty() {
        return Ok(PreparedCaStage::without_plan(rotation));
    }
    let change = match rotation.stage {
        CaStage::NotConfigured | CaStage::Done => {
            return Ok(PreparedCaStage::without_plan(rotation));
        }
        CaStage::Trust => {
            let mut trust = evidence.files.trust.clone();
            let next = evidence.files.next.as_ref().filter(|next| !evidence.files.trusts(next));
            trust.extend(next.map(|next| next.certificate().clone()));
            sources.trust(&trust);
            FileChange::Trust(created, trust)
        }
        CaStage::Issue if evidence.files.next.is_some() => {
            let cluster = Cluster { pki: ca_files::with_next(pki), ..run.cluster.clone() };
            let ahead = Run { cluster: &cluster, ..run };
            // The warnings were emitted already.
            let mut sources = Sources::read(Run { events: &Silent, ..ahead }, None).await?;
            sources.replace_ca(Some(evidence.files.current));
            let prepared = checked(ahead, compared(ahead, sources)?).await?;
            let change = FileChange::Promote;
            return Ok(PreparedCaStage { rotation, prepared: Some(prepared), change });
        }
        CaStage::Issue => {
            sources.replace_ca(evidence.files.former);
            FileChange::Promote
        }
        CaStage::Drop => {
            let trust = evidence.files.without_former();
            sources.trust(&trust);
            sources.replace_ca(evidence.files.former);
            FileChange::Trust(None, trust)
        }
    };
    let prepared = checked(run, compared(run, sources)?).await?;
    Ok(PreparedCaStage { rotation, prepared: Some(prepared), change })
}

/// Executes a stage. Returns `None` if it changes no master.
///
/// The CA files on this machine change first, so that after an interruption the same stage
/// continues.
///
/// # Errors
/// If it stopped before any master changed. Later failures are in the [`Outcome`].
pub async fn execute_stage(run: Run<'_>, stage: PreparedCaStage) -> Result<Option<Outcome>, Error> {
    let PreparedCaStage { prepared: Some(prepared), change, .. } = stage else { return Ok(None) };
    let pki = &run.cluster.pki;
    match change {
        FileChange::None => {}
        FileChange::Trust(created, trust) => {
            if let Some(pair) = created {
                ca_files::store_next(pki, &pair)?;
            }
            if let Some(bundle) = &pki.trust {
                ca_files::write_bundle(bundle, &trust)?;
            }
        }
        FileChange::Promote => {
            if let Some(files) = read_files(run)? {
                ca_files::promote(pki, &files)?;
            }
        }
    }
    let is_empty = prepared.plan.is_empty();
    let outcome = Box::pin(execute(run, prepared)).await?;
    Ok((!is_empty).then_some(outcome))
}

impl PreparedCaStage {
    fn without_plan(rotation: CaRotation) -> Self {
        Self { rotation, prepared: None, change: FileChange::None }
    }
}

impl CaRotation {
    pub(super) fn not_configured() -> Self {
        Self {
            stage: CaStage::NotConfigured,
            current: None,
            next: None,
            former: None,
            masters: Vec::new(),
            servers: Vec::new(),
            blocked_by: Vec::new(),
        }
    }

    /// Reports whether nothing is left to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.stage, CaStage::Done | CaStage::NotConfigured)
    }
}
