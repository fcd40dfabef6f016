//! The masters of one invocation, each with its transport.

#[cfg(feature = "ssh")]
mod ssh;

use std::path::Path;
use std::sync::Arc;

use crate::cluster::Cluster;
use crate::kube::ControlPlane;
use crate::transport::{Exchange, Local, Traced, Transport};
use crate::util::tasks::{Panicked, at_once};

/// All masters of a cluster file, in its order, each with its transport.
#[derive(Clone, Debug)]
pub struct Fleet {
    masters: Vec<(String, Arc<dyn Transport>)>,
    network: Network,
    control_plane: Option<Arc<dyn ControlPlane>>,
}

/// The permission for kcm itself to use the network, apart from the transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// kcm may send requests to the API server.
    Allowed,
    /// kcm opens no connection and resolves no name.
    Forbidden,
}

impl Fleet {
    /// Returns a fleet of folders `root/<name>`. The network is not used.
    #[must_use]
    pub fn folders(cluster: &Cluster, root: &Path) -> Self {
        Self::new(cluster, Network::Forbidden, |name| Arc::new(Local::new(root.join(name))))
    }

    /// Returns a fleet with the transports that `connect` returns for each name.
    pub fn new(
        cluster: &Cluster,
        network: Network,
        mut connect: impl FnMut(&str) -> Arc<dyn Transport>,
    ) -> Self {
        let names = cluster.masters.iter().map(|master| master.name.as_str());
        let masters = names.map(|name| (name.to_owned(), connect(name))).collect();
        Self { masters, network, control_plane: None }
    }

    /// Adds access to the API servers, to determine the leader and to hand over leadership.
    ///
    /// `Fleet::ssh` uses `Networked`, if the feature `kube` is enabled.
    #[must_use]
    pub fn with_control_plane(self, control_plane: Arc<dyn ControlPlane>) -> Self {
        Self { control_plane: Some(control_plane), ..self }
    }

    /// Reports each exchange with a master to `report`, for a trace.
    #[must_use]
    pub fn traced(self, report: &Arc<dyn Fn(&Exchange) + Send + Sync>) -> Self {
        let trace = |(name, transport): (String, Arc<dyn Transport>)| {
            let traced = Traced::new(name.clone(), transport, Arc::clone(report));
            (name, Arc::new(traced) as Arc<dyn Transport>)
        };
        Self { masters: self.masters.into_iter().map(trace).collect(), ..self }
    }

    /// Returns the access to the API servers; `None` if the masters are folders.
    pub(crate) fn control_plane(&self) -> Option<&Arc<dyn ControlPlane>> {
        self.control_plane.as_ref()
    }

    /// Returns the permission to use the network.
    #[must_use]
    pub fn network(&self) -> Network {
        self.network
    }

    /// Closes all connections.
    pub async fn close(&self) {
        for (_, transport) in &self.masters {
            transport.close().await;
        }
    }

    /// Queries every master concurrently. The answers are in the order of the cluster file.
    pub(crate) fn each<'a, T, F: Future<Output = T>>(
        &'a self,
        ask: impl FnMut((&'a str, &'a Arc<dyn Transport>)) -> F,
    ) -> impl Future<Output = Vec<Result<T, Panicked>>> {
        at_once(self.masters().map(ask))
    }

    /// Returns names and transports, in the order of the cluster file.
    pub fn masters(&self) -> impl Iterator<Item = (&str, &Arc<dyn Transport>)> {
        self.masters.iter().map(|(name, transport)| (name.as_str(), transport))
    }
}
