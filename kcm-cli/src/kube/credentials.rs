//! Credentials as the cluster file gives them.

use super::Credentials;
use crate::cluster::Cluster;
use crate::pki::{OperatorError, Pair, trusted};

impl Credentials {
    /// The identity of kube-controller-manager, with the CA that API servers are verified with; none where either is not
    /// on this machine.
    pub(crate) fn of_cluster(
        cluster: &Cluster,
        pair: Option<Pair>,
    ) -> Result<Option<Self>, OperatorError> {
        let server = cluster.server.clone();
        let ca = trusted(&cluster.pki)?;
        Ok(ca.zip(pair).map(|(ca, pair)| Self::Component { server, ca, pair }))
    }
}
