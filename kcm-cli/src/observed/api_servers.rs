//! Queries every API server of the cluster, each through a master.

use std::sync::Arc;

use kcm_kubeconfig::ServerUrl;

use crate::context::Run;
use crate::kube::{ApiError, ControlPlane, Via};
use crate::transport::Transport;
use crate::util::distinct;
use crate::util::tasks::at_once;

/// An API server and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Asked<T> {
    pub(crate) url: ServerUrl,
    /// The answer, or the reason why there is none.
    pub(crate) answer: Result<T, String>,
}

/// Queries every API server of the cluster at once. The servers are those of the Service
/// `default/kubernetes`, as the answers list them; without it, those of the cluster file.
///
/// The first answer lists the servers, so this takes two rounds.
pub(crate) async fn every_api_server<T: Clone, F: Future<Output = Result<T, ApiError>>>(
    run: Run<'_>,
    ask: impl Fn(Arc<dyn ControlPlane>, ServerUrl, Via) -> F,
    listed: impl Fn(&T) -> &[ServerUrl],
) -> Vec<Asked<T>> {
    let configured = distinct(run.cluster.masters.iter().map(|master| master.server.clone()));
    let first = ask_all(run, configured, &ask).await;
    let answers = first.iter().filter_map(|it| it.answer.as_ref().ok());
    let mut all = distinct(answers.flat_map(|it| listed(it).to_vec()));
    if all.is_empty() {
        return first;
    }
    all.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    let known = |url: &ServerUrl| first.iter().find(|it| it.url == *url).cloned();
    let (asked, unasked): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| known(it).is_some());
    let mut servers: Vec<_> = asked.iter().filter_map(known).collect();
    servers.extend(ask_all(run, unasked, &ask).await);
    // A server of the cluster file that did not answer may be missing from the list.
    let silent = first.into_iter().filter(|it| it.answer.is_err());
    for server in silent {
        if !servers.iter().any(|it| it.url == server.url) {
            servers.push(server);
        }
    }
    servers
}

async fn ask_all<T, F: Future<Output = Result<T, ApiError>>>(
    run: Run<'_>,
    servers: Vec<ServerUrl>,
    ask: &impl Fn(Arc<dyn ControlPlane>, ServerUrl, Via) -> F,
) -> Vec<Asked<T>> {
    let asked = at_once(servers.iter().map(|url| {
        let control_plane = run.fleet.control_plane().ok_or("the masters are folders");
        let asked = control_plane.map_err(str::to_owned).and_then(|control_plane| {
            Ok(ask(Arc::clone(control_plane), url.clone(), way(run, url)?))
        });
        async move { asked?.await.map_err(|error| error.problem.to_string()) }
    }));
    let answers = asked.await.into_iter();
    let answers = answers.map(|it| it.unwrap_or_else(|panicked| Err(panicked.to_string())));
    servers.iter().cloned().zip(answers).map(|(url, answer)| Asked { url, answer }).collect()
}

/// Returns the path to a server. A master may reach only the server on its own host.
fn way(run: Run<'_>, url: &ServerUrl) -> Result<Via, String> {
    let masters: Vec<(&str, &Arc<dyn Transport>)> = run.fleet.masters().collect();
    let is_own = |name: &str| {
        let master = run.cluster.master(name);
        master.is_some_and(|it| it.server == *url || it.address.to_string() == url.host())
    };
    let own = masters.iter().find(|(name, _)| is_own(name)).or(masters.first());
    let (name, transport) = own.ok_or("no master is selected")?;
    Ok(Via::of_master(run.cluster.api_via, name, transport))
}
