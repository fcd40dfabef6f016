//! The masters of one invocation, each behind its transport.

use std::path::Path;
use std::sync::Arc;

use crate::cluster::Cluster;
use crate::transport::{Local, Transport};

/// All masters of a cluster file, in its order, each with the way to it.
#[derive(Clone, Debug)]
pub struct Fleet {
    masters: Vec<(String, Arc<dyn Transport>)>,
    network: Network,
}

/// Whether kcm itself may use the network for questions that are not a master's to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// It may ask the API server.
    Allowed,
    /// No connection, no name lookup, nothing.
    Forbidden,
}

impl Fleet {
    /// Masters as folders `root/<name>`: the network is never touched.
    #[must_use]
    pub fn folders(cluster: &Cluster, root: &Path) -> Self {
        Self::new(cluster, Network::Forbidden, |name| Arc::new(Local::new(root.join(name))))
    }

    /// Masters behind transports that `connect` makes, by name.
    pub fn new(
        cluster: &Cluster,
        network: Network,
        mut connect: impl FnMut(&str) -> Arc<dyn Transport>,
    ) -> Self {
        let names = cluster.masters.iter().map(|master| master.name.as_str());
        Self { masters: names.map(|name| (name.to_owned(), connect(name))).collect(), network }
    }

    /// Whether kcm itself may use the network.
    #[must_use]
    pub fn network(&self) -> Network {
        self.network
    }

    /// Names and transports, in the cluster file's order.
    pub fn masters(&self) -> impl Iterator<Item = (&str, &Arc<dyn Transport>)> {
        self.masters.iter().map(|(name, transport)| (name.as_str(), transport))
    }
}
