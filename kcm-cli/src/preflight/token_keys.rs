//! Check before the key that signs service account tokens is replaced: every API server must verify
//! the tokens of both keys.

use std::sync::Arc;

use kcm_pki::{Fingerprint, PublicKey};

use super::masters::unit_flag;
use super::{Sink, Subject};
use crate::cluster::layout::Role;
use crate::context::Run;
use crate::desired::SIGNS_TOKENS;
use crate::finding::{Finding, FindingCode};
use crate::kube::Credentials;
use crate::observed::ObservedMaster;
use crate::observed::token_keys::{VerifyingServer, public_part_on, verifying_servers};
use crate::pki::token_key::key_id;
use crate::plan::{MasterPlan, Step};
use crate::transport::{Activity, PathState, Transport};
use crate::util::files::RemotePath;

/// Help text if the check cannot be made.
const BY_HAND: &str = "first give every API server the new public key as a second --service-account-key-file; then apply with --replace-service-account-key; remove the old key after the last token signed with the old key has expired";

/// A master whose running service would sign with another key.
struct Replaced<'a> {
    name: &'a str,
    transport: &'a Arc<dyn Transport>,
    before: String,
    after: Option<&'a str>,
}

/// Refuses to replace the key of a running service, unless every API server verifies tokens of the
/// old and of the new key.
pub(super) async fn evaluate(run: Run<'_>, subject: Subject<'_>, found: &mut Sink) {
    let replaced = replaced(run, subject);
    if replaced.is_empty() {
        return;
    }
    match proof(run, subject, &replaced).await {
        Ok(missing) => found.extend(missing),
        Err(help) => found.extend(replaced.iter().map(|it| refusal(it, &help))),
    }
}

fn replaced<'a>(run: Run<'a>, subject: Subject<'a>) -> Vec<Replaced<'a>> {
    let masters = subject.desired.masters.iter().zip(&subject.observed.masters);
    let masters = masters.zip(run.fleet.masters());
    let replaced = masters.filter_map(|((desired, observed), (name, transport))| {
        let planned = subject.plan.masters.iter().find(|planned| planned.name == name);
        let runs = matches!(observed.probe.unit.activity, Activity::Active { .. });
        if !runs || !planned.is_some_and(MasterPlan::starts) {
            return None;
        }
        let before = unit_flag(observed, SIGNS_TOKENS)?;
        let after = desired.service.service_account_key.as_deref();
        let is_same = after == Some(&*before) && !replaces(subject, observed, &before);
        (!is_same).then_some(Replaced { name, transport, before, after })
    });
    replaced.collect()
}

/// Reports whether the plan replaces the existing file at a path.
fn replaces(subject: Subject<'_>, observed: &ObservedMaster, path: &str) -> bool {
    let planned = subject.plan.masters.iter().find(|planned| planned.name == observed.name);
    let mut steps = planned.into_iter().flat_map(|planned| &planned.steps);
    steps.any(|step| {
        matches!(step, Step::Write { path: written, before: PathState::File { .. }, .. } if written.as_str() == path)
    })
}

/// Returns what API servers lack, or a help text if that cannot be determined.
async fn proof(
    run: Run<'_>,
    subject: Subject<'_>,
    replaced: &[Replaced<'_>],
) -> Result<Vec<Finding>, String> {
    let Some(new) = &subject.inputs.token_key else { return Err(BY_HAND.to_owned()) };
    let pair = subject.inputs.pair.clone();
    let credentials = Credentials::of_cluster(run.cluster, pair).ok().flatten();
    let (Some(credentials), Some(_)) = (credentials, run.fleet.control_plane()) else {
        return Err(BY_HAND.to_owned());
    };
    let (mut signing, mut found) = (Vec::new(), Vec::new());
    for Replaced { name, transport, before, .. } in replaced {
        let old = match RemotePath::new(before.as_str()) {
            Ok(path) => public_part_on(&***transport, &path).await,
            Err(error) => Err(error.to_string()),
        };
        let none = || "the file holds no RSA or ECDSA key in PEM format".to_owned();
        match old.and_then(|old| old.ok_or_else(none)) {
            Ok(public_part) => {
                signing.push(SigningKey { public_part, shown: format!("{before} on {name}") });
            }
            Err(why) => {
                let problem = format!(
                    "cannot determine the public part of {before}, which signs tokens: {why}"
                );
                let code = FindingCode::ServiceAccountKeyUnverified;
                found.push(Finding::error(code, name, problem, BY_HAND));
            }
        }
    }
    let servers = verifying_servers(run, &credentials).await;
    let bundle = subject.layout.path(Role::ServiceAccountPublicKeys);
    found.extend(unverified(&servers, new.private.public_key(), &signing, bundle));
    Ok(found)
}

/// A key that signs service account tokens now.
pub(crate) struct SigningKey {
    pub(crate) public_part: Fingerprint,
    /// The key in messages.
    pub(crate) shown: String,
}

/// Finds what API servers lack before masters may sign with `new`: each must verify tokens of that
/// key and of every key that signs now.
pub(crate) fn unverified(
    servers: &[VerifyingServer],
    new: &PublicKey,
    signing: &[SigningKey],
    bundle: &RemotePath,
) -> Vec<Finding> {
    let finding = |problem: String, help: String| {
        Finding::general(FindingCode::ServiceAccountKeyUnverified, problem, help).into_error()
    };
    let mut found = Vec::new();
    for server in servers {
        let url = &server.url;
        if let Err(why) = &server.answer {
            let problem = format!("cannot determine which keys {url} verifies tokens with: {why}");
            found.push(finding(problem, "fix this problem, then run the command again".to_owned()));
            continue;
        }
        if !server.verifies_public(new) {
            let problem = format!(
                "{url} does not verify tokens of the new service account key {}",
                key_id(new)
            );
            let help = format!(
                "add --service-account-key-file={bundle} to this kube-apiserver, keep its other lines of that flag, and restart it; `kcm rotate service-account-key` uploads this file"
            );
            found.push(finding(problem, help));
        }
        for SigningKey { shown, .. } in signing.iter().filter(|it| !server.verifies(it.public_part))
        {
            let problem = format!("{url} does not verify tokens of {shown}, which signs now");
            let help = "keep the lines of --service-account-key-file that this kube-apiserver had, or add the public part of this key, and restart it; running Pods use such tokens";
            found.push(finding(problem, help.to_owned()));
        }
    }
    found
}

fn refusal(it: &Replaced<'_>, help: &str) -> Finding {
    let Replaced { name, before, after, .. } = it;
    let after = after.unwrap_or("none");
    let problem = format!(
        "the running kube-controller-manager signs tokens with {before}; with {after} instead, or with that file replaced, the tokens of running Pods would become invalid"
    );
    Finding::error(FindingCode::ServiceAccountKeyMismatch, name, problem, help)
}
