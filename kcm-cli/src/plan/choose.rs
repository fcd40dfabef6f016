//! Choice of the desired state according to the decisions on the certificates.

use super::serving;
use crate::cluster::Cluster;
use crate::cluster::layout::Layout;
use crate::desired::{Artifact, Content, Desired, DesiredError, Identity, Materials, desired};
use crate::observed::accounts::Owners;
use crate::observed::{Observed, ObservedMaster};
use crate::pki::identity::{Decision, Held, Reason, decide};
use crate::pki::{Inputs, Serving};
use crate::plan;

/// The decisions on the certificates.
#[derive(Clone, Debug)]
pub(crate) struct Decisions {
    /// The decision on the client identity.
    pub(crate) identity: Decision,
    /// The decision on the serving certificate, if kcm issues it.
    pub(crate) serving: Option<Decision>,
}

/// Decides whether the certificates stay.
pub(crate) fn decided(inputs: &Inputs, observed: &Observed) -> Decisions {
    let held: Vec<_> = observed.masters.iter().map(ObservedMaster::held).collect();
    let identity = decide(&inputs.request, &observed.operator, &held, observed.at);
    Decisions { identity, serving: serving::decide(inputs, observed) }
}

/// The inputs from which the desired state is rendered, besides the decisions.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) layout: &'a Layout,
    pub(crate) owners: &'a [Owners],
    pub(crate) inputs: &'a Inputs,
    pub(crate) observed: &'a Observed,
}

impl<'a> Site<'a> {
    fn desired(
        self,
        identity: Identity<'_>,
        serving: Option<Identity<'_>>,
    ) -> Result<Desired, DesiredError> {
        let Self { cluster, layout, owners, inputs, .. } = self;
        let ca = inputs.ca.present().map(|ca| ca.certificate().to_pem());
        let (ca_key, binary) = (inputs.ca_key.as_ref(), inputs.binary.as_ref());
        let token_key = inputs.token_key.as_ref();
        let (ca, trust) = (ca.as_deref(), inputs.trust.as_deref());
        let materials = Materials { identity, serving, ca, trust, ca_key, token_key, binary };
        desired(cluster, layout, owners, materials)
    }

    /// Returns the certificate of the pair that a master holds, with the master.
    fn held(self, master: &ObservedMaster) -> Option<(String, &ObservedMaster)> {
        Some((master.certificate(self.inputs.credentials)?.into_owned(), master))
    }

    /// Returns the master with the reference pair. A pair with a valid chain comes first, then the
    /// pair that most masters hold.
    fn reference(self) -> Option<&'a ObservedMaster> {
        let masters = &self.observed.masters;
        let holders = |master: &ObservedMaster| {
            masters.iter().filter(|other| other.identity == master.identity).count()
        };
        let held = masters.iter().filter(|master| master.identity.is_some());
        // `max_by_key` returns the last maximum; reversed, that is the first master.
        held.rev().max_by_key(|master| {
            let facts = master.identity.as_ref();
            (facts.is_some_and(|facts| facts.chain_error.is_none()), holders(master))
        })
    }
}

/// Returns the desired state and the final decisions.
///
/// A decision to keep an identity whose key is not on this machine may have to change. It becomes
/// [`Decision::Issue`] if the files of the masters differ, since kcm cannot write them without the
/// key.
pub(crate) fn choose(
    site: Site<'_>,
    decisions: Decisions,
) -> Result<(Decisions, Desired), DesiredError> {
    let Site { inputs, observed, .. } = site;
    let serving = decisions.serving.as_ref().and_then(|it| served(it, inputs, observed));
    let to_issue = || site.desired(Identity::ToBeIssued(&inputs.request), serving);
    match (&decisions.identity, &inputs.pair) {
        (Decision::Keep { held: Held::ByOperator, .. }, Some(pair)) => {
            Ok((decisions, site.desired(Identity::Pair(pair), serving)?))
        }
        (Decision::Keep { .. }, _) => {
            let held = observed.masters.first().and_then(|master| site.held(master));
            let kept = held.map(|(certificate, master)| {
                let (certificate, master) = (&*certificate, Some(master));
                site.desired(Identity::OnMasters { certificate, master }, serving)
            });
            let files = match kept.transpose()? {
                Some(desired) => match unlike(&desired, observed) {
                    files if files.is_empty() => return Ok((decisions, desired)),
                    files => files,
                },
                None => Vec::new(),
            };
            let identity = Decision::Issue { why: vec![Reason::KeyNotHere { files }] };
            Ok((Decisions { identity, ..decisions }, to_issue()?))
        }
        (Decision::Issue { .. }, _) => Ok((decisions, to_issue()?)),
    }
}

/// Renders the desired state with the current pair, even if a new one is due: that of this machine,
/// else that of the reference master.
pub(crate) fn as_held(site: Site<'_>) -> Result<Desired, DesiredError> {
    let Site { inputs, observed, .. } = site;
    let serving = inputs.serving.as_ref().map(|Serving { request, pair, .. }| match pair {
        Some(pair) => Identity::Pair(pair),
        None => served_by_masters(observed).unwrap_or(Identity::ToBeIssued(request)),
    });
    if let Some(pair) = &inputs.pair {
        return site.desired(Identity::Pair(pair), serving);
    }
    match site.reference().and_then(|master| site.held(master)) {
        Some((certificate, master)) => {
            let (certificate, master) = (&*certificate, Some(master));
            site.desired(Identity::OnMasters { certificate, master }, serving)
        }
        None => site.desired(Identity::ToBeIssued(&inputs.request), serving),
    }
}

/// Returns the serving identity according to the decision.
fn served<'a>(
    decision: &Decision,
    inputs: &'a Inputs,
    observed: &'a Observed,
) -> Option<Identity<'a>> {
    let Serving { request, pair, .. } = inputs.serving.as_ref()?;
    match (decision, pair) {
        (Decision::Issue { .. }, _) => Some(Identity::ToBeIssued(request)),
        (Decision::Keep { .. }, Some(pair)) => Some(Identity::Pair(pair)),
        (Decision::Keep { .. }, None) => served_by_masters(observed),
    }
}

fn served_by_masters(observed: &Observed) -> Option<Identity<'_>> {
    let mut masters = observed.masters.iter();
    masters.find_map(|master| {
        let certificate = master.files.serving.text.as_deref()?;
        Some(Identity::OnMasters { certificate, master: Some(master) })
    })
}

/// Returns the files, each with its master, that only the masters hold and that differ. Their key
/// is not on this machine, so kcm cannot rewrite them.
fn unlike(desired: &Desired, observed: &Observed) -> Vec<String> {
    let masters = desired.masters.iter().zip(&observed.masters);
    let files = masters.flat_map(|(desired, observed)| {
        let is_unlike = |artifact: &&Artifact| {
            artifact.content == Content::AsItIs
                && artifact.reference.is_some()
                && !plan::is_right(artifact, observed)
        };
        let unlike = desired.artifacts.iter().filter(is_unlike);
        unlike.map(|artifact| format!("{} on {}", artifact.path, observed.name))
    });
    files.collect()
}
