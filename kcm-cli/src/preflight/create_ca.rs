//! Check before kcm creates a root CA.

use std::time::Duration;

use kcm_kubeconfig::ServerUrl;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PreflightError;
use crate::cluster::Cluster;
use crate::fleet::{Fleet, Network};
use crate::observed::{Observed, ObservedMaster};
use crate::transport::{Observation, PathState};

/// Time limit for the API server to accept a connection.
const SERVER_PATIENCE: Duration = Duration::from_secs(3);

/// Allows a root CA only if nothing is deployed and no API server accepts a connection.
pub(crate) async fn may_create_ca(
    cluster: &Cluster,
    fleet: &Fleet,
    observed: &Observed,
) -> Result<(), PreflightError> {
    let mut why: Vec<String> = observed.masters.iter().flat_map(signs_of_a_ca).collect();
    why.extend(
        cluster.left_out.iter().map(|name| format!("{name} is excluded and was not observed")),
    );
    if observed.operator.as_ref().is_ok_and(Option::is_some) || observed.operator.is_err() {
        why.push(format!("{} contains an identity", cluster.pki.directory.display()));
    }
    if fleet.network() == Network::Allowed {
        let mut servers = vec![&cluster.server];
        servers.extend(cluster.masters.iter().map(|master| &master.server));
        servers.dedup();
        for server in servers {
            if answers(server).await {
                why.push(format!("{server} accepts connections"));
            }
        }
    }
    if why.is_empty() {
        return Ok(());
    }
    Err(PreflightError::CaInUse { why, ca: cluster.pki.ca_cert.display().to_string() })
}

fn signs_of_a_ca(master: &ObservedMaster) -> Vec<String> {
    let files = &master.files;
    let mut signs = Vec::new();
    if files.unit.state != PathState::Absent {
        signs.push(format!("{} has a kube-controller-manager unit", master.name));
    }
    if files.ca_certificate.state != PathState::Absent {
        signs.push(format!("{} has a CA certificate", master.name));
    }
    if files.ca_key.state != PathState::Absent {
        signs.push(format!("{} has a CA key", master.name));
    }
    match &master.probe.processes {
        Observation::Known(pids) if pids.is_empty() => {}
        Observation::Known(_) => {
            signs.push(format!("{} runs kube-controller-manager", master.name));
        }
        Observation::Unknown(why) => {
            signs.push(format!(
                "cannot determine whether {} runs kube-controller-manager ({why})",
                master.name
            ));
        }
    }
    signs
}

async fn answers(server: &ServerUrl) -> bool {
    let address = (server.host().to_owned(), server.port());
    matches!(timeout(SERVER_PATIENCE, TcpStream::connect(address)).await, Ok(Ok(_)))
}
