//! Check that the created objects are in etcd.

use std::time::Duration;

use kcm_pki::{Certificate, Usage};
use tokio::time::Instant;

use super::report::Book;
use super::trial::{ACCOUNT, NAME, Trial};
use super::{EtcdRequest, SmokeRequest};
use crate::event::CheckName;
use crate::kube::{Etcd, Patience, Via};

const ASKED: &str = "the keys of the created objects are in etcd";

/// Runs the check and records its result, if access to etcd was given.
pub(super) async fn check(trial: &Trial<'_>, request: &SmokeRequest, book: &mut Book<'_>) {
    let Some(etcd) = &request.etcd else { return };
    if trial.run.interrupt.is_requested() {
        return book.skip(CheckName::Etcd, ASKED, "interrupted");
    }
    let clock = Instant::now();
    let looking = look(trial, etcd, book);
    let ended = tokio::select! {
        biased;
        () = trial.run.interrupt.asked() => Err("interrupted".to_owned()),
        ended = tokio::time::timeout(trial.patience, looking) => ended.unwrap_or_else(|_| {
            Err(format!("no answer within {} s", trial.patience.as_secs_f64()))
        }),
    };
    match ended {
        Ok(seen) => book.pass(CheckName::Etcd, ASKED, seen, clock),
        Err(_) if trial.run.interrupt.is_requested() => {
            book.skip(CheckName::Etcd, ASKED, "interrupted");
        }
        Err(seen) => {
            let look =
                "run `etcdctl endpoint health` with the same certificates, and check etcd's log"
                    .to_owned();
            book.fail(CheckName::Etcd, ASKED, seen, look, clock);
        }
    }
}

async fn look(trial: &Trial<'_>, request: &EtcdRequest, book: &Book<'_>) -> Result<String, String> {
    fit(request)?;
    let patience = Patience { connect: Duration::from_secs(5), request: Duration::from_secs(5) };
    let keys = keys(trial, book);
    for endpoint in &request.endpoints {
        let at = |why: String| format!("{endpoint}: {why}");
        let via = trial.via();
        let etcd = Etcd::new(endpoint, &request.ca, &request.pair, via, patience).map_err(at)?;
        for key in &keys {
            if !etcd.has(key).await.map_err(at)? {
                return Err(at(format!(
                    "{key} does not exist: the endpoint belongs to another API server, or --etcd-prefix of the API server is not /registry"
                )));
            }
        }
    }
    let servers = request.endpoints.len();
    Ok(format!("{} keys below /registry, {servers} of {servers} endpoints queried", keys.len()))
}

/// Checks that the certificate permits client authentication. etcd rejects others only as a bad
/// certificate.
fn fit(request: &EtcdRequest) -> Result<(), String> {
    let certificate = Certificate::first_from_pem(request.pair.certificate.as_bytes());
    let certificate = certificate
        .map_err(|error| format!("--etcd-cert: {}", crate::util::words::in_full(&error)))?;
    if certificate.has_extended_key_usage() && !certificate.usages().contains(Usage::ClientAuth) {
        return Err(
            "--etcd-cert is not valid for client authentication, so etcd rejects it; issue it with the usage \"client auth\"".to_owned(),
        );
    }
    Ok(())
}

/// Returns the keys of the created objects (`KeyRootFunc` and resource prefixes of kube-apiserver).
fn keys(trial: &Trial<'_>, book: &Book<'_>) -> Vec<String> {
    let namespace = &trial.namespace.name;
    let mut keys = vec![format!("/registry/namespaces/{namespace}")];
    let mut add = |check, kind: &str, name: &str| {
        if book.has_passed(check) {
            keys.push(format!("/registry/{kind}/{namespace}/{name}"));
        }
    };
    add(CheckName::ServiceAccount, "serviceaccounts", ACCOUNT);
    add(CheckName::Deployment, "deployments", NAME);
    add(CheckName::ResourceQuota, "resourcequotas", NAME);
    keys
}

impl Trial<'_> {
    /// Returns the route to etcd: through the leader's master, or directly from this machine.
    fn via(&self) -> Via {
        match self.run.cluster.api_via {
            crate::cluster::ApiVia::Direct => Via::Direct,
            crate::cluster::ApiVia::Master => self.leader().via(),
        }
    }
}
