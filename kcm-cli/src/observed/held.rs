//! Determines the identities held by masters and by this machine. Pure.

use serde::Serialize;
use time::OffsetDateTime;

use super::ObservedMaster;
use crate::cluster::CredentialsForm;
use crate::pki::identity::{IdentityFacts, KeyMatch, NotHeld, Reason};
use crate::pki::{IdentityRequest, Inputs};
use crate::transport::PathState;

/// Returns the identity that a master holds: its certificate, if the key is stored with it.
pub(super) fn held_identity(
    master: &ObservedMaster,
    form: CredentialsForm,
    facts: impl FnOnce(&str) -> Result<IdentityFacts, String>,
) -> Result<IdentityFacts, NotHeld> {
    let files = &master.files;
    let used = match form {
        CredentialsForm::EmbeddedOnly => vec![&files.kubeconfig],
        CredentialsForm::Embedded | CredentialsForm::Files => vec![&files.certificate, &files.key],
    };
    if used.iter().all(|file| file.state == PathState::Absent) {
        return Err(NotHeld::Absent);
    }
    let unusable = |why: &str| NotHeld::Unusable(why.to_owned());
    let certificate = master.certificate(form).ok_or_else(|| match form {
        CredentialsForm::EmbeddedOnly => unusable("the kubeconfig has no client certificate"),
        _ => unusable("the certificate is missing or is not a regular file"),
    })?;
    let digest = master.key(form).ok_or_else(|| unusable("the certificate has no key"))?;
    let facts = facts(&certificate).map_err(NotHeld::Unusable)?;
    Ok(IdentityFacts { key: KeyMatch::NotObserved(digest), ..facts })
}

pub(super) fn operator_facts(
    inputs: &Inputs,
    request: &IdentityRequest,
    now: OffsetDateTime,
) -> Result<Option<IdentityFacts>, Reason> {
    let ca = inputs.ca.present();
    match (&inputs.pair, inputs.key_is_missing) {
        (Some(pair), _) => IdentityFacts::of_pair(pair, ca, request, now)
            .map(Some)
            .map_err(|error| Reason::Unreadable { error }),
        (None, true) => Err(Reason::KeyMissing),
        (None, false) => Ok(None),
    }
}

pub(super) fn operator_identity<S: serde::Serializer>(
    operator: &Result<Option<IdentityFacts>, Reason>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        identity: Option<&'a IdentityFacts>,
        #[serde(skip_serializing_if = "Option::is_none")]
        unusable: Option<&'a Reason>,
    }
    Shown {
        identity: operator.as_ref().ok().and_then(Option::as_ref),
        unusable: operator.as_ref().err(),
    }
    .serialize(serializer)
}
