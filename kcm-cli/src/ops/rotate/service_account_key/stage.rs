//! The stage of a rotation. Pure.

use kcm_pki::{Fingerprint, PublicKey};

use super::evidence::{Evidence, Signer};
use super::{SigningMaster, TokenKeyRotation, TokenKeyStage, TokenServer};
use crate::finding::{Finding, FindingCode};
use crate::observed::token_keys::VerifyingServer;
use crate::pki::token_key::key_id as id;
use crate::preflight::{SigningKey, unverified_token_keys};
use crate::transport::public_part;
use crate::util::distinct;

/// Determines the stage, and what blocks it.
pub(super) fn rotation(evidence: &Evidence) -> TokenKeyRotation {
    let target = evidence.keys.target().map(|key| key.public_key().clone());
    let known = evidence.keys.to_publish().into_iter().chain(evidence.former.clone());
    let former = distinct(known.filter(|key| Some(key) != target.as_ref()));
    let legacy_tokens = legacy(evidence, &former);
    let (stage, blocked_by) = match &target {
        None => (TokenKeyStage::Announce, Vec::new()),
        Some(target) => next(evidence, target, &former, &legacy_tokens),
    };
    let known: Vec<_> =
        target.iter().chain(&former).filter_map(|key| Some((public_part(key)?, id(key)))).collect();
    TokenKeyRotation {
        stage,
        key: target.as_ref().map(id),
        former_keys: former.iter().map(id).collect(),
        masters: evidence.masters.iter().map(|it| master(it, &known)).collect(),
        servers: evidence.servers.iter().map(server).collect(),
        legacy_tokens,
        blocked_by,
    }
}

fn next(
    evidence: &Evidence,
    target: &PublicKey,
    former: &[PublicKey],
    legacy: &[String],
) -> (TokenKeyStage, Vec<Finding>) {
    let part = public_part(target);
    let deployed = evidence.masters.iter().filter(|it| it.file.is_some());
    let is_switched = evidence.keys.next.is_none()
        && deployed.clone().all(|it| it.is_current && part.is_some() && it.public_part == Ok(part));
    if is_switched && deployed.clone().next().is_some() {
        return match former {
            [] => (TokenKeyStage::Done, Vec::new()),
            _ => (TokenKeyStage::Retire, in_use(evidence, former, legacy)),
        };
    }
    let unproven = unproven(evidence, target, former);
    if unproven.is_empty() && evidence.masters.iter().all(|it| it.has_public_keys) {
        (TokenKeyStage::Switch, unproven)
    } else {
        (TokenKeyStage::Announce, unproven)
    }
}

/// Finds what is missing before masters may sign with `target`.
fn unproven(evidence: &Evidence, target: &PublicKey, former: &[PublicKey]) -> Vec<Finding> {
    let mut found = Vec::new();
    if evidence.servers.is_empty() {
        let problem = "this machine has no client certificate, so kcm cannot query the API servers";
        let help = "run kcm on the machine that has the files of `pki.directory`";
        let code = FindingCode::ServiceAccountKeyUnverified;
        found.push(Finding::general(code, problem.to_owned(), help).into_error());
    }
    let signing = former.iter().filter(|key| signs(evidence, key)).filter_map(|key| {
        let shown = format!("the key {}", id(key));
        Some(SigningKey { public_part: public_part(key)?, shown })
    });
    let signing: Vec<_> = signing.collect();
    let (servers, bundle) = (&evidence.servers, &evidence.public_file);
    found.extend(unverified_token_keys(servers, target, &signing, bundle));
    let unknown = evidence.masters.iter().filter(|it| it.file.is_some());
    for Signer { name, public_part, .. } in unknown {
        if let Err(why) = public_part {
            let problem = format!("cannot determine the key that signs tokens: {why}");
            let help = "fix this problem, then run the command again";
            found.push(Finding::error(
                FindingCode::ServiceAccountKeyUnverified,
                name,
                problem,
                help,
            ));
        }
    }
    found
}

/// Reports whether any master signs with this key.
fn signs(evidence: &Evidence, key: &PublicKey) -> bool {
    let part: Option<Fingerprint> = public_part(key);
    evidence.masters.iter().any(|it| part.is_some() && it.public_part == Ok(part))
}

/// Finds what still needs the former keys.
fn in_use(evidence: &Evidence, former: &[PublicKey], legacy: &[String]) -> Vec<Finding> {
    let mut found = Vec::new();
    let ids: Vec<_> = former.iter().map(id).collect();
    for server in &evidence.servers {
        match &server.answer {
            Err(why) => {
                let problem =
                    format!("cannot determine which key {} signs tokens with: {why}", server.url);
                found
                    .push(used(problem, "fix this problem, then run the command again".to_owned()));
            }
            Ok(tokens) => {
                let Some(old) = tokens.signs_with.as_ref().filter(|key| ids.contains(key)) else {
                    continue;
                };
                let problem = format!("{} signs new tokens with the former key {old}", server.url);
                let help = format!(
                    "set --service-account-signing-key-file={} for this kube-apiserver, and restart it; then wait 24 hours, in which kubelets replace the tokens of Pods",
                    evidence.key_file
                );
                found.push(used(problem, help));
            }
        }
    }
    if let Err(why) = &evidence.legacy {
        let problem = format!("cannot determine which Secrets hold tokens of a former key: {why}");
        found.push(used(problem, "fix this problem, then run the command again".to_owned()));
    }
    if !legacy.is_empty() {
        let problem = format!(
            "Secrets hold tokens of a former key, which do not expire: {}",
            legacy.join(", ")
        );
        let help = "delete each Secret that is not used; for the others, let the client use a token of `kubectl create token`, or delete and create the Secret again";
        found.push(used(problem, help.to_owned()));
    }
    found
}

fn used(problem: String, help: String) -> Finding {
    Finding::general(FindingCode::ServiceAccountKeyInUse, problem, help).into_error()
}

fn legacy(evidence: &Evidence, former: &[PublicKey]) -> Vec<String> {
    let ids: Vec<_> = former.iter().map(id).collect();
    let tokens = evidence.legacy.iter().flatten();
    let old = tokens.filter(|it| it.key_id.as_ref().is_some_and(|key| ids.contains(key)));
    old.map(|it| format!("{}/{}", it.namespace, it.name)).collect()
}

fn master(signer: &Signer, known: &[(Fingerprint, String)]) -> SigningMaster {
    let part = signer.public_part.as_ref().ok().copied().flatten();
    let key = known.iter().find(|(known, _)| Some(*known) == part).map(|(_, id)| id.clone());
    SigningMaster {
        name: signer.name.clone(),
        file: signer.file.as_ref().map(ToString::to_string),
        signs_with: key,
    }
}

fn server(server: &VerifyingServer) -> TokenServer {
    let (verifies, signs_with, problem) = match &server.answer {
        Ok(keys) => {
            // A key may be in several files.
            let verifies = distinct(keys.keys.iter().map(|key| key.id.clone()));
            (verifies, keys.signs_with.clone(), None)
        }
        Err(why) => (Vec::new(), None, Some(why.clone())),
    };
    TokenServer { url: server.url.to_string(), verifies, signs_with, problem }
}

#[cfg(test)]
mod tests;
