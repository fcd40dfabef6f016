//! Decision to keep or issue the serving certificate, with reasons. Pure.

use kcm_pki::{
    CaCertificate, Certificate, ChainError, Host, PrivateKey, ValidityError, verify_server_chain,
};
use time::OffsetDateTime;

use crate::observed::{Observed, ObservedMaster};
use crate::pki::identity::{self, Decision, Held, Reason, with_issuers};
use crate::pki::{IdentityRequest, Inputs, Pair, Serving};
use crate::transport::PathState;
use crate::util::words::in_full;

/// Decides whether to keep the serving certificate or issue another. `None` if
/// kube-controller-manager generates its own.
pub(crate) fn decide(inputs: &Inputs, observed: &Observed) -> Option<Decision> {
    let Serving { request, pair, key_is_missing } = inputs.serving.as_ref()?;
    let ca = inputs.ca.present();
    let reasons = |pem: &str| reasons(pem, ca, request, observed.at);
    let keep = |pem: &str, held| {
        let certificate = Certificate::first_from_pem(pem.as_bytes()).ok()?;
        Some(Decision::Keep { fingerprint: certificate.fingerprint(), held })
    };
    let issue = |why: Vec<Reason>| Decision::Issue { why };
    Some(match pair {
        Some(pair) => {
            let mut why = reasons(&pair.certificate);
            if !matches(pair) {
                why.push(Reason::KeyMismatch);
            }
            match keep(&pair.certificate, Held::ByOperator) {
                Some(kept) if why.is_empty() => kept,
                _ => issue(why),
            }
        }
        None if *key_is_missing => issue(vec![Reason::KeyMissing]),
        None => held_by_all(observed, reasons),
    })
}

/// Decides without a pair on this machine, as for a second operator. The certificate stays if all
/// masters hold the same valid one.
fn held_by_all(observed: &Observed, reasons: impl Fn(&str) -> Vec<Reason>) -> Decision {
    let mut texts = observed.masters.iter().filter_map(|it| it.files.serving.text.as_deref());
    let Some(first) = texts.next() else { return Decision::Issue { why: vec![Reason::Missing] } };
    let lack = observed.masters.iter().filter(|master| master.files.serving.text.is_none());
    let lack: Vec<_> = lack.map(|master| master.name.clone()).collect();
    let mut why = reasons(first);
    if !lack.is_empty() {
        why.push(Reason::NotOnAll { masters: lack });
    }
    let digest = |master: &ObservedMaster| match master.files.serving.state {
        PathState::File { digest, .. } => Some(digest),
        _ => None,
    };
    let digests = observed.masters.iter().filter_map(|it| Some((it.name.as_str(), digest(it)?)));
    let held = identity::grouped(digests);
    if held.len() > 1 {
        why.push(Reason::MastersDiffer { held });
    }
    match Certificate::first_from_pem(first.as_bytes()) {
        Ok(certificate) if why.is_empty() => {
            Decision::Keep { fingerprint: certificate.fingerprint(), held: Held::ByMasters }
        }
        _ => Decision::Issue { why },
    }
}

fn matches(pair: &Pair) -> bool {
    let key = PrivateKey::from_pem(pair.key.as_bytes());
    let certificate = Certificate::first_from_pem(pair.certificate.as_bytes());
    key.ok().zip(certificate.ok()).is_some_and(|(key, certificate)| key.matches(&certificate))
}

/// Returns all reasons for a new certificate.
fn reasons(
    pem: &str,
    ca: Option<&CaCertificate>,
    request: &IdentityRequest,
    now: OffsetDateTime,
) -> Vec<Reason> {
    let (certificate, issuers) = match with_issuers(pem) {
        Ok(found) => found,
        Err(error) => return vec![Reason::Unreadable { error: in_full(&error) }],
    };
    let mut why = Vec::new();
    match ca.map(|ca| verify_server_chain(&certificate, &issuers, std::slice::from_ref(ca), now)) {
        // The check of the remaining lifetime below covers an expired certificate.
        Some(
            Ok(()) | Err(ChainError::LeafNotValid { source: ValidityError::Expired { .. }, .. }),
        ) => {}
        Some(Err(error)) => why.push(Reason::Chain { error: in_full(&error) }),
        None => why.push(Reason::Chain { error: "the CA is new".to_owned() }),
    }
    let lacks = |host: &&Host| !certificate.sans().contains(host);
    let missing: Vec<_> = request.hosts.iter().filter(lacks).map(ToString::to_string).collect();
    if !missing.is_empty() {
        why.push(Reason::Hosts { missing });
    }
    let could_end_later =
        ca.is_none_or(|ca| certificate.not_after() < ca.certificate().not_after());
    why.extend(identity::end(certificate.not_after(), request, now).filter(|_| could_end_later));
    why
}
